//! The client: connects once, then mints whenever it is asked to.

use std::{path::Path, sync::Arc, time::Duration};

use cattery_core::Caveat;
use tokio::{sync::watch, task::AbortHandle};
use tonic::transport::Channel;

use super::{
    Cluster, Credentials, Health, MintError, MintOptions, Token,
    clock::unix_now,
    renew::{self, Fetch},
    snapshot::{Fetched, Snapshot},
    source::Source,
    state::State,
};
use crate::{
    connect::ConnectorError,
    narrowing::{HandOutError, HandedOut, Narrowing},
    tls::Identity,
};

/// What to get keys for.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// The services to call. Empty: every one that a grant allows (not with [`Credentials::Agent`]).
    pub services: Vec<String>,
    /// How long a key is to last; `None` for the longest that is allowed. With [`Credentials::Agent`], the window that the agent
    /// signs for: 300 s unless said otherwise.
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

/// A certificate was not replaced; what there was stays.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceIdentityError {
    /// The client has an API key or an agent, and no certificate.
    #[error(
        "this client uses no certificate that could be replaced: connect with Credentials::Certificate for that"
    )]
    NoCertificate,
    /// The certificate or its key is damaged.
    #[error(transparent)]
    Unusable(#[from] ConnectorError),
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
    /// [`ConnectError`]. A service that was refused beside others is none: minting for it says so, and so does
    /// [`Health::refused`].
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
        if first.held.is_empty() {
            return Err(nothing(&first));
        }
        let (state, renewing) = renew::start(first, fetcher, unix_now);
        Ok(Self {
            inner: Arc::new(Inner {
                state,
                source,
                renewing,
            }),
        })
    }

    /// A token for `service`. Touches no network and never blocks.
    ///
    /// # Errors
    /// [`MintError`].
    pub fn mint(&self, service: &str, options: &MintOptions) -> Result<Token, MintError> {
        self.mint_with(service, options, None)
    }

    /// A narrower key for `service`, for somebody else: it ends with the key that is held now, and nobody renews it. Touches no network.
    ///
    /// # Errors
    /// [`HandOutError`].
    pub fn hand_out(
        &self,
        service: &str,
        narrowing: &Narrowing,
    ) -> Result<HandedOut, HandOutError> {
        let now = unix_now().ok_or(MintError::Clock)?;
        let snapshot = self.inner.state.snapshot();
        snapshot.hand_out_at(service, narrowing, now)
    }

    /// Who the tokens speak for: `user/NAME` or `service/NAME`.
    pub fn principal(&self) -> String {
        self.inner.state.snapshot().brought.principal.clone()
    }

    /// The services that there are keys for.
    pub fn services(&self) -> Vec<String> {
        let snapshot = self.inner.state.snapshot();
        let mut services: Vec<_> = snapshot.brought.held.keys().cloned().collect();
        services.sort_unstable();
        services
    }

    /// Whether renewing works, and until when what is held is good.
    pub fn health(&self) -> Health {
        self.inner.state.health().borrow().clone()
    }

    /// The same, to be told whenever it changes.
    pub fn watch_health(&self) -> watch::Receiver<Health> {
        self.inner.state.health()
    }

    /// What the authorities last said of themselves; `None` with an agent.
    pub fn cluster(&self) -> Option<Cluster> {
        self.inner.source.cluster()
    }

    /// Uses another client certificate from now on: those of services are short-lived.
    ///
    /// # Errors
    /// [`ReplaceIdentityError`].
    pub fn replace_identity(&self, identity: Identity) -> Result<(), ReplaceIdentityError> {
        self.inner.source.replace_identity(identity)
    }

    /// Reports that a token was refused for its key (`retired_epoch`, `unknown_epoch`, `revoked`, `key_expired`). Waits up to
    /// a few seconds for newer keys than its own; true once there are, so that one more try makes sense. Many calls are one
    /// fetch.
    pub async fn key_refused(&self, refused: &Token) -> bool {
        self.newer_than(refused.round).await
    }

    pub(super) fn snapshot(&self) -> arc_swap::Guard<Arc<Snapshot>> {
        self.inner.state.snapshot()
    }

    /// The way to the agent that signs for this client, if one does.
    pub(super) fn agent(&self) -> Option<(&Path, Channel)> {
        self.inner.source.agent()
    }

    /// Unix seconds by the authority's clock; `None` before 1970.
    pub(crate) fn now(&self) -> Option<u64> {
        let offset = self.inner.state.snapshot().brought.offset;
        unix_now().map(|now| now.saturating_add_signed(offset))
    }

    pub(crate) fn round(&self) -> u64 {
        self.inner.state.round()
    }

    pub(crate) async fn newer_than(&self, round: u64) -> bool {
        self.inner.state.newer_than(round).await
    }

    pub(crate) fn want_newer_than(&self, round: u64) {
        self.inner.state.want_newer_than(round);
    }

    /// `extra` goes behind the options' caveats.
    pub(crate) fn mint_with(
        &self,
        service: &str,
        options: &MintOptions,
        extra: Option<Caveat<'static>>,
    ) -> Result<Token, MintError> {
        let now = unix_now().ok_or(MintError::Clock)?;
        let snapshot = self.inner.state.snapshot();
        let token = snapshot.mint_at(service, options, extra, now);
        token.map_err(|error| match error {
            MintError::KeyExpired { service, why } => {
                self.want_newer_than(snapshot.round);
                MintError::KeyExpired {
                    service,
                    why: self.why_failing().unwrap_or(why),
                }
            }
            other => other,
        })
    }

    fn why_failing(&self) -> Option<String> {
        let health = self.inner.state.health();
        let health = health.borrow();
        health.failing.as_ref().map(|failing| failing.why.clone())
    }
}

fn nothing(first: &Fetched) -> ConnectError {
    let refused = first.refused.iter().chain(&first.missing);
    let refused: Vec<_> = refused
        .map(|(service, why)| format!("{service}: {why}"))
        .collect();
    ConnectError::NothingGranted(if refused.is_empty() {
        "no grant allows any service".to_owned()
    } else {
        refused.join("; ")
    })
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}
