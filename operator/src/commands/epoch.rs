//! `cattery epoch`: the root keys' lives.

use cattery_proto::v1::{self, EpochState};
use clap::Subcommand;
use serde::Serialize;

use super::Context;
use crate::{authority::Session, clock, exit::Done};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List all epochs, newest first
    #[command(after_help = "Example:\n  cattery epoch list")]
    List,
}

#[derive(Serialize)]
struct Row {
    number: u32,
    state: &'static str,
    created_at: u64,
    activated_at: Option<u64>,
    not_after: Option<u64>,
}

pub(crate) async fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    let Command::List = command;
    let mut session = Session::open(&context.home()?).await?;
    let answer = session.admin.list_epochs(v1::ListEpochsRequest {}).await;
    let epochs = answer
        .map_err(|status| session.refused(&status))?
        .into_inner()
        .epochs;
    let rows: Vec<Row> = epochs.iter().map(Row::from).collect();
    context.out.list(
        &rows,
        ["epoch", "state", "created", "activated", "ends"],
        |row| {
            [
                row.number.to_string(),
                row.state.to_owned(),
                clock::cell(row.created_at),
                clock::cell(row.activated_at),
                clock::cell(row.not_after),
            ]
        },
    )?;
    Ok(Done::Well)
}

/// A state, as people call it.
pub(crate) fn state(state: i32) -> &'static str {
    match EpochState::try_from(state) {
        Ok(EpochState::Prepared) => "prepared",
        Ok(EpochState::Active) => "active",
        Ok(EpochState::Draining) => "draining",
        Ok(EpochState::Retired) => "retired",
        Ok(EpochState::Unspecified) | Err(_) => "unknown",
    }
}

impl From<&v1::Epoch> for Row {
    fn from(epoch: &v1::Epoch) -> Self {
        Self {
            number: epoch.number,
            state: state(epoch.state),
            created_at: epoch.created_at,
            activated_at: clock::some(epoch.activated_at),
            not_after: clock::some(epoch.not_after),
        }
    }
}
