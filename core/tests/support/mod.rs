//! What the tests share: a verifier as a case of the vectors sets it up, and a second, plain implementation of the
//! encoding and the key chain to make what the crate itself would refuse to make.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation
)]

pub mod raw;

use std::cell::RefCell;
use std::collections::HashSet;

use cattery_core::{
    Code, Keyring, MemorySince, Policy, RequestFacts, Revocations, Scratch, ServiceKey, SingleUse,
    Use, UseRefused, Verifier,
};
use serde_json::{Map, Value};

pub type Object = Map<String, Value>;

/// A verifier as a case sets it up.
pub struct World<'a> {
    service: &'a str,
    keys: Keyring,
    policy: Policy,
    request: &'a Object,
    least: (&'a str, u32),
    revoked: Vec<(&'a str, &'a str, Vec<u8>)>,
    since: MemorySince,
    used: RefCell<HashSet<[u8; 32]>>,
    scratch: RefCell<Scratch>,
}

impl<'a> World<'a> {
    pub fn of(case: &'a Object) -> Self {
        let mut keys = Keyring::new();
        let key = ServiceKey::from_bytes(&bytes(&case["service_key"]));
        keys.insert(
            number32(case, "epoch"),
            number32(case, "generation"),
            Box::new(key),
        );
        let least_of = case
            .get("least_version_of")
            .map_or("user/alice", |of| of.as_str().unwrap());
        let revoked = case
            .get("revoked")
            .map_or(&[][..], |list| list.as_array().unwrap());
        let triple = |triple: &'a Value| match triple.as_array().unwrap().as_slice() {
            [set, principal, id] => {
                let set = set.as_str().unwrap();
                assert!(["lease", "token", "key"].contains(&set));
                (
                    set,
                    principal.as_str().unwrap(),
                    hex::decode(id.as_str().unwrap()).unwrap(),
                )
            }
            _ => panic!("not a triple: {triple}"),
        };
        Self {
            service: text(case, "service"),
            keys,
            policy: Policy {
                leeway: number(case, "leeway"),
                max_lifetime: number(case, "max_lifetime"),
                ..Policy::default()
            },
            request: case["request"].as_object().unwrap(),
            least: (
                least_of,
                case.get("least_version")
                    .map_or(0, |_| number32(case, "least_version")),
            ),
            revoked: revoked.iter().map(triple).collect(),
            since: match case.get("restarted_at") {
                Some(_) => MemorySince::Restart(number(case, "restarted_at")),
                None => MemorySince::Always,
            },
            used: RefCell::new(HashSet::with_capacity(64)),
            scratch: RefCell::default(),
        }
    }

    /// The answer to a presentation: `ok` or a code.
    pub fn verify(&self, presentation: &str, now: u64) -> &'static str {
        self.verify_in(presentation, now, |verify| verify())
    }

    /// The same, with something round the call itself.
    pub fn verify_in(
        &self,
        presentation: &str,
        now: u64,
        around: impl FnOnce(&mut dyn FnMut() -> Result<(), Code>) -> Result<(), Code>,
    ) -> &'static str {
        only(
            self.request,
            &[
                "method",
                "authority",
                "path",
                "source_addr",
                "client_cert_sha256",
                "scope",
                "body_sha256",
                "context",
            ],
        );
        let cert: Option<[u8; 32]> = self.request.get("client_cert_sha256").map(bytes);
        let context: Vec<(&str, &str)> = match self.request.get("context") {
            Some(context) => context
                .as_object()
                .unwrap()
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str().unwrap()))
                .collect(),
            None => Vec::new(),
        };
        let fact = |name| self.request.get(name).map(|fact| fact.as_str().unwrap());
        let facts = RequestFacts {
            method: fact("method"),
            authority: fact("authority"),
            path_and_query: fact("path"),
            source_addr: fact("source_addr").map(|addr| addr.parse().unwrap()),
            client_cert_sha256: cert.as_ref(),
            scope: fact("scope"),
            body_sha256: self.request.get("body_sha256").map(bytes),
            context: &context,
        };
        let verifier = Verifier {
            service: self.service,
            keys: &self.keys,
            revocations: self,
            single_use: self,
            policy: self.policy,
        };
        let scratch = &mut self.scratch.borrow_mut();
        let answer = around(&mut || {
            let answer = verifier.verify(presentation, &facts, now, scratch);
            answer.map(|_| ()).map_err(|denied| denied.code)
        });
        answer.map_or_else(Code::as_str, |()| "ok")
    }

    fn is_revoked(&self, set: &str, principal: &str, id: &[u8]) -> bool {
        self.revoked
            .iter()
            .any(|one| (one.0, one.1, one.2.as_slice()) == (set, principal, id))
    }
}

impl Revocations for World<'_> {
    fn least_version(&self, principal: &str) -> u32 {
        if principal == self.least.0 {
            self.least.1
        } else {
            0
        }
    }
    fn lease_revoked(&self, principal: &str, id: &[u8; 8]) -> bool {
        self.is_revoked("lease", principal, id)
    }
    fn token_revoked(&self, principal: &str, id: &[u8; 16]) -> bool {
        self.is_revoked("token", principal, id)
    }
    fn key_revoked(&self, principal: &str, id: &[u8; 16]) -> bool {
        self.is_revoked("key", principal, id)
    }
}

impl SingleUse for World<'_> {
    fn since(&self) -> MemorySince {
        self.since
    }
    fn use_once(&self, once: &Use<'_>) -> Result<(), UseRefused> {
        match self.used.borrow_mut().insert(once.mark) {
            true => Ok(()),
            false => Err(UseRefused::Replayed),
        }
    }
}

pub fn only(object: &Object, known: &[&str]) {
    for key in object.keys() {
        assert!(
            known.contains(&key.as_str()),
            "unknown key {key:?} in {object:?}"
        );
    }
}

pub fn text<'a>(case: &'a Object, key: &str) -> &'a str {
    case[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} of {case:?}"))
}

pub fn number(case: &Object, key: &str) -> u64 {
    case[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key} of {case:?}"))
}

pub fn number32(case: &Object, key: &str) -> u32 {
    number(case, key).try_into().unwrap()
}

pub fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    hex::decode(value.as_str().unwrap())
        .unwrap()
        .try_into()
        .unwrap()
}
