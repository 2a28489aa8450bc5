//! `cattery audit`: the audit log.

use cattery_proto::v1;
use clap::Subcommand;
use serde::Serialize;

use super::Context;
use crate::{authority::Session, exit::Done, plain::plain};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check the hash chain of the answering authority's log from its first record to its last
    #[command(
        after_help = "Example:\n  cattery audit verify        exits 1 if the log was tampered with"
    )]
    Verify,
}

#[derive(Serialize)]
struct Shown {
    intact: bool,
    records: u64,
    head: String,
    problem: Option<String>,
    dangling_intents: u64,
}

pub(crate) async fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    let Command::Verify = command;
    let mut session = Session::open(&context.home()?).await?;
    let answer = session.admin.verify_audit(v1::VerifyAuditRequest {}).await;
    let answer = answer
        .map_err(|status| session.refused(&status))?
        .into_inner();
    let shown = Shown {
        intact: answer.intact,
        records: answer.records,
        head: hex::encode(&answer.head),
        problem: Some(answer.problem).filter(|problem| !problem.is_empty()),
        dangling_intents: answer.dangling_intents,
    };
    context.out.show(&shown, describe)?;
    Ok(if shown.intact {
        Done::Well
    } else {
        Done::Refused
    })
}

fn describe(shown: &Shown) -> String {
    let dangling = match shown.dangling_intents {
        0 => String::new(),
        1 => "; 1 intent has no outcome yet".to_owned(),
        count => format!("; {count} intents have no outcome yet"),
    };
    if shown.intact {
        format!(
            "The audit log is intact: {} record{}, head {}{dangling}",
            shown.records,
            if shown.records == 1 { "" } else { "s" },
            shown.head
        )
    } else {
        format!(
            "THE AUDIT LOG IS NOT INTACT: {}. Keep the log and the store as they are, and look at the last good backup.",
            shown
                .problem
                .as_deref()
                .map_or_else(|| "the authority did not say where".to_owned(), plain)
        )
    }
}
