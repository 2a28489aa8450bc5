//! Files of `deploy/`, as they are shipped but for the few values that a user changes.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};

/// The text of a file below `deploy/`, changed: each `from` has to be there once.
///
/// # Errors
/// Where it is not, or there is no such file.
pub fn changed<'a>(
    file: &str,
    changes: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy")
        .join(file);
    let mut text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    for (from, to) in changes {
        ensure!(
            text.matches(from).count() == 1,
            "not once in {file}: {from}"
        );
        text = text.replace(from, to);
    }
    Ok(text)
}
