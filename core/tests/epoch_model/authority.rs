//! What an authority does: looks at the store, decides a step, answers an agent.

use cattery_core::epoch::{
    Action, AgentView, Command, Contact, Facts, Guard, Step, contact_to_store_without,
    live_until_without,
};

use crate::scope::Scope;
use crate::state::{
    Agent, Authority, Body, ContactPending, Envelope, NOW, Numbers, Pending, Record, State,
    StepPending, Stored, View, position, small,
};

impl<const AGENTS: usize> Authority<AGENTS> {
    pub(crate) fn clock(&self) -> u8 {
        NOW + self.offset
    }
}

impl<const AGENTS: usize> State<AGENTS> {
    /// The store confirms the line.
    pub(crate) fn look(&mut self, authority: usize) {
        let store = &self.store;
        let authority = &mut self.authorities[authority];
        authority.view = View {
            incarnation: store.incarnation,
            revision: store.revision,
            line: store.line,
            confirmed: authority.clock(),
        };
    }

    /// Lists agents, where that is not done after the line was read.
    pub(crate) fn list(&mut self, authority: usize) {
        self.authorities[authority].listed = Some(self.agents.map(|agent| agent.record));
    }

    /// Decides a step on its view and the agents' records; None where the rules refuse it.
    pub(crate) fn decide(&mut self, scope: &Scope, index: usize, command: Command) -> Option<()> {
        let authority = &self.authorities[index];
        let records = if scope.has(Guard::AgentsAfterLine) {
            self.agents.map(|agent| agent.record)
        } else {
            authority.listed?
        };
        let step = step(scope, authority, &records, command)?;
        let authority = &mut self.authorities[index];
        let left = std::array::from_fn(|agent| {
            let left = step.left_behind.iter().find(|left| left.id == NAMES[agent]);
            left.map(|left| small(left.until))
        });
        let mut pending = StepPending {
            command,
            at: authority.clock(),
            incarnation: authority.view.incarnation,
            revision: authority.view.revision,
            line: Stored::from(&step.line),
            made: Numbers::default(),
            destroyed: Numbers::default(),
            left,
        };
        for action in &step.actions {
            let (numbers, number) = match action {
                Action::MakeKey(number) => (&mut pending.made, number),
                Action::DestroyKey(number) => (&mut pending.destroyed, number),
            };
            *numbers = numbers.and(Numbers::of([*number]));
        }
        authority.pending = Some(Pending::Step(pending));
        authority.listed = None;
        Some(())
    }

    /// An agent asks, and an authority takes up the question and answers it at once, or after the contact is stored. That a question
    /// is on its way for a while is left out: the agent's budget would only end sooner, and its acknowledgement say less.
    pub(crate) fn answer(
        &mut self,
        scope: &Scope,
        index: usize,
        asker: usize,
        keys: bool,
    ) -> Option<()> {
        self.has_room(asker)?;
        let authority = &self.authorities[index];
        let view = &authority.view;
        let place = (view.incarnation, view.revision);
        let agent = &self.agents[asker];
        let read = if view.incarnation == self.store.incarnation {
            agent.record
        } else {
            agent.before
        };
        let write = heard(scope, authority, agent, read)?;
        let body = if keys {
            Body::Keys(place, view.line.live(), view.line.retired())
        } else {
            agent.held?;
            Body::Heartbeat(place)
        };
        let mut answer = Some(Envelope {
            asked: Some(NOW),
            body,
        });
        if write == read || !scope.has(Guard::ContactBeforeAnswer) {
            self.send(asker, answer.take()?);
        }
        if write != read {
            let pending = &mut self.authorities[index].pending;
            if pending.is_some() {
                return None;
            }
            let (incarnation, revision) = place;
            *pending = Some(Pending::Contact(ContactPending {
                agent: asker,
                incarnation,
                revision,
                read,
                write,
                answer,
            }));
        }
        Some(())
    }
}

/// What an agent's record becomes when it asks this authority; None: the authority may not answer.
fn heard<const AGENTS: usize>(
    scope: &Scope,
    authority: &Authority<AGENTS>,
    agent: &Agent,
    read: Record,
) -> Option<Record> {
    let view = &authority.view;
    let place = (view.incarnation, view.revision);
    let stored = read.contact.map(|at| Contact {
        at: at.into(),
        position: position(read.answered),
    });
    let (now, granularity) = (authority.clock().into(), scope.granularity.into());
    let contact =
        contact_to_store_without(stored, now, position(place), granularity, scope.removed).ok()?;
    let mut write = read;
    if let Some(contact) = contact {
        write.contact = Some(small(contact.at));
        write.answered = place;
    }
    if let Some((held, _)) = agent.held {
        let sequence = position(held).sequence_in_without(view.incarnation.into(), scope.removed);
        write.acknowledged = write.acknowledged.max(small(sequence));
    }
    Some(write)
}

pub(crate) const NAMES: [&str; 2] = ["0", "1"];

/// What the rules say to a command.
pub(crate) fn step<const AGENTS: usize>(
    scope: &Scope,
    authority: &Authority<AGENTS>,
    records: &[Record; AGENTS],
    command: Command,
) -> Option<Step> {
    let now = u64::from(authority.clock());
    let agents: [AgentView<'_>; AGENTS] = std::array::from_fn(|agent| AgentView {
        id: NAMES[agent],
        live_until: live(scope, records[agent]),
        acknowledged: records[agent].acknowledged.into(),
    });
    let facts = Facts {
        now,
        position: u64::from(authority.view.revision) + 1,
        leases_end: scope.lease.map_or(0, |lease| now + u64::from(lease)),
        agents: &agents,
    };
    let line = authority.view.line.line();
    line.step_without(command, &facts, &scope.timing, scope.removed)
        .ok()
}

fn live(scope: &Scope, record: Record) -> u64 {
    record.contact.map_or(0, |contact| {
        live_until_without(
            contact.into(),
            scope.budget.into(),
            scope.granularity.into(),
            &scope.timing,
            scope.removed,
        )
    })
}
