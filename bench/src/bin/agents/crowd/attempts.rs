//! What was tried, and how it was refused.

use std::{
    collections::BTreeMap,
    error::Error as StdError,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tonic::{Code, Status};

use crate::messages::Attempts;

/// Why a call or a stream came to nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// In a way that is meant to be tried again: the authority said `UNAVAILABLE`, or the connection broke.
    ForNow(String),
    /// In any other.
    ForGood(String),
}

impl Refused {
    /// What a status means.
    pub(super) fn of(status: &Status) -> Self {
        let Some(source) = StdError::source(status) else {
            // With no source it is the authority's own word.
            let said = format!("{:?}: {}", status.code(), plain(status.message()));
            return match status.code() {
                Code::Unavailable => Self::ForNow(said),
                _ => Self::ForGood(said),
            };
        };
        let cause = deepest(source);
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return Self::ForGood(format!("TLS: {tls}"));
        }
        if cause.is::<tonic::TimeoutExpired>() {
            return Self::ForNow("no answer in time".to_owned());
        }
        match kind(source) {
            Some(kind) => Self::ForNow(format!("connection: {kind}")),
            None => {
                let text = cause.to_string();
                let words = text.split(": http").next().unwrap_or_default(); // rustls adds a link
                Self::ForNow(format!("connection: {words}"))
            }
        }
    }
}

/// What the system said: one word, where the text may be a long one.
fn kind(source: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let errors = std::iter::successors(Some(source), |&error| error.source());
    let io = errors.filter_map(|error| error.downcast_ref::<io::Error>());
    io.last().map(io::Error::kind)
}

/// The cause of it all.
fn deepest<'a>(error: &'a (dyn StdError + 'static)) -> &'a (dyn StdError + 'static) {
    let mut cause = error;
    loop {
        // An I/O error passes its inner error's source on, and not the inner error.
        let inner = cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
            .map(|inner| inner as &(dyn StdError + 'static));
        match inner.or_else(|| cause.source()) {
            Some(deeper) => cause = deeper,
            None => return cause,
        }
    }
}

/// Up to the id of the request, so that equal answers are counted together.
fn plain(message: &str) -> &str {
    let words = "request id";
    let end = message.find(words).map(|at| at + words.len());
    &message[..end.unwrap_or(message.len())]
}

/// Counts for all agents.
#[derive(Default)]
pub(super) struct Tally(Mutex<Attempts>);

impl Tally {
    pub(super) fn begun(&self) {
        self.counts().begun += 1;
    }

    pub(super) fn refused(&self, refused: Refused) {
        let mut counts = self.counts();
        let mut count = |of: fn(&mut Attempts) -> &mut BTreeMap<String, u64>, how| {
            *of(&mut counts).entry(how).or_default() += 1;
        };
        match refused {
            Refused::ForNow(how) => count(|counts| &mut counts.retried, how),
            Refused::ForGood(how) => count(|counts| &mut counts.for_good, how),
        }
    }

    /// What was counted since the last time.
    pub(super) fn take(&self) -> Attempts {
        std::mem::take(&mut *self.counts())
    }

    fn counts(&self) -> MutexGuard<'_, Attempts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unavailable_and_broken_connections_may_be_tried_again() {
        let authority = |code| Refused::of(&Status::new(code, "no. Its request id 0a"));
        assert_eq!(
            authority(Code::Unavailable),
            Refused::ForNow("Unavailable: no. Its request id".into())
        );
        for code in [Code::Aborted, Code::Internal, Code::ResourceExhausted] {
            assert!(matches!(authority(code), Refused::ForGood(_)), "{code:?}");
        }
        let broken = |error: io::Error| Refused::of(&Status::from_error(Box::new(error)));
        assert_eq!(
            broken(io::ErrorKind::ConnectionReset.into()),
            Refused::ForNow("connection: connection reset".into())
        );
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateUnknown);
        let refused = broken(io::Error::other(alert));
        assert!(matches!(refused, Refused::ForGood(_)), "{refused:?}");
    }
}
