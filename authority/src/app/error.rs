use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use cattery_sdk::systemd::HandedError;

use crate::audit::{AuditError, ChangeError};
use crate::ca::CaError;
use crate::failure::Failure;
use crate::records::RecordError;
use crate::seal::SealError;
use crate::store::StoreError;

/// Why an authority does not start, on one line with what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// `authority.toml` and the store are of different clusters.
    #[error(
        "the store in {place} is of cluster {store}, but authority.toml says {config}: put the two that belong together into one directory, or correct [store]"
    )]
    OtherCluster {
        /// Where the store is.
        place: String,
        /// The cluster of the store.
        store: String,
        /// The cluster of the configuration.
        config: String,
    },
    /// `authority.toml` and the store have different trust domains.
    #[error(
        "the store's trust domain is `{store}`, but authority.toml says `{config}`: correct trust_domain"
    )]
    OtherTrustDomain {
        /// That of the store.
        store: String,
        /// That of the configuration.
        config: String,
    },
    /// The store is of a newer version.
    #[error(
        "the store has the format {found}, and this version knows {known}: run the newer version"
    )]
    Format {
        /// The store's.
        found: u32,
        /// This version's.
        known: u32,
    },
    /// The store holds no cluster.
    #[error("the store in {place} holds no cluster: run `cattery init` first, or correct [store]")]
    NoCluster {
        /// Where the store is.
        place: String,
    },
    /// The store was made by version 0.1.
    #[error(
        "the store has the format {found} of version 0.1, and this version reads {known}: it cannot be carried over; keep it, and make a new cluster"
    )]
    OldFormat {
        /// The store's.
        found: u32,
        /// This version's.
        known: u32,
    },
    /// Another authority has this one's id.
    #[error(
        "another authority with the id `{id}` is alive: each needs an id of its own, so correct authority_id in authority.toml (an authority that was killed is given up after half a minute)"
    )]
    IdInUse {
        /// The id.
        id: String,
    },
    /// A socket that systemd hands over.
    #[error(transparent)]
    Handed(#[from] HandedError),
    /// One that is handed over for others than this machine.
    #[error(
        "systemd hands over `metrics` on {address}, and it must be on loopback, since what is spoken there is not encrypted: use ListenStream=127.0.0.1:PORT"
    )]
    NotLoopback {
        /// Where.
        address: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}{}",
        remedy(source, "another program", "`listen` or --listen")
    )]
    Listen {
        /// As configured.
        address: String,
        /// What the system answered.
        source: io::Error,
    },
    /// The address for metrics cannot be listened on.
    #[error(
        "cannot serve metrics on {address}{}",
        remedy(source, "another program, or `listen`,", "`metrics` in authority.toml")
    )]
    Metrics {
        /// As configured.
        address: SocketAddr,
        /// What the system answered.
        source: io::Error,
    },
    /// The host that is to be listened on is not known.
    #[error(
        "no address is known for the host in `{address}`: correct `listen` in authority.toml, or --listen; 0.0.0.0 is all of this machine's"
    )]
    Resolve {
        /// As configured.
        address: String,
        /// What the system answered.
        source: io::Error,
    },
    /// Clients cannot be told where the authority is.
    #[error(
        "authority.toml listens on {listen}, which is no address to connect to: list in `addresses` where others reach this authority"
    )]
    Advertise {
        /// What it listens on.
        listen: String,
    },
    /// A passphrase for a store that takes a key file.
    #[error(
        "this store opens with a key file, not a passphrase: leave out the passphrase, or correct [unseal] in authority.toml"
    )]
    NoPassphraseNeeded,
    /// The unseal socket's path does not fit.
    #[error("the path {} has {len} bytes, and a socket's may have {most}: choose a directory with a shorter path", path.display())]
    SocketPath {
        /// The path.
        path: PathBuf,
        /// Its bytes.
        len: usize,
        /// What fits.
        most: usize,
    },
    /// A file in the directory cannot be written.
    #[error("cannot make {}: this user needs the right to write to its folder, and space on the disk", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        source: io::Error,
    },
    /// The TLS configuration is not one.
    #[error("cannot serve TLS with the authority's own certificate")]
    Tls(#[from] rustls::Error),
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store stays sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The audit log does not open.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// What a crash left behind cannot be settled.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The CA does not load.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// A record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Something in here failed.
    #[error("{0}")]
    Failed(String),
}

impl From<Failure> for StartError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Store(error) => error.into(),
            Failure::Audit(error) => error.into(),
            Failure::Record(error) => error.into(),
            Failure::Seal(error) => error.into(),
            Failure::Ca(error) => error.into(),
            Failure::Tls(error) => error.into(),
            other => Self::Failed(crate::failure::chain(&other)),
        }
    }
}

/// What to do about it: `holder` may have the port, and `setting` says which one it is.
fn remedy(error: &io::Error, holder: &str, setting: &str) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            ": {holder} has this port; stop it, or choose another one with {setting} (port 0 takes a free one)"
        ),
        io::ErrorKind::AddrNotAvailable => {
            format!(": this machine has no such address; correct {setting}")
        }
        io::ErrorKind::PermissionDenied => {
            ": ports below 1024 take a privilege; choose a higher one".to_owned()
        }
        _ => String::new(),
    }
}
