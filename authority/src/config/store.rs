//! `[store]`: where the cluster's state is kept.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use cattery_sdk::systemd::is_private;
use toml::Value;
use zeroize::Zeroizing;

use super::settings::Settings;
use super::values;
use crate::seal::read_passphrase;
use crate::store::{
    EtcdCertificate, EtcdOptions, EtcdTimeouts, EtcdTls, EtcdUser, StoreError, check_prefix,
};

/// Where the cluster's state is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StoreSettings {
    /// In a file in the authority's directory, for a cluster of one authority.
    #[default]
    Embedded,
    /// In etcd, which several authorities share.
    Etcd(EtcdSettings),
}

/// Where etcd is, and the files with what it is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdSettings {
    /// HOST:PORT of each member.
    pub endpoints: Vec<String>,
    /// What all keys of the cluster begin with, `/cattery/NAME/`.
    pub prefix: String,
    /// The CA certificates that etcd's has to come from, PEM; `None` for connections in the clear.
    pub ca_file: Option<PathBuf>,
    /// A client certificate and its key, PEM.
    pub certificate: Option<CertificateFiles>,
    /// A user of etcd, and the file with their password.
    pub login: Option<Login>,
}

/// A client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, PEM.
    pub cert_file: PathBuf,
    /// Its private key, PEM, that only the owner can read.
    pub key_file: PathBuf,
}

/// A user of etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Their name.
    pub user: String,
    /// The file with their password on one line, that only the owner can read.
    pub password_file: PathBuf,
}

/// No certificate or password is longer, bytes.
const LONGEST: u64 = 256 * 1024;

impl StoreSettings {
    /// What `status` calls it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Etcd(_) => "etcd",
        }
    }

    /// `None` only where a problem was reported.
    pub(super) fn read(dir: &Path, settings: &mut Settings) -> Option<Self> {
        let kind = settings.optional("store.kind", values::store_kind);
        let etcd = kind.as_deref() == Some("etcd");
        let found = Found::read(dir, settings, etcd);
        if etcd {
            return found.finish(settings).map(Self::Etcd);
        }
        found.expect_none(settings);
        Some(Self::Embedded)
    }

    /// The table, as `init` writes it.
    pub(super) fn write(&self, out: &mut String) {
        let mut line = |name: &str, value: Value| {
            // Writing to a string does not fail.
            let _ = writeln!(out, "{name} = {value}");
        };
        line("kind", self.kind().into());
        let Self::Etcd(etcd) = self else { return };
        let path = |path: &PathBuf| Value::from(path.to_string_lossy().as_ref());
        line("endpoints", etcd.endpoints.clone().into());
        line("prefix", etcd.prefix.clone().into());
        if let Some(ca_file) = &etcd.ca_file {
            line("ca_file", path(ca_file));
        }
        if let Some(certificate) = &etcd.certificate {
            line("cert_file", path(&certificate.cert_file));
            line("key_file", path(&certificate.key_file));
        }
        if let Some(login) = &etcd.login {
            line("user", login.user.clone().into());
            line("password_file", path(&login.password_file));
        }
    }
}

/// Settings of etcd as they are found, before it is known whether they go together.
struct Found {
    endpoints: Option<Vec<String>>,
    prefix: Option<String>,
    ca_file: Option<PathBuf>,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    user: Option<String>,
    password_file: Option<PathBuf>,
}

impl EtcdSettings {
    /// Reads the files that these settings name.
    ///
    /// # Errors
    /// [`StoreError::Settings`]: one of them cannot be read, or others can read it.
    pub fn options(&self) -> Result<EtcdOptions, StoreError> {
        let tls = match &self.ca_file {
            None => None,
            Some(ca_file) => Some(EtcdTls {
                ca: read("store.ca_file", ca_file, false)?.to_vec(),
                client: match &self.certificate {
                    None => None,
                    Some(files) => Some(files.read()?),
                },
            }),
        };
        let user = match &self.login {
            None => None,
            Some(login) => Some(login.read()?),
        };
        Ok(EtcdOptions {
            endpoints: self.endpoints.clone(),
            prefix: self.prefix.clone(),
            tls,
            user,
            timeouts: EtcdTimeouts::default(),
        })
    }
}

impl CertificateFiles {
    fn read(&self) -> Result<EtcdCertificate, StoreError> {
        Ok(EtcdCertificate {
            certificate: read("store.cert_file", &self.cert_file, false)?.to_vec(),
            key: read("store.key_file", &self.key_file, true)?,
        })
    }
}

impl Login {
    fn read(&self) -> Result<EtcdUser, StoreError> {
        Ok(EtcdUser {
            name: self.user.clone(),
            password: password(&self.password_file)?,
        })
    }
}

impl Found {
    fn read(dir: &Path, settings: &mut Settings, etcd: bool) -> Self {
        let prefix = |value: &Value| {
            let prefix = values::text(value)?;
            check_prefix(&prefix).map(|()| prefix)
        };
        let (endpoints, prefix) = match etcd {
            true => (
                settings.required("store.endpoints", values::endpoints),
                settings.required("store.prefix", prefix),
            ),
            false => (
                settings.optional("store.endpoints", values::endpoints),
                settings.optional("store.prefix", prefix),
            ),
        };
        let mut file = |name| {
            let path = settings.optional(name, values::text)?;
            Some(dir.join(path))
        };
        Self {
            endpoints,
            prefix,
            ca_file: file("store.ca_file"),
            cert_file: file("store.cert_file"),
            key_file: file("store.key_file"),
            password_file: file("store.password_file"),
            user: settings.optional("store.user", values::text),
        }
    }

    /// `None` only where a problem was reported, here or before.
    fn finish(self, settings: &mut Settings) -> Option<EtcdSettings> {
        let mut problem = |text: &str| settings.problem(text);
        let certificate = match (self.cert_file, self.key_file) {
            (Some(_), Some(_)) if self.ca_file.is_none() => {
                problem("store.ca_file: is missing: a client certificate is shown over TLS only");
                None
            }
            (Some(cert_file), Some(key_file)) => Some(CertificateFiles {
                cert_file,
                key_file,
            }),
            (None, None) => None,
            _ => {
                problem("store.cert_file and store.key_file go together: name both, or neither");
                None
            }
        };
        let login = match (self.user, self.password_file) {
            (Some(user), Some(password_file)) => Some(Login {
                user,
                password_file,
            }),
            (None, None) => None,
            _ => {
                problem("store.user and store.password_file go together: name both, or neither");
                None
            }
        };
        Some(EtcdSettings {
            endpoints: self.endpoints?,
            prefix: self.prefix?,
            ca_file: self.ca_file,
            certificate,
            login,
        })
    }

    fn expect_none(self, settings: &mut Settings) {
        let found = [
            ("endpoints", self.endpoints.is_some()),
            ("prefix", self.prefix.is_some()),
            ("ca_file", self.ca_file.is_some()),
            ("cert_file", self.cert_file.is_some()),
            ("key_file", self.key_file.is_some()),
            ("user", self.user.is_some()),
            ("password_file", self.password_file.is_some()),
        ];
        for (name, _) in found.into_iter().filter(|(_, there)| *there) {
            settings.problem(&format!(
                "store.{name}: goes with kind = \"etcd\" only; remove it or change the kind"
            ));
        }
    }
}

fn password(path: &Path) -> Result<Zeroizing<String>, StoreError> {
    let text = read("store.password_file", path, true)?;
    read_passphrase(text.as_slice(), &format!("the file {}", path.display())).map_err(|error| {
        StoreError::Settings {
            setting: "store.password_file",
            problem: error.to_string(),
        }
    })
}

fn read(
    setting: &'static str,
    path: &Path,
    secret: bool,
) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let refused = |problem: String| StoreError::Settings { setting, problem };
    let unread = |error: io::Error| refused(format!("cannot read {}: {error}", path.display()));
    let file = File::open(path).map_err(unread)?;
    let meta = file.metadata().map_err(unread)?;
    let mode = meta.mode() & 0o7777;
    if secret && meta.is_file() && !is_private(path, &meta) {
        return Err(refused(format!(
            "{} can be read by others (mode {mode:04o}): chmod 600 it, and think about who may have read it",
            path.display()
        )));
    }
    if meta.len() > LONGEST {
        return Err(refused(format!(
            "{} is too long to be that: {} bytes",
            path.display(),
            meta.len()
        )));
    }
    // A buffer that does not grow leaves no copies behind.
    let room = usize::try_from(meta.len().max(4096)).unwrap_or_default();
    let mut bytes = Zeroizing::new(Vec::with_capacity(room + 1));
    file.take(LONGEST).read_to_end(&mut bytes).map_err(unread)?;
    Ok(bytes)
}
