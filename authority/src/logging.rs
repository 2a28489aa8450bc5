//! The log: what goes in is the configuration's to say, but for one thing.
//!
//! Other people's code (HTTP/2, TLS) sees every byte that goes through it, API keys in headers among them, and what it writes
//! at its most verbose levels may change with any update. So whatever a filter says, nothing below `INFO` is taken from any code
//! but this project's own, which never logs a secret at any level.

use std::io::IsTerminal as _;

use cattery_telemetry::{Export, Exporting};
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, FilterFn, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt};

use crate::config::{Log, LogFormat};

/// What spans are exported as.
const PROGRAM: &str = "cattery-authority";

/// Logs to standard error from now on, and exports spans where the configuration says so; within a tokio runtime.
///
/// # Errors
/// The filter is none, or the collector's CA cannot be read.
pub fn start(log: &Log, traces: Option<&Export>) -> anyhow::Result<Option<Exporting>> {
    let colours = std::io::stderr().is_terminal();
    let subscriber = subscriber(log, std::io::stderr, colours)?;
    let export = |export| cattery_telemetry::layer(export, PROGRAM, env!("CARGO_PKG_VERSION"));
    let (spans, exporting) = match traces {
        Some(traces) => {
            let (layer, exporting) =
                export(traces).map_err(|error| anyhow::anyhow!("{}: {error}", error.setting()))?;
            (Some(layer), Some(exporting))
        }
        None => (None, None),
    };
    // Fails only where a program that contains this one logs already.
    let _ = subscriber.with(spans).try_init();
    Ok(exporting)
}

/// A subscriber that writes to `writer`.
///
/// # Errors
/// The filter is none.
pub fn subscriber<W>(
    log: &Log,
    writer: W,
    colours: bool,
) -> Result<impl Subscriber + for<'a> LookupSpan<'a> + Send + Sync + 'static, ParseError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let asked: EnvFilter = log.filter.parse()?;
    let filter = asked.and(FilterFn::new(may_be_logged).with_max_level_hint(LevelFilter::TRACE));
    let layer = fmt::layer().with_writer(writer);
    let layer = match log.format {
        LogFormat::Human => layer.with_ansi(colours).boxed(),
        LogFormat::Json => layer.json().boxed(),
    };
    Ok(Registry::default().with(layer.with_filter(filter)))
}

fn may_be_logged(metadata: &Metadata<'_>) -> bool {
    let ours = metadata.target().starts_with("cattery_") || metadata.target() == "cattery";
    metadata.target() != cattery_telemetry::TARGET && (ours || *metadata.level() <= Level::INFO)
}
