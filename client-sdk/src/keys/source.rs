//! Where keys come from: an authority, asked with an API key or a client certificate; or a local agent, which signs.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use cattery_proto::v1::{MintRequest, agent_client::AgentClient};
use tonic::transport::Channel;
use zeroize::Zeroizing;

use super::{
    Cluster,
    fetch::{Auth, FetchError, IssuedKeys, fetch_user_keys},
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
/// Difference of clocks from which on tokens will soon be refused (verifiers forgive 30 s).
const NOTABLE_SKEW_MS: u64 = 10_000;

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
            Self::Agent { socket, channel } => sign_through(socket, channel, services).await,
        }
    }

    pub(crate) fn cluster(&self) -> Option<Cluster> {
        match self {
            Self::Authority(authority) => Some(authority.link().cluster.clone()),
            Self::Agent { .. } => None,
        }
    }

    pub(crate) fn replace_identity(&self, identity: Identity) -> Result<(), ConnectorError> {
        match self {
            Self::Authority(authority) => {
                let mut link = authority.link();
                let trust = Trust::Bundle(link.cluster.trust_bundle.clone());
                let addresses = authority.addresses(&link.cluster);
                link.connector = Connector::new(addresses, &trust, Some(&identity))?;
                link.channel = link.connector.channel();
                link.identity = Some(identity);
                Ok(())
            }
            Self::Agent { .. } => Ok(()),
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
        let issued = fetch_user_keys(channel, auth, services, lease_seconds)
            .await
            .map_err(|error| match error {
                FetchError::Call(status) => connector.explain(&status),
                other => other.to_string(),
            })?;
        self.keep(&issued.cluster);
        warn_of_skew(issued.server_time_ms);
        Ok(issued.into())
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

impl From<IssuedKeys> for Fetched {
    fn from(issued: IssuedKeys) -> Self {
        let held = issued.keys.into_iter().map(|(service, result)| {
            let held = result.map_or_else(
                |why| Held::Refused(why.to_string()),
                |key| Held::Key(Box::new(key)),
            );
            (service, held)
        });
        Self {
            principal: issued.principal,
            held: held.collect(),
            now: issued.server_time_ms / 1000,
        }
    }
}

async fn sign_through(
    socket: &Path,
    channel: &Channel,
    services: &[String],
) -> Result<Fetched, String> {
    let mut held = HashMap::new();
    for audience in services {
        let request = MintRequest {
            audience: audience.clone(),
            ttl_seconds: AGENT_TOKEN_SECONDS,
            ..MintRequest::default()
        };
        let signed = match AgentClient::new(channel.clone()).mint(request).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                Held::Token {
                    text: Zeroizing::new(answer.token),
                    not_after: answer.not_after,
                }
            }
            Err(status)
                if matches!(
                    status.code(),
                    tonic::Code::PermissionDenied | tonic::Code::NotFound
                ) =>
            {
                Held::Refused(status.message().to_owned())
            }
            Err(status) => return Err(agent::explain(socket, &status)),
        };
        held.insert(audience.clone(), signed);
    }
    Ok(Fetched {
        principal: principal(&held).unwrap_or_default(),
        held,
        now: unix_now().unwrap_or(0),
    })
}

/// Who the agent signs as: every token says so.
fn principal(held: &HashMap<String, Held>) -> Option<String> {
    let mut scratch = cattery_core::Scratch::new();
    let Held::Token { text, .. } = held.values().find(|held| held.ends().is_some())? else {
        return None;
    };
    match cattery_core::inspect::parse(text, &mut scratch).ok()? {
        cattery_core::inspect::Inspected::Token(token) => {
            Some(token.unverified_key_id().principal.to_owned())
        }
        _ => None,
    }
}

fn warn_of_skew(server_time_ms: u64) {
    let Some(here) = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
    else {
        return;
    };
    let skew_ms = here.abs_diff(server_time_ms);
    if server_time_ms != 0 && skew_ms > NOTABLE_SKEW_MS {
        tracing::warn!(
            skew_ms,
            "this computer's clock differs from the authority's: tokens will be refused"
        );
    }
}

/// Unix seconds; `None` before 1970.
pub(crate) fn unix_now() -> Option<u64> {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .map(|since| since.as_secs())
}
