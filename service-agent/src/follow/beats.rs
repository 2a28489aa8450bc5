//! The beats of one stream: which ones left when, and which are answered.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::clock::Moment;

/// How long a beat may stay without an answer at the most. Past it, the authority is as good as gone.
const GREATEST_PATIENCE: Duration = Duration::from_secs(15);
/// As many authorities can be silent, one after the other, before the outage budget is used up.
const SILENT_IN_BUDGET: u32 = 4;

/// A beat that is not answered yet.
struct Sent {
    number: u64,
    at: Moment,
}

/// A beat that was.
#[derive(Debug)]
pub(super) struct Answered {
    /// From the beat to its answer.
    pub(super) round_trip: Duration,
}

/// An answer to a beat that never left.
#[derive(Debug, thiserror::Error)]
#[error("it answers beat {0}, which was not sent")]
pub(super) struct NeverSent(u64);

/// Counts and remembers.
pub(super) struct Beats {
    patience: Duration,
    sent: u64,
    last: Option<Instant>,
    open: VecDeque<Sent>,
    contact: Option<Moment>,
}

impl Beats {
    /// For an agent that goes on for `outage_budget` without an answer.
    pub(super) fn new(outage_budget: Duration) -> Self {
        Self {
            patience: GREATEST_PATIENCE.min(outage_budget / SILENT_IN_BUDGET),
            sent: 0,
            last: None,
            open: VecDeque::new(),
            contact: None,
        }
    }

    /// How long a beat may stay without an answer.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// The number of the beat that leaves at this moment.
    pub(super) fn next(&mut self, at: Moment) -> u64 {
        self.sent += 1;
        self.last = Some(at.steady);
        self.open.push_back(Sent {
            number: self.sent,
            at,
        });
        self.sent
    }

    /// Takes note of an answer that names the newest beat that it is an answer to. `None` where it was answered before: then
    /// it is the authority that had something to say.
    ///
    /// # Errors
    /// There is no such beat.
    pub(super) fn answered(
        &mut self,
        number: u64,
        now: Moment,
    ) -> Result<Option<Answered>, NeverSent> {
        if number == 0 || number > self.sent {
            return Err(NeverSent(number));
        }
        let mut newest = None;
        while let Some(sent) = self.open.front().filter(|sent| sent.number <= number) {
            newest = Some(sent.at);
            self.open.pop_front();
        }
        let Some(at) = newest else { return Ok(None) };
        self.contact = Some(at);
        Ok(Some(Answered {
            round_trip: now.steady.saturating_duration_since(at.steady),
        }))
    }

    /// When the newest beat left that was answered: an authority that speaks later may speak of what it knew then.
    pub(super) fn contact(&self) -> Option<Moment> {
        self.contact
    }

    /// When the last one left.
    pub(super) fn last(&self) -> Option<Instant> {
        self.last
    }

    /// When patience with the authority ends.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.open.front().map(|sent| sent.at.steady + self.patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Duration = Duration::from_secs(40);
    const PATIENCE: Duration = Duration::from_secs(10);

    fn later(start: Moment, seconds: u64) -> Moment {
        Moment {
            wall: start.wall + seconds,
            steady: start.steady + Duration::from_secs(seconds),
        }
    }

    #[test]
    fn contact_is_when_the_newest_answered_beat_left() {
        let (mut beats, start) = (Beats::new(BUDGET), Moment::now());
        for seconds in [0, 10, 20] {
            beats.next(later(start, seconds));
        }
        let contact = |beats: &Beats| {
            let contact = beats.contact().unwrap().steady;
            contact.duration_since(start.steady).as_secs()
        };
        let answered = beats.answered(2, later(start, 21)).unwrap().unwrap();
        assert_eq!(answered.round_trip, Duration::from_secs(11));
        assert_eq!(contact(&beats), 10);
        // What the authority says by itself, and what overtook it, change nothing.
        for number in [2, 1] {
            assert!(beats.answered(number, later(start, 300)).unwrap().is_none());
            assert_eq!(contact(&beats), 10);
        }
        assert!(beats.answered(3, later(start, 300)).unwrap().is_some());
        assert_eq!(contact(&beats), 20);
    }

    #[test]
    fn patience_is_with_the_oldest_beat_that_is_open() {
        let (mut beats, start) = (Beats::new(BUDGET), Moment::now());
        assert_eq!(beats.deadline(), None);
        beats.next(start);
        beats.next(later(start, 10));
        let deadline = |beats: &Beats| beats.deadline().map(|at| at - start.steady);
        assert_eq!(deadline(&beats), Some(PATIENCE));
        beats.answered(1, later(start, 11)).unwrap();
        let second = PATIENCE + Duration::from_secs(10);
        assert_eq!(deadline(&beats), Some(second));
        beats.answered(2, later(start, 12)).unwrap();
        assert_eq!(deadline(&beats), None);
    }

    #[test]
    fn beats_that_never_left_are_not_answered() {
        let (mut beats, start) = (Beats::new(BUDGET), Moment::now());
        assert!(beats.answered(1, start).is_err());
        beats.next(start);
        assert!(beats.answered(0, start).is_err());
        assert!(beats.answered(2, start).is_err());
        assert!(beats.contact().is_none());
    }
}
