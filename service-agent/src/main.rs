//! `cattery-agent`: the agent as a program.
#![forbid(unsafe_code)]

mod args;
mod logging;
mod status;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use args::{Cli, Command, ConfigCommand, Run, Settings};
use cattery_agent::{App, Config, LogConfig, Overrides, Running, SOCKETS, read_join_token};
use cattery_sdk::systemd::{self, HandedSockets};
use clap::{CommandFactory as _, Parser as _};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

/// Wrong usage, as sysexits.h has it.
const EX_USAGE: u8 = 64;
/// How long a blocking call, on a name server say, may hold up the end.
const LAST_WAIT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    if let Some(prefix) = args::secret_in(std::env::args_os().skip(1)) {
        complain(&format!(
            "an argument holds `{prefix}…`, and everybody on this machine can read arguments: put it in a file of mode 0600 and \
             give that file's name, or `-` and the secret on standard input; replace it if that matters"
        ));
        return ExitCode::from(EX_USAGE);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { EX_USAGE } else { 0 };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match carry_out(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn complain(line: &str) {
    // A closed stream leaves nobody to tell.
    let _ = writeln!(std::io::stderr(), "cattery-agent: {line}");
}

fn carry_out(command: Command) -> anyhow::Result<()> {
    cattery_locked::harden_process()?;
    match command {
        Command::Run(run) => {
            let handed = HandedSockets::take(SOCKETS)?;
            on_runtime(serve(run, handed))
        }
        Command::Status(settings) => {
            let (config, _) = read(&settings)?;
            on_runtime(status::print(config.socket))
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            let mut command = Cli::command();
            clap_complete::generate(shell, &mut command, "cattery-agent", &mut script);
            say(String::from_utf8(script)?.trim_end())
        }
        Command::Config {
            command: ConfigCommand::Check(settings),
        } => {
            let (config, _) = read(&settings)?;
            config.check_files()?;
            say(&format!(
                "the configuration of {} is good",
                config.dir.display()
            ))
        }
    }
}

async fn serve(run: Run, handed: HandedSockets) -> anyhow::Result<()> {
    let (config, log) = read(&run.settings)?;
    let (filter, exporting) = logging::set_up(&log)?;
    raise_file_limit();
    let join_token = match run.join_token_file.as_deref() {
        // A unit file may name for ever what is there once.
        Some(_) if !config.needs_join_token() => {
            info!("already enrolled: the join token is not needed, and was not read");
            None
        }
        Some(file) => match read_join_token(file) {
            // Its certificate has ended, and its key may be enough.
            Err(error) if config.has_enrolled() => {
                warn!(%error, "starting without the join token");
                None
            }
            read => Some(read?),
        },
        None => None,
    };
    // Not before: while standard input is waited for, a signal ends the program by itself.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let start = App::start_on(config, join_token.as_deref().map(String::as_str), handed);
    let mut running = tokio::select! {
        started = start => started?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    drop(join_token);
    running.log_decisions(log.decisions);
    announce(&running)?;
    running.tell_systemd();
    let broken = loop {
        tokio::select! {
            _ = terminate.recv() => break None,
            _ = interrupt.recv() => break None,
            _ = hangup.recv() => reload(&run.settings, &filter, &running),
            why = running.broken() => break Some(why),
        }
    };
    systemd::stopping();
    running.shutdown().await;
    if let Some(exporting) = exporting {
        tokio::task::spawn_blocking(|| exporting.finish()).await?;
    }
    match broken {
        None => Ok(()),
        Some(why) => anyhow::bail!("stopped: {why}"),
    }
}

/// Reads the configuration again, and takes what it says of the log.
fn reload(settings: &Settings, filter: &logging::Filter, running: &Running) {
    let read = read(settings).and_then(|(_, log)| filter.set(&log).map(|()| log));
    match read {
        Ok(log) => {
            running.log_decisions(log.decisions);
            info!(decisions = ?log.decisions, "the configuration of the log was read again");
        }
        Err(error) => {
            warn!(%error, "the configuration was not read again, and what was logged is logged on");
        }
    }
}

/// Every connection is a file, and the usual limit of 1,024 is one for programs of another age.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        warn!(%error, "cannot raise the limit of open files");
    }
}

/// The one line on standard output.
fn announce(running: &Running) -> anyhow::Result<()> {
    let (socket, http) = (running.socket().display(), running.http_addr());
    let ext_authz = running.ext_authz_addr();
    let ext_authz = ext_authz.map_or_else(String::new, |address| format!(", ext_authz {address}"));
    say(&format!(
        "listening: socket {socket}, http {http}{ext_authz}"
    ))
}

fn read(settings: &Settings) -> anyhow::Result<(Config, LogConfig)> {
    let overrides = Overrides {
        dir: settings.dir.clone(),
        socket: settings.socket.clone(),
        http: settings.http,
    };
    Ok(Config::read(settings.config.as_deref(), &overrides)?)
}

fn say(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn on_runtime<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(LAST_WAIT);
    done
}
