//! One request for user keys. The command line and agents use it as it is; [`Client`](super::Client) calls it again and again.

use cattery_core::{FormError, UserKey};
use cattery_proto::v1::{self, IssueUserKeysRequest, issued_key, user_keys_client::UserKeysClient};
use tonic::{metadata::AsciiMetadataValue, transport::Channel};
use zeroize::Zeroizing;

use super::Cluster;
use crate::{
    portable::ApiKey,
    sealing::{INFO_USER_KEY, ReceiverKey, SealingError},
};

/// How the caller proves who they are.
#[derive(Clone, Copy)]
pub enum Auth<'a> {
    /// By this API key, as a user.
    ApiKey(&'a ApiKey),
    /// By the client certificate of the connection, as a service.
    Certificate,
}

impl Auth<'_> {
    /// A call that carries the proof, for the connection's side of it see [`Connector`](crate::connect::Connector).
    ///
    /// # Errors
    /// Never for an API key that was parsed: its text is base64url.
    pub fn request<T>(self, message: T) -> Result<tonic::Request<T>, FetchError> {
        let mut request = tonic::Request::new(message);
        if let Auth::ApiKey(key) = self {
            let value = Zeroizing::new(format!("Bearer {}", *key.to_text()));
            let mut value = AsciiMetadataValue::try_from(value.as_str())
                .map_err(|_| FetchError::Answer("the API key is not text"))?;
            value.set_sensitive(true);
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}

/// What an authority issued.
pub struct IssuedKeys {
    /// Who the keys speak for: `user/NAME` or `service/NAME`.
    pub principal: String,
    /// One for each service asked for, in that order; or for every service that a grant allows.
    pub keys: Vec<(String, Result<UserKey, KeyRefusal>)>,
    /// For the next connections.
    pub cluster: Cluster,
    /// The authority's clock, Unix milliseconds.
    pub server_time_ms: u64,
}

/// Why an authority issued no key for a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRefusal {
    /// The caller is not told which of the two it is.
    #[error("no grant allows it, or there is no such service")]
    NotGranted,
    /// A reason of a newer authority.
    #[error("the authority gave a reason that this version does not know")]
    Unknown,
}

/// No keys came back.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The authority could not be reached, or refused: see [`Connector::explain`](crate::connect::Connector::explain).
    #[error("{}", .0.message())]
    Call(Box<tonic::Status>),
    /// This process could not make a key pair, or what came back does not open.
    #[error(transparent)]
    Sealing(#[from] SealingError),
    /// A key that came back is malformed: the authority's fault.
    #[error("the authority sent a malformed key: {0}")]
    Key(#[from] FormError),
    /// The answer contradicts the question: the authority's fault.
    #[error("the authority's answer makes no sense: {0}")]
    Answer(&'static str),
}

impl From<tonic::Status> for FetchError {
    fn from(status: tonic::Status) -> Self {
        Self::Call(Box::new(status))
    }
}

/// Leases keys for `services` (none: every one that a grant allows) for `lease_seconds` (0: as long as is allowed).
///
/// `channel` comes from [`Connector::channel`](crate::connect::Connector::channel). The answer is sealed to a key pair that is
/// made here and gone afterwards.
///
/// # Errors
/// [`FetchError`]. A service that is refused is none: it is an entry of the answer.
pub async fn fetch_user_keys(
    channel: Channel,
    auth: Auth<'_>,
    services: &[String],
    lease_seconds: u64,
) -> Result<IssuedKeys, FetchError> {
    let receiver = ReceiverKey::generate()?;
    let request = auth.request(IssueUserKeysRequest {
        services: services.to_vec(),
        receiver_public_key: receiver.public_key(),
        lease_seconds,
    })?;
    let answer = UserKeysClient::new(channel)
        .issue_user_keys(request)
        .await?
        .into_inner();
    read(answer, services, &receiver)
}

fn read(
    answer: v1::IssueUserKeysResponse,
    services: &[String],
    receiver: &ReceiverKey,
) -> Result<IssuedKeys, FetchError> {
    let asked = services.iter().map(String::as_str);
    let answered = answer.keys.iter().map(|key| key.service.as_str());
    if !services.is_empty() && !asked.eq(answered) {
        return Err(FetchError::Answer("it is for other services"));
    }
    let principal = answer.principal;
    let keys = answer
        .keys
        .into_iter()
        .map(|issued| {
            let service = issued.service;
            let result = match issued.result {
                Some(issued_key::Result::SealedUserKey(sealed)) => {
                    let key = UserKey::parse_bytes(&receiver.open(INFO_USER_KEY, &sealed)?)?;
                    if key.id().service != service || key.id().principal != principal {
                        return Err(FetchError::Answer("a key has another name on it"));
                    }
                    Ok(key)
                }
                Some(issued_key::Result::Refusal(code)) => Err(KeyRefusal::from_code(code)),
                None => return Err(FetchError::Answer("there is neither a key nor a refusal")),
            };
            Ok((service, result))
        })
        .collect::<Result<_, FetchError>>()?;
    Ok(IssuedKeys {
        principal,
        keys,
        cluster: answer.cluster.unwrap_or_default().into(),
        server_time_ms: answer.server_time_ms,
    })
}

impl KeyRefusal {
    fn from_code(code: i32) -> Self {
        match v1::KeyRefusal::try_from(code) {
            Ok(v1::KeyRefusal::NotGranted) => Self::NotGranted,
            Ok(v1::KeyRefusal::Unspecified) | Err(_) => Self::Unknown,
        }
    }
}
