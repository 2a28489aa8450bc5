use cattery_authority::app::App;
use cattery_authority::config::Config;
use tokio::signal::unix::{Signal, SignalKind, signal};
use zeroize::Zeroizing;

/// Runs the authority until a signal.
pub(crate) async fn serve(
    config: Config,
    passphrase: Option<Zeroizing<String>>,
) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    let running = tokio::select! {
        running = App::start(config, passphrase) => running?,
        () = signals.next() => return Ok(()),
    };
    let failed = tokio::select! {
        () = signals.next() => false,
        () = running.failed() => true,
    };
    tracing::info!("stopping");
    tokio::select! {
        () = running.shutdown() => {}
        () = signals.next() => anyhow::bail!("a second signal: stopped at once"),
    }
    anyhow::ensure!(!failed, "the authority could not go on; its log says why");
    Ok(())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
