//! Looking for secrets where none may be: raw, in hexadecimal, and in base64 at any alignment.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose as engines};

/// A secret by name, as bytes.
pub struct Secret {
    /// What a failure calls it.
    pub name: String,
    /// The secret itself.
    pub bytes: Vec<u8>,
}

impl Secret {
    /// A secret under a name.
    pub fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
        }
    }
}

/// Every form of a secret that is looked for, each under a name.
pub fn forms(secret: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut forms = vec![
        ("raw".to_owned(), secret.to_vec()),
        ("hex".to_owned(), hex::encode(secret).into_bytes()),
        (
            "upper-case hex".to_owned(),
            hex::encode_upper(secret).into_bytes(),
        ),
        // What `{:?}` makes of bytes.
        (
            "debug list".to_owned(),
            format!("{secret:?}")
                .trim_matches(['[', ']'])
                .as_bytes()
                .to_vec(),
        ),
    ];
    for skip in 0..3 {
        // `skip` bytes of something else before it: only characters that the secret alone decides are compared.
        let mut shifted = vec![0; skip];
        shifted.extend_from_slice(secret);
        for (name, engine) in [
            ("base64", &engines::STANDARD_NO_PAD),
            ("base64url", &engines::URL_SAFE_NO_PAD),
        ] {
            let text = engine.encode(&shifted);
            let begin = (skip * 8).div_ceil(6);
            let end = shifted.len() * 8 / 6;
            forms.push((
                format!("{name} after {skip}"),
                text.as_bytes()[begin..end].to_vec(),
            ));
        }
    }
    forms
}

/// Where secrets occur in the files below a folder: a line for each, without the secret.
///
/// # Errors
/// Where a file cannot be read.
pub fn find(folder: &Path, secrets: &[Secret]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(find(&path, secrets)?);
            continue;
        }
        let text = fs::read(&path)?;
        for secret in secrets {
            for (form, bytes) in forms(&secret.bytes) {
                if contains(&text, &bytes) {
                    found.push(format!("{}: {} ({form})", path.display(), secret.name));
                }
            }
        }
    }
    Ok(found)
}

/// Whether `text` holds `part`, fast enough for large logs.
fn contains(text: &[u8], part: &[u8]) -> bool {
    let Some((first, rest)) = part.split_first() else {
        return false;
    };
    let mut from = 0;
    while let Some(at) = text[from..].iter().position(|b| b == first) {
        let next = from + at + 1;
        if text[next..].starts_with(rest) {
            return true;
        }
        from = next;
    }
    false
}
