//! The gauges. Names: <https://prometheus.io/docs/practices/naming/>. What is not known is left out, but for an overdue rotation.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue};
use prometheus_client::metrics::MetricType;

use super::Opened;
use crate::finding::Finding;

/// What the gauges are read from.
pub(super) struct Gauges {
    pub(super) incarnation: u64,
    pub(super) opened: Opened,
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauges")
    }
}

impl Collector for Gauges {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page(encoder);
        let authority = self.opened.get();
        let finding = authority.map_or(Finding::NOTHING, |authority| *authority.finding.borrow());
        let leads = authority.is_some_and(|authority| authority.standing().election().is_some());
        page.build_info()?;
        page.yes_or_no(
            "cattery_authority_sealed",
            "Whether it waits to be unsealed",
            authority.is_none(),
        )?;
        page.yes_or_no(
            "cattery_authority_leader",
            "Whether it leads: rotates, and clears away",
            leads,
        )?;
        page.yes_or_no(
            "cattery_authority_rotation_overdue",
            "Whether the rotation of the root keys is overdue, or nothing is known of it",
            finding.rotation_overdue,
        )?;
        page.gauge(
            "cattery_authority_incarnation",
            "Which life of the cluster this is: each restore begins another one",
            &self.incarnation,
        )?;
        if let Some(epoch) = finding.active_epoch {
            page.gauge(
                "cattery_authority_active_epoch",
                "The epoch that keys are issued from",
                &epoch,
            )?;
        }
        if let Some(age) = authority.and_then(|authority| authority.bulletin.age()) {
            page.gauge(
                "cattery_authority_store_view_age_seconds",
                "Time since the store confirmed what this authority knows of it",
                &age.as_secs_f64(),
            )?;
        }
        Ok(())
    }
}

/// What the gauges are written to.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn gauge(&mut self, name: &str, help: &str, value: &impl EncodeGaugeValue) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        metric.encode_gauge(value)
    }

    /// 1 or 0.
    fn yes_or_no(&mut self, name: &str, help: &str, value: bool) -> fmt::Result {
        self.gauge(name, help, &u32::from(value))
    }

    fn build_info(&mut self) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(
            "cattery_authority_build_info",
            "Always 1; its label says which version runs",
            None,
            MetricType::Gauge,
        )?;
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        metric.encode_family(&version)?.encode_gauge(&1u32)
    }
}
