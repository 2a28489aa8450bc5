//! Logs on standard error: warnings, and more with `-v`.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

/// Starts logging. `verbose` counts the `-v`s.
pub(crate) fn start(verbose: u8) {
    // Libraries may log what goes over the wire at their more verbose levels: only our own code, which never logs a secret,
    // gets that far.
    let filter = match verbose {
        0 => "warn",
        1 => "info",
        2 => "info,cattery=debug",
        _ => "info,cattery=trace",
    };
    let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    // A logger that is there already is a test's.
    let _ = tracing_subscriber::registry()
        .with(EnvFilter::new(filter))
        .with(layer)
        .try_init();
}
