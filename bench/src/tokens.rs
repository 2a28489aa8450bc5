//! What groups do with tokens.

use anyhow::{Context as _, Result};

/// With another letter near its end, which is in the tag or the signature.
pub(crate) fn spoiled(token: &str) -> Result<String> {
    let at = token.len().checked_sub(10).context("a token")?;
    let other = match token.get(at..=at) {
        Some("A") => "B",
        _ => "A",
    };
    let mut spoiled = token.to_owned();
    spoiled.replace_range(at..=at, other);
    Ok(spoiled)
}
