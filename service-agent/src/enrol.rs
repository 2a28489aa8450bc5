//! From a join token to an identity: at the first start, and where there is no other way back.

use cattery_proto::v1;
use cattery_sdk::connect::{Connector, ConnectorError};
use cattery_sdk::identity::{IdentityError, KeyPair};
use cattery_sdk::portable::{JoinToken, PortableError};
use cattery_sdk::tls::Trust;
use tracing::{info, warn};
use v1::enrollment_client::EnrollmentClient;

use crate::clock::unix_seconds;
use crate::link::Outcome;
use crate::recover;
use crate::state::{BadIdentity, Enrolled, KEY, StateDir, StateError, load_key, make_key};

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// This is a first start.
    #[error(
        "this agent has not enrolled yet: get a join token with `cattery service join-token SERVICE` and give it with --join-token-file FILE (- is standard input)"
    )]
    NoJoinToken,
    /// The text is no join token.
    #[error(transparent)]
    JoinToken(#[from] PortableError),
    /// The addresses in it cannot be used.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// The certificate request cannot be made.
    #[error(transparent)]
    Key(#[from] IdentityError),
    /// The authority did not do it.
    #[error("cannot enrol: {0}")]
    Refused(String),
    /// Its answer makes no identity.
    #[error(transparent)]
    Identity(#[from] BadIdentity),
    /// The directory.
    #[error(transparent)]
    State(#[from] StateError),
}

/// The identity on disk; without one, a new one for the join token. A start that did not hear the answer may be repeated with the
/// same join token: the key was saved before it was spent.
///
/// Where the certificate has ended, the key that it was for gets another one, here or once an authority answers; the join token is
/// spent only when an authority says that it does not.
pub(crate) async fn identity(
    dir: &StateDir,
    join_token: Option<&str>,
) -> Result<(KeyPair, Enrolled), EnrolError> {
    let key = load_key(dir)?;
    let Some(former) = Enrolled::load(dir)? else {
        let join_token = JoinToken::parse(join_token.ok_or(EnrolError::NoJoinToken)?)?;
        let key = key.map_or_else(|| make_key(dir), Ok)?;
        let enrolled = enrol(&join_token, &key).await?;
        enrolled.save(dir)?;
        info!(service = %enrolled.service, agent_id = enrolled.agent_id, "enrolled");
        return Ok((key, enrolled));
    };
    let key = key.ok_or_else(|| StateError::NoKey(dir.path(KEY)))?;
    let Some(join_token) = join_token else {
        return Ok((key, former));
    };
    if !former.has_ended(unix_seconds()) {
        info!(service = %former.service, "already enrolled: the join token is not needed, and was not used");
        return Ok((key, former));
    }
    match recover::certificate(&key, &former, unix_seconds()).await {
        Ok(enrolled) => {
            enrolled.save(dir)?;
            info!(
                "the certificate had ended: got another one for the same key; the join token was not used"
            );
            return Ok((key, enrolled));
        }
        Err(error) if error.outcome() == Outcome::Failed => {
            warn!(%error, "the certificate ended, and there is no other one yet: starting all the same");
            return Ok((key, former));
        }
        Err(error) => info!(%error, "the certificate ended: enrolling again with the join token"),
    }
    let enrolled = enrol(&JoinToken::parse(join_token)?, &key).await?;
    if enrolled.service != former.service {
        return Err(BadIdentity::OtherService {
            offered: enrolled.service,
            own: former.service,
        }
        .into());
    }
    enrolled.save(dir)?;
    info!(service = %enrolled.service, agent_id = enrolled.agent_id, "enrolled again");
    Ok((key, enrolled))
}

async fn enrol(join_token: &JoinToken, key: &KeyPair) -> Result<Enrolled, EnrolError> {
    let trust = Trust::Fingerprint(join_token.ca_sha256);
    let connector = Connector::new(join_token.addresses.clone(), &trust, None)?;
    let request = v1::EnrollRequest {
        join_token_id: join_token.id.to_vec(),
        join_token_secret: join_token.secret.to_vec(),
        csr: key.csr()?,
    };
    let response = EnrollmentClient::new(connector.channel())
        .enroll(request)
        .await
        .map_err(|status| EnrolError::Refused(connector.explain(&status)))?;
    let identity = response.into_inner().identity;
    let identity = identity.ok_or(BadIdentity::Missing("identity"))?;
    Ok(Enrolled::from_answer(identity, unix_seconds())?)
}
