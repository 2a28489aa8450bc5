//! Speaking to an authority as an operator.

use anyhow::{Context as _, anyhow, bail};
use cattery_proto::v1::{self, admin_client::AdminClient, enrollment_client::EnrollmentClient};
use cattery_sdk::{connect::Connector, identity::KeyPair, sealing::ReceiverKey};
use tonic::{Code, Status, transport::Channel};
use zeroize::Zeroizing;

use crate::{
    clock,
    home::{Home, OperatorFile},
};

/// An operator's connection.
pub(crate) struct Session {
    connector: Connector,
    /// The calls.
    pub(crate) admin: AdminClient<Channel>,
}

impl Session {
    /// As the operator of this home. A certificate past half its life is renewed on the way.
    pub(crate) async fn open(home: &Home) -> anyhow::Result<Self> {
        let operator = home.operator()?.with_context(|| {
            format!(
                "nobody is an operator in {}: run `cattery login` with an operator's join token, or name the right --home",
                home.dir().display()
            )
        })?;
        let now = clock::now();
        if operator.not_after <= now {
            bail!(
                "the certificate of {} ended {}: ask another admin for `cattery operator add`, and log in with the join token",
                operator.subject,
                clock::relative(operator.not_after, now)
            );
        }
        let session = Self::of(&operator)?;
        if now < operator.obtained_at + operator.not_after.saturating_sub(operator.obtained_at) / 2
        {
            return Ok(session);
        }
        match session.renew(&operator).await {
            Ok(renewed) => {
                home.keep_operator(&renewed)?;
                Self::of(&renewed)
            }
            // It is good for a while yet; what is wrong shows at the call that follows.
            Err(error) => {
                tracing::warn!("the operator's certificate was not renewed: {error:#}");
                Ok(session)
            }
        }
    }

    fn of(operator: &OperatorFile) -> anyhow::Result<Self> {
        let connector = operator
            .cluster
            .connector(&[], Some(&operator.identity()?))?;
        let admin = AdminClient::new(connector.channel());
        Ok(Self { connector, admin })
    }

    async fn renew(&self, operator: &OperatorFile) -> anyhow::Result<OperatorFile> {
        let keys = KeyPair::generate()?;
        let request = v1::RenewCertificateRequest { csr: keys.csr()? };
        let answer = EnrollmentClient::new(self.connector.channel())
            .renew_certificate(request)
            .await;
        let identity = answer
            .map_err(|status| self.refused(&status))?
            .into_inner()
            .identity;
        let identity =
            identity.with_context(|| format!("{} got no certificate", operator.subject))?;
        OperatorFile::new(identity, &keys.pkcs8(), clock::now())
    }

    /// What a failed call means, in one line.
    pub(crate) fn refused(&self, status: &Status) -> anyhow::Error {
        explain(&self.connector, status)
    }
}

/// What a failed call means, in one line.
pub(crate) fn explain(connector: &Connector, status: &Status) -> anyhow::Error {
    let line = connector.explain(status);
    match status.code() {
        _ if line.is_empty() => anyhow!("the authority failed: {}", status.code().description()),
        Code::Unimplemented => {
            anyhow!("the authority does not know this call: is it an older version? ({line})")
        }
        _ => anyhow!(line),
    }
}

/// Opens a text that was sealed to `receiver`.
pub(crate) fn open_text(
    receiver: &ReceiverKey,
    info: &[u8],
    sealed: Option<&v1::Sealed>,
) -> anyhow::Result<Zeroizing<String>> {
    let sealed = sealed.context("the authority's answer holds no secret")?;
    let bytes = receiver.open(info, sealed)?;
    let text = std::str::from_utf8(&bytes)
        .ok()
        .context("the authority's answer is not text")?;
    Ok(Zeroizing::new(text.to_owned()))
}
