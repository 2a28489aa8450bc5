//! Signing as this service: leases of its own user keys, renewed in the background.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use cattery_core::{Caveat, CaveatError, MintError, ServiceName, TokenSpec, UserKey};
use cattery_proto::v1;
use cattery_sdk::sealing::{INFO_USER_KEY, ReceiverKey};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};
use v1::issued_key::Result as Issued;

use crate::agent::Agent;
use crate::clock::{jittered, unix_seconds};

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

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
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
}

/// One lease, replaced when it is renewed.
#[derive(Default)]
struct Lease {
    key: ArcSwapOption<UserKey>,
    /// One fetch at a time; whoever waited looks again first.
    fetching: Mutex<()>,
}

/// The leases that were asked for so far, by service.
#[derive(Default)]
pub(crate) struct Leases(std::sync::Mutex<HashMap<ServiceName, Arc<Lease>>>);

impl Leases {
    fn find(&self, audience: &ServiceName) -> Option<Arc<Lease>> {
        self.lock().get(audience).cloned()
    }

    /// Keeps a lease that has a key. Whether it is the first one for this service.
    fn keep(&self, audience: &ServiceName, lease: &Arc<Lease>) -> bool {
        let mut leases = self.lock();
        if leases.contains_key(audience) || leases.len() >= MAX_LEASES {
            return false;
        }
        leases.insert(audience.clone(), Arc::clone(lease));
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ServiceName, Arc<Lease>>> {
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

    async fn key_for(
        self: &Arc<Self>,
        audience: &ServiceName,
    ) -> Result<Arc<UserKey>, MintRefused> {
        let known = self.leases.find(audience);
        if let Some(key) = known
            .as_ref()
            .and_then(|lease| lease.usable(unix_seconds()))
        {
            return Ok(key);
        }
        let lease = known.unwrap_or_default();
        let _one_at_a_time = lease.fetching.lock().await;
        if let Some(key) = lease.usable(unix_seconds()) {
            return Ok(key);
        }
        let key = Arc::new(self.fetch(audience).await?);
        lease.key.store(Some(Arc::clone(&key)));
        if self.leases.keep(audience, &lease) {
            info!(%audience, "signing as this service for another");
            let agent = Arc::downgrade(self);
            tokio::spawn(renew(agent, audience.clone(), Arc::downgrade(&lease)));
        }
        Ok(key)
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

impl Lease {
    fn usable(&self, now: u64) -> Option<Arc<UserKey>> {
        let key = self.key.load_full()?;
        (key.id().expires_at > now.saturating_add(LEAST_LEFT)).then_some(key)
    }
}

/// Renews one lease at half its life, for as long as the agent and the lease are there.
async fn renew(
    agent: std::sync::Weak<Agent>,
    audience: ServiceName,
    lease: std::sync::Weak<Lease>,
) {
    let mut wait = half_life(&lease);
    loop {
        sleep(jittered(wait)).await;
        let (Some(agent), Some(lease_now)) = (agent.upgrade(), lease.upgrade()) else {
            return;
        };
        let _one_at_a_time = lease_now.fetching.lock().await;
        match agent.fetch(&audience).await {
            Ok(key) => {
                debug!(%audience, "renewed a lease");
                lease_now.key.store(Some(Arc::new(key)));
                wait = half_life(&lease);
            }
            Err(error) => {
                warn!(%audience, %error, "cannot renew a lease");
                wait = RETRY;
            }
        }
    }
}

fn half_life(lease: &std::sync::Weak<Lease>) -> Duration {
    let key = lease.upgrade().and_then(|lease| lease.key.load_full());
    let left = key.map_or(0, |key| key.id().expires_at.saturating_sub(unix_seconds()));
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
