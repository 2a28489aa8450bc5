//! `cattery group remove`: the end of a group.

use cattery_proto::v1;
use serde::Serialize;
use tonic::Code;

use super::{Context, Ended, Ending, counted};
use crate::{confirm, exit::Done, out};

#[derive(Serialize)]
struct Removed<'a> {
    name: &'a str,
    removed: bool,
    #[serde(flatten)]
    ended: Ended,
}

/// Removes the group, once somebody said so.
pub(super) async fn run(
    name: &str,
    yes: bool,
    ending: &Ending,
    context: &Context,
) -> anyhow::Result<Done> {
    confirm::check_possible(yes)?;
    let mut session = ending.session(context).await?;
    let asked = v1::GetGroupRequest {
        name: name.to_owned(),
    };
    match session.admin.get_group(asked).await {
        Ok(answer) => {
            let group = answer.into_inner().group.unwrap_or_default();
            out::lines(&[format!(
                "group/{name} ends for good, with all that is said of it: {}, {}.",
                counted(group.members, "member"),
                counted(group.grants, "grant")
            )]);
            if !confirm::go_ahead("remove", yes)? {
                out::failure("nothing was done");
                return Ok(Done::Refused);
            }
        }
        // It ended in a call that was cut off, and what is left to do costs nothing more.
        Err(status) if status.code() == Code::NotFound => {}
        Err(status) => return Err(session.refused(&status)),
    }
    let request = v1::RemoveGroupRequest {
        name: name.to_owned(),
        ending: ending.request(),
    };
    let (_, ended) = ending
        .ask(
            &mut session,
            async |admin| admin.remove_group(request.clone()).await,
            |answer| answer.leases.take(),
        )
        .await?;
    let removed = Removed {
        name,
        removed: true,
        ended,
    };
    context.out.show(&removed, |removed| {
        format!(
            "group/{name} is gone, with its grants and memberships; {}",
            removed.ended.sentence()
        )
    })?;
    Ok(removed.ended.done())
}
