//! Narrower keys and tokens: what somebody is handed who may do less.
//!
//! ```no_run
//! use std::time::Duration;
//! use cattery_sdk::{Client, Narrowing};
//!
//! # fn example(client: &Client) -> Result<(), Box<dyn std::error::Error>> {
//! let contractor = Narrowing::new().path("/app").methods(["GET"]).lasting(Duration::from_secs(86_400)).revocable();
//! let handed_out = client.hand_out("photos", &contractor)?;
//! # fn keep(_: Option<[u8; 16]>) {}
//! # fn send(_: &str) {}
//! keep(handed_out.revocation_id); // by this it can be taken back, alone
//! send(handed_out.text()); // a secret
//! # Ok(())
//! # }
//! ```

mod hand_out;
mod request;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cattery_core::{Caveat, CaveatError, CaveatKind};

pub use hand_out::{HandOutError, HandedOut};
pub use request::{RequestError, request_caveat};

/// Conditions, each of which has to hold. Nothing that is called here takes one away: calling [`path`](Self::path) twice asks for both.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Narrowing {
    caveats: Vec<Caveat<'static>>,
    not_before: Option<SystemTime>,
    not_after: Option<SystemTime>,
    lasting: Option<Duration>,
    pub(crate) once: bool,
    pub(crate) revocable: bool,
    problem: Option<RequestError>,
}

/// Conditions that are ready to be added to a key or a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Narrowed {
    /// In the order in which they were asked for; then the time, the single use and the revocation.
    pub caveats: Vec<Caveat<'static>>,
    /// By which it can be revoked alone, if it was to be revocable.
    pub revocation_id: Option<[u8; 16]>,
}

/// A condition that no request would meet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NarrowingError {
    /// A value that makes no sense.
    #[error("the condition `{kind}` can never hold: {why}")]
    Never {
        /// Which kind.
        kind: CaveatKind,
        /// What is wrong with it.
        why: CaveatError,
    },
    /// Its end is not later than now, or than its beginning.
    #[error("it would end before it begins, or has ended already")]
    Over,
    /// A time before 1970, or the clock stands there.
    #[error("a time lies before 1970")]
    Time,
    /// The request that it is bound to is none.
    #[error("the request cannot be bound to: {0}")]
    Request(#[from] RequestError),
    /// What is handed out would be all that there is.
    #[error("there is no condition: add one, or `revocable`")]
    Empty,
}

impl Narrowing {
    /// No condition yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The request's scope is one of these.
    pub fn scopes<S: AsRef<str>>(self, any_of: impl IntoIterator<Item = S>) -> Self {
        self.caveat(Caveat::Scopes(list(any_of)))
    }

    /// The method is one of these; one that begins with `/` is a gRPC method, `/pkg.Service/Method`.
    pub fn methods<S: AsRef<str>>(self, any_of: impl IntoIterator<Item = S>) -> Self {
        self.caveat(Caveat::Methods(list(any_of)))
    }

    /// The path is this one, or lies below it.
    pub fn path(self, prefix: impl Into<String>) -> Self {
        self.caveat(Caveat::PathPrefix(prefix.into().into()))
    }

    /// The client's address is in one of these blocks, like `192.0.2.0/24`.
    pub fn source_addrs<S: AsRef<str>>(self, any_of: impl IntoIterator<Item = S>) -> Self {
        self.caveat(Caveat::SourceAddr(list(any_of)))
    }

    /// The client's certificate (DER) has this SHA-256.
    pub fn client_cert(self, sha256: [u8; 32]) -> Self {
        self.caveat(Caveat::ClientCert(sha256))
    }

    /// The verifier's own context holds exactly this.
    pub fn context(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.caveat(Caveat::Context {
            key: key.into().into(),
            value: value.into().into(),
        })
    }

    /// The request is this one, as [`request_caveat`] says.
    pub fn request(mut self, method: &str, url: &str, body_sha256: Option<[u8; 32]>) -> Self {
        match request_caveat(method, url, body_sha256) {
            Ok(caveat) => self.caveat(caveat),
            Err(error) => {
                self.problem.get_or_insert(error);
                self
            }
        }
    }

    /// A discharge by this principal for this ticket (16 to 64 random bytes that they gave) comes along.
    pub fn third_party(self, principal: impl Into<String>, ticket: impl Into<Vec<u8>>) -> Self {
        self.caveat(Caveat::ThirdParty {
            principal: principal.into().into(),
            ticket: ticket.into().into(),
        })
    }

    /// Any other condition: `"context:team=red".parse()?`.
    pub fn caveat(mut self, caveat: Caveat<'static>) -> Self {
        self.caveats.push(caveat);
        self
    }

    /// From then on. With an end it is one condition. The later of two beginnings counts.
    pub fn after(mut self, time: SystemTime) -> Self {
        self.not_before = self.not_before.max(Some(time));
        self
    }

    /// Until then. The earlier of two ends counts.
    pub fn until(mut self, time: SystemTime) -> Self {
        self.not_after = Some(self.not_after.map_or(time, |before| before.min(time)));
        self
    }

    /// For so long, from when it is handed out; whole seconds. It ends with the key or token in any case.
    pub fn lasting(mut self, length: Duration) -> Self {
        self.lasting = Some(self.lasting.map_or(length, |before| before.min(length)));
        self
    }

    /// Each token is good for one use. Verifiers that have just started refuse such tokens for the first half minute.
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// It can be revoked alone, by an id of its own.
    pub fn revocable(mut self) -> Self {
        self.revocable = true;
        self
    }

    /// The conditions, with fresh ids where they have some, and times counted from now.
    ///
    /// # Errors
    /// [`NarrowingError`]: no request would meet one of them, or there is none.
    pub fn build(&self) -> Result<Narrowed, NarrowingError> {
        let now = SystemTime::now();
        let random = [rand::random(), rand::random()]; // the thread's CSPRNG
        self.build_at(now, random)
    }

    fn build_at(
        &self,
        now: SystemTime,
        [once, revocation]: [[u8; 16]; 2],
    ) -> Result<Narrowed, NarrowingError> {
        if let Some(problem) = self.problem {
            return Err(problem.into());
        }
        let mut caveats = self.caveats.clone();
        caveats.extend(self.window(now)?);
        caveats.extend(self.once.then_some(Caveat::SingleUse { id: once }));
        let revocation_id = self.revocable.then_some(revocation);
        caveats.extend(revocation_id.map(|id| Caveat::RevocationId { id }));
        for caveat in &caveats {
            let kind = caveat.kind();
            caveat
                .check()
                .map_err(|why| NarrowingError::Never { kind, why })?;
        }
        match caveats.is_empty() {
            true => Err(NarrowingError::Empty),
            false => Ok(Narrowed {
                caveats,
                revocation_id,
            }),
        }
    }

    fn window(&self, now: SystemTime) -> Result<Option<Caveat<'static>>, NarrowingError> {
        let lasting = self.lasting.and_then(|length| now.checked_add(length));
        let end = match (self.not_after, lasting) {
            (Some(end), Some(lasting)) => Some(end.min(lasting)),
            (end, lasting) => end.or(lasting),
        };
        if end.is_some_and(|end| end <= now.max(self.not_before.unwrap_or(now))) {
            return Err(NarrowingError::Over);
        }
        let seconds = |time: Option<SystemTime>| match time {
            Some(time) => unix(time),
            None => Ok(0),
        };
        let (not_before, not_after) = (seconds(self.not_before)?, seconds(end)?);
        Ok(
            (not_before != 0 || not_after != 0).then_some(Caveat::TimeWindow {
                not_before,
                not_after,
            }),
        )
    }
}

fn unix(time: SystemTime) -> Result<u64, NarrowingError> {
    let since = time.duration_since(UNIX_EPOCH);
    since
        .map(|since| since.as_secs())
        .map_err(|_| NarrowingError::Time)
}

fn list<S: AsRef<str>>(any_of: impl IntoIterator<Item = S>) -> cattery_core::AnyOf<'static> {
    let entries: Vec<String> = any_of
        .into_iter()
        .map(|entry| entry.as_ref().to_owned())
        .collect();
    entries.into()
}

#[cfg(test)]
mod tests;
