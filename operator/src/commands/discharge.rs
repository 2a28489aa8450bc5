//! `cattery discharge`: get a token vouched for.

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use cattery_core::{Principal, inspect as parts, limits::MAX_DISCHARGES};
use cattery_sdk::{
    keys::Discharge,
    third_party::{Needed, ask, needed, without_ended},
};
use clap::Args as ClapArgs;
use serde::Serialize;

use super::{Context, inspect};
use crate::{
    clock,
    exit::Done,
    home::Home,
    input, out,
    plain::plain,
    third_party::{At, Trust, channel, open, parse_at, service_of},
};

#[derive(ClapArgs)]
#[command(after_help = "\
Reads a token, with discharges or without, asks each third party whose discharge is missing or over, and prints the token with all of
them: what goes behind `Bearer`. A discharge is good for a minute, unless the third party says less: get it right before the
token is used.

Example:
  cattery mint photos | cattery discharge --at service/iam=iam.example.org:7443 --ca ca.pem")]
pub(crate) struct Args {
    /// Where a third party is: HOST:PORT, or http://HOST:PORT on this computer; any number of them
    #[arg(long, required = true, value_name = "PRINCIPAL=ADDRESS", value_parser = parse_at)]
    at: Vec<At>,
    #[command(flatten)]
    trust: Trust,
    /// How long the discharges should be good for [default: 60s]
    #[arg(long, value_name = "SPAN", value_parser = clock::parse_span, allow_hyphen_values = true)]
    ttl: Option<u64>,
}

const NO_TOKEN: &str = "this is no token (cat1_…) with discharges behind it, or not all of one";

#[derive(Serialize)]
struct Shown<'a> {
    presentation: &'a str,
    /// How many were fetched.
    discharge_count: usize,
    /// When the first of them ends.
    not_after: Option<u64>,
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Done> {
    let text = input::read_text("a token (cat1_…)")?;
    let now = clock::now();
    let mut presentation = without_ended(inspect::without_scheme(&text), now).context(NO_TOKEN)?;
    let lacking = needed(&presentation, now).context(NO_TOKEN)?;
    let there = parts::parts(&presentation).count() - 1;
    if there + lacking.len() > MAX_DISCHARGES {
        bail!(
            "with {} discharges more it would have over {MAX_DISCHARGES}, and no service takes so many",
            lacking.len()
        );
    }
    if lacking.is_empty() {
        out::note("it asks for no discharge that it does not have");
    }
    let home = context.home()?;
    let mut not_after = None;
    for needed in &lacking {
        let discharge = vouched(needed, &args, &home).await?;
        let end = discharge.not_after();
        not_after = Some(not_after.map_or(end, |first: u64| first.min(end)));
        *presentation += ",";
        *presentation += &discharge;
    }
    let shown = Shown {
        presentation: &presentation,
        discharge_count: lacking.len(),
        not_after,
    };
    context
        .out
        .show(&shown, |shown| shown.presentation.to_owned())?;
    Ok(Done::Well)
}

async fn vouched(needed: &Needed, args: &Args, home: &Home) -> anyhow::Result<Discharge> {
    let who = plain(&needed.principal);
    let principal: Option<Principal> = needed.principal.parse().ok();
    let service = principal
        .and_then(|principal| service_of(&principal))
        .with_context(|| {
            format!("the token asks for the word of {who}, which is no service to ask")
        })?;
    let at = args.at.iter().find(|at| at.service == service);
    let at = at.with_context(|| {
        format!("the token asks for the word of {who}: say where that is with --at {who}=HOST:PORT")
    })?;
    let address = open(&at.address, &args.trust)?;
    let channel = channel(home, &service, &address, "Discharge").await?;
    ask(channel, needed, args.ttl.map(Duration::from_secs))
        .await
        .map_err(|why| anyhow!("{who} does not vouch for it: {}", plain(&why.to_string())))
}
