//! `cattery dev`: a whole cluster in one process, to try things out.

mod http;
mod once;
mod place;
mod show;
mod town;
mod upstream;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args as ClapArgs;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::{commands::Context, exit::Done};
use place::Place;
use town::Town;

#[derive(ClapArgs)]
#[command(after_help = "\
Everything runs in this one process and listens on this machine alone. Ctrl-C ends it and leaves nothing behind, unless
--dir keeps it.

Examples:
  cattery dev
  cattery dev --once                    run the whole path once, and tell what happened
  cattery dev --dir ~/cattery-dev       keep the cluster for the next time
  cattery dev --output json             one JSON object, and then it serves until a signal")]
pub(crate) struct Args {
    /// Keep the cluster in this directory, and use the one that is there
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Run the whole path once, tell what happened, and end
    #[arg(long)]
    once: bool,
    /// Where the authority listens [default: a free port]
    #[arg(long, value_name = "PORT")]
    authority_port: Option<u16>,
    /// Where the agent's forward-auth listens [default: a free port]
    #[arg(long, value_name = "PORT")]
    http_port: Option<u16>,
    /// Where the service listens [default: a free port]
    #[arg(long, value_name = "PORT")]
    upstream_port: Option<u16>,
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Done> {
    let mut signals = Signals::listen()?;
    let place = Place::claim(args.dir.clone())?;
    let mut town = tokio::select! {
        town = Town::start(&place, &args) => town?,
        () = signals.any() => return Ok(Done::Refused),
    };
    let done = tokio::select! {
        done = serve(&mut town, &args, context) => done,
        () = signals.any() => Ok(if args.once { Done::Refused } else { Done::Well }),
    };
    town.stop().await;
    done
}

async fn serve(town: &mut Town<'_>, args: &Args, context: &Context) -> anyhow::Result<Done> {
    if args.once {
        return once::walk(town, context).await;
    }
    show::running(town, context)?;
    Err(town.broken().await)
}

/// What ends it: Ctrl-C, `kill`, and a terminal that is closed.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let on = |kind| signal(kind).context("signals cannot be heard");
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
