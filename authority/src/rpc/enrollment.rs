use cattery_proto::v1;
use cattery_proto::v1::enrollment_server::Enrollment;
use sha2::{Digest as _, Sha256};
use tonic::{Request, Response, Status, async_trait};
use zeroize::Zeroizing;

use super::call::{Call, serve};
use super::caller::Caller;
use crate::ca::RequestedKey;
use crate::cluster::{Authority, Shared};
use crate::failure::Failure;
use crate::registry::{Enrolled, Join, Recovery, decide};

/// `cattery.v1.Enrollment`.
pub(super) struct EnrollmentService(pub(super) Shared);

#[async_trait]
impl Enrollment for EnrollmentService {
    async fn enroll(
        &self,
        request: Request<v1::EnrollRequest>,
    ) -> Result<Response<v1::EnrollResponse>, Status> {
        serve(request, |call, request| enroll(&self.0, call, request)).await
    }

    async fn renew_certificate(
        &self,
        request: Request<v1::RenewCertificateRequest>,
    ) -> Result<Response<v1::RenewCertificateResponse>, Status> {
        serve(request, |call, request| renew(&self.0, call, request)).await
    }

    async fn recover_certificate(
        &self,
        request: Request<v1::RecoverCertificateRequest>,
    ) -> Result<Response<v1::RecoverCertificateResponse>, Status> {
        serve(request, |call, request| recover(&self.0, call, request)).await
    }
}

async fn enroll(
    authority: &Authority,
    call: Call,
    request: v1::EnrollRequest,
) -> Result<v1::EnrollResponse, Failure> {
    let secret = Zeroizing::new(request.join_token_secret);
    let id = request.join_token_id.try_into();
    let id = id.map_err(|_| Failure::Invalid("join_token_id has not 8 bytes".into()))?;
    let key = RequestedKey::from_csr(&request.csr)?;
    let join = Join {
        id,
        secret_sha256: Sha256::digest(&secret[..]).into(),
        key: &key,
    };
    let Authority {
        registry, signers, ..
    } = authority;
    let enrolled =
        decide(|| registry.enroll(&call.act, signers, authority.lifetimes(), &join)).await?;
    Ok(v1::EnrollResponse {
        identity: Some(identity(authority, enrolled)?),
    })
}

async fn renew(
    authority: &Authority,
    call: Call,
    request: v1::RenewCertificateRequest,
) -> Result<v1::RenewCertificateResponse, Failure> {
    let (Caller::Agent { device, .. } | Caller::Operator { device, .. }) = &*call.caller else {
        return Err(Failure::Broken("a renewal without a certificate"));
    };
    let key = RequestedKey::from_csr(&request.csr)?;
    let Authority {
        registry, signers, ..
    } = authority;
    let enrolled =
        decide(|| registry.renew(&call.act, signers, authority.lifetimes(), device, &key)).await?;
    Ok(v1::RenewCertificateResponse {
        identity: Some(identity(authority, enrolled)?),
    })
}

async fn recover(
    authority: &Authority,
    call: Call,
    request: v1::RecoverCertificateRequest,
) -> Result<v1::RecoverCertificateResponse, Failure> {
    let key = RequestedKey::from_csr(&request.csr)?;
    let recovery = Recovery {
        agent_id: &request.agent_id,
        key: &key,
        window: authority.config.agent_recovery_window,
    };
    let Authority {
        registry, signers, ..
    } = authority;
    let lifetimes = authority.lifetimes();
    let enrolled = decide(|| registry.recover(&call.act, signers, lifetimes, &recovery)).await?;
    Ok(v1::RecoverCertificateResponse {
        identity: Some(identity(authority, enrolled)?),
    })
}

fn identity(authority: &Authority, enrolled: Enrolled) -> Result<v1::Identity, Failure> {
    Ok(v1::Identity {
        subject: enrolled.subject.to_string(),
        device_id: enrolled.device_id,
        certificate: enrolled.issued.certificate.to_vec(),
        not_after: enrolled.issued.not_after,
        cluster: Some(v1::Cluster {
            // What was known last may be older than the certificate.
            trust_bundle: enrolled.trust_bundle,
            ..authority.describe_now()?
        }),
    })
}
