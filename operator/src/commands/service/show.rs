//! `cattery service show`: one service, with all that belongs to it.

use cattery_core::ServiceName;
use cattery_proto::v1;
use serde::Serialize;

use super::Row;
use crate::{
    authority::Session,
    clock,
    commands::{Context, agent, grant},
    out,
    plain::plain,
    rotation::{self, Keys, Schedule},
};

#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    service: Row,
    schedule: Option<Schedule>,
    agents: Vec<agent::Row>,
    grants: Vec<grant::Row>,
}

pub(super) async fn run(name: ServiceName, context: &Context) -> anyhow::Result<()> {
    let mut session = Session::open(&context.home()?).await?;
    let service = name.as_str().to_owned();
    let answer = session
        .admin
        .get_service(v1::GetServiceRequest {
            name: service.clone(),
        })
        .await;
    let answer = answer
        .map_err(|status| session.refused(&status))?
        .into_inner();
    let schedule = session
        .admin
        .get_key_schedule(v1::GetKeyScheduleRequest { service })
        .await;
    let schedule = schedule
        .map_err(|status| session.refused(&status))?
        .into_inner()
        .schedule;
    let shown = Shown {
        service: Row::from(answer.service.unwrap_or_default()),
        schedule: schedule.map(Schedule::from),
        agents: answer.agents.into_iter().map(agent::Row::from).collect(),
        grants: answer.grants.into_iter().map(grant::Row::from).collect(),
    };
    context.out.show(&shown, |shown| describe(shown, name))
}

fn describe(shown: &Shown, keys: ServiceName) -> String {
    let Row {
        name,
        generation,
        created_at,
        ..
    } = &shown.service;
    let name = plain(name);
    let mut text = format!(
        "service/{name}, key generation {generation}, registered {}\n",
        clock::absolute(*created_at)
    );
    let schedule = shown.schedule.as_ref();
    if let Some(schedule) = schedule {
        text += &format!("\n{}", rotation::list(&Keys::Service(keys), schedule));
    }
    if shown.agents.is_empty() {
        text +=
            &format!("\nNo agent has enrolled. Invite one: cattery service join-token {name}\n");
    } else {
        let now = schedule.map_or_else(clock::now, |schedule| schedule.server_time);
        let rows = shown.agents.iter().map(|agent| agent.cells(now));
        text += &format!("\n{}\n", out::table(agent::HEADER, rows));
    }
    if shown.grants.is_empty() {
        text +=
            &format!("\nNobody may call it. Let somebody: cattery grant add user/NAME {name}\n");
    } else {
        text += &format!(
            "\n{}\n",
            out::table(grant::HEADER, shown.grants.iter().map(grant::Row::cells))
        );
    }
    text
}
