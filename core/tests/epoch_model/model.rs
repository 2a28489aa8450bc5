//! The model: where it begins, what can happen, and what becomes of it.

use cattery_core::epoch::{Command, Guard};
use stateright::{Model, Property};

use crate::authority::step;
use crate::properties;
use crate::scope::Scope;
use crate::state::{Authority, State};

/// Two authorities, a store, and some agents (none: agents hear everything at once).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Town<const AGENTS: usize>(pub(crate) Scope);

/// What happens next. Authorities and agents go by where they stand in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Tick,
    Look(usize),
    Crash(usize),
    List(usize),
    Decide(usize, Command),
    /// The store gets what an authority decided.
    Commit(usize),
    /// An agent asks for a sign of life, or for keys.
    Answer {
        authority: usize,
        agent: usize,
        keys: bool,
        cached: bool,
    },
    Hear {
        agent: usize,
        slot: usize,
    },
    Restart(usize),
    SaveMark(usize),
    Restore(usize),
}

impl<const AGENTS: usize> Model for Town<AGENTS> {
    type State = State<AGENTS>;
    type Action = Event;

    fn init_states(&self) -> Vec<Self::State> {
        let leeway = self.0.leeway();
        let all = [[0, 0], [0, leeway], [leeway, leeway]];
        let mut all = all.map(State::first);
        all.iter_mut().for_each(|state| state.settle(&self.0));
        all.into()
    }

    fn actions(&self, state: &Self::State, events: &mut Vec<Event>) {
        events.push(Event::Tick);
        for index in 0..state.authorities.len() {
            self.authority(state, index, events);
            for agent in 0..AGENTS {
                self.answers(index, agent, events);
            }
        }
        for agent in 0..AGENTS {
            events.push(Event::Restart(agent));
            events.extend([0, 1].map(|slot| Event::Hear { agent, slot }));
            if !self.0.has(Guard::MarkBeforeAcknowledging) {
                events.push(Event::SaveMark(agent));
            }
        }
        if self.0.restore && state.history.restored.is_none() {
            events.extend([0, 1].map(Event::Restore));
        }
    }

    fn next_state(&self, last: &Self::State, event: Event) -> Option<Self::State> {
        let mut state = last.clone();
        match event {
            Event::Tick => state.tick(),
            Event::Look(authority) => state.look(authority),
            Event::Crash(authority) => state.crash(authority),
            Event::List(authority) => state.list(authority),
            Event::Decide(authority, command) => state.decide(&self.0, authority, command)?,
            Event::Commit(authority) => state.commit(&self.0, authority)?,
            Event::Answer {
                authority,
                agent,
                keys,
                cached,
            } => {
                let known = state.known(authority, agent, cached);
                state.answer(&self.0, authority, agent, keys, known)?;
            }
            Event::Hear { agent, slot } => state.hear(&self.0, agent, slot)?,
            Event::Restart(agent) => state.restart(agent),
            Event::SaveMark(agent) => state.save_mark(agent),
            Event::Restore(authority) => state.restore(&self.0, authority)?,
        }
        state.settle(&self.0);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = properties::always();
        all.extend(properties::sometimes(self));
        all
    }
}

impl<const AGENTS: usize> Town<AGENTS> {
    fn authority(&self, state: &State<AGENTS>, index: usize, events: &mut Vec<Event>) {
        let authority = &state.authorities[index];
        events.push(Event::Look(index));
        if !self.0.has(Guard::AgentsAfterLine) {
            events.push(Event::List(index));
        }
        if authority.pending.is_some() {
            events.extend([Event::Commit(index), Event::Crash(index)]);
            return;
        }
        let commands = self.0.commands.iter().copied();
        let wanted = commands.filter(|command| self.is_wanted(state, authority, *command));
        events.extend(wanted.map(|command| Event::Decide(index, command)));
    }

    fn answers(&self, authority: usize, agent: usize, events: &mut Vec<Event>) {
        for keys in [true, false] {
            for cached in [false, true] {
                if !cached || self.0.cached {
                    events.push(Event::Answer {
                        authority,
                        agent,
                        keys,
                        cached,
                    });
                }
            }
        }
    }

    /// Numbers are bounded, and force is for what does not go without.
    fn is_wanted(
        &self,
        state: &State<AGENTS>,
        authority: &Authority<AGENTS>,
        command: Command,
    ) -> bool {
        let gentle = match command {
            Command::Prepare | Command::Replace => {
                let first = state.history.restored.unwrap_or(1);
                return authority.view.line.last < first + self.0.rotations;
            }
            Command::Activate { force: true } => Command::Activate { force: false },
            Command::Retire { force: true } => Command::Retire { force: false },
            Command::Activate { .. } | Command::Retire { .. } => return true,
        };
        let records = state.agents.map(|agent| agent.record);
        step(&self.0, authority, &records, gentle).is_none()
    }
}
