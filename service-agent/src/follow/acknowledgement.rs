//! What the authorities are told that this service's verifiers hold.
//!
//! An epoch becomes active once every agent has acknowledged its key. Processes that verify by themselves with keys from this
//! agent ask it for them every few seconds, and so hold them later than the agent does. Where the configuration names such
//! processes, a set that says anything new is acknowledged only when each of them has had the time to ask: whether one is
//! there at the moment does not matter, since nobody can tell an agent that has just started.

use std::time::{Duration, Instant};

use crate::state::Mark;

/// What is on its way into other processes.
#[derive(Clone, Copy)]
struct Pending {
    mark: Mark,
    due: Instant,
}

/// What is acknowledged when: a place in the feed, with the newest epoch that was held there.
pub(super) struct Acknowledgement {
    /// How far those processes may be behind; zero where there are none.
    lag: Duration,
    acknowledged: Option<Mark>,
    /// Keeps its time when something newer comes: a quick succession does not put it off.
    first: Option<Pending>,
    /// The newest one behind that.
    second: Option<Pending>,
}

impl Acknowledgement {
    pub(super) fn new(lag: Duration) -> Self {
        Self {
            lag,
            acknowledged: None,
            first: None,
            second: None,
        }
    }

    /// The agent holds this from `now` on. What is no news needs no time of its own.
    pub(super) fn taken(&mut self, mark: Mark, is_news: bool, now: Instant) {
        self.advance(now);
        if is_news {
            let due = now + self.lag;
            let slot = match self.first {
                None => &mut self.first,
                Some(_) => &mut self.second,
            };
            *slot = Some(Pending { mark, due });
        } else if let Some(last) = self.second.as_mut().or(self.first.as_mut()) {
            last.mark = mark;
        } else {
            self.acknowledged = Some(mark);
        }
    }

    /// What is acknowledged at this time.
    pub(super) fn at(&mut self, now: Instant) -> Option<Mark> {
        self.advance(now);
        self.acknowledged
    }

    /// When that changes next.
    pub(super) fn due(&self) -> Option<Instant> {
        self.first.map(|pending| pending.due)
    }

    fn advance(&mut self, now: Instant) {
        while let Some(pending) = self.first.take_if(|pending| pending.due <= now) {
            self.acknowledged = Some(pending.mark);
            self.first = self.second.take();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::position::Position;

    const LAG: Duration = Duration::from_secs(10);

    fn mark(sequence: u64) -> Mark {
        let position = Position {
            incarnation: 1,
            sequence,
        };
        Mark { position, epoch: 1 }
    }

    /// An acknowledgement, and what it is after so many seconds.
    struct Told(Acknowledgement, Instant);

    impl Told {
        fn new(lag: Duration) -> Self {
            Self(Acknowledgement::new(lag), Instant::now())
        }

        fn taken(&mut self, seconds: u64, sequence: u64, is_news: bool) {
            let now = self.1 + Duration::from_secs(seconds);
            self.0.taken(mark(sequence), is_news, now);
        }

        fn at(&mut self, seconds: u64) -> Option<u64> {
            let at = self.0.at(self.1 + Duration::from_secs(seconds));
            at.map(|mark| mark.position.sequence)
        }
    }

    #[test]
    fn where_nobody_else_verifies_it_is_told_at_once() {
        let mut told = Told::new(Duration::ZERO);
        assert_eq!(told.at(0), None);
        told.taken(1, 4, true);
        assert_eq!(told.at(1), Some(4));
        assert_eq!(told.0.due(), None);
    }

    #[test]
    fn where_others_verify_they_get_the_time_to_ask() {
        let mut told = Told::new(LAG);
        told.taken(0, 4, true);
        assert_eq!(told.0.due(), Some(told.1 + LAG));
        assert_eq!((told.at(9), told.at(10)), (None, Some(4)));
        told.taken(20, 5, true);
        assert_eq!((told.at(29), told.at(30)), (Some(4), Some(5)));
    }

    #[test]
    fn a_quick_succession_puts_nothing_off() {
        let mut told = Told::new(LAG);
        for (second, sequence) in (0..30).zip(1..) {
            told.taken(second, sequence, true);
        }
        let seen = [29, 37, 39].map(|second| told.at(second));
        assert_eq!(seen, [Some(19), Some(28), Some(30)]);
    }

    #[test]
    fn what_says_nothing_new_goes_with_what_is_on_its_way() {
        let mut told = Told::new(LAG);
        told.taken(0, 4, true);
        told.taken(5, 5, false);
        assert_eq!((told.at(9), told.at(10)), (None, Some(5)));
        told.taken(11, 6, false);
        assert_eq!(told.at(11), Some(6));
    }
}
