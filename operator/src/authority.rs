//! Speaking to an authority as an operator.

use anyhow::{Context as _, anyhow, bail};
use cattery_proto::v1::{self, admin_client::AdminClient, enrollment_client::EnrollmentClient};
use cattery_sdk::{connect::Connector, identity::KeyPair, sealing::ReceiverKey};
use tonic::{Code, Status, transport::Channel};
use zeroize::Zeroizing;

use crate::{
    clock,
    home::{ClusterFile, Home, OperatorFile},
    patience::wait_while_refused,
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
        let operator = operator_of(home)?;
        wait_while_refused(&operator.cluster.addresses).await;
        Self::start(home, operator, false).await
    }

    /// The same, without patience for an authority that is just starting.
    pub(crate) async fn open_at_once(home: &Home) -> anyhow::Result<Self> {
        Self::start(home, operator_of(home)?, false).await
    }

    /// The same, with a certificate that is new in any case.
    pub(crate) async fn open_renewed(home: &Home) -> anyhow::Result<Self> {
        Self::start(home, operator_of(home)?, true).await
    }

    /// The same, by whichever authority answers, knowing all that there are now: for what goes on when one of them dies.
    pub(crate) async fn open_to_all(home: &Home) -> anyhow::Result<Self> {
        let mut session = Self::open(home).await?;
        let asked = v1::GetClusterStatusRequest {};
        // What is wrong shows at the call that follows.
        if let Ok(status) = session.admin.get_cluster_status(asked).await
            && learn(home, status.get_ref()).unwrap_or(false)
        {
            return Self::of(&operator_of(home)?);
        }
        Ok(session)
    }

    /// Asks another authority from now on, where there is one: this one could not answer.
    pub(crate) fn turn_away(&mut self) {
        self.connector.avoid();
        self.admin = AdminClient::new(self.connector.channel());
    }

    async fn start(home: &Home, operator: OperatorFile, is_due: bool) -> anyhow::Result<Self> {
        let session = Self::of(&operator)?;
        if !is_due && !operator.is_past_half(clock::now()) {
            return Ok(session);
        }
        match session.renew(home, &operator).await {
            Ok(renewed) => Self::of(&renewed),
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
        tracing::debug!(
            operator = %operator.subject,
            authorities = ?operator.cluster.addresses,
            "asking an authority"
        );
        Ok(Self { connector, admin })
    }

    /// For the same key pair: whichever of several answers comes last or gets lost, the key that is kept stays good.
    async fn renew(&self, home: &Home, operator: &OperatorFile) -> anyhow::Result<OperatorFile> {
        let keys = KeyPair::from_pkcs8(&operator.private_key.bytes()?)?;
        let request = v1::RenewCertificateRequest { csr: keys.csr()? };
        let answer = EnrollmentClient::new(self.connector.channel())
            .renew_certificate(request)
            .await;
        let identity = answer
            .map_err(|status| self.refused(&status))?
            .into_inner()
            .identity
            .filter(|identity| identity.subject == operator.subject);
        let identity =
            identity.with_context(|| format!("{} got no certificate", operator.subject))?;
        let renewed = OperatorFile::new(identity, &keys.pkcs8(), clock::now())?;
        let change = home.change()?;
        if home
            .operator()?
            .is_some_and(|kept| kept.has_key_of(operator))
        {
            change.keep_operator(&renewed)?;
        }
        tracing::debug!(subject = %renewed.subject, "renewed the operator's certificate");
        Ok(renewed)
    }

    /// What a failed call means, in one line.
    pub(crate) fn refused(&self, status: &Status) -> anyhow::Error {
        explain(&self.connector, status)
    }
}

/// Keeps the addresses and the trust bundle that the cluster has now. Whether they are news.
pub(crate) fn learn(home: &Home, status: &v1::GetClusterStatusResponse) -> anyhow::Result<bool> {
    let bundle = ClusterFile::bundle(&status.trust_bundle);
    let is_news = |operator: &OperatorFile| {
        let known = &operator.cluster;
        let has_addresses = !status.addresses.is_empty() && known.addresses != status.addresses;
        let has_bundle = !bundle.is_empty() && known.trust_bundle != bundle;
        known.cluster_id == status.cluster_id && (has_addresses || has_bundle)
    };
    if !home.operator()?.as_ref().is_some_and(is_news) {
        return Ok(false);
    }
    let change = home.change()?;
    let Some(mut operator) = home.operator()?.filter(is_news) else {
        return Ok(false);
    };
    if !status.addresses.is_empty() {
        operator.cluster.addresses.clone_from(&status.addresses);
    }
    if !bundle.is_empty() {
        operator.cluster.trust_bundle = bundle;
    }
    change.keep_operator(&operator)?;
    Ok(true)
}

fn operator_of(home: &Home) -> anyhow::Result<OperatorFile> {
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
    Ok(operator)
}

/// Whether the same call may go well later, or at another authority.
pub(crate) fn may_pass(status: &Status) -> bool {
    let is_broken = std::error::Error::source(status).is_some();
    is_broken
        || matches!(
            status.code(),
            Code::Unavailable | Code::Aborted | Code::DeadlineExceeded | Code::Cancelled
        )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_authority_may_do_passes() {
        let broken = Status::from_error(Box::new(std::io::Error::other("broken")));
        assert!(may_pass(&broken));
        for (status, passes) in [
            (Status::unavailable("not now"), true),
            (Status::aborted("somebody was faster"), true),
            (Status::permission_denied("an auditor"), false),
            (Status::unauthenticated("revoked"), false),
            (Status::unimplemented("older"), false),
            (Status::internal("damaged"), false),
        ] {
            assert_eq!(may_pass(&status), passes, "{status}");
        }
    }
}
