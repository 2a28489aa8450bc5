//! Logs on standard error, without secrets however verbose they are.

use std::io::IsTerminal as _;

use cattery_agent::{LogConfig, LogFormat};
use cattery_telemetry::Exporting;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Registry, reload};

/// What is logged where nobody asks for anything else.
const DEFAULT: &str = "info";
/// What spans are exported as.
const PROGRAM: &str = "cattery-agent";

/// What can be changed while the program runs.
pub(crate) struct Filter(reload::Handle<EnvFilter, Registry>);

impl Filter {
    /// Takes the configuration's filter from now on, unless `RUST_LOG` goes before it.
    ///
    /// # Errors
    /// It cannot be read: the one before goes on.
    pub(crate) fn set(&self, config: &LogConfig) -> anyhow::Result<()> {
        Ok(self.0.reload(filter(config)?)?)
    }
}

/// Sets up logging for this process, and spans to a collector where there is one: `RUST_LOG` goes before the configuration.
///
/// # Errors
/// The filter or the collector's CA cannot be read.
pub(crate) fn set_up(config: &LogConfig) -> anyhow::Result<(Filter, Option<Exporting>)> {
    let (filter, handle) = reload::Layer::new(filter(config)?);
    // It has an opinion on all levels: without that, each place in any library that could log would ask it.
    let terse = filter_fn(is_ours_or_terse).with_max_level_hint(LevelFilter::TRACE);
    let filter = filter.and(terse);
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let layer = match config.format {
        LogFormat::Human => layer.with_filter(filter).boxed(),
        LogFormat::Json => layer.json().with_filter(filter).boxed(),
    };
    let export = |export| cattery_telemetry::layer(export, PROGRAM, env!("CARGO_PKG_VERSION"));
    let (spans, exporting) = match &config.traces {
        Some(traces) => {
            let (layer, exporting) =
                export(traces).map_err(|error| anyhow::anyhow!("{}: {error}", error.setting()))?;
            (Some(layer), Some(exporting))
        }
        None => (None, None),
    };
    Registry::default().with(layer).with(spans).init();
    Ok((Filter(handle), exporting))
}

fn filter(config: &LogConfig) -> anyhow::Result<EnvFilter> {
    let text = std::env::var("RUST_LOG").ok();
    let text = text.filter(|text| !text.trim().is_empty());
    let text = text
        .as_deref()
        .or(config.level.as_deref())
        .unwrap_or(DEFAULT);
    EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(text)
        .map_err(|why| {
            anyhow::anyhow!(
                "log.level: {text:?} is no filter ({why}); `info` and `cattery_agent=debug` are"
            )
        })
}

/// Libraries may log whole frames and headers, with tokens in them, at `DEBUG` and `TRACE`: only our own code, which never
/// logs a secret, gets that far.
fn is_ours_or_terse(metadata: &Metadata<'_>) -> bool {
    let is_ours = metadata.target().starts_with("cattery");
    metadata.target() != cattery_telemetry::TARGET && (is_ours || *metadata.level() <= Level::INFO)
}
