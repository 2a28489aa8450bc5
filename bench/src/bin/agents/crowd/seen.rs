//! What is noted of one agent.

use crate::moment::Moment;

/// What an agent has seen so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// When its stream was first answered, if it holds keys; none while there is no stream.
    pub(super) contact: Option<Moment>,
    /// The newest epoch of which it holds a key, and since when.
    pub(super) newest: Option<(u32, Moment)>,
    /// The place in the feed, by incarnation and sequence, up to which its acknowledgement was answered, and since when.
    pub(super) acknowledged: Option<((u64, u64), Moment)>,
}

impl Seen {
    /// It was answered, and holds keys up to this epoch.
    pub(super) fn answered(&mut self, newest: u32, now: Moment) {
        self.contact.get_or_insert(now);
        if self.newest.is_none_or(|(known, _)| known < newest) {
            self.newest = Some((newest, now));
        }
    }

    /// All its beats are answered: the authority knows that it holds all up to there.
    pub(super) fn acknowledged(&mut self, place: (u64, u64), now: Moment) {
        if self.acknowledged.is_none_or(|(known, _)| known < place) {
            self.acknowledged = Some((place, now));
        }
    }

    /// Its stream is over.
    pub(super) fn lost(&mut self) {
        self.contact = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_moment_counts() {
        let mut seen = Seen::default();
        for (epoch, now) in [(1, 10), (1, 20), (2, 30), (2, 40)] {
            seen.answered(epoch, now);
        }
        assert_eq!((seen.contact, seen.newest), (Some(10), Some((2, 30))));
        seen.lost();
        seen.answered(2, 50);
        assert_eq!((seen.contact, seen.newest), (Some(50), Some((2, 30))));
        for (sequence, now) in [(7, 60), (7, 70), (9, 80), (9, 90)] {
            seen.acknowledged((1, sequence), now);
        }
        assert_eq!(seen.acknowledged, Some(((1, 9), 80)));
    }
}
