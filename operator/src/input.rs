//! What comes in on standard input: a secret, or a token.

use std::io::{self, IsTerminal as _, Read as _};

use anyhow::{Context as _, bail};
use zeroize::Zeroizing;

/// More than any text of ours: a token with four discharges has less than 60 KiB.
const MAX_INPUT: u64 = 256 * 1024;

/// Reads all of standard input. `what` names it for someone who sits at a terminal.
pub(crate) fn read(what: &str) -> anyhow::Result<Zeroizing<Vec<u8>>> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        let line = rpassword::prompt_password(format!("{what}: "))
            .context("the terminal cannot be read")?;
        return Ok(Zeroizing::new(line.into_bytes()));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
    stdin
        .lock()
        .take(MAX_INPUT + 1)
        .read_to_end(&mut bytes)
        .context("standard input cannot be read")?;
    if bytes.len() as u64 > MAX_INPUT {
        bail!("standard input is longer than any {what}");
    }
    Ok(bytes)
}

/// Reads standard input as text, without the white space around it.
pub(crate) fn read_text(what: &str) -> anyhow::Result<Zeroizing<String>> {
    let bytes = read(what)?;
    let text = std::str::from_utf8(&bytes)
        .ok()
        .with_context(|| format!("standard input is not text: expected {what}"))?
        .trim();
    if text.is_empty() {
        bail!("standard input is empty: expected {what}");
    }
    Ok(Zeroizing::new(text.to_owned()))
}
