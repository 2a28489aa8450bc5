//! Secrets at rest: values are encrypted before they reach the store.
//!
//! ```text
//! unseal method (key file | passphrase)  --wraps-->  master key  --HKDF-->  data key  --XChaCha20-Poly1305-->  values
//! ```
//!
//! A sealed value opens only in its own cluster and at its own path.

mod error;
mod input;
mod key_file;
mod master;
mod passphrase;
mod revocation;
mod sealer;

pub use error::SealError;
pub use input::{passphrase_from_file, passphrase_from_standard_input, read_passphrase};
pub use key_file::KeyFile;
pub use master::{MasterKey, SealMeta, UnsealMethod, Wrapping};
pub use passphrase::Passphrase;
pub(crate) use revocation::revocation_key;
pub use sealer::Sealer;

use crate::store::Store;

/// Where the store keeps the wrapped master key.
pub const META_KEY: &str = "meta/seal";

/// Unwraps the master key of the cluster in `store`, and from then on opens its values.
///
/// # Errors
///
/// [`SealError`]: a wrong key file or passphrase above all.
pub async fn unseal(
    store: &dyn Store,
    method: impl UnsealMethod + 'static,
) -> Result<Sealer, SealError> {
    let entry = store.get(META_KEY).await?.ok_or(SealError::NoCluster)?;
    let meta = SealMeta::decode(&entry.value)?;
    tokio::task::spawn_blocking(move || {
        let master = method.unwrap(&meta)?;
        Sealer::new(&master, meta.cluster_id())
    })
    .await
    .map_err(|_| SealError::Interrupted)?
}

/// Makes a new cluster's master key and wraps it: what seals its values, and what to store at [`META_KEY`].
///
/// Blocks: a passphrase takes its time.
///
/// # Errors
///
/// [`SealError`].
pub fn create(
    cluster_id: &str,
    method: &dyn UnsealMethod,
) -> Result<(Sealer, SealMeta), SealError> {
    let master = MasterKey::generate()?;
    let meta = method.wrap(cluster_id, &master)?;
    Ok((Sealer::new(&master, cluster_id)?, meta))
}

fn random_salt() -> Result<String, SealError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(SealError::Random)?;
    Ok(hex::encode(salt))
}
