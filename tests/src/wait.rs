//! Waiting for what can be seen, never for time alone.

use std::{
    future::Future,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// How long anything may take on a slow, busy machine before a story fails.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(15);

/// Looks again and again until there is something; an error ends it at once.
///
/// # Errors
/// The look's own, or that it took longer than [`PATIENCE`].
pub fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("waited {} s in vain: {what}", PATIENCE.as_secs());
        }
        thread::sleep(PAUSE);
    }
}

/// The same for looks that are asynchronous.
///
/// # Errors
/// As [`until`].
pub async fn until_async<T, F: Future<Output = Result<Option<T>>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("waited {} s in vain: {what}", PATIENCE.as_secs());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
