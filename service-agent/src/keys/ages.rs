//! Since when keys are held, for whoever shows it.

use std::time::Duration;

use arc_swap::ArcSwap;
use cattery_proto::v1::EpochState;

use super::Held;
use crate::clock::Moment;

/// Since when this process holds each epoch in the state it is in.
#[derive(Default)]
pub(crate) struct KeyAges(ArcSwap<Vec<Since>>);

#[derive(Clone, Copy)]
struct Since {
    epoch: u32,
    state: EpochState,
    at: Moment,
}

impl KeyAges {
    /// These are held at this moment, oldest epoch first.
    pub(crate) fn hold(&self, held: &[Held], at: Moment) {
        let before = self.0.load();
        let same = |held: &Held| {
            let mut before = before.iter();
            before.find(|since| since.epoch == held.epoch && since.state == held.state)
        };
        let since = |held: &Held| {
            same(held).copied().unwrap_or(Since {
                epoch: held.epoch,
                state: held.state,
                at,
            })
        };
        self.0
            .store(held.iter().map(since).collect::<Vec<_>>().into());
    }

    /// How long the newest epoch in each state has been held as that.
    pub(crate) fn ages(&self, now: Moment) -> Vec<(EpochState, Duration)> {
        let known = self.0.load();
        let states = [
            EpochState::Prepared,
            EpochState::Active,
            EpochState::Draining,
        ];
        let age = |state| {
            let newest = known.iter().rev().find(|since| since.state == state)?;
            Some((state, now.since(&newest.at)))
        };
        states.into_iter().filter_map(age).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(epoch: u32, state: EpochState) -> Held {
        Held {
            epoch,
            generation: 0,
            state,
            not_after: 0,
        }
    }

    #[test]
    fn an_age_begins_with_the_state_and_outlives_what_leaves_it_alone() {
        use EpochState::{Active, Draining, Prepared};
        let (ages, start) = (KeyAges::default(), Moment::now());
        let later = |seconds| Moment {
            wall: start.wall + seconds,
            steady: start.steady + Duration::from_secs(seconds),
        };
        assert!(ages.ages(start).is_empty());
        ages.hold(&[held(1, Active), held(2, Prepared)], start);
        ages.hold(&[held(1, Active), held(2, Prepared)], later(10));
        let seconds = |at| {
            let ages = ages.ages(later(at)).into_iter();
            ages.map(|(state, age)| (state, age.as_secs()))
                .collect::<Vec<_>>()
        };
        assert_eq!(seconds(15), [(Prepared, 15), (Active, 15)]);
        ages.hold(&[held(1, Draining), held(2, Active)], later(20));
        assert_eq!(seconds(25), [(Active, 5), (Draining, 5)]);
    }
}
