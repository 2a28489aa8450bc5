use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use etcd_client::{
    Certificate, Client, CompactionOptions, ConnectOptions, Identity, Permission, PermissionType,
    RoleRevokePermissionOptions, TlsOptions,
};

use super::Etcd;

/// The administrator's password, where there is a login.
const ROOT: (&str, &str) = ("root", "the password of root");
const ROLE: &str = "cattery";

impl Etcd {
    /// A client for what no store can do.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn client(&self) -> Result<Client> {
        let login = self.user.is_some().then_some(ROOT);
        connect(self.urls(), self.tls_options()?, login).await
    }

    /// Asks for a login from now on; `user` may do everything below `prefix`, and nothing else.
    ///
    /// # Errors
    /// Where it does not do that.
    pub async fn require_login(&mut self, user: &str, password: &str, prefix: &str) -> Result<()> {
        let client = self.client().await?;
        let mut auth = client.auth_client();
        auth.user_add(ROOT.0, ROOT.1, None).await?;
        auth.user_grant_role(ROOT.0, "root").await?;
        auth.role_add(ROLE).await?;
        auth.role_grant_permission(ROLE, below(prefix)).await?;
        auth.user_add(user, password, None).await?;
        auth.user_grant_role(user, ROLE).await?;
        auth.auth_enable().await?;
        self.user = Some((user.to_owned(), password.to_owned()));
        Ok(())
    }

    /// Takes the user's right to everything below a prefix away.
    ///
    /// # Errors
    /// Where it does not do that.
    pub async fn revoke(&self, prefix: &str) -> Result<()> {
        let mut auth = self.client().await?.auth_client();
        let options = RoleRevokePermissionOptions::new().with_prefix();
        auth.role_revoke_permission(ROLE, prefix, Some(options))
            .await?;
        Ok(())
    }

    /// Gives it back.
    ///
    /// # Errors
    /// Where it does not do that.
    pub async fn grant(&self, prefix: &str) -> Result<()> {
        let mut auth = self.client().await?.auth_client();
        auth.role_grant_permission(ROLE, below(prefix)).await?;
        Ok(())
    }

    /// Forgets all changes up to the last one.
    ///
    /// # Errors
    /// Where it does not do that.
    pub async fn compact(&self) -> Result<()> {
        let mut client = self.client().await?;
        let now = client.get("any", None).await?;
        let revision = now.header().context("an answer has a header")?.revision();
        let options = CompactionOptions::new().with_physical();
        client.compact(revision, Some(options)).await?;
        Ok(())
    }

    /// The member that leads the others.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn leader(&self) -> Result<usize> {
        for (number, url) in self.urls().into_iter().enumerate() {
            let login = self.user.is_some().then_some(ROOT);
            let Ok(mut client) = connect(vec![url], self.tls_options()?, login).await else {
                continue;
            };
            let Ok(status) = client.status().await else {
                continue;
            };
            let own = status.header().context("a header")?.member_id();
            if own == status.leader() {
                return Ok(number);
            }
        }
        anyhow::bail!("etcd has no leader")
    }

    /// Answers once a majority does.
    pub(super) fn probe(&self) -> impl Future<Output = Result<()>> + use<> {
        let (urls, tls) = (self.urls(), self.tls_options());
        let login = self.user.is_some().then_some(ROOT);
        async move {
            let mut client = connect(urls, tls?, login).await?;
            client.get("any", None).await?;
            Ok(())
        }
    }

    fn urls(&self) -> Vec<String> {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let endpoints = self.endpoints().into_iter();
        endpoints.map(|at| format!("{scheme}://{at}")).collect()
    }

    fn tls_options(&self) -> Result<Option<TlsOptions>> {
        let Some([ca, certificate, key]) = self.tls_files() else {
            return Ok(None);
        };
        let ca = Certificate::from_pem(std::fs::read(ca)?);
        let identity = Identity::from_pem(std::fs::read(certificate)?, std::fs::read(key)?);
        Ok(Some(
            TlsOptions::new().ca_certificate(ca).identity(identity),
        ))
    }
}

fn below(prefix: &str) -> Permission {
    Permission::new(PermissionType::Readwrite, prefix).with_prefix()
}

async fn connect(
    urls: Vec<String>,
    tls: Option<TlsOptions>,
    login: Option<(&str, &str)>,
) -> Result<Client> {
    ensure!(!urls.is_empty(), "etcd has no members");
    let mut options = ConnectOptions::new()
        .with_connect_timeout(Duration::from_secs(2))
        .with_timeout(Duration::from_secs(5));
    if let Some(tls) = tls {
        options = options.with_tls(tls);
    }
    if let Some((name, password)) = login {
        options = options.with_user(name, password);
    }
    Ok(Client::connect(urls, Some(options)).await?)
}
