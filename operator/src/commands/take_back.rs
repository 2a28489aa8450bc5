//! `cattery key take-back`: a user takes back what they handed out, without an operator.

use anyhow::bail;
use cattery_proto::v1;
use serde::Serialize;

use super::{
    Context, handed_out,
    revoke::{Hex, What},
};
use crate::{exit::Done, input, own::OwnSession};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// IDs that `cattery key handed-out` shows
    #[arg(value_name = "ID")]
    ids: Vec<Hex<16>>,
    /// The lease that the text on standard input comes from, and so all that was ever signed with it
    #[arg(long, conflicts_with = "ids")]
    whole_lease: bool,
}

#[derive(Serialize)]
struct Shown {
    taken_back: Vec<What>,
    /// How many of them were not taken back before.
    added_count: u32,
}

pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<Done> {
    let home = context.home()?;
    let read = match args.ids.is_empty() {
        true => {
            let text = input::read_text("a token (cat1_…) or a user key (catkey1_…)")?;
            Some(What::of_text(&text, args.whole_lease)?)
        }
        false => None,
    };
    let session = OwnSession::open(&home).await?;
    let principal = session.principal.as_str();
    let what = match read {
        Some(one) if one.principal() != principal => bail!(
            "that speaks for {}, and here {principal} is logged in: only they, or an operator with `cattery revoke`, take it back",
            crate::plain::plain(one.principal())
        ),
        Some(one) => vec![one],
        None => args
            .ids
            .iter()
            .map(|id| What::handed_out(principal, &id.0))
            .collect(),
    };
    let request = v1::RevokeOwnRequest {
        revocations: what.iter().map(What::own_request).collect(),
    };
    let answer = session
        .ask(request, async |mut calls, request| {
            calls.revoke_own(request).await
        })
        .await?;
    handed_out::taken_back(&home, &what)?;
    let shown = Shown {
        taken_back: what,
        added_count: answer.added,
    };
    context.out.show(&shown, describe)?;
    Ok(Done::Well)
}

fn describe(shown: &Shown) -> String {
    let then = match shown.added_count {
        0 => "taken back before",
        _ => "taken back for good: agents refuse it as soon as they hear of it",
    };
    let names: Vec<String> = shown.taken_back.iter().map(What::name).collect();
    format!("{}: {then}", names.join(", "))
}
