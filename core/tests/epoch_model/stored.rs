//! Lines and positions in few bytes, since a state is copied millions of times.

use cattery_core::epoch::{Active, Draining, Line, Parts, Position, Prepared};

use crate::numbers::Numbers;

/// A line without what no rule reads.
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
        let since = 0;
        let prepared = |(number, position): (u8, u8)| Prepared {
            number: number.into(),
            since,
            position: position.into(),
        };
        let draining = |(number, not_after): (u8, u8)| Draining {
            number: number.into(),
            since,
            not_after: not_after.into(),
        };
        let number = self.active.into();
        Parts {
            last: self.last.into(),
            prepared: self.prepared.map(prepared),
            active: Active { number, since },
            draining: self.draining.map(draining),
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

    pub(crate) fn not_after(&mut self) -> Option<&mut u8> {
        self.draining.as_mut().map(|(_, not_after)| not_after)
    }
}

impl From<&Line> for Stored {
    fn from(line: &Line) -> Self {
        let prepared = |it: Prepared| (small(it.number), small(it.position));
        let draining = |it: Draining| (small(it.number), small(it.not_after));
        Self {
            last: small(line.last()),
            prepared: line.prepared().map(prepared),
            active: small(line.active().number),
            draining: line.draining().map(draining),
        }
    }
}

pub(crate) fn small(number: impl TryInto<u8>) -> u8 {
    number.try_into().ok().expect("a small number")
}

/// Incarnation and sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Place(pub(crate) u8, pub(crate) u8);

impl From<Place> for Position {
    fn from(Place(incarnation, sequence): Place) -> Self {
        Self {
            incarnation: incarnation.into(),
            sequence: sequence.into(),
        }
    }
}
