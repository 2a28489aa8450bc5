//! Vouching: discharges for third-party caveats (SPEC section 7), signed with this client's own key or by its agent.

use std::{fmt, ops::Deref, time::Duration};

use cattery_core::{Caveat, CaveatError, DischargeSpec, UserKey, limits::DEFAULT_MAX_LIFETIME};
use cattery_proto::v1::{SignDischargeRequest, agent_client::AgentClient};
use zeroize::Zeroizing;

use super::{
    Client, MintError,
    snapshot::{Held, Snapshot},
};
use crate::agent;

/// How long a discharge is good for unless said otherwise.
pub(crate) const DEFAULT_TTL: Duration = Duration::from_secs(60);

/// What a discharge is to say beside whom it is for.
#[derive(Clone, Debug)]
pub struct DischargeOptions {
    /// The caveat's ticket, 16 to 64 bytes.
    pub ticket: Vec<u8>,
    /// SHA-256 of the token's first tag: the discharge is good for that token alone. `None`: for any that asks for the ticket.
    pub bound_to: Option<[u8; 32]>,
    /// How long it is good for, whole seconds; an hour at most, and cut at the end of the lease. It is also how long a later "no" takes.
    pub ttl: Duration,
    /// The discharge's own caveats, which the request has to pass as well.
    pub caveats: Vec<Caveat<'static>>,
    /// Epoch and generation of the key that signed the token, as far as they are known: a key that is older is renewed first.
    pub since: (u32, u32),
}

impl DischargeOptions {
    /// A minute for any token that asks for the ticket.
    pub fn new(ticket: impl Into<Vec<u8>>) -> Self {
        Self {
            ticket: ticket.into(),
            bound_to: None,
            ttl: DEFAULT_TTL,
            caveats: Vec::new(),
            since: (0, 0),
        }
    }
}

/// A discharge, `catd1_…`: a secret while it is good. Wiped on drop.
pub struct Discharge {
    text: Zeroizing<String>,
    not_after: u64,
}

impl Discharge {
    pub(crate) fn new(text: String, not_after: u64) -> Self {
        let text = Zeroizing::new(text);
        Self { text, not_after }
    }

    /// When it ends, Unix seconds.
    pub fn not_after(&self) -> u64 {
        self.not_after
    }
}

impl Deref for Discharge {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Discharge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Discharge(..)")
    }
}

/// Why no discharge could be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DischargeError {
    /// There is no key to sign with.
    #[error(transparent)]
    Key(MintError),
    /// The key has caveats, and such a key cannot vouch.
    #[error(
        "the key for `{0}` is narrowed, and with such a key nobody can vouch: it takes a grant without conditions, and an API key without any"
    )]
    Narrowed(String),
    /// No verifier would accept such a discharge: the caller's fault.
    #[error("such a discharge cannot be signed: {0}")]
    Spec(#[from] cattery_core::MintError),
    /// No verifier would accept such a discharge: the caller's fault.
    #[error("such a discharge cannot be signed: its caveat can never hold: {0}")]
    Caveat(#[from] CaveatError),
    /// The agent signs for this client, and did not: a line for people.
    #[error("{0}")]
    Agent(String),
}

impl Client {
    /// Vouches to `service`: signs a discharge. Touches no network where this client holds keys, unless its key is older than the
    /// token's ([`DischargeOptions::since`]); with [`Credentials::Agent`](super::Credentials::Agent) the agent signs.
    ///
    /// # Errors
    /// [`DischargeError`].
    pub async fn discharge(
        &self,
        service: &str,
        options: &DischargeOptions,
    ) -> Result<Discharge, DischargeError> {
        if let Some((socket, channel)) = self.agent() {
            let request = request(service, options)?;
            let answer = AgentClient::new(channel).sign_discharge(request).await;
            let answer = answer
                .map_err(|status| DischargeError::Agent(agent::explain(socket, &status)))?
                .into_inner();
            return Ok(Discharge::new(answer.discharge, answer.not_after));
        }
        let round = self.round();
        if self.snapshot().is_older(service, options.since) {
            self.newer_than(round).await; // what is held is better than nothing
        }
        let now = self.now().ok_or(DischargeError::Key(MintError::Clock))?;
        self.snapshot().discharge_at(service, options, now)
    }
}

/// Whole seconds, one at least.
fn seconds(ttl: Duration) -> u64 {
    ttl.as_secs().clamp(1, DEFAULT_MAX_LIFETIME)
}

fn request(
    service: &str,
    options: &DischargeOptions,
) -> Result<SignDischargeRequest, DischargeError> {
    let encoded = options.caveats.iter().map(|caveat| {
        let mut bytes = Vec::new();
        caveat.encode(&mut bytes).map(|()| bytes)
    });
    let (epoch, generation) = options.since;
    Ok(SignDischargeRequest {
        audience: service.to_owned(),
        ticket: options.ticket.clone(),
        bound_to: options.bound_to.map_or_else(Vec::new, Vec::from),
        ttl_seconds: u32::try_from(seconds(options.ttl)).unwrap_or(u32::MAX),
        caveats: encoded.collect::<Result<_, _>>()?,
        epoch,
        generation,
    })
}

impl Snapshot {
    fn key(&self, service: &str) -> Option<&UserKey> {
        match &**self.brought.held.get(service)? {
            Held::Key(key) => Some(key),
            Held::Token { .. } => None,
        }
    }

    fn is_older(&self, service: &str, since: (u32, u32)) -> bool {
        let of = |key: &UserKey| (key.id().epoch, key.id().generation);
        self.key(service).is_some_and(|key| of(key) < since)
    }

    /// A discharge at `now`, by the authority's clock.
    fn discharge_at(
        &self,
        service: &str,
        options: &DischargeOptions,
        now: u64,
    ) -> Result<Discharge, DischargeError> {
        let key = self
            .key(service)
            .ok_or_else(|| DischargeError::Key(self.why_not(service)))?;
        let end = key.id().expires_at;
        if end <= now {
            return Err(DischargeError::Key(self.expired(service)));
        }
        let not_after = now.saturating_add(seconds(options.ttl)).min(end);
        let spec = DischargeSpec {
            not_before: now,
            not_after,
            ticket: &options.ticket,
            bound_to: options.bound_to.as_ref(),
            caveats: &options.caveats,
        };
        let mut text = String::new();
        match key.discharge(&spec, &mut text) {
            Err(cattery_core::MintError::NarrowedKey) => {
                Err(DischargeError::Narrowed(service.to_owned()))
            }
            signed => Ok(signed?),
        }?;
        Ok(Discharge::new(text, not_after))
    }
}
