//! Where keys come from: an authority, asked with an API key or a client certificate; or a local agent, which signs.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tonic::transport::Channel;

use super::{
    Cluster, ReplaceIdentityError,
    clock::{offset, unix_millis},
    fetch::{Auth, FetchError, fetch_user_keys},
    snapshot::{Fetched, Held},
    through_agent::sign_through,
};
use crate::{
    agent,
    connect::{Connector, ConnectorError},
    portable::ApiKey,
    tls::{Identity, Trust},
};

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

    pub(crate) fn agent(&self) -> Option<(&Path, Channel)> {
        match self {
            Self::Authority(_) => None,
            Self::Agent { socket, channel } => Some((socket, channel.clone())),
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
