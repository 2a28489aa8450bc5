//! A collector that is away is no reason to fill a log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tracing::{debug, warn};

const GAP: Duration = Duration::from_secs(60);

/// An exporter that says once a minute that it cannot export.
#[derive(Debug)]
pub(crate) struct Patient<E> {
    inner: E,
    said: Mutex<Option<Instant>>,
}

impl<E> Patient<E> {
    pub(crate) fn new(inner: E) -> Self {
        Self {
            inner,
            said: Mutex::new(None),
        }
    }

    fn is_time(&self) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_time = said.is_none_or(|at| at.elapsed() >= GAP);
        if is_time {
            *said = Some(Instant::now());
        }
        is_time
    }
}

impl<E: SpanExporter> SpanExporter for Patient<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let exported = self.inner.export(batch).await;
        if let Err(error) = &exported {
            if self.is_time() {
                warn!(%error, spans, "the collector does not take spans: they are lost");
            } else {
                debug!(%error, spans, "the collector does not take spans");
            }
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
