//! What is asked, the same of both servers.

use std::{collections::HashMap, sync::Arc};

use anyhow::Result;
use cattery_core::{TokenSpec, UserKey};
use cattery_proto::{
    envoy::config::core::v3::{Address, SocketAddress, address},
    envoy::service::auth::v3::{
        AttributeContext, CheckRequest,
        attribute_context::{HttpRequest, Peer, Request},
    },
    v1::{RequestFacts, VerifyRequest},
};
use cattery_tests::town;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Different tokens.
pub(crate) const TOKENS: usize = 1_024;
/// How long they are good for: longer than it all takes.
const TTL: u64 = 1_800;

const METHOD: &str = "GET";
const AUTHORITY: &str = "photos.example";
const PATH: &str = "/albums/7?size=l";
/// What a browser's request has besides.
const HEADERS: [(&str, &str); 7] = [
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    ),
    ("accept", "application/json"),
    ("accept-language", "en-GB,en;q=0.7,de;q=0.3"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("x-forwarded-for", "192.0.2.7"),
    ("x-forwarded-proto", "https"),
    ("x-request-id", "7c0f6ad1-6c7e-4f0f-9d57-9a3a7a8d3a51"),
];

/// Each token as each face is asked about it.
pub(crate) struct Questions {
    pub(crate) verify: Arc<[VerifyRequest]>,
    pub(crate) check: Arc<[CheckRequest]>,
    pub(crate) auth: Arc<[HeaderMap]>,
}

impl Questions {
    /// With tokens that are signed here.
    ///
    /// # Errors
    /// The key cannot sign.
    pub(crate) fn new(key: &UserKey) -> Result<Self> {
        let tokens = (0..TOKENS).map(|_| mint(key)).collect::<Result<Vec<_>>>()?;
        let auth = tokens.iter().map(|token| auth(token));
        Ok(Self {
            verify: tokens.iter().map(|token| verify(token)).collect(),
            check: tokens.iter().map(|token| check(token)).collect(),
            auth: auth.collect::<Result<_>>()?,
        })
    }
}

/// Questions one after the other, over and over.
pub(crate) struct InTurn<Q> {
    all: Arc<[Q]>,
    next: usize,
}

impl<Q> InTurn<Q> {
    /// Begins somewhere that depends on the asker's number.
    pub(crate) fn new(all: &Arc<[Q]>, number: usize) -> Self {
        Self {
            all: Arc::clone(all),
            next: number * 17,
        }
    }

    pub(crate) fn next(&mut self) -> &Q {
        self.next += 1;
        &self.all[self.next % self.all.len()]
    }
}

fn mint(key: &UserKey) -> Result<String> {
    let now = town::now()?;
    let spec = TokenSpec {
        not_before: now,
        not_after: now + TTL,
        token_id: rand::random(),
        ..TokenSpec::default()
    };
    let mut token = String::new();
    key.mint(&spec, &mut token)?;
    Ok(token)
}

fn verify(token: &str) -> VerifyRequest {
    VerifyRequest {
        presentation: token.to_owned(),
        facts: Some(RequestFacts {
            method: Some(METHOD.into()),
            authority: Some(AUTHORITY.into()),
            path_and_query: Some(PATH.into()),
            ..RequestFacts::default()
        }),
        ..VerifyRequest::default()
    }
}

fn check(token: &str) -> CheckRequest {
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let mut headers: HashMap<_, _> = HEADERS.map(own).into();
    headers.extend([
        own(("authorization", &format!("Bearer {token}"))),
        own((":method", METHOD)),
        own((":authority", AUTHORITY)),
        own((":path", PATH)),
    ]);
    let address = Address {
        address: Some(address::Address::SocketAddress(SocketAddress {
            address: "192.0.2.7".into(),
        })),
    };
    CheckRequest {
        attributes: Some(AttributeContext {
            source: Some(Peer {
                address: Some(address),
                ..Peer::default()
            }),
            request: Some(Request {
                http: Some(HttpRequest {
                    method: METHOD.into(),
                    host: AUTHORITY.into(),
                    path: PATH.into(),
                    headers,
                    ..HttpRequest::default()
                }),
            }),
            ..AttributeContext::default()
        }),
    }
}

fn auth(token: &str) -> Result<HeaderMap> {
    let bearer = format!("Bearer {token}");
    let more = [
        ("host", "agent"),
        ("authorization", &bearer[..]),
        ("x-forwarded-method", METHOD),
        ("x-forwarded-host", AUTHORITY),
        ("x-forwarded-uri", PATH),
    ];
    let pairs = HEADERS.into_iter().chain(more);
    let pairs = pairs.map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes())?;
        anyhow::Ok((name, HeaderValue::from_str(value)?))
    });
    pairs.collect()
}
