//! `cattery epoch`: the root keys' lives.

use clap::{Args, Subcommand};

use super::Context;
use crate::{
    exit::Done,
    rotation::{self, Aim, Flags, Keys, Plan},
};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List all epochs, newest first, and which agents lack the newest
    #[command(after_help = "\
Examples:
  cattery epoch list
  cattery epoch list --output json")]
    List,
    /// Turn the root keys over: prepare the next epoch, unless that was done, and make it active
    #[command(after_help = "\
The next epoch becomes active when every live agent holds its key and the one before the active one has drained. Without \
--wait, this ends with exit code 1 where that is not so, and says what helps. A second run goes on where the first one \
stopped. The epoch that was active drains: user keys from it stay good until they end, and then it is retired by itself.

Examples:
  cattery epoch rotate --dry-run
  cattery epoch rotate --wait
  cattery epoch rotate --emergency     a root key may be known: what was signed before is dead")]
    Rotate {
        #[command(flatten)]
        rotate: Turning,
        /// A fresh epoch at once, and the end of all others: every user key and token in the cluster is dead
        #[arg(long, conflicts_with = "force")]
        emergency: bool,
        /// Do not ask whether to go ahead
        #[arg(long, requires = "emergency")]
        yes: bool,
    },
    /// Make the next epoch, and let agents have its key; nobody signs with it yet
    #[command(after_help = "Example:\n  cattery epoch prepare")]
    Prepare,
    /// Issue user keys from the prepared epoch; the active one drains
    #[command(after_help = "\
Examples:
  cattery epoch activate --wait
  cattery epoch activate --force --dry-run     who would be left behind")]
    Activate {
        /// Wait until every live agent holds its key, and the one before the active one has drained
        #[arg(long)]
        wait: bool,
        /// Leave behind agents that lack its key: they answer 503 to tokens of it until they hear of it
        #[arg(long)]
        force: bool,
        /// Say what would happen, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// End the draining epoch, whose root key is deleted. That happens by itself when its last lease has ended
    #[command(after_help = "\
With --wait, this goes well at once where nothing drains.

Examples:
  cattery epoch retire --wait
  cattery epoch retire --force --dry-run     what that would cost")]
    Retire {
        /// Wait until no lease of it is out
        #[arg(long)]
        wait: bool,
        /// Do not care for leases: user keys from it are dead, and SDKs fetch new ones by themselves
        #[arg(long, conflicts_with = "wait")]
        force: bool,
        /// Say what would happen, and change nothing
        #[arg(long)]
        dry_run: bool,
    },
}

/// How keys are turned over.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Turning {
    /// Wait for agents that lack the new key, and until the one that drains is retired; shows progress
    #[arg(long)]
    wait: bool,
    /// Leave behind agents that lack the new key, and without --wait also retire the one that drains with leases out
    #[arg(long)]
    force: bool,
    /// Say what would happen, what would break and for whom, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    let (aim, wait, force, dry_run) = match command {
        Command::List => return list(context).await,
        Command::Rotate {
            rotate,
            emergency,
            yes,
        } => {
            let replace = emergency.then_some("emergency");
            return rotate.run(Keys::Cluster, replace, yes, context).await;
        }
        Command::Prepare => (Aim::Prepare, false, false, false),
        Command::Activate {
            wait,
            force,
            dry_run,
        } => (Aim::Activate, wait, force, dry_run),
        Command::Retire {
            wait,
            force,
            dry_run,
        } => (Aim::Retire, wait, force, dry_run),
    };
    let plan = Plan {
        keys: Keys::Cluster,
        aim,
        wait,
        force,
    };
    let flags = Flags {
        dry_run,
        ..Flags::default()
    };
    rotation::run(plan, flags, context).await
}

impl Turning {
    /// Turns `keys` over. `replace` is the word that somebody has to type where the old ones end at once.
    pub(crate) async fn run(
        self,
        keys: Keys,
        replace: Option<&'static str>,
        yes: bool,
        context: &Context,
    ) -> anyhow::Result<Done> {
        let plan = Plan {
            keys,
            aim: match replace {
                Some(_) => Aim::Replace,
                None => Aim::Rotate,
            },
            wait: self.wait,
            force: self.force,
        };
        let flags = Flags {
            dry_run: self.dry_run,
            yes,
            word: replace.unwrap_or_default(),
        };
        rotation::run(plan, flags, context).await
    }
}

async fn list(context: &Context) -> anyhow::Result<Done> {
    let schedule = rotation::schedule(&context.home()?, Keys::Cluster).await?;
    context.out.show(&schedule, |schedule| {
        rotation::list(&Keys::Cluster, schedule)
    })?;
    Ok(Done::Well)
}
