//! Helpers that several of these tests use.

use std::path::Path;
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cattery_authority::audit::{Action, Audit, AuditError, Event, Intent};
use cattery_authority::store::{Embedded, Store, StoreError};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Some time in 2026.
pub(crate) const NOW: u64 = 1_790_000_000;
pub(crate) const NOW_MS: u64 = NOW * 1000;

pub(crate) fn event(subject: &str) -> Event {
    Event::new(
        NOW_MS,
        "req-1",
        "operator/eve",
        Action::ServiceAdded,
        subject,
    )
}

/// Opens what was closed just now. Another test may be between fork and exec of a child, which holds every lock until then.
fn patiently<T, E>(
    mut open: impl FnMut() -> Result<T, E>,
    in_use: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match open() {
            Err(error) if in_use(&error) && Instant::now() < deadline => std::thread::yield_now(),
            result => return result,
        }
    }
}

pub(crate) fn open_audit(dir: &Path, id: &str) -> (Audit, Vec<Intent>) {
    let in_use = |error: &AuditError| matches!(error, AuditError::InUse { .. });
    patiently(|| Audit::open(dir, id), in_use).unwrap()
}

pub(crate) fn open_store(path: &Path) -> Embedded {
    open_when_free(path).unwrap()
}

pub(crate) fn open_when_free(path: &Path) -> Result<Embedded, StoreError> {
    let in_use = |error: &StoreError| matches!(error, StoreError::InUse { .. });
    patiently(|| Embedded::open(path), in_use)
}

pub(crate) fn embedded(dir: &tempfile::TempDir) -> Arc<dyn Store> {
    embedded_in(dir.path())
}

pub(crate) fn embedded_in(dir: &std::path::Path) -> Arc<dyn Store> {
    let path = dir.join("store.redb");
    let store = if path.exists() {
        open_store(&path)
    } else {
        Embedded::create(path).unwrap()
    };
    Arc::new(store)
}

/// A key, and a request that asks for whatever `ask` sets.
pub(crate) fn csr(ask: impl FnOnce(&mut CertificateParams)) -> (KeyPair, Vec<u8>) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::default();
    ask(&mut params);
    let der = params.serialize_request(&key).unwrap().der().to_vec();
    (key, der)
}

pub(crate) fn plain_csr() -> Vec<u8> {
    csr(|_| {}).1
}

/// Lets no file of this process grow beyond so many bytes.
pub(crate) fn limit_files(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(
        Resource::Fsize,
        Rlimit {
            current: bytes,
            maximum,
        },
    )
    .unwrap();
}

/// The variable that tells a test that it is the child, and where its files are.
const CHILD: &str = "CATTERY_TEST_CHILD";

/// In a child that [`spawn_child`] started: its directory.
pub(crate) fn child_dir() -> Option<std::path::PathBuf> {
    std::env::var_os(CHILD).map(Into::into)
}

/// Runs one test of this program again, in a process of its own; `prefix` is a shell command line that starts it.
pub(crate) fn spawn_child(test: &str, dir: &std::path::Path, prefix: &str) -> Child {
    let program = std::env::current_exe().unwrap();
    Command::new("sh")
        .arg("-c")
        .arg(format!("{prefix} exec \"$0\" --exact {test} --nocapture"))
        .arg(program)
        .env(CHILD, dir)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap()
}
