//! One request, as people write it, with its body or without.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    str::FromStr,
};

use anyhow::Context as _;
use cattery_core::Caveat;
use cattery_sdk::narrowing::request_caveat;
use sha2::{Digest as _, Sha256};

use super::What;
use crate::exit::Usage;

/// `METHOD URL`.
#[derive(Clone, Debug)]
pub(super) struct Target {
    method: String,
    url: String,
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (method, url) = text
            .split_once(' ')
            .ok_or("a request is written like 'GET https://photos.example/albums?x=1'")?;
        request_caveat(method, url, None).map_err(|error| error.to_string())?;
        Ok(Self {
            method: method.to_owned(),
            url: url.to_owned(),
        })
    }
}

impl Target {
    /// The condition, over the body that is in a file (or `-`) where there is one.
    pub(super) fn caveat(
        &self,
        body: Option<&Path>,
        what: What,
    ) -> anyhow::Result<Caveat<'static>> {
        let body = match body {
            None => None,
            Some(path) if path == Path::new("-") && what == What::Read => {
                return Err(Usage(
                    "standard input is what is narrowed, so the body cannot come from there: give a file to --body".to_owned(),
                )
                .into());
            }
            Some(path) if path == Path::new("-") => {
                Some(sha256(io::stdin().lock()).context("standard input cannot be read")?)
            }
            Some(path) => {
                let digest = File::open(path).and_then(sha256);
                Some(digest.with_context(|| format!("{} cannot be read", path.display()))?)
            }
        };
        Ok(request_caveat(&self.method, &self.url, body)?)
    }
}

/// Of something that may be long.
fn sha256(mut from: impl Read) -> io::Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(length) => hash.update(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
