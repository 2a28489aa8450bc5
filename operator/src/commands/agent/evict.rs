//! `cattery agent evict`: what it costs, and doing it.

use anyhow::{Context as _, bail};
use cattery_proto::v1;
use serde::Serialize;
use tonic::Code;

use super::{Row, all};
use crate::{
    authority::Session,
    clock,
    commands::Context,
    confirm,
    exit::Done,
    out::{self, counted},
    plain::plain,
    rotation::{Behind, agent_lines, heard},
};

#[derive(Serialize)]
struct Evicted {
    agent_id: String,
    service: String,
    /// Whether the old key drains.
    planned: bool,
    /// The service's newest.
    generation: u32,
    /// Who accepts the old key until they hear of it.
    agents: Vec<Behind>,
    /// What it fetched for its service as a client.
    revoked_lease_count: u64,
}

/// Evicts the agent `id`, once somebody said so.
pub(super) async fn run(
    id: String,
    planned: bool,
    yes: bool,
    context: &Context,
) -> anyhow::Result<Done> {
    confirm::check_possible(yes)?;
    let mut session = Session::open(&context.home()?).await?;
    let (rows, now) = all(&mut session, String::new()).await?;
    let agent = rows.iter().find(|row| row.agent_id == id);
    let agent = agent.with_context(|| {
        format!(
            "there is no agent `{}`, and nothing was done: `cattery agent list` shows all",
            plain(&id)
        )
    })?;
    if agent.is_evicted() {
        return rest(id, &mut session, context).await;
    }
    let others: Vec<&Row> = rows
        .iter()
        .filter(|row| row.service == agent.service && row.agent_id != id && !row.is_evicted())
        .filter(|row| row.live_until.is_none_or(|until| until >= now))
        .collect();
    out::lines(&cost(agent, &others, planned, now));
    if !confirm::go_ahead("evict", yes)? {
        out::failure("nothing was done");
        return Ok(Done::Refused);
    }
    let request = v1::EvictAgentRequest {
        agent_id: id.clone(),
        planned,
    };
    let answer = session.admin.evict_agent(request).await;
    let answer = answer
        .map_err(|status| session.refused(&status))?
        .into_inner();
    let evicted = Evicted {
        agent_id: id,
        service: answer.service,
        planned,
        generation: answer.generation,
        agents: answer.agents.into_iter().map(Behind::from).collect(),
        revoked_lease_count: answer.leases,
    };
    context.out.show(&evicted, describe)?;
    Ok(Done::Well)
}

/// Of an agent that was evicted before, what that left.
async fn rest(id: String, session: &mut Session, context: &Context) -> anyhow::Result<Done> {
    let request = v1::EvictAgentRequest {
        agent_id: id.clone(),
        planned: false,
    };
    let answer = match session.admin.evict_agent(request).await {
        Ok(answer) => answer.into_inner(),
        Err(status) if status.code() == Code::NotFound => bail!(
            "agent {} has no access any more: it was evicted before, and nothing was done",
            plain(&id)
        ),
        Err(status) => return Err(session.refused(&status)),
    };
    let left = serde_json::json!({ "agent_id": id, "revoked_lease_count": answer.leases });
    context.out.show(&left, |_| {
        format!(
            "Agent {} was evicted before; {} that it had fetched {} revoked now.",
            plain(&id),
            counted(answer.leases, "lease"),
            if answer.leases == 1 { "is" } else { "are" }
        )
    })?;
    Ok(Done::Well)
}

fn cost(agent: &Row, others: &[&Row], planned: bool, now: u64) -> Vec<String> {
    let service = plain(&agent.service);
    let mut lines = vec![format!(
        "Agent {} of {service} ({}) loses access at once and for good. It keeps what it knows: {}.",
        plain(&agent.agent_id),
        heard(agent.last_contact),
        match agent.live_until {
            Some(until) if until >= now => format!(
                "it accepts the old key until {} at the latest, and whoever holds it can sign with that key as anybody",
                clock::both(until, now)
            ),
            _ => "whoever holds it can sign with the old key as anybody, wherever that is still accepted".to_owned(),
        }
    )];
    lines.push(if planned {
        format!(
            "A new key of service/{service} is prepared, and becomes active by itself. The old one is good until it has drained: \
             not for an agent in wrong hands."
        )
    } else {
        format!(
            "The key of service/{service} is replaced: every user key and token for it is dead, and SDKs fetch new ones by \
             themselves."
        )
    });
    if others.is_empty() {
        lines.push("The service has no other live agent.".to_owned());
        return lines;
    }
    lines.push(
        "Its other agents get the new key by themselves. One that is cut off accepts the old one until it hears, and until the \
         time here at the latest:"
            .to_owned(),
    );
    lines.extend(others.iter().map(|row| {
        let until = row
            .live_until
            .map_or_else(|| "-".to_owned(), clock::absolute);
        format!(
            "  agent {}, {}, goes on until {until}",
            plain(&row.agent_id),
            heard(row.last_contact)
        )
    }));
    lines
}

fn describe(evicted: &Evicted) -> String {
    let (id, service) = (plain(&evicted.agent_id), plain(&evicted.service));
    let generation = evicted.generation;
    let mut text = format!("Agent {id} of {service} has no access any more.\n");
    text += &if evicted.planned {
        format!(
            "Generation {generation} of service/{service} is prepared, and becomes active by itself when every live agent holds \
             it: `cattery service show {service}` tells\n"
        )
    } else {
        format!(
            "Generation {generation} of service/{service} is active, and what was signed before is dead.\n"
        )
    };
    if evicted.revoked_lease_count > 0 {
        text += &format!(
            "{} that it fetched for its service as a client: revoked.\n",
            counted(evicted.revoked_lease_count, "lease")
        );
    }
    if !evicted.agents.is_empty() {
        let count = u32::try_from(evicted.agents.len()).unwrap_or(u32::MAX);
        text += "Until they hear of it, these may accept the old key:\n";
        for line in agent_lines(&evicted.agents, count) {
            text += &line;
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, last_contact: u64, live_until: u64) -> Row {
        Row::from(v1::AgentInfo {
            agent_id: id.to_owned(),
            service: "photos".to_owned(),
            state: "active".to_owned(),
            last_contact,
            live_until,
            ..Default::default()
        })
    }

    #[test]
    fn it_says_what_dies_and_who_may_not_hear() {
        let (gone, other) = (row("a1", 900, 5_000), row("a2", 950, 6_000));
        let cost_of = |planned| cost(&gone, &[&other], planned, 1_000);
        assert_eq!(
            cost_of(false),
            [
                "Agent a1 of photos (last heard 1970-01-01T00:15:00Z) loses access at once and for good. It keeps what it knows: \
                 it accepts the old key until 1970-01-01T01:23:20Z (in 67 minutes) at the latest, and whoever holds it can sign \
                 with that key as anybody.",
                "The key of service/photos is replaced: every user key and token for it is dead, and SDKs fetch new ones by \
                 themselves.",
                "Its other agents get the new key by themselves. One that is cut off accepts the old one until it hears, and \
                 until the time here at the latest:",
                "  agent a2, last heard 1970-01-01T00:15:50Z, goes on until 1970-01-01T01:40:00Z",
            ]
        );
        assert!(cost_of(true)[1].contains("not for an agent in wrong hands"));
        let alone = cost(&row("a1", 0, 0), &[], false, 1_000);
        assert!(alone[0].contains("(not heard yet)") && alone[2].contains("no other live agent"));
    }

    #[test]
    fn afterwards_it_says_what_comes_next() {
        let mut evicted = Evicted {
            agent_id: "a1".to_owned(),
            service: "photos".to_owned(),
            planned: true,
            generation: 2,
            agents: Vec::new(),
            revoked_lease_count: 1,
        };
        let text = describe(&evicted);
        assert!(text.contains("cattery service show photos"), "{text}");
        assert!(text.contains("1 lease that it fetched"), "{text}");
        evicted.planned = false;
        evicted.agents.push(Behind {
            agent_id: "a\u{1b}".to_owned(),
            service: "photos".to_owned(),
            last_contact: None,
            until: Some(5_000),
        });
        let text = describe(&evicted);
        assert!(
            text.contains("Generation 2 of service/photos is active"),
            "{text}"
        );
        assert!(
            text.contains(r"agent a\u{1b} of photos, not heard yet"),
            "{text}"
        );
    }
}
