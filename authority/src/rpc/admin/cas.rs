//! The CAs, as operators see and move them.

use cattery_core::epoch::{AgentView, Command, LeftBehind, behind};
use cattery_proto::v1;

use super::count;
use super::schedule::named;
use crate::act::{Act, now_ms};
use crate::ca::{CaRefused, Cas};
use crate::cluster::Authority;
use crate::failure::Failure;
use crate::records::CaRecord;
use crate::registry::{CaSchedule, Turns, decide};

pub(super) async fn get(
    authority: &Authority,
    _: Act,
    _: v1::GetCasRequest,
) -> Result<v1::GetCasResponse, Failure> {
    let turns = authority.turns();
    let now = now_ms() / 1000;
    let schedule = authority.registry.ca_schedule(&turns, now).await?;
    Ok(v1::GetCasResponse {
        schedule: Some(shape(&schedule, &turns, now)),
    })
}

pub(super) async fn change(
    authority: &Authority,
    act: Act,
    request: v1::ChangeCasRequest,
) -> Result<v1::ChangeCasResponse, Failure> {
    let force = request.force;
    let command = match request.command() {
        v1::KeyCommand::Prepare => Command::Prepare,
        v1::KeyCommand::Activate => Command::Activate { force },
        v1::KeyCommand::Retire => Command::Retire { force },
        v1::KeyCommand::Replace | v1::KeyCommand::Unspecified => {
            return Err(Failure::Invalid("command names no step of CAs".into()));
        }
    };
    let Authority {
        registry, signers, ..
    } = authority;
    let turns = authority.turns();
    let outcome = decide(|| registry.step_ca(&act, signers, &turns, command)).await?;
    let now = now_ms() / 1000;
    let schedule = registry.ca_schedule(&turns, now).await?;
    let (refusal, why, agents) = match &outcome {
        Ok(step) => (
            v1::CaRefusal::Unspecified,
            String::new(),
            &step.left_behind[..],
        ),
        Err(why) => (refusal(why)?, why.to_string(), &[][..]),
    };
    Ok(v1::ChangeCasResponse {
        done: outcome.is_ok(),
        refusal: refusal.into(),
        why,
        agents: named(agents, &schedule.contacts),
        agent_count: count(agents.len()),
        schedule: Some(shape(&schedule, &turns, now)),
    })
}

fn refusal(refused: &CaRefused) -> Result<v1::CaRefusal, Failure> {
    Ok(match refused {
        CaRefused::AlreadyPrepared { .. } => v1::CaRefusal::AlreadyPrepared,
        CaRefused::NothingPrepared => v1::CaRefusal::NothingPrepared,
        CaRefused::TooSoon { .. } => v1::CaRefusal::TooSoon,
        CaRefused::AgentsMissing(_) => v1::CaRefusal::AgentsMissing,
        CaRefused::StillDraining { .. } => v1::CaRefusal::StillDraining,
        CaRefused::NothingDraining => v1::CaRefusal::NothingDraining,
        CaRefused::AllAdmins { .. } => v1::CaRefusal::AllAdmins,
        CaRefused::StillShown { .. } | CaRefused::StillNeeded { .. } => v1::CaRefusal::StillNeeded,
        CaRefused::Exhausted => v1::CaRefusal::Exhausted,
        CaRefused::NoSuchStep | CaRefused::Broken(_) => {
            return Err(Failure::Broken("a step of CAs would break an invariant"));
        }
    })
}

fn shape(schedule: &CaSchedule, turns: &Turns, now: u64) -> v1::CaSchedule {
    let cas = &schedule.cas;
    let rollover = turns.rollover(cas, schedule.leases);
    let contacts = schedule.contacts.iter();
    let agents: Vec<AgentView<'_>> = contacts
        .map(|contact| contact.view(&turns.timing))
        .collect();
    let live = agents
        .iter()
        .filter(|agent| agent.live_until >= now)
        .count();
    // Where nothing is prepared, every agent that was told anything at all knows the newest CA.
    let newest = cas.line.prepared().map_or(1, |prepared| prepared.position);
    let missing: Vec<LeftBehind> = behind(&agents, newest, now);
    let needed = schedule.needed;
    v1::CaSchedule {
        cas: shapes(cas),
        activates_at: rollover.may_activate_at().unwrap_or(0),
        live_agents: count(live),
        knowing: count(live - missing.len()),
        behind: named(&missing, &schedule.contacts),
        retires_at: rollover.may_retire_at().unwrap_or(0),
        needs: cas.draining.as_ref().map(|_| v1::CaNeeds {
            agents: needed.agents,
            operators: needed.operators,
            api_keys: needed.api_keys,
            join_tokens: needed.join_tokens,
            until: needed.until,
        }),
        server_time: now,
    }
}

/// Newest first.
fn shapes(cas: &Cas) -> Vec<v1::CertificateAuthority> {
    use v1::EpochState::{Active, Draining, Prepared};
    let shape = |ca: &CaRecord, state: v1::EpochState, since| v1::CertificateAuthority {
        number: ca.number,
        state: state.into(),
        sha256: ca.fingerprint().to_vec(),
        not_before: ca.not_before,
        not_after: ca.not_after,
        since,
    };
    let line = &cas.line;
    let prepared = cas.prepared.iter().zip(line.prepared());
    let draining = cas.draining.iter().zip(line.draining());
    prepared
        .map(|(ca, at)| shape(ca, Prepared, at.since))
        .chain([shape(&cas.active, Active, line.active().since)])
        .chain(draining.map(|(ca, at)| shape(ca, Draining, at.since)))
        .collect()
}
