//! `cattery key`: user keys, to take elsewhere or to hand out narrower.

use anyhow::{Context as _, bail};
use cattery_core::{Caveat, ServiceName, UserKey};
use clap::Subcommand;
use serde::Serialize;

use super::Context;
use crate::{caveat_text, clock, exit::Done, input, user_keys};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Print the key for a service as text: whoever has it can sign as you until it ends
    #[command(after_help = "Example:\n  (umask 077; cattery key export photos > photos.key)")]
    Export {
        /// The service
        service: ServiceName,
    },
    /// Read a key, and print a narrower one
    #[command(after_help = "\
Examples:
  (umask 077; cattery key export photos | cattery key attenuate --caveat method=GET > reader.key)
  cattery --home reader login < reader.key")]
    Attenuate {
        /// A condition, like path=/albums; any number of them (`cattery mint --help` lists them)
        #[arg(long, value_name = "CAVEAT", required = true)]
        caveat: Vec<Caveat<'static>>,
    },
}

#[derive(Serialize)]
struct Shown<'a> {
    key: &'a str,
    service: &'a str,
    principal: &'a str,
    expires_at: u64,
    caveats: Vec<String>,
}

pub(crate) async fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    let key = match command {
        Command::Export { service } => {
            user_keys::key_for(&context.home()?, &service, clock::now()).await?
        }
        Command::Attenuate { caveat } => narrower(&caveat)?,
    };
    let id = key.id();
    let text = key.to_text();
    let shown = Shown {
        key: &text,
        service: id.service,
        principal: id.principal,
        expires_at: id.expires_at,
        caveats: key
            .caveats()
            .map(|caveat| caveat_text::parsed(&caveat))
            .collect(),
    };
    context.out.show(&shown, |shown| shown.key.to_owned())?;
    Ok(Done::Well)
}

fn narrower(caveats: &[Caveat<'static>]) -> anyhow::Result<UserKey> {
    let text = input::read_text("a user key (catkey1_…)")?;
    if text.starts_with("cat1_") {
        bail!("this is a token: narrow it with `cattery token attenuate`");
    }
    let mut key =
        UserKey::parse_text(&text).context("this is no user key (catkey1_…), or not all of one")?;
    for caveat in caveats {
        key.narrow(caveat).context("the key cannot be narrowed")?;
    }
    Ok(key)
}
