//! Clocks and ends of certificates.

use super::finding::Finding;
use crate::clock;

/// Tokens are refused from here on, unless agents forgive more (SPEC section 5).
const LEEWAY: u64 = cattery_core::limits::DEFAULT_LEEWAY;
/// Certificates that renew by themselves have long done so.
const SOON: u64 = 24 * 3_600;

/// How far the clock of `whose` is from this one, seconds.
pub(super) fn clocks(whose: &str, theirs: u64, ours: u64) -> Finding {
    let (check, subject) = ("clock", format!("the clock, next to that of {whose}"));
    let by = theirs.abs_diff(ours);
    let ahead = if theirs > ours { "behind" } else { "ahead" };
    let found = format!("this machine's clock is {by} s {ahead}");
    let remedy = "set both by NTP: `timedatectl set-ntp true`, and look at `timedatectl` on each";
    // A second for the way, and one for what whole seconds hide.
    if by > LEEWAY {
        let found = format!("{found}: agents refuse tokens from {LEEWAY} s on");
        Finding::error(check, subject, found, remedy)
    } else if by > LEEWAY / 2 {
        Finding::warning(check, subject, found, remedy)
    } else {
        Finding::ok(check, subject, "agrees")
    }
}

/// When a certificate ends, and what to do if it did not renew.
pub(super) fn certificate(subject: &str, ends: u64, now: u64, remedy: &str) -> Finding {
    let check = "certificate";
    let when = clock::both(ends, now);
    if ends <= now {
        let remedy = format!("{remedy}. If it should be good: is this machine's clock wrong?");
        Finding::error(check, subject, format!("has ended, {when}"), remedy)
    } else {
        Finding::ok(check, subject, format!("ends {when}"))
    }
}

/// The same for one that nobody but an operator renews.
pub(super) fn certificate_by_hand(subject: &str, ends: u64, now: u64, remedy: &str) -> Finding {
    if ends > now && ends - now < SOON {
        let found = format!("ends {}", clock::both(ends, now));
        return Finding::warning("certificate", subject, found, remedy);
    }
    certificate(subject, ends, now, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::State;

    #[test]
    fn clocks_may_differ_by_half_a_leeway() {
        for (theirs, state) in [
            (1_000, State::Ok),
            (985, State::Ok),
            (1_016, State::Warning),
            (984, State::Warning),
            (1_031, State::Error),
            (969, State::Error),
        ] {
            assert_eq!(clocks("a:1", theirs, 1_000).state(), state, "{theirs}");
        }
    }

    #[test]
    fn a_certificate_ends_at_its_last_second() {
        let state = |ends, now| certificate("it", ends, now, "renew it").state();
        assert_eq!(
            (state(1_000, 999), state(1_000, 1_000)),
            (State::Ok, State::Error)
        );
        let by_hand = |ends| certificate_by_hand("it", ends, 1_000, "renew it").state();
        assert_eq!(
            (by_hand(1_000), by_hand(1_001), by_hand(1_000 + SOON)),
            (State::Error, State::Warning, State::Ok)
        );
    }
}
