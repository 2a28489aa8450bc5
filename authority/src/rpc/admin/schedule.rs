//! The life of keys, as operators see and move it.

use std::collections::HashMap;

use cattery_core::epoch::{Command, LeftBehind, Line, Refused};
use cattery_proto::v1;

use super::{count, service_name};
use crate::act::{Act, now_ms};
use crate::cluster::Authority;
use crate::failure::Failure;
use crate::records::{ContactRecord, EpochRecord};
use crate::registry::{Contact, Of, Outcome, Schedule, Wanted, decide};

/// Most agents that one answer names.
const NAMED: usize = 100;

pub(super) async fn get(
    authority: &Authority,
    _: Act,
    request: v1::GetKeyScheduleRequest,
) -> Result<v1::GetKeyScheduleResponse, Failure> {
    let of = of(&request.service)?;
    let schedule = authority.registry.schedule(of).await?;
    Ok(v1::GetKeyScheduleResponse {
        schedule: Some(shape(authority, of, &schedule).await?),
    })
}

pub(super) async fn change(
    authority: &Authority,
    act: Act,
    request: v1::ChangeKeyScheduleRequest,
) -> Result<v1::ChangeKeyScheduleResponse, Failure> {
    let of = of(&request.service)?;
    let force = request.force;
    let command = match request.command() {
        v1::KeyCommand::Prepare => Command::Prepare,
        v1::KeyCommand::Activate => Command::Activate { force },
        v1::KeyCommand::Retire => Command::Retire { force },
        v1::KeyCommand::Replace => Command::Replace,
        v1::KeyCommand::Unspecified => {
            return Err(Failure::Invalid("command names no step".into()));
        }
    };
    let wanted = Wanted {
        command,
        expect_active: request.expect_active,
        dry_run: request.dry_run,
    };
    let Authority {
        registry,
        root_keys,
        limits,
        ..
    } = authority;
    let stepped = decide(|| registry.step(&act, root_keys, limits, of, wanted)).await?;
    let contacts = &stepped.schedule.contacts;
    let (refusal, agents, until) = match &stepped.outcome {
        Outcome::Done(left_behind) => (v1::StepRefusal::Unspecified, left_behind.as_slice(), 0),
        Outcome::Changed => (v1::StepRefusal::Changed, &[][..], 0),
        Outcome::Refused(refused) => refusal(refused)?,
    };
    Ok(v1::ChangeKeyScheduleResponse {
        done: matches!(stepped.outcome, Outcome::Done(_)) && !request.dry_run,
        refusal: refusal.into(),
        agents: named(agents, contacts),
        agent_count: count(agents.len()),
        until,
        schedule: Some(shape(authority, of, &stepped.schedule).await?),
        leeway_seconds: limits.timing.leeway,
    })
}

fn of(service: &str) -> Result<Of<'_>, Failure> {
    match service {
        "" => Ok(Of::Cluster),
        name => service_name(name).map(|_| Of::Service(name)),
    }
}

/// Why not, for whom, and until when.
fn refusal(refused: &Refused) -> Result<(v1::StepRefusal, &[LeftBehind], u64), Failure> {
    use v1::StepRefusal as Why;
    Ok(match refused {
        Refused::Exhausted => (Why::Exhausted, &[], 0),
        Refused::AlreadyPrepared { .. } => (Why::AlreadyPrepared, &[], 0),
        Refused::NothingPrepared => (Why::NothingPrepared, &[], 0),
        Refused::StillDraining { until, .. } => (Why::StillDraining, &[], *until),
        Refused::AgentsMissing(agents) => (Why::AgentsMissing, agents, 0),
        Refused::NothingDraining => (Why::NothingDraining, &[], 0),
        Refused::LeasesOut { until, .. } => (Why::LeasesOut, &[], *until),
        Refused::Broken(_) => return Err(Failure::Broken("a step would break an invariant")),
    })
}

/// The first of them, with what is known of each.
pub(super) fn named(agents: &[LeftBehind], contacts: &[Contact]) -> Vec<v1::AgentBehind> {
    let known: HashMap<&str, &Contact> = contacts
        .iter()
        .map(|contact| (contact.record.agent.as_str(), contact))
        .collect();
    let agents = agents.iter().take(NAMED);
    agents
        .map(|agent| {
            let record = known.get(agent.id.as_str()).map(|contact| &contact.record);
            v1::AgentBehind {
                agent_id: agent.id.clone(),
                service: record.map_or(String::new(), |record| record.service.clone()),
                last_contact: record.map_or(0, ContactRecord::last_heard),
                until: agent.until,
            }
        })
        .collect()
}

async fn shape(
    authority: &Authority,
    of: Of<'_>,
    schedule: &Schedule,
) -> Result<v1::KeySchedule, Failure> {
    let timing = authority.timing();
    let now = now_ms() / 1000;
    let line = &schedule.line;
    let remembered = match of {
        Of::Cluster => authority.registry.epochs().await?,
        Of::Service(_) => Vec::new(),
    };
    let live: Vec<&Contact> = schedule
        .contacts
        .iter()
        .filter(|contact| contact.live_until(timing) >= now)
        .collect();
    let prepared = line.prepared().map(|prepared| prepared.position);
    let newest = prepared.unwrap_or(schedule.changed);
    let missing: Vec<LeftBehind> = live
        .iter()
        .filter(|contact| !contact.holds(newest))
        .map(|contact| LeftBehind {
            id: contact.record.agent.clone(),
            until: contact.live_until(timing),
        })
        .collect();
    let (period, overdue) = match of {
        Of::Cluster => (
            authority.rotation_period_of(line),
            authority.is_overdue(line, now),
        ),
        Of::Service(_) => (None, false),
    };
    let rotates_at = period.map_or(0, |period| line.rotation_due_at(period));
    Ok(v1::KeySchedule {
        service: match of {
            Of::Cluster => String::new(),
            Of::Service(name) => name.to_owned(),
        },
        keys: keys(line, &remembered),
        live_agents: count(live.len()),
        holding: count(live.len() - missing.len()),
        behind: named(&missing, &schedule.contacts),
        retires_at: line
            .draining()
            .map_or(0, |draining| draining.can_retire_at(timing)),
        rotates_at,
        overdue,
        server_time: now,
    })
}

/// Newest first.
fn keys(line: &Line, remembered: &[EpochRecord]) -> Vec<v1::ScheduledKey> {
    let of = |number: u32| remembered.iter().find(|record| record.number == number);
    let mut keys: Vec<v1::ScheduledKey> = Vec::new();
    if let Some(prepared) = line.prepared() {
        keys.push(v1::ScheduledKey {
            number: prepared.number,
            state: v1::EpochState::Prepared.into(),
            created_at: prepared.since,
            ..Default::default()
        });
    }
    let active = line.active();
    keys.push(v1::ScheduledKey {
        number: active.number,
        state: v1::EpochState::Active.into(),
        created_at: of(active.number).map_or(0, |record| record.created_at),
        activated_at: active.since,
        ..Default::default()
    });
    if let Some(draining) = line.draining() {
        let record = of(draining.number);
        keys.push(v1::ScheduledKey {
            number: draining.number,
            state: v1::EpochState::Draining.into(),
            created_at: record.map_or(0, |record| record.created_at),
            activated_at: record.and_then(|record| record.activated_at).unwrap_or(0),
            not_after: draining.not_after,
            retired_at: 0,
        });
    }
    // One that is not live in a line that was read before it was made is not retired.
    let live: Vec<u32> = line.live().collect();
    let retired = remembered
        .iter()
        .filter(|record| record.retired_at.is_some() && !live.contains(&record.number));
    keys.extend(retired.map(|record| v1::ScheduledKey {
        number: record.number,
        state: v1::EpochState::Retired.into(),
        created_at: record.created_at,
        activated_at: record.activated_at.unwrap_or(0),
        not_after: record.not_after.unwrap_or(0),
        retired_at: record.retired_at.unwrap_or(0),
    }));
    keys.sort_by_key(|key| std::cmp::Reverse(key.number));
    keys
}
