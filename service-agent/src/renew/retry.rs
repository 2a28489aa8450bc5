//! How long to wait before the next try for a certificate.

use std::time::Duration;

use crate::link::Outcome;

/// After the first try that no authority answered; the next ones wait twice as long each.
const LEAST: Duration = Duration::from_secs(1);
/// An agent that was cut off has its certificate soon after it is not.
const GREATEST: Duration = Duration::from_secs(30);
/// After the first no. It seldom becomes a yes.
const LEAST_REFUSED: Duration = Duration::from_secs(30);
const GREATEST_REFUSED: Duration = Duration::from_secs(600);

/// What the last tries came to.
#[derive(Default)]
pub(super) struct Retry {
    last: Option<Outcome>,
    /// Tries in a row that came to the same.
    same: u32,
}

impl Retry {
    /// Another try came to nothing. Gives how long to wait, and whether it is worth saying.
    pub(super) fn failed(&mut self, outcome: Outcome) -> (Duration, bool) {
        let is_news = self.last.replace(outcome) != Some(outcome);
        self.same = if is_news {
            0
        } else {
            self.same.saturating_add(1)
        };
        let (least, greatest) = match outcome {
            Outcome::Failed => (LEAST, GREATEST),
            Outcome::Unknown | Outcome::Refused => (LEAST_REFUSED, GREATEST_REFUSED),
        };
        let wait = least * 2_u32.pow(self.same.min(8));
        (wait.min(greatest), is_news)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_wait_longer_and_a_no_longest() {
        let mut retry = Retry::default();
        let mut waits = |outcome, times| -> Vec<_> {
            let wait = |_| {
                let (wait, is_news) = retry.failed(outcome);
                (wait.as_secs(), is_news)
            };
            (0..times).map(wait).collect()
        };
        let failed = waits(Outcome::Failed, 7);
        assert_eq!(failed[..2], [(1, true), (2, false)]);
        assert_eq!(failed[5..], [(30, false), (30, false)]);
        let refused = waits(Outcome::Unknown, 20);
        assert_eq!(refused[..2], [(30, true), (60, false)]);
        assert_eq!(refused[19], (600, false));
        assert_eq!(waits(Outcome::Failed, 1), [(1, true)], "cut off again");
    }
}
