//! Everything that a state of the model holds. Times are small, and NOW is the present.

use cattery_core::epoch::{Command, Line};

use crate::numbers::Numbers;
use crate::stored::{Place, Stored};

/// The present, on a clock with offset 0.
pub(crate) const NOW: u8 = 32;
/// One more than the greatest number.
const NUMBERS: usize = 6;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State<const AGENTS: usize> {
    pub(crate) store: Store,
    pub(crate) authorities: [Authority<AGENTS>; 2],
    pub(crate) agents: [Agent; AGENTS],
    pub(crate) history: History,
}

/// What the store holds, but for the agents' records.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    /// Of the line's last change; its sequence doubles as the line's revision.
    pub(crate) place: Place,
    pub(crate) line: Stored,
    pub(crate) keys: Numbers,
}

/// What the store knows about an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Record {
    /// None: never, or too long ago to be live by any clock.
    pub(crate) contact: Option<u8>,
    /// What the contact's answer spoke of.
    pub(crate) answered: Place,
    pub(crate) acknowledged: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Authority<const AGENTS: usize> {
    /// Of its clock.
    pub(crate) offset: u8,
    pub(crate) view: View<AGENTS>,
    /// What it decided, and the store has not taken yet. A frozen authority leaves it at that for long.
    pub(crate) pending: Option<Pending<AGENTS>>,
    /// Agents' records, where they are listed before the line is read.
    pub(crate) listed: Option<[Record; AGENTS]>,
}

/// What an authority knows of the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct View<const AGENTS: usize> {
    pub(crate) place: Place,
    pub(crate) line: Stored,
    /// When it asked for it, by its own clock.
    pub(crate) confirmed: u8,
    /// As old as the line, where records are cached.
    pub(crate) records: [Record; AGENTS],
}

/// A transaction on its way to the store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Pending<const AGENTS: usize> {
    Step(StepPending<AGENTS>),
    Contact(ContactPending),
    /// The store will refuse it.
    Doomed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct StepPending<const AGENTS: usize> {
    pub(crate) command: Command,
    /// When it was decided, by its authority's clock.
    pub(crate) at: u8,
    /// What it was decided on.
    pub(crate) on: Place,
    pub(crate) line: Stored,
    pub(crate) made: Numbers,
    pub(crate) destroyed: Numbers,
    /// Until when each agent is left behind.
    pub(crate) left: [Option<u8>; AGENTS],
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ContactPending {
    pub(crate) agent: usize,
    /// What the answer is made from.
    pub(crate) on: Place,
    pub(crate) read: Record,
    pub(crate) write: Record,
    pub(crate) answer: Option<Answer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Answer {
    /// When the agent asked; None: so long ago that it renews nothing.
    pub(crate) asked: Option<u8>,
    pub(crate) place: Place,
    /// Live keys, and what was retired by then; None: a heartbeat's answer.
    pub(crate) keys: Option<(Numbers, Numbers)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Agent {
    /// None after a restart.
    pub(crate) held: Option<(Place, Numbers)>,
    pub(crate) mark: Place,
    pub(crate) mark_on_disk: Place,
    /// When it asked the question whose answer renewed its budget last; None: its budget is over, it answers 503.
    pub(crate) renewed: Option<u8>,
    /// What it heard was retired.
    pub(crate) retired: Numbers,
    /// Answers on their way to it, in any order.
    pub(crate) mail: [Option<Answer>; 2],
    pub(crate) record: Record,
    /// The record in the store of the incarnation before.
    pub(crate) before: Record,
    /// A number that it was left behind for, and until when.
    pub(crate) left: Option<(u8, u8)>,
}

/// What no machine knows, and properties read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct History {
    pub(crate) made: Numbers,
    pub(crate) used_twice: bool,
    /// When the last lease of each number ends; 0: none that passes anywhere.
    pub(crate) leases: [u8; NUMBERS],
    /// Destroyed in an emergency, or by force.
    pub(crate) burnt: Numbers,
    /// A number that became active without warning, and where.
    pub(crate) sudden: Option<(u8, Place)>,
    /// The number that a restore began with.
    pub(crate) restored: Option<u8>,
}

impl<const AGENTS: usize> State<AGENTS> {
    /// A new cluster, and how far the authorities' clocks are ahead.
    pub(crate) fn first(offsets: [u8; 2]) -> Self {
        let line = Stored::from(&Line::first(1, 0));
        let store = Store {
            place: Store::FIRST,
            line,
            keys: line.live(),
        };
        Self {
            authorities: offsets.map(|offset| Authority {
                offset,
                view: View {
                    place: store.place,
                    line,
                    confirmed: NOW + offset,
                    records: [Record::default(); AGENTS],
                },
                pending: None,
                listed: None,
            }),
            agents: [Agent::default(); AGENTS],
            history: History {
                made: store.keys,
                ..History::default()
            },
            store,
        }
    }
}

impl Store {
    /// Where a new cluster begins.
    pub(crate) const FIRST: Place = Place(0, 1);
}

impl<const AGENTS: usize> Authority<AGENTS> {
    pub(crate) fn clock(&self) -> u8 {
        NOW + self.offset
    }
}
