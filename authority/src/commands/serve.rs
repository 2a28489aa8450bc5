use cattery_authority::app::{App, FILES};
use cattery_authority::config::Config;
use cattery_sdk::systemd::{self, HandedSockets};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use zeroize::Zeroizing;

/// Runs the authority until a signal.
pub(crate) async fn serve(
    config: Config,
    passphrase: Option<Zeroizing<String>>,
    handed: HandedSockets,
) -> anyhow::Result<()> {
    raise_file_limit();
    let mut signals = Signals::new()?;
    let running = tokio::select! {
        running = App::start_on(config, passphrase, handed) => running?,
        () = signals.next() => return Ok(()),
    };
    running.tell_systemd();
    let failed = tokio::select! {
        () = signals.next() => false,
        () = running.failed() => true,
    };
    tracing::info!("stopping");
    systemd::stopping();
    tokio::select! {
        () = running.shutdown() => {}
        () = signals.next() => anyhow::bail!("a second signal: stopped at once"),
    }
    anyhow::ensure!(!failed, "the authority could not go on; its log says why");
    Ok(())
}

/// Every connection is a file, and the usual soft limit is a thousand. The hard one is what the administrator meant.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "cannot raise the limit on open files");
    }
    let now = getrlimit(Resource::Nofile).current;
    if let Some(files) = now.filter(|files| *files < FILES) {
        tracing::warn!(
            "only {files} files may be open, so fewer connections are taken: allow {FILES} (systemd: LimitNOFILE, a shell: ulimit -n)"
        );
    }
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
