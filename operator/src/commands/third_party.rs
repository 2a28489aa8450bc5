//! `cattery third-party`: those who vouch for others' tokens.

use anyhow::anyhow;
use cattery_core::{Principal, ServiceName};
use cattery_sdk::third_party::{Wanted, register};
use clap::Subcommand;
use serde::Serialize;

use super::Context;
use crate::{
    clock,
    exit::Done,
    plain::plain,
    third_party::{Trust, channel, open},
};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Say what has to be true, and print the caveat with which a third party is asked whether it is
    #[command(after_help = "\
Example:
  caveat=$(cattery third-party register iam --at iam.example.org:7443 --ca ca.pem \\
             --predicate approved:deploy-42 --for user/bob --service photos)
  (umask 077; cattery key export photos | cattery key attenuate --caveat \"$caveat\" > bob.key)")]
    Register {
        /// The service that vouches
        third_party: ServiceName,
        /// Where it is: HOST:PORT, or http://HOST:PORT on this computer
        #[arg(long, value_name = "ADDRESS")]
        at: String,
        #[command(flatten)]
        trust: Trust,
        /// What has to be true, in words that it understands
        #[arg(long, value_name = "TEXT")]
        predicate: String,
        /// The service whose tokens get the caveat
        #[arg(long, value_name = "SERVICE")]
        service: ServiceName,
        /// Who may have it vouched for, and nobody else [default: you]
        #[arg(long = "for", value_name = "PRINCIPAL")]
        principal: Option<Principal>,
        /// How long the ticket is good for [default: 1d]. The third party has a limit of its own
        #[arg(long, visible_alias = "expires", value_name = "SPAN", value_parser = clock::parse_span, allow_hyphen_values = true)]
        ttl: Option<u64>,
    },
}

#[derive(Serialize)]
struct Shown {
    caveat: String,
    third_party: String,
    ticket: String,
    service: String,
    not_after: u64,
}

pub(crate) async fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    let Command::Register {
        third_party,
        at,
        trust,
        predicate,
        service,
        principal,
        ttl,
    } = command;
    let address = open(&at, &trust)?;
    let channel = channel(&context.home()?, &third_party, &address, "Register").await?;
    let wanted = Wanted {
        predicate,
        principal: principal.map(|principal| principal.as_str().to_owned()),
        service: service.as_str().to_owned(),
        not_after: ttl.map(|ttl| clock::now().saturating_add(ttl)),
    };
    let who = Principal::service(&third_party);
    let ticket = register(channel, who.as_str(), &wanted)
        .await
        .map_err(|why| anyhow!("{who} gives no ticket: {}", plain(&why.to_string())))?;
    let shown = Shown {
        caveat: ticket.caveat().to_string(),
        third_party: who.as_str().to_owned(),
        ticket: hex::encode(ticket.ticket),
        service: wanted.service,
        not_after: ticket.not_after,
    };
    context.out.show(&shown, |shown| shown.caveat.clone())?;
    Ok(Done::Well)
}
