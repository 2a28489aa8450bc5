use thiserror::Error;

use crate::seal::SealError;
use crate::store::StoreError;

/// Why the CA did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CaError {
    /// The caller's fault.
    #[error("the certificate request cannot be used: {0}")]
    Request(&'static str),

    /// A name that does not fit into a certificate. The caller's fault.
    #[error("{0} is not as it has to be")]
    Name(&'static str),

    /// Not a trust domain. The caller's fault.
    #[error("`{0}` is not a trust domain: take up to 255 of [a-z0-9._-], such as `example.org`")]
    TrustDomain(String),

    /// The CA's own certificate has ended or would end first.
    #[error(
        "the lifetime of the certificate is empty: the CA's own certificate ends too early, or a clock is wrong"
    )]
    Lifetime,

    /// Making or signing a certificate failed.
    #[error("cannot sign a certificate")]
    Sign(#[source] rcgen::Error),

    /// There is no CA in the store.
    #[error("the store holds no CA: run `cattery init` first")]
    Missing,

    /// What the store holds is no CA.
    #[error("the CA in the store is damaged; restore a backup")]
    Damaged,

    /// The system has no randomness.
    #[error("the system gives no randomness")]
    Random(#[source] getrandom::Error),

    /// Its key cannot be sealed or opened.
    #[error(transparent)]
    Seal(#[from] SealError),

    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}
