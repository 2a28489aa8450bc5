//! Random bytes.

use anyhow::Context as _;

/// An id that no other one is: 16 bytes from the operating system.
///
/// # Errors
/// It gives none.
pub(crate) fn id() -> anyhow::Result<[u8; 16]> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).context("the operating system gives no random bytes")?;
    Ok(id)
}
