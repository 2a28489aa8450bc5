//! The client: connects once, then mints whenever it is asked to.

use std::{sync::Arc, time::Duration};

use cattery_core::Caveat;
use tokio::task::AbortHandle;

use super::{
    Cluster, Credentials, Health, MintError, MintOptions, Token,
    renew::{self, Fetch, State},
    snapshot::Fetched,
    source::{Source, unix_now},
};
use crate::{connect::ConnectorError, tls::Identity};

/// What to get keys for.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// The services to call. Empty: every one that a grant allows (not with [`Credentials::Agent`]).
    pub services: Vec<String>,
    /// How long a key is to last; `None` for the longest that is allowed.
    pub lease: Option<Duration>,
}

/// Keys that renew themselves, and tokens from them. Clones share the keys; when the last one is dropped, renewing ends.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    state: Arc<State>,
    source: Arc<Source>,
    renewing: AbortHandle,
}

/// A client could not get its first keys.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The credentials cannot be used at all.
    #[error(transparent)]
    Credentials(#[from] ConnectorError),
    /// A client of an agent has to say whom it calls.
    #[error("name the services to call: an agent does not list them")]
    NoServices,
    /// Nobody answered, or the answer was no: a line for people.
    #[error("{0}")]
    Fetch(String),
    /// There was an answer, and no key in it.
    #[error("no key was issued: {0}")]
    NothingGranted(String),
}

struct Fetcher {
    source: Arc<Source>,
    services: Vec<String>,
    lease_seconds: u64,
}

impl Fetch for Fetcher {
    async fn fetch(&self) -> Result<Fetched, String> {
        self.source.fetch(&self.services, self.lease_seconds).await
    }
}

impl Client {
    /// Gets the first keys, and renews them from then on in a task of the current tokio runtime.
    ///
    /// # Errors
    /// [`ConnectError`]. A service that was refused beside others is none: minting for it says so.
    pub async fn connect(
        credentials: Credentials,
        options: ConnectOptions,
    ) -> Result<Self, ConnectError> {
        if matches!(credentials, Credentials::Agent { .. }) && options.services.is_empty() {
            return Err(ConnectError::NoServices);
        }
        let source = Arc::new(Source::new(credentials)?);
        let fetcher = Fetcher {
            source: Arc::clone(&source),
            services: options.services,
            lease_seconds: options.lease.map_or(0, |lease| lease.as_secs().max(1)),
        };
        let first = fetcher.fetch().await.map_err(ConnectError::Fetch)?;
        if let Some(why) = first.nothing() {
            let why = if why.is_empty() {
                "no grant allows any service".into()
            } else {
                why
            };
            return Err(ConnectError::NothingGranted(why));
        }
        let life = first.shortest();
        let state = Arc::new(State::new(first));
        let renewing = tokio::spawn(renew::run(Arc::clone(&state), fetcher, life));
        Ok(Self {
            inner: Arc::new(Inner {
                state,
                source,
                renewing: renewing.abort_handle(),
            }),
        })
    }

    /// A token for `service`. Touches no network and never blocks.
    ///
    /// # Errors
    /// [`MintError`].
    pub fn mint(&self, service: &str, options: &MintOptions) -> Result<Token, MintError> {
        self.mint_noting_round(service, options, None)
            .map(|(token, _)| token)
    }

    /// Who the tokens speak for: `user/NAME` or `service/NAME`.
    pub fn principal(&self) -> String {
        self.inner.state.snapshot().principal.clone()
    }

    /// The services that there are keys for.
    pub fn services(&self) -> Vec<String> {
        let snapshot = self.inner.state.snapshot();
        let held = snapshot.held.iter();
        let mut services: Vec<_> = held
            .filter(|(_, held)| held.ends().is_some())
            .map(|(service, _)| service.clone())
            .collect();
        services.sort_unstable();
        services
    }

    /// Whether renewing works, and until when what is held is good.
    pub fn health(&self) -> Health {
        Health::clone(&self.inner.state.health())
    }

    /// What the authorities last said of themselves; `None` with an agent.
    pub fn cluster(&self) -> Option<Cluster> {
        self.inner.source.cluster()
    }

    /// Uses another client certificate from now on: those of services are short-lived.
    ///
    /// # Errors
    /// The certificate or its key is damaged; the old one stays.
    pub fn replace_identity(&self, identity: Identity) -> Result<(), ConnectorError> {
        self.inner.source.replace_identity(identity)
    }

    /// Reports that a token was refused for its key (`retired_epoch`, `unknown_epoch`, `revoked`, `key_expired`). Waits up to
    /// a few seconds for newer keys; true once there are, so that one more try makes sense. Many calls are one fetch.
    pub async fn key_refused(&self) -> bool {
        let round = self.inner.state.snapshot().round;
        self.inner.state.newer_than(round).await
    }

    pub(crate) async fn newer_than(&self, round: u64) -> bool {
        self.inner.state.newer_than(round).await
    }

    pub(crate) fn want_newer_than(&self, round: u64) {
        self.inner.state.want_newer_than(round);
    }

    pub(crate) fn mint_noting_round(
        &self,
        service: &str,
        options: &MintOptions,
        extra: Option<Caveat<'static>>,
    ) -> Result<(Token, u64), MintError> {
        let now = unix_now().ok_or(MintError::Clock)?;
        let snapshot = self.inner.state.snapshot();
        let token = snapshot.mint_at(service, options, extra, now);
        let token = token.map_err(|error| match error {
            MintError::KeyExpired { service, .. } => {
                // The timer of renewing stands still while a computer sleeps, and this clock does not.
                self.want_newer_than(snapshot.round);
                MintError::KeyExpired {
                    service,
                    why: self.why_failing(),
                }
            }
            other => other,
        })?;
        Ok((token, snapshot.round))
    }

    fn why_failing(&self) -> String {
        let health = self.inner.state.health();
        health.failing.as_ref().map_or_else(
            || "is the clock of this computer right?".to_owned(),
            |failing| failing.why.clone(),
        )
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}
