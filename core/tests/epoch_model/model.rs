//! The model: where it begins, what can happen, and what becomes of it.

use cattery_core::epoch::{Command, Guard, Line};
use stateright::{Model, Property};

use crate::authority::step;
use crate::properties;
use crate::scope::Scope;
use crate::state::{
    Agent, Authority, History, NOW, Numbers, Pending, Record, State, Store, Stored, View,
};

/// Two authorities, a store, and some agents (none: agents hear everything at once).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Town<const AGENTS: usize>(pub(crate) Scope);

/// What happens next. Authorities and agents go by where they stand in the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Tick,
    /// An authority reads the line; a restarted one begins with that.
    Look(usize),
    /// An authority dies, and with it what it had decided.
    Crash(usize),
    List(usize),
    Decide(usize, Command),
    /// The store gets what an authority decided.
    Commit(usize),
    /// An agent asks, and gets its keys too, or not.
    Answer {
        authority: usize,
        agent: usize,
        keys: bool,
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
        [(0, 0), (0, leeway), (leeway, leeway)]
            .map(|offsets| self.first(offsets))
            .to_vec()
    }

    fn actions(&self, state: &Self::State, events: &mut Vec<Event>) {
        events.push(Event::Tick);
        for authority in 0..state.authorities.len() {
            self.authority_events(state, authority, events);
        }
        for agent in 0..AGENTS {
            events.push(Event::Restart(agent));
            if !self.0.has(Guard::MarkBeforeAcknowledging) {
                events.push(Event::SaveMark(agent));
            }
            for authority in 0..state.authorities.len() {
                events.extend([true, false].map(|keys| Event::Answer {
                    authority,
                    agent,
                    keys,
                }));
            }
            events.extend([0, 1].map(|slot| Event::Hear { agent, slot }));
        }
        if self.0.restore && state.store.incarnation == 0 {
            events.extend([Event::Restore(0), Event::Restore(1)]);
        }
    }

    fn next_state(&self, last: &Self::State, event: Event) -> Option<Self::State> {
        let mut state = last.clone();
        match event {
            Event::Tick => state.tick(),
            Event::Look(authority) => state.look(authority),
            Event::Crash(authority) => {
                state.authorities[authority].pending = None;
                state.authorities[authority].listed = None;
                state.look(authority);
            }
            Event::List(authority) => state.list(authority),
            Event::Decide(authority, command) => state.decide(&self.0, authority, command)?,
            Event::Commit(authority) => state.commit(&self.0, authority)?,
            Event::Answer {
                authority,
                agent,
                keys,
            } => state.answer(&self.0, authority, agent, keys)?,
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
    fn first(&self, (one, other): (u8, u8)) -> State<AGENTS> {
        let line = Stored::from(&Line::first(1, 0));
        let authority = |offset| Authority {
            offset,
            view: View {
                incarnation: 0,
                revision: 1,
                line,
                confirmed: NOW + offset,
            },
            pending: None,
            listed: None,
        };
        let agent = Agent {
            held: None,
            mark: (0, 0),
            mark_on_disk: (0, 0),
            renewed: None,
            retired: Numbers::default(),
            mail: [None; 2],
            record: Record::default(),
            before: Record::default(),
            left: None,
        };
        let keys = Numbers::of([1]);
        let mut state = State {
            store: Store {
                incarnation: 0,
                revision: 1,
                line,
                keys,
            },
            authorities: [authority(one), authority(other)],
            agents: [agent; AGENTS],
            history: History {
                made: keys,
                ..History::default()
            },
        };
        state.settle(&self.0);
        state
    }

    fn authority_events(&self, state: &State<AGENTS>, index: usize, events: &mut Vec<Event>) {
        let authority = &state.authorities[index];
        events.push(Event::Look(index));
        if !self.0.has(Guard::AgentsAfterLine) {
            events.push(Event::List(index));
        }
        match authority.pending {
            Some(Pending::Step(_) | Pending::Contact(_) | Pending::Doomed) => {
                events.extend([Event::Commit(index), Event::Crash(index)]);
            }
            None => {
                let commands = self.0.commands.iter().copied();
                let wanted = commands.filter(|command| self.is_wanted(state, authority, *command));
                events.extend(wanted.map(|command| Event::Decide(index, command)));
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
        let without_force = match command {
            Command::Prepare | Command::Replace => {
                let first = state.history.restored.unwrap_or(1);
                return authority.view.line.last < first + self.0.rotations;
            }
            Command::Activate { force: true } => Command::Activate { force: false },
            Command::Retire { force: true } => Command::Retire { force: false },
            Command::Activate { .. } | Command::Retire { .. } => return true,
        };
        let records = state.agents.map(|agent| agent.record);
        step(&self.0, authority, &records, without_force).is_none()
    }
}
