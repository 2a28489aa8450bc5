//! The log: what goes in is the configuration's to say, but for one thing.
//!
//! Other people's code (HTTP/2, TLS) sees every byte that goes through it, API keys in headers among them, and what it writes
//! at its most verbose levels may change with any update. So whatever a filter says, nothing below `INFO` is taken from any code
//! but this project's own, which never logs a secret at any level.

use std::io::IsTerminal as _;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, FilterFn, ParseError};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt};

use crate::config::{Log, LogFormat};

/// Logs to standard error from now on.
///
/// # Errors
/// The filter is none.
pub fn start(log: &Log) -> Result<(), ParseError> {
    let colours = std::io::stderr().is_terminal();
    // Fails only where a program that contains this one logs already.
    let _ = subscriber(log, std::io::stderr, colours)?.try_init();
    Ok(())
}

/// A subscriber that writes to `writer`.
///
/// # Errors
/// The filter is none.
pub fn subscriber<W>(
    log: &Log,
    writer: W,
    colours: bool,
) -> Result<impl Subscriber + Send + Sync + 'static, ParseError>
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
    ours || *metadata.level() <= Level::INFO
}
