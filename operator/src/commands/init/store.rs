use std::path::{self, PathBuf};

use anyhow::Context as _;
use cattery_authority::config::{CertificateFiles, EtcdSettings, Login, StoreSettings};
use clap::Args as ClapArgs;

/// Where the cluster's state is kept.
#[derive(ClapArgs, Clone)]
pub(in crate::commands) struct StoreArgs {
    /// Keep the cluster's state in etcd, so that several authorities can serve it: each member's address, repeated or with
    /// commas between [default: a file in DIR, for one authority]
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    store_etcd: Vec<String>,
    /// What all keys of this cluster in etcd begin with [default: /cattery/TRUST-DOMAIN/]
    #[arg(long, value_name = "/PREFIX/", requires = "store_etcd")]
    store_prefix: Option<String>,
    /// The CA certificates of etcd, PEM [default: no TLS]
    #[arg(long, value_name = "FILE", requires = "store_etcd")]
    store_ca: Option<PathBuf>,
    /// The authority's certificate for etcd, PEM
    #[arg(long, value_name = "FILE", requires_all = ["store_ca", "store_key"])]
    store_cert: Option<PathBuf>,
    /// That certificate's private key, PEM; others must not be able to read it
    #[arg(long, value_name = "FILE", requires = "store_cert")]
    store_key: Option<PathBuf>,
    /// The user of etcd to log in as
    #[arg(long, value_name = "NAME", requires_all = ["store_etcd", "store_password_file"])]
    store_user: Option<String>,
    /// A file with that user's password on one line; others must not be able to read it
    #[arg(long, value_name = "FILE", requires = "store_user")]
    store_password_file: Option<PathBuf>,
}

impl StoreArgs {
    /// Whether it is anything but the default.
    pub(in crate::commands) fn is_given(&self) -> bool {
        !self.store_etcd.is_empty()
    }

    /// As `authority.toml` has them: with paths that do not depend on where it is read.
    pub(in crate::commands) fn settings(self, trust_domain: &str) -> anyhow::Result<StoreSettings> {
        if self.store_etcd.is_empty() {
            return Ok(StoreSettings::Embedded);
        }
        let absolute = |path: PathBuf| path::absolute(path).context("a file has no path");
        let certificate = match (self.store_cert, self.store_key) {
            (Some(cert_file), Some(key_file)) => Some(CertificateFiles {
                cert_file: absolute(cert_file)?,
                key_file: absolute(key_file)?,
            }),
            _ => None,
        };
        let login = match (self.store_user, self.store_password_file) {
            (Some(user), Some(password_file)) => Some(Login {
                user,
                password_file: absolute(password_file)?,
            }),
            _ => None,
        };
        Ok(StoreSettings::Etcd(EtcdSettings {
            endpoints: self.store_etcd,
            prefix: self
                .store_prefix
                .unwrap_or_else(|| format!("/cattery/{trust_domain}/")),
            ca_file: self.store_ca.map(absolute).transpose()?,
            certificate,
            login,
        }))
    }
}

/// Where it is, for people.
pub(super) fn describe(store: &StoreSettings) -> Option<String> {
    match store {
        StoreSettings::Embedded => None,
        StoreSettings::Etcd(etcd) => Some(format!("etcd below {}", etcd.prefix)),
    }
}
