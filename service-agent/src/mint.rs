//! Signing as this service: leases of its own user keys, renewed in the background.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cattery_core::{Caveat, CaveatError, MintError, ServiceName, TokenSpec, UserKey};
use cattery_proto::v1;
use cattery_sdk::sealing::{INFO_USER_KEY, ReceiverKey};
use tokio::sync::OnceCell;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};
use v1::issued_key::Result as Issued;

use crate::agent::Agent;
use crate::clock::{jittered, unix_seconds};
use crate::meters::{Renewed, Signed};

/// Services that one service calls; more are a bug, or a peer that guesses names.
const MAX_LEASES: usize = 1_024;
/// A token's lifetime where the caller names none, seconds.
const DEFAULT_TTL: u64 = 60;
/// The first use of a service may wait for this; later ones never wait.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// After a renewal that failed.
const RETRY: Duration = Duration::from_secs(15);
/// A lease with less left than this is not worth signing with, seconds.
const LEAST_LEFT: u64 = 2;
/// Least time between two fetches of one service's key because somebody has seen a newer one.
const NEWER_GAP: Duration = Duration::from_secs(5);

/// Why there is no token.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum MintRefused {
    /// The request cannot be read.
    #[error("{0}")]
    Request(String),
    /// A caveat can never hold.
    #[error("a caveat is bad: {0}")]
    Caveat(#[from] CaveatError),
    /// The core refuses it.
    #[error("{0}")]
    Mint(#[from] MintError),
    /// No grant.
    #[error(
        "no grant lets this service call `{0}`, or there is no such service: `cattery grant add` makes one"
    )]
    NotGranted(ServiceName),
    /// No authority gave a key.
    #[error("no key to sign with: {0}")]
    NoKey(String),
    /// A key with caveats cannot sign discharges (SPEC section 7).
    #[error(
        "the grant that lets this service call `{0}` has conditions, and with such a key nobody can vouch: give it one without, with `cattery grant add`"
    )]
    Narrowed(ServiceName),
}

impl MintRefused {
    /// As it is counted.
    pub(crate) fn result(&self) -> Signed {
        match self {
            Self::Request(_) | Self::Caveat(_) | Self::Mint(_) => Signed::Invalid,
            Self::NotGranted(_) | Self::Narrowed(_) => Signed::NotGranted,
            Self::NoKey(_) => Signed::Unavailable,
        }
    }
}

/// One fetch, which any number of callers wait for.
type Attempt = OnceCell<Result<Arc<UserKey>, MintRefused>>;

/// The leases that were asked for so far, by service, and the fetches that are under way.
#[derive(Default)]
pub(crate) struct Leases(std::sync::Mutex<Known>);

struct Lease {
    key: Arc<UserKey>,
    /// Whether a task renews it.
    renews: bool,
    /// When somebody last had a newer one fetched.
    newer_at: Option<Instant>,
}

#[derive(Default)]
struct Known {
    leases: HashMap<ServiceName, Lease>,
    /// Each one is its callers': it goes when the last of them does.
    attempts: HashMap<ServiceName, Weak<Attempt>>,
}

impl Leases {
    fn usable(&self, audience: &ServiceName, now: u64) -> Option<Arc<UserKey>> {
        let known = self.lock();
        let key = &known.leases.get(audience)?.key;
        (key.id().expires_at > now.saturating_add(LEAST_LEFT)).then(|| Arc::clone(key))
    }

    /// The attempt that is under way for this service, or a new one.
    fn attempt(&self, audience: &ServiceName) -> Arc<Attempt> {
        let mut known = self.lock();
        if let Some(attempt) = known.attempts.get(audience).and_then(Weak::upgrade) {
            return attempt;
        }
        known
            .attempts
            .retain(|_, attempt| attempt.strong_count() > 0);
        let attempt = Arc::new(Attempt::new());
        known
            .attempts
            .insert(audience.clone(), Arc::downgrade(&attempt));
        attempt
    }

    /// Keeps a key, as long as there is room.
    fn keep(&self, audience: &ServiceName, key: &Arc<UserKey>) {
        let leases = &mut self.lock().leases;
        let (key, has_room) = (Arc::clone(key), leases.len() < MAX_LEASES);
        if let Some(lease) = leases.get_mut(audience) {
            lease.key = key;
        } else if has_room {
            let lease = Lease {
                key,
                renews: false,
                newer_at: None,
            };
            leases.insert(audience.clone(), lease);
        }
    }

    /// Whether the caller is the one to renew this lease from now on.
    fn take_on(&self, audience: &ServiceName) -> bool {
        let leases = &mut self.lock().leases;
        leases
            .get_mut(audience)
            .is_some_and(|lease| !std::mem::replace(&mut lease.renews, true))
    }

    /// Whether a newer key may be looked for now: what callers have seen is what they say.
    fn may_look(&self, audience: &ServiceName) -> bool {
        let leases = &mut self.lock().leases;
        leases.get_mut(audience).is_some_and(|lease| {
            let is_time = lease.newer_at.is_none_or(|at| at.elapsed() >= NEWER_GAP);
            if is_time {
                lease.newer_at = Some(Instant::now());
            }
            is_time
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Agent {
    /// Signs a token as this service.
    pub(crate) async fn mint(
        self: &Arc<Self>,
        request: &v1::MintRequest,
    ) -> Result<v1::MintResponse, MintRefused> {
        let audience: ServiceName = request
            .audience
            .parse()
            .map_err(|error| MintRefused::Request(format!("audience: {error}")))?;
        let caveats = request.caveats.iter().map(|caveat| Caveat::parse(caveat));
        let caveats = caveats.collect::<Result<Vec<_>, _>>()?;
        let key = self.key_for(&audience).await?;
        sign(&key, request, &caveats, unix_seconds())
    }

    /// A key of this epoch and generation or a newer one, where it can be had; otherwise the one that is held.
    pub(crate) async fn key_since(
        self: &Arc<Self>,
        audience: &ServiceName,
        since: (u32, u32),
    ) -> Result<Arc<UserKey>, MintRefused> {
        let key = self.key_for(audience).await?;
        let is_old = (key.id().epoch, key.id().generation) < since;
        if is_old && self.leases.may_look(audience) {
            return Ok(self.fetched(audience).await.unwrap_or(key));
        }
        Ok(key)
    }

    async fn key_for(
        self: &Arc<Self>,
        audience: &ServiceName,
    ) -> Result<Arc<UserKey>, MintRefused> {
        if let Some(key) = self.leases.usable(audience, unix_seconds()) {
            return Ok(key);
        }
        let key = self.fetched(audience).await?;
        if self.leases.take_on(audience) {
            info!(%audience, "signing as this service for another");
            let expires_at = key.id().expires_at;
            tokio::spawn(renew(Arc::downgrade(self), audience.clone(), expires_at));
        }
        Ok(key)
    }

    /// Fetches a key and keeps it, once for all who ask at the same time.
    async fn fetched(&self, audience: &ServiceName) -> Result<Arc<UserKey>, MintRefused> {
        let attempt = self.leases.attempt(audience);
        let fetch = async || {
            let key = Arc::new(self.fetch(audience).await?);
            self.leases.keep(audience, &key);
            Ok(key)
        };
        attempt.get_or_init(fetch).await.clone()
    }

    async fn fetch(&self, audience: &ServiceName) -> Result<UserKey, MintRefused> {
        let no_key = |why: &dyn std::fmt::Display| MintRefused::NoKey(why.to_string());
        let receiver = ReceiverKey::generate().map_err(|error| no_key(&error))?;
        let call = self.link.user_key(audience.as_str(), receiver.public_key());
        let response = timeout(FETCH_TIMEOUT, call)
            .await
            .map_err(|_| no_key(&"no authority answered in time"))?
            .map_err(|error| no_key(&error))?;
        let issued = response
            .keys
            .into_iter()
            .find(|key| key.service == audience.as_str());
        let sealed = match issued.and_then(|key| key.result) {
            Some(Issued::SealedUserKey(sealed)) => sealed,
            Some(Issued::Refusal(_)) => return Err(MintRefused::NotGranted(audience.clone())),
            None => return Err(no_key(&"the authority's answer has none")),
        };
        let opened = receiver
            .open(INFO_USER_KEY, &sealed)
            .map_err(|error| no_key(&error))?;
        let key = UserKey::parse_bytes(&opened).map_err(|error| no_key(&error))?;
        let own = cattery_core::Principal::service(&self.service);
        if (key.id().service, key.id().principal) != (audience.as_str(), own.as_str()) {
            return Err(no_key(&"the authority's answer is another's key"));
        }
        Ok(key)
    }
}

/// Renews one lease at half its life, for as long as the agent is there.
async fn renew(agent: Weak<Agent>, audience: ServiceName, expires_at: u64) {
    let mut wait = half_life(expires_at);
    loop {
        sleep(jittered(wait)).await;
        let Some(agent) = agent.upgrade() else {
            return;
        };
        match agent.fetched(&audience).await {
            Ok(key) => {
                agent.meters.lease_renewals.add(Renewed::Ok);
                debug!(%audience, "renewed a lease");
                wait = half_life(key.id().expires_at);
            }
            Err(error) => {
                agent.meters.lease_renewals.add(Renewed::Failed);
                warn!(%audience, %error, "cannot renew a lease");
                wait = RETRY;
            }
        }
    }
}

fn half_life(expires_at: u64) -> Duration {
    let left = expires_at.saturating_sub(unix_seconds());
    Duration::from_secs(left / 2).max(Duration::from_secs(1))
}

fn sign(
    key: &UserKey,
    request: &v1::MintRequest,
    caveats: &[Caveat<'_>],
    now: u64,
) -> Result<v1::MintResponse, MintRefused> {
    let ttl = match request.ttl_seconds {
        0 => DEFAULT_TTL,
        seconds => seconds.into(),
    };
    let mut token_id = [0; 16];
    getrandom::fill(&mut token_id).map_err(|error| MintRefused::NoKey(error.to_string()))?;
    let not_after = now.saturating_add(ttl).min(key.id().expires_at);
    let spec = TokenSpec {
        not_before: now,
        not_after,
        token_id,
        claims_type: &request.claims_type,
        claims: &request.claims,
        caveats,
    };
    let mut token = String::new();
    key.mint(&spec, &mut token)?;
    Ok(v1::MintResponse { token, not_after })
}
