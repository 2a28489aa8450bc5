//! The join token's text: from a file or from standard input, never from a flag.

use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use crate::secret_file::{self, SecretFileError};

/// Longer than any join token.
const MOST: usize = 16 * 1024;

/// Why there is no join token's text.
#[derive(Debug, thiserror::Error)]
pub enum JoinTokenError {
    /// The file.
    #[error("--join-token-file: {0}")]
    File(#[from] SecretFileError),
    /// Standard input.
    #[error("cannot read the join token from standard input: {0}")]
    StandardInput(io::Error),
    /// It is something else.
    #[error(
        "the join token is not text: give what `cattery service join-token SERVICE` printed with --join-token-file FILE (- is standard input)"
    )]
    NotText,
}

/// Reads the text from a file, or from standard input where the path is `-`.
///
/// # Errors
/// [`JoinTokenError`]: it cannot be read, others can read it too, or it is no text.
pub fn read_join_token(path: &Path) -> Result<Zeroizing<String>, JoinTokenError> {
    let bytes = if path.as_os_str() == "-" {
        secret_file::read_all(io::stdin().lock(), MOST).map_err(JoinTokenError::StandardInput)?
    } else {
        secret_file::read(path, MOST)?
    };
    let text = str::from_utf8(&bytes).map_err(|_| JoinTokenError::NotText)?;
    Ok(Zeroizing::new(text.to_owned()))
}
