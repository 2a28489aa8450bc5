//! The authority's and the agent's calls, made directly: quicker than a process for each.

use std::{fs, net::SocketAddr, path::Path};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use cattery_core::UserKey;
use cattery_proto::v1::{
    self, admin_client::AdminClient, agent_client::AgentClient,
    enrollment_client::EnrollmentClient, issued_key, user_keys_client::UserKeysClient,
};
use cattery_sdk::{
    connect::Connector,
    identity::KeyPair,
    portable::{ApiKey, JoinToken},
    sealing::{INFO_API_KEY, INFO_JOIN_TOKEN, INFO_USER_KEY, ReceiverKey},
    tls::{Identity, Trust},
};
use serde_json::Value;
use tonic::{
    Request, Status,
    metadata::MetadataValue,
    transport::{Channel, Endpoint},
};

/// What a call leads to.
pub type Answer<T> = std::result::Result<T, Status>;

/// An operator's connection, as `cattery` keeps it in a home.
#[derive(Clone)]
pub struct Operator {
    /// The calls.
    pub admin: AdminClient<Channel>,
    /// The cluster's CA certificates.
    pub trust: Trust,
}

impl Operator {
    /// The operator of a home.
    ///
    /// # Errors
    /// Where there is none.
    pub fn of_home(home: &Path) -> Result<Self> {
        Self::connect(home, None)
    }

    /// The operator of a home, at one authority of several.
    ///
    /// # Errors
    /// Where there is none.
    pub fn at(home: &Path, authority: SocketAddr) -> Result<Self> {
        Self::connect(home, Some(authority))
    }

    fn connect(home: &Path, authority: Option<SocketAddr>) -> Result<Self> {
        let path = home.join("operator.json");
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let file: Value = serde_json::from_str(&text)?;
        let cluster = &file["cluster"];
        let addresses = match authority {
            Some(address) => vec![address.to_string()],
            None => strings(&cluster["addresses"])?,
        };
        let bundle = strings(&cluster["trust_bundle"])?
            .iter()
            .map(|text| Ok(STANDARD.decode(text)?))
            .collect::<Result<_>>()?;
        let identity = Identity::new(
            STANDARD.decode(string(&file["certificate"])?)?,
            STANDARD.decode(string(&file["private_key"])?)?.into(),
        );
        let trust = Trust::Bundle(bundle);
        let connector = Connector::new(addresses, &trust, Some(&identity))?;
        Ok(Self {
            admin: AdminClient::new(connector.channel()),
            trust,
        })
    }

    /// Makes a join token for an agent.
    ///
    /// # Errors
    /// The authority's.
    pub async fn join_token(&mut self, service: &str) -> Answer<JoinToken> {
        let receiver = receiver()?;
        let request = v1::CreateJoinTokenRequest {
            service: service.to_owned(),
            ttl_seconds: 0,
            receiver_public_key: receiver.public_key(),
        };
        let answer = self.admin.create_join_token(request).await?.into_inner();
        let text = open(&receiver, INFO_JOIN_TOKEN, answer.sealed_join_token)?;
        JoinToken::parse(&text).map_err(|e| broken(&e))
    }

    /// Makes an API key: its id, and the key.
    ///
    /// # Errors
    /// The authority's.
    pub async fn api_key(&mut self, user: &str) -> Answer<(String, String)> {
        let receiver = receiver()?;
        let request = v1::CreateApiKeyRequest {
            caveats: Vec::new(),
            user: user.to_owned(),
            ttl_seconds: 0,
            receiver_public_key: receiver.public_key(),
        };
        let answer = self.admin.create_api_key(request).await?.into_inner();
        let text = open(&receiver, INFO_API_KEY, answer.sealed_api_key)?;
        let id = answer
            .api_key
            .ok_or_else(|| Status::data_loss("no API key in the answer"))?
            .id;
        Ok((id, text))
    }
}

/// A user's connection, with an API key.
#[derive(Clone)]
pub struct User {
    client: UserKeysClient<Channel>,
    api_key: String,
}

impl User {
    /// The user who holds this API key.
    ///
    /// # Errors
    /// Where the text is not one.
    pub fn new(api_key: &str) -> Result<Self> {
        let parsed = ApiKey::parse(api_key)?;
        Self::connect(api_key, &parsed, parsed.addresses.clone())
    }

    /// The same, at one authority of several.
    ///
    /// # Errors
    /// Where the text is not one.
    pub fn at(api_key: &str, authority: SocketAddr) -> Result<Self> {
        Self::connect(
            api_key,
            &ApiKey::parse(api_key)?,
            vec![authority.to_string()],
        )
    }

    fn connect(api_key: &str, parsed: &ApiKey, addresses: Vec<String>) -> Result<Self> {
        let trust = Trust::Fingerprint(parsed.ca_sha256);
        let connector = Connector::new(addresses, &trust, None)?;
        Ok(Self {
            client: UserKeysClient::new(connector.channel()),
            api_key: api_key.to_owned(),
        })
    }

    /// The user who holds another API key, on the same connection.
    #[must_use]
    pub fn beside(&self, api_key: &str) -> Self {
        Self {
            client: self.client.clone(),
            api_key: api_key.to_owned(),
        }
    }

    /// Gets a key for a service; `None` where no grant allows it.
    ///
    /// # Errors
    /// The authority's.
    pub async fn key(&mut self, service: &str) -> Answer<Option<UserKey>> {
        let receiver = receiver()?;
        let mut request = Request::new(v1::IssueUserKeysRequest {
            services: vec![service.to_owned()],
            receiver_public_key: receiver.public_key(),
            lease_seconds: 0,
        });
        let mut header =
            MetadataValue::try_from(format!("Bearer {}", self.api_key)).map_err(|e| broken(&e))?;
        header.set_sensitive(true);
        request.metadata_mut().insert("authorization", header);
        let answer = self.client.issue_user_keys(request).await?.into_inner();
        match answer.keys.into_iter().next().and_then(|key| key.result) {
            Some(issued_key::Result::SealedUserKey(sealed)) => {
                let bytes = receiver
                    .open(INFO_USER_KEY, &sealed)
                    .map_err(|e| broken(&e))?;
                UserKey::parse_bytes(&bytes)
                    .map(Some)
                    .map_err(|e| broken(&e))
            }
            Some(issued_key::Result::Refusal(_)) => Ok(None),
            None => Err(Status::data_loss("no key in the answer")),
        }
    }
}

/// Enrolls with a join token, as an agent does.
///
/// # Errors
/// The authority's.
pub async fn enroll(token: &JoinToken, key: &KeyPair) -> Answer<v1::Identity> {
    let trust = Trust::Fingerprint(token.ca_sha256);
    let connector =
        Connector::new(token.addresses.clone(), &trust, None).map_err(|e| broken(&e))?;
    let request = v1::EnrollRequest {
        join_token_id: token.id.to_vec(),
        join_token_secret: token.secret.to_vec(),
        csr: key.csr().map_err(|e| broken(&e))?,
    };
    let answer = EnrollmentClient::new(connector.channel())
        .enroll(request)
        .await?;
    answer
        .into_inner()
        .identity
        .ok_or_else(|| Status::data_loss("no identity in the answer"))
}

/// An agent's calls on its Unix socket.
///
/// # Errors
/// Where the path is no path of a socket.
pub fn agent(socket: &Path) -> Result<AgentClient<Channel>> {
    let path = socket.to_str().context("a socket's path in UTF-8")?;
    let endpoint = Endpoint::from_shared(format!("unix://{path}"))?;
    Ok(AgentClient::new(endpoint.connect_lazy()))
}

/// Whether a failed call may have happened all the same: its answer was lost, or the authority could not tell.
pub fn in_doubt(status: &Status) -> bool {
    use tonic::Code::{Cancelled, DeadlineExceeded, Unavailable, Unknown};
    matches!(
        status.code(),
        Cancelled | DeadlineExceeded | Unavailable | Unknown
    )
}

fn receiver() -> Answer<ReceiverKey> {
    ReceiverKey::generate().map_err(|e| broken(&e))
}

fn open(receiver: &ReceiverKey, info: &[u8], sealed: Option<v1::Sealed>) -> Answer<String> {
    let sealed = sealed.ok_or_else(|| Status::data_loss("no secret in the answer"))?;
    let bytes = receiver.open(info, &sealed).map_err(|e| broken(&e))?;
    String::from_utf8(bytes.to_vec()).map_err(|e| broken(&e))
}

/// An answer that makes no sense; never [`in_doubt`].
fn broken(error: &dyn std::fmt::Display) -> Status {
    Status::data_loss(error.to_string())
}

fn string(value: &Value) -> Result<&str> {
    value.as_str().context("a text in operator.json")
}

fn strings(value: &Value) -> Result<Vec<String>> {
    let list = value.as_array().context("a list in operator.json")?;
    list.iter()
        .map(|item| Ok(string(item)?.to_owned()))
        .collect()
}
