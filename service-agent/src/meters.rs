//! What the agent counts and times. `metrics.rs` shows it; `docs/metrics.md` has a row for each name.

use cattery_core::Code;
use cattery_meters::{Counter, Histogram, LOCAL, Label, label};

use crate::decision::Face;
use crate::forward::ForwardRefused;
use crate::keys::KeyAges;
use crate::position::Acknowledged;
use crate::verdict::Verdict;

/// All of it. Whatever adds to it waits for nobody.
pub(crate) struct Meters {
    pub(crate) verifications: Counter<(Face, Verdicts)>,
    pub(crate) verification_duration: Histogram<Face>,
    pub(crate) forwarded: Counter<ForwardVerdicts>,
    pub(crate) in_process_uses: Counter<UseVerdicts>,
    pub(crate) signing: Counter<(Signing, Signed)>,
    pub(crate) lease_renewals: Counter<Renewed>,
    pub(crate) certificate_renewals: Counter<Certified>,
    pub(crate) streams_ended: Counter<StreamEnd>,
    pub(crate) key_ages: KeyAges,
    pub(crate) acknowledged: Acknowledged,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            verifications: Counter::new(
                "cattery_agent_verifications",
                "What came of the questions whether a request may pass",
            ),
            verification_duration: Histogram::new(
                "cattery_agent_verification_duration_seconds",
                "From a question to its answer",
                LOCAL,
            ),
            forwarded: Counter::new(
                "cattery_agent_forwarded_tokens",
                "What came of the tokens that verified callers presented for others",
            ),
            in_process_uses: Counter::new(
                "cattery_agent_in_process_uses",
                "What came of single uses that applications which verify by themselves asked for",
            ),
            signing: Counter::new(
                "cattery_agent_signing_requests",
                "What came of the questions for a token or a discharge of this service",
            ),
            lease_renewals: Counter::new(
                "cattery_agent_lease_renewals",
                "Renewals of the leases that this service signs with",
            ),
            certificate_renewals: Counter::new(
                "cattery_agent_certificate_renewals",
                "Attempts to renew the certificate",
            ),
            streams_ended: Counter::new(
                "cattery_agent_feed_streams_ended",
                "Streams from an authority that ended, by why",
            ),
            key_ages: KeyAges::default(),
            acknowledged: Acknowledged::default(),
        }
    }
}

impl Label for Face {
    const NAME: &'static str = "face";

    fn all() -> Vec<Self> {
        Self::ALL.to_vec()
    }

    fn index(self) -> usize {
        self as usize
    }

    fn as_str(self) -> &'static str {
        Self::as_str(self)
    }
}

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdicts(pub(crate) Result<(), Verdict>);

impl Label for Verdicts {
    const NAME: &'static str = "verdict";

    fn all() -> Vec<Self> {
        let refused = Verdict::all().into_iter().map(Err);
        [Ok(())].into_iter().chain(refused).map(Self).collect()
    }

    fn index(self) -> usize {
        self.0.map_or_else(|verdict| 1 + verdict.index(), |()| 0)
    }

    fn as_str(self) -> &'static str {
        self.0.map_or_else(Verdict::code, |()| "ok")
    }
}

/// What came of a forwarded token: there is one always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ForwardVerdicts(pub(crate) Result<(), ForwardRefused>);

impl Label for ForwardVerdicts {
    const NAME: &'static str = "verdict";

    fn all() -> Vec<Self> {
        let codes = Code::ALL.into_iter().map(Verdict::Denied);
        let refused = [Verdict::Unavailable].into_iter().chain(codes);
        let refused = refused.map(ForwardRefused::Token);
        let refused = [ForwardRefused::NotTrusted].into_iter().chain(refused);
        let refused = refused.map(Err);
        [Ok(())].into_iter().chain(refused).map(Self).collect()
    }

    fn index(self) -> usize {
        match self.0 {
            Ok(()) => 0,
            Err(ForwardRefused::NotTrusted) => 1,
            Err(ForwardRefused::Token(verdict)) => 1 + verdict.index(), // without `no_token`
        }
    }

    fn as_str(self) -> &'static str {
        self.0.map_or_else(ForwardRefused::code, |()| "ok")
    }
}

/// What came of a single use: all but the last two steps were another process's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UseVerdicts {
    Ok,
    Replayed,
    ReplayFull,
    Unavailable,
}

impl UseVerdicts {
    /// Of a refused one.
    pub(crate) fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Denied(Code::ReplayFull) => Self::ReplayFull,
            Verdict::Denied(_) => Self::Replayed,
            Verdict::Unavailable | Verdict::NoToken => Self::Unavailable,
        }
    }
}

label!(UseVerdicts, "verdict", Ok => "ok", Replayed => "replayed", ReplayFull => "replay_full", Unavailable => "unavailable");

/// What is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signing {
    Token,
    Discharge,
}

label!(Signing, "what", Token => "token", Discharge => "discharge");

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signed {
    Ok,
    /// The request cannot be served as it is.
    Invalid,
    /// The process may not ask.
    NotAllowed,
    /// No grant, or one that nobody can vouch with.
    NotGranted,
    /// No authority gave a key.
    Unavailable,
}

label!(Signed, "result", Ok => "ok", Invalid => "invalid", NotAllowed => "not_allowed", NotGranted => "not_granted", Unavailable => "unavailable");

/// What came of a lease's renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renewed {
    Ok,
    Failed,
}

label!(Renewed, "result", Ok => "ok", Failed => "failed");

/// What came of an attempt to renew the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Certified {
    Renewed,
    /// It had ended, and there is another one for the same key.
    Recovered,
    /// An authority said no.
    Refused,
    /// None answered.
    Failed,
}

label!(Certified, "result", Renewed => "renewed", Recovered => "recovered", Refused => "refused", Failed => "failed");

/// Why a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    /// It began with an identity, CAs or addresses that are not the newest.
    Renewed,
    /// The authority stopped.
    Moved,
    /// What it said is not taken.
    Rejected,
    /// It broke, or was silent.
    Failed,
}

label!(StreamEnd, "reason", Renewed => "renewed", Moved => "moved", Rejected => "rejected", Failed => "failed");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn check<L: Label>(len: usize) {
        let all = L::all();
        let words: BTreeSet<_> = all.iter().map(|value| value.as_str()).collect();
        assert_eq!((all.len(), words.len()), (len, len), "{words:?}");
        for (index, value) in all.into_iter().enumerate() {
            assert_eq!(value.index(), index, "{}", value.as_str());
        }
    }

    #[test]
    fn each_value_has_its_own_place_and_word() {
        check::<Face>(3);
        check::<Verdicts>(16);
        check::<ForwardVerdicts>(16);
        check::<UseVerdicts>(4);
        check::<Signing>(2);
        check::<Signed>(5);
        check::<Renewed>(2);
        check::<Certified>(4);
        check::<StreamEnd>(4);
    }
}
