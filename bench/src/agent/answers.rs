//! What the bare server answers: what the agent answered once. It comes in files, since the bare server is a process of its own.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use cattery_proto::{envoy::service::auth::v3::CheckResponse, v1::VerifyResponse};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use prost::Message as _;

const VERIFIED: &str = "verified";
const CHECKED: &str = "checked";
const AUTHORIZED: &str = "authorized";

/// One of each face.
#[derive(Clone)]
pub(crate) struct Answers {
    pub(crate) verified: VerifyResponse,
    pub(crate) checked: CheckResponse,
    pub(crate) authorized: HeaderMap,
}

impl Answers {
    /// Into the folder.
    ///
    /// # Errors
    /// It cannot be written.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        fs::write(folder.join(VERIFIED), self.verified.encode_to_vec())?;
        fs::write(folder.join(CHECKED), self.checked.encode_to_vec())?;
        let mut lines = Vec::new();
        for (name, value) in &self.authorized {
            // The server adds its own.
            if ![header::DATE, header::CONTENT_LENGTH].contains(name) {
                lines.extend([name.as_str().as_bytes(), b":", value.as_bytes(), b"\n"].concat());
            }
        }
        fs::write(folder.join(AUTHORIZED), lines)?;
        Ok(())
    }

    /// From the folder.
    ///
    /// # Errors
    /// It is not there.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let read = |name| fs::read(folder.join(name)).context(name);
        let lines = String::from_utf8(read(AUTHORIZED)?)?;
        let headers = lines.lines().map(|line| {
            let (name, value) = line.split_once(':').context("a header's line")?;
            let name = HeaderName::from_bytes(name.as_bytes())?;
            anyhow::Ok((name, HeaderValue::from_str(value)?))
        });
        Ok(Self {
            verified: VerifyResponse::decode(&read(VERIFIED)?[..])?,
            checked: CheckResponse::decode(&read(CHECKED)?[..])?,
            authorized: headers.collect::<Result<_>>()?,
        })
    }
}
