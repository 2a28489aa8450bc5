//! `cattery key`: user keys, to take elsewhere or to hand out narrower.

use anyhow::{Context as _, bail};
use cattery_core::{Caveat, ServiceName, UserKey};
use clap::Subcommand;
use serde::Serialize;

use super::{Context, handed_out, take_back};
use crate::{
    caveat_text, clock, conditions::Conditions, exit::Done, home::HandedOut, input, user_keys,
};

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
  (umask 077; cattery key export photos | cattery key attenuate --method GET > reader.key)
  cattery --home reader login < reader.key
  (umask 077; cattery key export photos |
     cattery key attenuate --path /app --until 1d --revocable 'bob, contractor' > bob.key)")]
    Attenuate {
        #[command(flatten)]
        conditions: Box<Conditions>,
        /// Let it be revoked alone, and note who it is for: `cattery key handed-out` lists them
        #[arg(long, value_name = "WHOM", value_parser = handed_out::parse_whom)]
        revocable: Option<String>,
    },
    /// List what was handed out from here with --revocable, and has not ended
    #[command(after_help = "Example:\n  cattery key handed-out")]
    HandedOut,
    /// Take back what you handed out: one that `key handed-out` lists, or a token or key on standard input
    #[command(after_help = "\
It takes the API key that you are logged in with, and that one may not be narrowed. What was handed out stays taken back.

Examples:
  cattery key take-back 5f0c6d0e9a8b7c6d5e4f3a2b1c0d9e8f
  cattery key take-back < stolen.token
  cattery key take-back --whole-lease < stolen.token   the key that signed it, too, and all else signed with it")]
    TakeBack(take_back::Args),
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
        Command::Attenuate {
            conditions,
            revocable,
        } => {
            let caveats = handed_out::conditions(*conditions, revocable.is_some())?;
            narrower(caveats, revocable, context)?
        }
        Command::HandedOut => return handed_out::list(context),
        Command::TakeBack(args) => return take_back::run(args, context).await,
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

fn narrower(
    mut caveats: Vec<Caveat<'static>>,
    revocable: Option<String>,
    context: &Context,
) -> anyhow::Result<UserKey> {
    let text = input::read_text("a user key (catkey1_…)")?;
    if text.starts_with("cat1_") {
        bail!("this is a token: narrow it with `cattery token attenuate`");
    }
    let mut key =
        UserKey::parse_text(&text).context("this is no user key (catkey1_…), or not all of one")?;
    let revocable = match revocable {
        Some(whom) => {
            let (condition, id) = handed_out::condition()?;
            caveats.push(condition);
            Some((whom, id))
        }
        None => None,
    };
    for caveat in &caveats {
        key.narrow(caveat).context("the key cannot be narrowed")?;
    }
    if let Some((whom, id)) = revocable {
        let of = key.id();
        let handed_out = HandedOut {
            id: hex::encode(id),
            kind: "key".to_owned(),
            whom,
            service: of.service.to_owned(),
            principal: of.principal.to_owned(),
            handed_out_at: clock::now(),
            expires_at: handed_out::ends(&caveats, of.expires_at),
            taken_back_at: None,
        };
        handed_out::note(&context.home()?, handed_out)?;
    }
    Ok(key)
}
