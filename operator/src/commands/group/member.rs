//! `cattery group member`: who is in a group.

use cattery_authority::granting::GroupName;
use cattery_core::UserName;
use cattery_proto::v1;
use clap::Subcommand;
use serde::Serialize;

use super::{Context, Ended, Ending, Session};
use crate::{commands::grant::Tied, exit::Done};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Put a user into a group
    #[command(after_help = "Example:\n  cattery group member add oncall alice")]
    Add {
        /// The group, without `group/`
        group: GroupName,
        /// The user, without `user/`
        user: UserName,
    },
    /// Take a user out of a group
    #[command(after_help = "Example:\n  cattery group member remove oncall alice --revoke --wait")]
    Remove {
        /// The group, without `group/`
        group: GroupName,
        /// The user, without `user/`
        user: UserName,
        #[command(flatten)]
        ending: Ending,
    },
}

#[derive(Serialize)]
struct Added {
    group: String,
    user: String,
    added_at: u64,
    /// Where another group of theirs says something else of the same service or pattern.
    tied: Vec<Tied>,
}

#[derive(Serialize)]
struct Removed {
    group: String,
    user: String,
    removed: bool,
    #[serde(flatten)]
    ended: Ended,
}

pub(super) async fn run(command: Command, context: &Context) -> anyhow::Result<Done> {
    match command {
        Command::Add { group, user } => add(&group, &user, context).await,
        Command::Remove {
            group,
            user,
            ending,
        } => remove(&group, &user, &ending, context).await,
    }
}

async fn add(group: &GroupName, user: &UserName, context: &Context) -> anyhow::Result<Done> {
    let mut session = Session::open(&context.home()?).await?;
    let request = v1::AddGroupMemberRequest {
        group: group.to_string(),
        user: user.to_string(),
    };
    let answer = session.admin.add_group_member(request).await;
    let answer = answer
        .map_err(|status| session.refused(&status))?
        .into_inner();
    let added = Added {
        group: group.to_string(),
        user: user.to_string(),
        added_at: answer.member.unwrap_or_default().added_at,
        tied: answer.tied.into_iter().map(Tied::from).collect(),
    };
    context
        .out
        .show(&added, |_| format!("user/{user} is in group/{group}"))?;
    Tied::note(&added.tied);
    Ok(Done::Well)
}

async fn remove(
    group: &GroupName,
    user: &UserName,
    ending: &Ending,
    context: &Context,
) -> anyhow::Result<Done> {
    let request = v1::RemoveGroupMemberRequest {
        group: group.to_string(),
        user: user.to_string(),
        ending: ending.request(),
    };
    let mut session = ending.session(context).await?;
    let (_, ended) = ending
        .ask(
            &mut session,
            async |admin| admin.remove_group_member(request.clone()).await,
            |answer| answer.leases.take(),
        )
        .await?;
    let removed = Removed {
        group: group.to_string(),
        user: user.to_string(),
        removed: true,
        ended,
    };
    context.out.show(&removed, |removed| {
        format!(
            "user/{user} is not in group/{group} any more; {}",
            removed.ended.sentence()
        )
    })?;
    Ok(removed.ended.done())
}
