//! The way back once the certificate has ended: the key that it was for gets another one.

use cattery_proto::v1;
use cattery_sdk::connect::Connector;
use cattery_sdk::identity::KeyPair;
use cattery_sdk::tls::Trust;
use v1::enrollment_client::EnrollmentClient;

use crate::link::{LinkError, Outcome};
use crate::state::Enrolled;

/// Asks for the next certificate without showing the last one, which no authority takes any more. The request is signed with the key,
/// and that is the proof.
pub(crate) async fn certificate(
    key: &KeyPair,
    former: &Enrolled,
    now: u64,
) -> Result<Enrolled, LinkError> {
    let cluster = &former.cluster;
    let trust = Trust::Bundle(cluster.trust_bundle.clone());
    let connector = Connector::new(cluster.addresses.clone(), &trust, None)?;
    let request = v1::RecoverCertificateRequest {
        agent_id: former.agent_id.clone(),
        csr: key.csr()?,
    };
    let answer = EnrollmentClient::new(connector.channel())
        .recover_certificate(request)
        .await
        .map_err(|status| Outcome::of(&status, &connector).error(connector.explain(&status)))?;
    Ok(former.renewed(answer.into_inner().identity, now)?)
}
