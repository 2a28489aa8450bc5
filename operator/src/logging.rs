//! Logs on standard error: warnings, and more with `-v`.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Libraries that print what goes over the wire at their more verbose levels. They stay capped, whatever is asked for.
const CAPPED: &str =
    "h2=info,hyper=info,hyper_util=info,rustls=info,tonic=info,tower=info,axum=info";

/// Starts logging. `verbose` counts the `-v`s.
pub(crate) fn start(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    // Both are constants that parse; a logger that is there already is a test's.
    let filter = EnvFilter::new(format!("{level},{CAPPED}"));
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .try_init();
}
