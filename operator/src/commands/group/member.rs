//! `cattery group member`: who is in a group.

use cattery_authority::granting::GroupName;
use cattery_core::UserName;
use cattery_proto::v1;
use clap::Subcommand;
use serde::Serialize;

use super::{Context, Ended, Ending, Session};
use crate::{exit::Done, out, plain::plain};

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
struct Tied {
    service: String,
    group: String,
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
    let tied = answer.tied.into_iter().map(|tied| Tied {
        service: tied.service,
        group: tied.group,
    });
    let added = Added {
        group: group.to_string(),
        user: user.to_string(),
        added_at: answer.member.unwrap_or_default().added_at,
        tied: tied.collect(),
    };
    context
        .out
        .show(&added, |_| format!("user/{user} is in group/{group}"))?;
    for Tied { service, group } in &added.tied {
        out::note(&format!(
            "the conditions of group/{} for {} differ from this group's, so user/{user} gets no keys by either: a grant of their own \
             decides, and `cattery grant explain` shows what applies",
            plain(group),
            plain(service)
        ));
    }
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
