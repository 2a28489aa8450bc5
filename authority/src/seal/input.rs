//! How a passphrase is read. Every program reads it here: what made a cluster has to open it again.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use cattery_sdk::systemd::is_private;
use zeroize::{Zeroize as _, Zeroizing};

use super::SealError;

/// Nobody types more, and a buffer that does not grow leaves no copies behind.
const LONGEST: usize = 1024;

/// Reads a passphrase: all of `from`, which is one line. Only the line's end is taken off; spaces count.
///
/// `what` names the source in errors.
///
/// # Errors
///
/// [`SealError::NoPassphrase`] or [`SealError::PassphraseInput`].
pub fn read_passphrase(from: impl Read, what: &str) -> Result<Zeroizing<String>, SealError> {
    let refused = |why| SealError::NoPassphrase {
        from: what.to_owned(),
        why,
    };
    // One byte more than the longest with its line's end tells that it is too long.
    let most = LONGEST + "\r\n".len() + 1;
    let mut line = Zeroizing::new(Vec::with_capacity(2 * LONGEST));
    from.take(most as u64)
        .read_to_end(&mut line)
        .map_err(|source| SealError::PassphraseInput {
            from: what.to_owned(),
            source,
        })?;
    if line.pop_if(|last| *last == b'\n').is_some() {
        line.pop_if(|last| *last == b'\r');
    }
    if line.is_empty() {
        return Err(refused("it is empty"));
    }
    if line.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return Err(refused("it has more than one line; keep just one"));
    }
    if line.len() > LONGEST {
        return Err(refused(
            "it is longer than 1024 bytes; take a shorter passphrase",
        ));
    }
    String::from_utf8(std::mem::take(&mut *line))
        .map(Zeroizing::new)
        .map_err(|error| {
            error.into_bytes().zeroize();
            refused("it is not UTF-8; save it as UTF-8 text")
        })
}

/// Reads a passphrase from a file that nobody but its owner can read.
///
/// # Errors
///
/// As [`read_passphrase`], or [`SealError::ExposedPassphrase`].
pub fn passphrase_from_file(path: &Path) -> Result<Zeroizing<String>, SealError> {
    let what = format!("the file {}", path.display());
    let failed = |source| SealError::PassphraseInput {
        from: what.clone(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let meta = file.metadata().map_err(failed)?;
    // A pipe is nobody's to read twice.
    if meta.is_file() && !is_private(path, &meta) {
        return Err(SealError::ExposedPassphrase {
            path: path.into(),
            mode: meta.mode() & 0o7777,
        });
    }
    read_passphrase(file, &what)
}

/// Reads a passphrase from standard input. Where that is a terminal, asks with `prompt` and does not show what is typed.
///
/// # Errors
///
/// As [`read_passphrase`].
pub fn passphrase_from_standard_input(prompt: &str) -> Result<Zeroizing<String>, SealError> {
    if io::stdin().is_terminal() {
        let typed =
            rpassword::prompt_password(prompt).map_err(|source| SealError::PassphraseInput {
                from: "the terminal".to_owned(),
                source,
            })?;
        return read_passphrase(Zeroizing::new(typed).as_bytes(), "the terminal");
    }
    let what = "standard input";
    // Not through `Stdin`, whose buffer would keep it.
    let input = io::stdin().as_fd().try_clone_to_owned();
    let input = input.map_err(|source| SealError::PassphraseInput {
        from: what.to_owned(),
        source,
    })?;
    read_passphrase(File::from(input), what)
}
