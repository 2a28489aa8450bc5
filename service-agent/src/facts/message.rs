//! Facts from a gRPC caller. One that cannot be read is the caller's bug, and is said to be: as "not known" it would come
//! back as a refusal of somebody else's token.

use cattery_core::PRESENTER_KEY;
use cattery_proto::v1;

use super::Facts;

/// A fact that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFact {
    /// Neither IPv4 nor IPv6.
    #[error("facts.source_addr is not an IP address without a port")]
    SourceAddr,
    /// Not 32 bytes.
    #[error("facts.client_cert_sha256 has not 32 bytes")]
    ClientCert,
    /// Not 32 bytes.
    #[error("facts.body_sha256 has not 32 bytes")]
    Body,
    /// Known from tokens alone.
    #[error(
        "facts.context has the key `{PRESENTER_KEY}`, which is not for a caller to say: give that entry another key"
    )]
    Presenter,
}

/// What a caller says of a request, but for the context, as it lies in a message.
#[derive(Debug, Default)]
pub(crate) struct Sent<'a> {
    pub(crate) method: Option<&'a str>,
    pub(crate) authority: Option<&'a str>,
    pub(crate) path_and_query: Option<&'a str>,
    pub(crate) source_addr: Option<&'a str>,
    pub(crate) client_cert_sha256: Option<&'a [u8]>,
    pub(crate) scope: Option<&'a str>,
    pub(crate) body_sha256: Option<&'a [u8]>,
}

impl<'a> Sent<'a> {
    /// What it says, where all of that makes sense.
    pub(crate) fn check(&self) -> Result<Facts<'a>, BadFact> {
        let source_addr = self.source_addr.map(str::parse).transpose();
        let client_cert = self.client_cert_sha256.map(<&[u8; 32]>::try_from);
        let body = self.body_sha256.map(<[u8; 32]>::try_from);
        Ok(Facts {
            method: self.method,
            authority: self.authority,
            path_and_query: self.path_and_query,
            source_addr: source_addr.map_err(|_| BadFact::SourceAddr)?,
            client_cert_sha256: client_cert.transpose().map_err(|_| BadFact::ClientCert)?,
            scope: self.scope,
            body_sha256: body.transpose().map_err(|_| BadFact::Body)?,
            context: Vec::new(),
        })
    }
}

/// Reads the facts of a request message.
pub(crate) fn from_message(facts: &v1::RequestFacts) -> Result<Facts<'_>, BadFact> {
    if facts.context.contains_key(PRESENTER_KEY) {
        return Err(BadFact::Presenter);
    }
    let sent = Sent {
        method: facts.method.as_deref(),
        authority: facts.authority.as_deref(),
        path_and_query: facts.path_and_query.as_deref(),
        source_addr: facts.source_addr.as_deref(),
        client_cert_sha256: facts.client_cert_sha256.as_deref(),
        scope: facts.scope.as_deref(),
        body_sha256: facts.body_sha256.as_deref(),
    };
    let context = facts.context.iter();
    Ok(Facts {
        context: context
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect(),
        ..sent.check()?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_and_bad_ones_named() {
        let mut facts = v1::RequestFacts {
            method: Some("GET".into()),
            source_addr: Some("2001:db8::1".into()),
            client_cert_sha256: Some(vec![1; 32]),
            body_sha256: Some(vec![2; 32]),
            context: [("tenant".to_owned(), "blue".to_owned())].into(),
            ..Default::default()
        };
        let read = from_message(&facts).unwrap();
        assert_eq!((read.method, read.authority), (Some("GET"), None));
        assert_eq!(read.source_addr, Some("2001:db8::1".parse().unwrap()));
        assert_eq!(read.context, [("tenant", "blue")]);
        facts.source_addr = Some("192.0.2.1:80".into());
        assert_eq!(from_message(&facts), Err(BadFact::SourceAddr));
        facts.source_addr = None;
        facts.body_sha256 = Some(vec![2; 31]);
        assert_eq!(from_message(&facts), Err(BadFact::Body));
        facts.body_sha256 = None;
        facts.client_cert_sha256 = Some(vec![]);
        assert_eq!(from_message(&facts), Err(BadFact::ClientCert));
        facts.client_cert_sha256 = None;
        let presenter = ("presenter".to_owned(), "service/web".to_owned());
        facts.context.extend([presenter]);
        assert_eq!(from_message(&facts), Err(BadFact::Presenter));
    }
}
