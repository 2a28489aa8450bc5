//! How an agent does, as it tells itself.

use std::path::PathBuf;

use cattery_proto::v1;
use serde::Serialize;

use crate::{agent, clock, out::counted, plain::plain, rotation::State};

/// An agent.
#[derive(Serialize)]
pub(super) struct Agent {
    socket: PathBuf,
    service: String,
    agent_id: String,
    ready: bool,
    notes: Vec<String>,
    epochs: Vec<Held>,
    last_contact_seconds: Option<u64>,
    outage_budget_seconds: u64,
    outage_budget_left_seconds: u64,
    certificate_not_after: u64,
    clock_difference_ms: i64,
    single_use_entries: u64,
    single_use_capacity: u64,
    revoked_id_count: u64,
    /// Agents that know the same say the same.
    revoked_ids_digest: String,
    version: String,
}

#[derive(Serialize)]
struct Held {
    epoch: u32,
    generation: u32,
    state: &'static str,
}

/// Asks the agent at `socket`.
pub(super) async fn ask(socket: PathBuf) -> anyhow::Result<Agent> {
    let mut agent = agent::connect(&socket).await?;
    let answer = agent.get_status(v1::GetStatusRequest {}).await;
    let answer = answer
        .map_err(|status| agent::refused(&socket, &status))?
        .into_inner();
    Ok(Agent::of(socket, answer))
}

impl Agent {
    fn of(socket: PathBuf, status: v1::GetStatusResponse) -> Self {
        let held = |held: &v1::HeldEpoch| Held {
            epoch: held.epoch,
            generation: held.generation,
            state: State::of(held.state).name(),
        };
        Self {
            socket,
            epochs: status.epochs.iter().map(held).collect(),
            service: status.service,
            agent_id: status.agent_id,
            ready: status.ready,
            notes: status.notes,
            last_contact_seconds: status.last_contact_seconds,
            outage_budget_seconds: status.outage_budget_seconds,
            outage_budget_left_seconds: status.outage_budget_left_seconds,
            certificate_not_after: status.certificate_not_after,
            clock_difference_ms: status.clock_difference_ms,
            single_use_entries: status.single_use_entries,
            single_use_capacity: status.single_use_capacity,
            revoked_id_count: status.revoked_ids,
            revoked_ids_digest: hex::encode(status.revoked_ids_digest),
            version: status.version,
        }
    }

    /// Whether it verifies.
    pub(super) fn is_well(&self) -> bool {
        self.ready
    }

    /// Some lines.
    pub(super) fn describe(&self, now: u64) -> String {
        let epochs: Vec<String> = self
            .epochs
            .iter()
            .map(|held| format!("{} ({})", held.epoch, held.state))
            .collect();
        let mut text = format!(
            "Agent      {id} of {service}, version {version}, at {socket}\n\
             \x20          {ready}; holds epochs {epochs}; its certificate ends {certificate}\n\
             \x20          last heard from an authority: {contact}; can go on without one for {left} of {budget}; knows {revoked}\n",
            id = plain(&self.agent_id),
            service = plain(&self.service),
            version = plain(&self.version),
            socket = self.socket.display(),
            ready = if self.ready {
                "verifies"
            } else {
                "DOES NOT VERIFY"
            },
            epochs = if epochs.is_empty() {
                "none".to_owned()
            } else {
                epochs.join(", ")
            },
            certificate = clock::relative(self.certificate_not_after, now),
            contact = self.last_contact_seconds.map_or_else(
                || "never".to_owned(),
                |seconds| format!("{} ago", clock::span(seconds))
            ),
            revoked = counted(self.revoked_id_count, "revoked id"),
            left = clock::span(self.outage_budget_left_seconds),
            budget = clock::span(self.outage_budget_seconds),
        );
        for note in &self.notes {
            text += &format!("           {}\n", plain(note));
        }
        text
    }
}
