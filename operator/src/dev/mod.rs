//! `cattery dev`: a whole cluster in one process, to try things out.

mod authority;
pub(crate) mod http;
mod once;
mod parts;
mod place;
mod show;
mod town;
mod upstream;

use std::{path::PathBuf, pin::pin};

use clap::Args as ClapArgs;
use tokio::select;
use tokio_util::sync::CancellationToken;

use crate::{commands::Context, exit::Done, out, signals::Signals};
use parts::Parts;
use place::Place;
use town::Town;

#[derive(ClapArgs)]
#[command(after_help = "\
Everything runs in this one process and listens on this machine alone. Ctrl-C ends it and leaves nothing behind, unless
--dir keeps it. Credentials and keys are in a home of its own, whatever --home says.

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
    if context.home_flag.is_some() {
        out::note("`cattery dev` has a home of its own: --home is not used");
    }
    let mut signals = Signals::listen()?;
    let place = Place::claim(args.dir.clone())?;
    let stop = CancellationToken::new();
    let done = {
        let mut life = pin!(live(&place, &args, context, &stop));
        select! {
            done = &mut life => done,
            () = signals.any() => {
                stop.cancel();
                select! {
                    done = &mut life => done,
                    () = signals.any() => Ok(Done::Refused),
                }
            }
        }
    };
    match (done, place.remove()) {
        (Ok(done), removed) => removed.map(|()| done),
        (Err(error), removed) => {
            if let Err(left) = removed {
                out::failure(&format!("{left:#}"));
            }
            Err(error)
        }
    }
}

/// From its start to its end, which `stop` asks for. Whatever was started is stopped.
async fn live(
    place: &Place,
    args: &Args,
    context: &Context,
    stop: &CancellationToken,
) -> anyhow::Result<Done> {
    let mut parts = Parts::default();
    let done = match Town::start(&mut parts, place, args, stop).await {
        Ok(Some(town)) => serve(town, args, context, stop).await,
        Ok(None) => Ok(Done::Refused),
        Err(error) => Err(error),
    };
    parts.stop().await;
    done
}

async fn serve(
    mut town: Town<'_>,
    args: &Args,
    context: &Context,
    stop: &CancellationToken,
) -> anyhow::Result<Done> {
    if args.once {
        let walked = stop.run_until_cancelled(once::walk(&town, context)).await;
        return walked.unwrap_or(Ok(Done::Refused));
    }
    show::running(&town, context)?;
    match stop.run_until_cancelled(town.broken()).await {
        Some(why) => Err(why),
        None => Ok(Done::Well),
    }
}
