//! `cattery service disable`: the end of a service.

use cattery_core::ServiceName;
use cattery_proto::v1;
use serde::Serialize;

use crate::{
    authority::Session,
    commands::Context,
    confirm,
    exit::Done,
    out::{self, counted},
};

#[derive(Serialize)]
struct Disabled<'a> {
    name: &'a str,
    state: &'static str,
    agent_count: u32,
}

/// Disables the service, once somebody said so.
pub(super) async fn run(name: &ServiceName, yes: bool, context: &Context) -> anyhow::Result<Done> {
    confirm::check_possible(yes)?;
    let mut session = Session::open(&context.home()?).await?;
    let request = v1::GetServiceRequest {
        name: name.as_str().to_owned(),
    };
    let answer = session.admin.get_service(request).await;
    let answer = answer
        .map_err(|status| session.refused(&status))?
        .into_inner();
    out::lines(&cost(name, answer.agents.len(), answer.grants.len()));
    if !confirm::go_ahead("disable", yes)? {
        out::failure("nothing was done");
        return Ok(Done::Refused);
    }
    let request = v1::DisableServiceRequest {
        name: name.as_str().to_owned(),
    };
    let answer = session.admin.disable_service(request).await;
    let disabled = Disabled {
        name: name.as_str(),
        state: "disabled",
        agent_count: answer
            .map_err(|status| session.refused(&status))?
            .into_inner()
            .agents,
    };
    context.out.show(&disabled, |disabled| {
        format!(
            "service/{name} is out of use, and {} lost access. `cattery service add {name}` brings the name back, with new keys \
             and with the grants that are left: `cattery grant list --service {name}`",
            counted(disabled.agent_count, "agent")
        )
    })?;
    Ok(Done::Well)
}

fn cost(name: &ServiceName, agents: usize, grants: usize) -> Vec<String> {
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    vec![
        format!(
            "service/{name} goes out of use: nobody gets keys for it any more ({}), and its own keys as a client are revoked.",
            counted(count(grants), "grant")
        ),
        format!(
            "{} lose access. One that keeps running verifies with what it has until its outage budget ends.",
            counted(count(agents), "agent")
        ),
    ]
}
