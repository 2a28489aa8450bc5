//! The join token's text: from a file or from standard input, never from a flag.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::Context as _;
use zeroize::Zeroizing;

/// Longer than any join token.
const MAX_TEXT: usize = 16 * 1024;

pub(crate) fn read(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    if path.as_os_str() == "-" {
        return text(io::stdin().lock()).context("cannot read the join token from standard input");
    }
    let shown = path.display();
    let file = File::open(path)
        .map_err(|why| anyhow::anyhow!("cannot read the join token in {shown}: {why}"))?;
    let mode = file
        .metadata()
        .map_or(0, |metadata| metadata.mode() & 0o7777);
    if mode & 0o077 != 0 {
        anyhow::bail!(
            "the join token in {shown} can be read by others (mode {mode:04o}): chmod 600 it, and ask for a new one if that matters"
        );
    }
    text(file).map_err(|why| anyhow::anyhow!("cannot read the join token in {shown}: {why}"))
}

/// Into a buffer that never grows, so that no copy stays behind.
fn text(mut from: impl Read) -> io::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(vec![0; MAX_TEXT]);
    let mut len = 0;
    loop {
        match from.read(&mut bytes[len..])? {
            0 if len == MAX_TEXT => return Err(io::Error::other("it is too long to be one")),
            0 => break,
            more => len += more,
        }
    }
    let text = str::from_utf8(&bytes[..len]).map_err(|_| io::Error::other("it is not text"))?;
    Ok(Zeroizing::new(text.to_owned()))
}
