//! `cattery token`: narrow a token that one holds, with no key.

use anyhow::{Context as _, bail};
use cattery_core::{Caveat, attenuate_token};
use clap::Subcommand;
use serde::Serialize;
use zeroize::Zeroizing;

use super::Context;
use crate::{exit::Done, input};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Read a token, and print a narrower one
    #[command(after_help = "\
Example:
  cattery mint photos | cattery token attenuate --caveat method=GET --caveat path=/albums")]
    Attenuate {
        /// A condition, like path=/albums; any number of them (`cattery mint --help` lists them)
        #[arg(long, value_name = "CAVEAT", required = true)]
        caveat: Vec<Caveat<'static>>,
    },
}

#[derive(Serialize)]
struct Shown<'a> {
    token: &'a str,
    caveats: Vec<String>,
}

pub(crate) fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    let Command::Attenuate { caveat } = command;
    let mut token = input::read_text("a token (cat1_…)")?;
    if token.starts_with("catkey1_") {
        bail!("this is a user key: narrow it with `cattery key attenuate`");
    }
    for caveat in &caveat {
        let mut narrower = Zeroizing::new(String::new());
        attenuate_token(&token, caveat, &mut narrower).context("the token cannot be narrowed")?;
        token = narrower;
    }
    let shown = Shown {
        token: &token,
        caveats: caveat.iter().map(Caveat::to_string).collect(),
    };
    context.out.show(&shown, |shown| shown.token.to_owned())?;
    Ok(Done::Well)
}
