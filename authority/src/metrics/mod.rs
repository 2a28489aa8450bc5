//! `GET /metrics`: what this authority says of itself to Prometheus, sealed or open. `docs/metrics.md` has a row for each name.
//!
//! All is read when somebody asks, from what is there anyway. The store is not asked, and no request waits: what is locked for this is
//! locked for reading, as requests do.

mod gauges;
mod health;
mod serve;

use std::fmt;
use std::sync::{Arc, OnceLock};

use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::Registry;

use crate::cluster::Authority;
use crate::meters::Meters;
use gauges::Gauges;

pub(crate) use serve::serve;

/// Holds the open authority once there is one.
pub(crate) type Opened = Arc<OnceLock<Arc<Authority>>>;

/// All that is shown.
pub(crate) struct Metrics(Registry);

impl Metrics {
    /// Of a cluster in this incarnation.
    pub(crate) fn new(incarnation: u64, opened: Opened, meters: Arc<Meters>) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Gauges {
            incarnation,
            opened,
            meters,
        }));
        Self(registry)
    }

    /// In the text format of Prometheus, version 0.0.4, which every collector reads.
    fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.0)?;
        Ok(text)
    }
}
