use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};

/// The certificates of an etcd and of one client.
pub(super) struct Files {
    folder: PathBuf,
}

impl Files {
    pub(super) fn make(folder: &Path) -> Result<Self> {
        let files = Self {
            folder: folder.join("tls"),
        };
        fs::create_dir_all(&files.folder)?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "etcd test CA");
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        fs::write(files.ca(), ca.pem())?;
        // etcd shows its own certificate to itself.
        let both = [
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        for (name, uses) in [("server", &both[..]), ("client", &both[1..])] {
            let mut params = CertificateParams::new(["127.0.0.1".to_owned()])?;
            params.extended_key_usages = uses.to_vec();
            params.distinguished_name.push(DnType::CommonName, name);
            let key = KeyPair::generate()?;
            let certificate = params.signed_by(&key, &ca)?;
            fs::write(files.path(name, "pem"), certificate.pem())?;
            let path = files.path(name, "key");
            fs::write(&path, key.serialize_pem())?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        }
        Ok(files)
    }

    pub(super) fn ca(&self) -> PathBuf {
        self.path("ca", "pem")
    }

    pub(super) fn client_certificate(&self) -> PathBuf {
        self.path("client", "pem")
    }

    pub(super) fn client_key(&self) -> PathBuf {
        self.path("client", "key")
    }

    /// What etcd is told of them.
    pub(super) fn arguments(&self) -> Vec<String> {
        vec![
            "--client-cert-auth".to_owned(),
            format!("--trusted-ca-file={}", self.ca().display()),
            format!("--cert-file={}", self.path("server", "pem").display()),
            format!("--key-file={}", self.path("server", "key").display()),
        ]
    }

    fn path(&self, name: &str, kind: &str) -> PathBuf {
        self.folder.join(format!("{name}.{kind}"))
    }
}
