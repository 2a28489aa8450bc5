//! `cattery token`: narrow a token that one holds, with no key.

use anyhow::{Context as _, bail};
use cattery_core::{
    Caveat, Scratch, attenuate_token,
    inspect::{self, Inspected},
};
use clap::Subcommand;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{Context, handed_out};
use crate::{clock, conditions::Conditions, exit::Done, home::HandedOut, input};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Read a token, and print a narrower one
    #[command(after_help = "\
Example:
  cattery mint photos | cattery token attenuate --method GET --path /albums")]
    Attenuate {
        #[command(flatten)]
        conditions: Box<Conditions>,
        /// Let it be revoked alone, and note who it is for: `cattery key handed-out` lists them
        #[arg(long, value_name = "WHOM", value_parser = handed_out::parse_whom)]
        revocable: Option<String>,
    },
}

#[derive(Serialize)]
struct Shown<'a> {
    token: &'a str,
    caveats: Vec<String>,
}

pub(crate) fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    let Command::Attenuate {
        conditions,
        revocable,
    } = command;
    let mut caveats = handed_out::conditions(*conditions, revocable.is_some())?;
    let mut token = input::read_text("a token (cat1_…)")?;
    if token.starts_with("catkey1_") {
        bail!("this is a user key: narrow it with `cattery key attenuate`");
    }
    let revocable = match revocable {
        Some(whom) => {
            let (condition, id) = handed_out::condition()?;
            caveats.push(condition);
            Some((whom, id))
        }
        None => None,
    };
    for caveat in &caveats {
        let mut narrower = Zeroizing::new(String::new());
        attenuate_token(&token, caveat, &mut narrower).context("the token cannot be narrowed")?;
        token = narrower;
    }
    if let Some((whom, id)) = revocable {
        let mut handed_out = describe(&token, whom, id)?;
        handed_out.expires_at = handed_out::ends(&caveats, handed_out.expires_at);
        handed_out::note(&context.home()?, handed_out)?;
    }
    let shown = Shown {
        token: &token,
        caveats: caveats.iter().map(Caveat::to_string).collect(),
    };
    context.out.show(&shown, |shown| shown.token.to_owned())?;
    Ok(Done::Well)
}

fn describe(token: &str, whom: String, id: [u8; 16]) -> anyhow::Result<HandedOut> {
    let mut scratch = Scratch::new();
    let Inspected::Token(token) = inspect::parse(token, &mut scratch)? else {
        bail!("only a token can be handed out so");
    };
    let of = token.unverified_key_id();
    let payload = token
        .unverified_payload()
        .context("the token's payload cannot be read, so no service takes it")?;
    Ok(HandedOut {
        id: hex::encode(id),
        kind: "token".to_owned(),
        whom,
        service: of.service.to_owned(),
        principal: of.principal.to_owned(),
        handed_out_at: clock::now(),
        expires_at: payload.not_after,
        taken_back_at: None,
    })
}
