//! Spans on their way to a collector.

use std::path::PathBuf;
use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{
    ExporterBuildError, SpanExporter, WithExportConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider,
};
use tonic::transport::{Certificate, ClientTlsConfig};
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::registry::LookupSpan;

use crate::patient::Patient;
use crate::{SAMPLE_RATIO, TARGET};

/// How long one batch may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long spans are collected before they are sent.
const DELAY: Duration = Duration::from_secs(1);
/// How long the end may wait for the last batch.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Where spans go.
#[derive(Clone, Debug, PartialEq)]
pub struct Export {
    /// The collector's OTLP over gRPC: `http://127.0.0.1:4317`, or `https://…` for TLS.
    pub endpoint: String,
    /// Who signs the collector's certificate, PEM; needed for `https`.
    pub ca_file: Option<PathBuf>,
    /// Which part of the requests that belong to no trace begins one, from 0 to 1.
    pub sample_ratio: f64,
}

/// Spans cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The endpoint.
    #[error("{0:?} is not like http://127.0.0.1:4317 or https://HOST:PORT")]
    Endpoint(String),
    /// TLS without a CA.
    #[error(
        "traces.ca_file: it is missing: with https it names who signs the collector's certificate (PEM)"
    )]
    NoCa,
    /// The CA's file.
    #[error("cannot read {}: {why}", .path.display())]
    Ca {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// The ratio.
    #[error("{0} is not from 0 to 1")]
    Ratio(f64),
    /// The library's.
    #[error("traces cannot be exported: {0}")]
    Build(#[from] ExporterBuildError),
}

impl ExportError {
    /// The setting that is wrong, in the configuration of either program.
    pub fn setting(&self) -> &'static str {
        match self {
            Self::Endpoint(_) | Self::Build(_) => "traces.endpoint",
            Self::NoCa | Self::Ca { .. } => "traces.ca_file",
            Self::Ratio(_) => "traces.sample_ratio",
        }
    }
}

impl Export {
    /// Checks what can be checked without the collector.
    ///
    /// # Errors
    /// [`ExportError`].
    pub fn check(&self) -> Result<(), ExportError> {
        let wrong = || ExportError::Endpoint(self.endpoint.clone());
        let uri: tonic::transport::Uri = self.endpoint.parse().map_err(|_| wrong())?;
        if uri.port().is_none() || uri.path().len() > 1 || uri.query().is_some() {
            return Err(wrong());
        }
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") if self.ca_file.is_none() => return Err(ExportError::NoCa),
            Some("https") => {}
            _ => return Err(wrong()),
        }
        if !(0.0..=1.0).contains(&self.sample_ratio) {
            return Err(ExportError::Ratio(self.sample_ratio));
        }
        Ok(())
    }
}

/// Exports until it is dropped; [`finish`](Self::finish) sends what is left.
pub struct Exporting(SdkTracerProvider);

impl Exporting {
    /// Sends what is left, for two seconds at most.
    pub fn finish(self) {
        // What cannot be sent by then is lost: traces are no records.
        let _ = self.0.shutdown_with_timeout(LAST_WAIT);
    }
}

/// A layer that exports this project's spans as those of `program`. Within a tokio runtime; nothing is sent before there is a span, and a
/// collector that does not answer costs memory for 2,048 spans and no waiting.
///
/// # Errors
/// [`ExportError`].
pub fn layer<S>(
    export: &Export,
    program: &'static str,
    version: &'static str,
) -> Result<(impl Layer<S> + Send + Sync + use<S>, Exporting), ExportError>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    export.check()?;
    let mut exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(&export.endpoint)
        .with_timeout(TIMEOUT);
    if let Some(path) = &export.ca_file {
        let pem = std::fs::read(path).map_err(|why| ExportError::Ca {
            path: path.clone(),
            why,
        })?;
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem));
        exporter = exporter.with_tls_config(tls);
    }
    let resource = Resource::builder_empty()
        .with_service_name(program)
        .with_attribute(opentelemetry::KeyValue::new("service.version", version))
        .build();
    let config = BatchConfigBuilder::default().with_scheduled_delay(DELAY);
    let batches = BatchSpanProcessor::builder(Patient::new(exporter.build()?))
        .with_batch_config(config.build())
        .build();
    let ratio = Sampler::TraceIdRatioBased(export.sample_ratio);
    let provider = SdkTracerProvider::builder()
        .with_span_processor(batches)
        .with_sampler(Sampler::ParentBased(Box::new(ratio)))
        .with_resource(resource)
        .build();
    // All of them are at `INFO`; saying so spares each place in any library that could log from asking.
    let spans = filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET);
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("cattery"))
        .with_location(false)
        .with_target(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(spans.with_max_level_hint(LevelFilter::INFO));
    let _ = SAMPLE_RATIO.set(export.sample_ratio);
    Ok((layer, Exporting(provider)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(endpoint: &str, ca: bool, sample_ratio: f64) -> Option<&'static str> {
        let export = Export {
            endpoint: endpoint.to_owned(),
            ca_file: ca.then(|| "/ca.pem".into()),
            sample_ratio,
        };
        export.check().err().map(|error| error.setting())
    }

    #[test]
    fn what_cannot_work_is_told_before_it_is_tried() {
        assert_eq!(problem("http://127.0.0.1:4317", false, 0.0), None);
        assert_eq!(problem("https://collector:4317", true, 1.0), None);
        for endpoint in [
            "127.0.0.1:4317",
            "http://host",
            "ftp://host:1",
            "",
            "http://h:1/v1/traces",
        ] {
            assert_eq!(problem(endpoint, false, 0.0), Some("traces.endpoint"));
        }
        assert_eq!(
            problem("https://h:4317", false, 0.0),
            Some("traces.ca_file")
        );
        for ratio in [-0.1, 1.1, f64::NAN] {
            assert_eq!(
                problem("http://h:1", false, ratio),
                Some("traces.sample_ratio")
            );
        }
    }
}
