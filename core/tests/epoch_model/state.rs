//! Everything that a state of the model holds. Times are small, and NOW is the present.

use cattery_core::epoch::{Active, Command, Draining, Line, Parts, Position, Prepared};

/// The present, on a clock with offset 0.
pub(crate) const NOW: u8 = 32;
/// Of the line when the cluster is made.
pub(crate) const FIRST_REVISION: u8 = 1;
/// One more than the greatest number.
pub(crate) const NUMBERS: usize = 6;

/// A set of numbers.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Numbers(pub(crate) u8);

impl Numbers {
    pub(crate) fn of(numbers: impl IntoIterator<Item = u32>) -> Self {
        Self(
            numbers
                .into_iter()
                .fold(0, |bits, number| bits | 1 << number),
        )
    }
    pub(crate) fn up_to(last: u8) -> Self {
        Self::of(1..=u32::from(last))
    }
    pub(crate) fn has(self, number: u8) -> bool {
        self.0 & 1 << number != 0
    }
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    pub(crate) fn except(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
    pub(crate) fn greatest(self) -> u8 {
        (0..8).rev().find(|number| self.has(*number)).unwrap_or(0)
    }
}

impl std::fmt::Debug for Numbers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set()
            .entries((0..8).filter(|number| self.has(*number)))
            .finish()
    }
}

/// A line as it is kept here: without what nothing reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Stored {
    pub(crate) last: u8,
    /// Number and position.
    pub(crate) prepared: Option<(u8, u8)>,
    pub(crate) active: u8,
    /// Number and not_after.
    pub(crate) draining: Option<(u8, u8)>,
}

impl Stored {
    pub(crate) fn parts(self) -> Parts {
        Parts {
            last: self.last.into(),
            prepared: self.prepared.map(|(number, position)| Prepared {
                number: number.into(),
                since: 0,
                position: position.into(),
            }),
            active: Active {
                number: self.active.into(),
                since: 0,
            },
            draining: self.draining.map(|(number, not_after)| Draining {
                number: number.into(),
                since: 0,
                not_after: not_after.into(),
            }),
        }
    }
    pub(crate) fn line(self) -> Line {
        Line::from_parts(self.parts()).unwrap()
    }
    pub(crate) fn live(self) -> Numbers {
        Numbers::of(self.parts().live())
    }
    /// What agents were told to drop.
    pub(crate) fn retired(self) -> Numbers {
        Numbers::up_to(self.last).except(self.live())
    }
}

impl From<&Line> for Stored {
    fn from(line: &Line) -> Self {
        Self {
            last: small(line.last()),
            prepared: line
                .prepared()
                .map(|it| (small(it.number), small(it.position))),
            active: small(line.active().number),
            draining: line
                .draining()
                .map(|it| (small(it.number), small(it.not_after))),
        }
    }
}

pub(crate) fn small(number: impl TryInto<u8>) -> u8 {
    number.try_into().ok().expect("a small number")
}

/// Incarnation and sequence.
pub(crate) type Place = (u8, u8);

pub(crate) fn position((incarnation, sequence): Place) -> Position {
    Position {
        incarnation: incarnation.into(),
        sequence: sequence.into(),
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State<const AGENTS: usize> {
    pub(crate) store: Store,
    pub(crate) authorities: [Authority<AGENTS>; 2],
    pub(crate) agents: [Agent; AGENTS],
    pub(crate) history: History,
}

/// What the store holds, but for the agents' records. The line's revision is its sequence in the feed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Store {
    pub(crate) incarnation: u8,
    pub(crate) revision: u8,
    pub(crate) line: Stored,
    pub(crate) keys: Numbers,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Authority<const AGENTS: usize> {
    /// Of its clock.
    pub(crate) offset: u8,
    pub(crate) view: View,
    /// What it decided, and the store has not taken yet. A frozen authority leaves it at that for long.
    pub(crate) pending: Option<Pending<AGENTS>>,
    /// Agents' records, where they are listed before the line is read.
    pub(crate) listed: Option<[Record; AGENTS]>,
}

/// What an authority knows of the line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct View {
    pub(crate) incarnation: u8,
    pub(crate) revision: u8,
    pub(crate) line: Stored,
    /// When it asked for it, by its own clock.
    pub(crate) confirmed: u8,
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
    pub(crate) incarnation: u8,
    pub(crate) revision: u8,
    pub(crate) line: Stored,
    pub(crate) made: Numbers,
    pub(crate) destroyed: Numbers,
    /// Until when each agent is left behind.
    pub(crate) left: [Option<u8>; AGENTS],
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ContactPending {
    pub(crate) agent: usize,
    pub(crate) incarnation: u8,
    pub(crate) revision: u8,
    pub(crate) read: Record,
    pub(crate) write: Record,
    pub(crate) answer: Option<Envelope>,
}

/// What the store knows about an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Record {
    /// None: never, or too long ago to be live by any clock.
    pub(crate) contact: Option<u8>,
    /// The place that the contact's answer spoke of.
    pub(crate) answered: Place,
    pub(crate) acknowledged: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Agent {
    /// None after a restart.
    pub(crate) held: Option<(Place, Numbers)>,
    pub(crate) mark: Place,
    pub(crate) mark_on_disk: Place,
    /// When it asked the question whose answer renewed its budget last; None: its budget is over, it answers 503.
    pub(crate) renewed: Option<u8>,
    /// What it heard was retired.
    pub(crate) retired: Numbers,
    /// On their way to it, in any order.
    pub(crate) mail: [Option<Envelope>; 2],
    pub(crate) record: Record,
    /// The record in the store of the incarnation before.
    pub(crate) before: Record,
    /// A number that it was left behind for, and until when.
    pub(crate) left: Option<(u8, u8)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Envelope {
    /// When the agent asked; None: so long ago that it renews nothing.
    pub(crate) asked: Option<u8>,
    pub(crate) body: Body,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Body {
    /// "This is the place now."
    Heartbeat(Place),
    /// "This is the place now, and these are its keys"; also what was retired by then.
    Keys(Place, Numbers, Numbers),
}

impl Body {
    pub(crate) fn answered(self) -> Place {
        match self {
            Self::Heartbeat(place) | Self::Keys(place, ..) => place,
        }
    }
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
    /// The number that a restore began with.
    pub(crate) restored: Option<u8>,
    /// A number that became active without warning, and where.
    pub(crate) sudden: Option<(u8, Place)>,
}
