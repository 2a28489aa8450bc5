//! Where keys come from: an authority, asked with an API key or a client certificate; or a local agent, which signs.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use cattery_proto::v1::{MintRequest, MintResponse, agent_client::AgentClient};
use tokio::task::JoinSet;
use tonic::{Status, transport::Channel};
use zeroize::Zeroizing;

use super::{
    Cluster, ReplaceIdentityError,
    fetch::{Auth, FetchError, fetch_user_keys},
    snapshot::{Fetched, Held},
};
use crate::{
    agent,
    connect::{Connector, ConnectorError},
    portable::ApiKey,
    tls::{Identity, Trust},
};

/// How long the tokens last that an agent signs to be narrowed here: long enough that an agent can restart meanwhile.
const AGENT_TOKEN_SECONDS: u32 = 300;
/// Difference of clocks from which on tokens are dated by the authority's (verifiers forgive 30 s).
const NOTABLE_SKEW_MS: i64 = 5_000;

/// How a client gets what it signs with.
pub enum Credentials {
    /// A user's API key: it names the authorities and their CA by itself.
    ApiKey(ApiKey),
    /// A service's certificate.
    Certificate {
        /// The certificate and its key.
        identity: Identity,
        /// Whom to trust and where they are, as the answer to enrolling told; ids may be empty.
        cluster: Cluster,
    },
    /// The agent beside this process, which signs as its service. The services to call have to be named.
    ///
    /// The agent signs one token for each window of 300 s ([`ConnectOptions::lease`](super::ConnectOptions) sets another), which is
    /// then narrowed here. A verifier whose greatest lifetime of a token is less than the window refuses them all, with
    /// `lifetime_too_long`, however short `ttl` is.
    Agent {
        /// Its Unix socket.
        socket: PathBuf,
    },
}

pub(crate) enum Source {
    Authority(Box<Authority>),
    Agent { socket: PathBuf, channel: Channel },
}

pub(crate) struct Authority {
    /// Only with an API key.
    api_key: Option<ApiKey>,
    /// Those that this client was given: what is left when the cluster's are all wrong.
    first_addresses: Vec<String>,
    link: Mutex<Link>,
}

struct Link {
    connector: Connector,
    channel: Channel,
    identity: Option<Identity>,
    cluster: Cluster,
}

impl Source {
    pub(crate) fn new(credentials: Credentials) -> Result<Self, ConnectorError> {
        let (api_key, trust, identity, cluster) = match credentials {
            Credentials::Agent { socket } => {
                let channel = agent::channel(&socket);
                return Ok(Self::Agent { socket, channel });
            }
            Credentials::ApiKey(key) => {
                let cluster = Cluster {
                    addresses: key.addresses.clone(),
                    ..Cluster::default()
                };
                let trust = Trust::Fingerprint(key.ca_sha256);
                (Some(key), trust, None, cluster)
            }
            Credentials::Certificate { identity, cluster } => {
                let trust = Trust::Bundle(cluster.trust_bundle.clone());
                (None, trust, Some(identity), cluster)
            }
        };
        let connector = Connector::new(cluster.addresses.clone(), &trust, identity.as_ref())?;
        let channel = connector.channel();
        Ok(Self::Authority(Box::new(Authority {
            api_key,
            first_addresses: cluster.addresses.clone(),
            link: Mutex::new(Link {
                connector,
                channel,
                identity,
                cluster,
            }),
        })))
    }

    /// One round. The error is a line for people.
    pub(crate) async fn fetch(
        &self,
        services: &[String],
        lease_seconds: u64,
    ) -> Result<Fetched, String> {
        match self {
            Self::Authority(authority) => authority.fetch(services, lease_seconds).await,
            Self::Agent { socket, channel } => {
                sign_through(socket, channel, services, lease_seconds).await
            }
        }
    }

    pub(crate) fn cluster(&self) -> Option<Cluster> {
        match self {
            Self::Authority(authority) => Some(authority.link().cluster.clone()),
            Self::Agent { .. } => None,
        }
    }

    pub(crate) fn replace_identity(&self, identity: Identity) -> Result<(), ReplaceIdentityError> {
        match self {
            Self::Authority(authority) if authority.api_key.is_none() => {
                let mut link = authority.link();
                let trust = Trust::Bundle(link.cluster.trust_bundle.clone());
                let addresses = authority.addresses(&link.cluster);
                link.connector = Connector::new(addresses, &trust, Some(&identity))?;
                link.channel = link.connector.channel();
                link.identity = Some(identity);
                Ok(())
            }
            Self::Authority(_) | Self::Agent { .. } => Err(ReplaceIdentityError::NoCertificate),
        }
    }
}

impl Authority {
    fn link(&self) -> std::sync::MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn fetch(&self, services: &[String], lease_seconds: u64) -> Result<Fetched, String> {
        let (connector, channel) = {
            let link = self.link();
            (link.connector.clone(), link.channel.clone())
        };
        let auth = self
            .api_key
            .as_ref()
            .map_or(Auth::Certificate, Auth::ApiKey);
        let asked = unix_millis();
        let issued = fetch_user_keys(channel, auth, services, lease_seconds)
            .await
            .map_err(|error| match error {
                FetchError::Call(status) => connector.explain(&status),
                other => other.to_string(),
            })?;
        self.keep(&issued.cluster);
        let middle = asked.midpoint(unix_millis());
        let mut fetched = Fetched {
            principal: issued.principal,
            now: match issued.server_time_ms {
                0 => middle / 1000,
                server_ms => server_ms / 1000,
            },
            offset: offset(issued.server_time_ms, middle),
            ..Fetched::default()
        };
        for (service, result) in issued.keys {
            match result {
                Ok(key) => {
                    let held = Arc::new(Held::Key(Box::new(key)));
                    fetched.held.insert(service, held);
                }
                Err(why) => {
                    fetched.refused.insert(service, why.to_string());
                }
            }
        }
        Ok(fetched)
    }

    /// The next connections use what the authority said of its cluster.
    fn keep(&self, cluster: &Cluster) {
        let mut link = self.link();
        if cluster.trust_bundle.is_empty() || link.cluster == *cluster {
            return;
        }
        let trust = Trust::Bundle(cluster.trust_bundle.clone());
        match Connector::new(self.addresses(cluster), &trust, link.identity.as_ref()) {
            Ok(connector) => {
                link.channel = connector.channel();
                link.connector = connector;
                link.cluster = cluster.clone();
            }
            Err(error) => {
                tracing::warn!(%error, "the authority's new trust bundle cannot be used; keeping the old one");
            }
        }
    }

    fn addresses(&self, cluster: &Cluster) -> Vec<String> {
        let mut addresses = cluster.addresses.clone();
        for first in &self.first_addresses {
            if !addresses.contains(first) {
                addresses.push(first.clone());
            }
        }
        addresses
    }
}

/// One call for each service, all at once. An error only where none came to an answer.
async fn sign_through(
    socket: &Path,
    channel: &Channel,
    services: &[String],
    window_seconds: u64,
) -> Result<Fetched, String> {
    let window = match u32::try_from(window_seconds) {
        Ok(0) => AGENT_TOKEN_SECONDS,
        Ok(seconds) => seconds,
        Err(_) => u32::MAX,
    };
    let mut calls = JoinSet::new();
    for service in services {
        let (service, channel) = (service.clone(), channel.clone());
        calls.spawn(async move {
            let answer = mint(channel, &service, window).await;
            (service, answer)
        });
    }
    let mut fetched = Fetched {
        now: unix_now().unwrap_or(0),
        ..Fetched::default()
    };
    while let Some(call) = calls.join_next().await {
        let (service, answer) = call.map_err(|error| error.to_string())?;
        match answer {
            Ok(answer) => {
                let held = Held::Token {
                    text: Zeroizing::new(answer.token),
                    not_after: answer.not_after,
                };
                fetched.held.insert(service, Arc::new(held));
            }
            Err(status) if is_refusal(&status) => {
                fetched.refused.insert(service, status.message().to_owned());
            }
            Err(status) => {
                fetched
                    .missing
                    .insert(service, agent::explain(socket, &status));
            }
        }
    }
    fetched.principal = principal(&fetched.held).unwrap_or_default();
    if fetched.held.is_empty() && fetched.refused.is_empty() {
        return Err(all_of(&fetched.missing));
    }
    Ok(fetched)
}

async fn mint(channel: Channel, service: &str, window: u32) -> Result<MintResponse, Status> {
    let request = MintRequest {
        audience: service.to_owned(),
        ttl_seconds: window,
        ..MintRequest::default()
    };
    let answer = AgentClient::new(channel).mint(request).await?;
    Ok(answer.into_inner())
}

/// Asking again soon would not help.
fn is_refusal(status: &Status) -> bool {
    use tonic::Code::{InvalidArgument, NotFound, PermissionDenied};
    matches!(status.code(), PermissionDenied | NotFound | InvalidArgument)
}

/// Mostly it is the same for all.
fn all_of(missing: &BTreeMap<String, String>) -> String {
    let mut whys: Vec<_> = missing.values().map(String::as_str).collect();
    whys.sort_unstable();
    whys.dedup();
    whys.join("; ")
}

/// Who the agent signs as: every token says so.
fn principal(held: &HashMap<String, Arc<Held>>) -> Option<String> {
    let mut scratch = cattery_core::Scratch::new();
    let Held::Token { text, .. } = &**held.values().next()? else {
        return None;
    };
    match cattery_core::inspect::parse(text, &mut scratch).ok()? {
        cattery_core::inspect::Inspected::Token(token) => {
            Some(token.unverified_key_id().principal.to_owned())
        }
        _ => None,
    }
}

/// The authority's clock minus this one's in seconds, where that is worth speaking of.
fn offset(server_time_ms: u64, middle_ms: u64) -> i64 {
    let difference = i128::from(server_time_ms) - i128::from(middle_ms);
    let difference_ms = i64::try_from(difference).unwrap_or(i64::MAX);
    if server_time_ms == 0 || difference_ms.abs() < NOTABLE_SKEW_MS {
        return 0;
    }
    tracing::warn!(
        difference_ms,
        "this computer's clock differs from the authority's: tokens are dated by the authority's"
    );
    difference_ms / 1000
}

fn since_1970() -> Option<std::time::Duration> {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()
}

fn unix_millis() -> u64 {
    since_1970()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

/// Unix seconds; `None` before 1970.
pub(crate) fn unix_now() -> Option<u64> {
    since_1970().map(|since| since.as_secs())
}
