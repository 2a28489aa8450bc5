//! Every case of `data/cat1.json`, or of the file that `CATTERY_VECTORS` names, with exactly the answer it names.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use cattery_core::{
    Found, KeyId, Keyring, Keys, MemorySince, Policy, RequestFacts, Revocations, RootKey, Scratch,
    ServiceKey, SingleUse, Use, UseRefused, UserKey, Verifier, request_digest,
};
use serde_json::{Map, Value};

type Object = Map<String, Value>;

#[test]
fn vectors() {
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/cat1.json");
    let file = std::env::var("CATTERY_VECTORS").unwrap_or_else(|_| own.to_owned());
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let Value::Object(file) = serde_json::from_str(&text).unwrap() else {
        panic!("not an object")
    };

    let mut total = 0;
    for (kind, cases) in &file {
        let run: fn(&Object) = match kind.as_str() {
            "about" => continue,
            "spec" => {
                assert_eq!(cases, "cat1", "vectors of another version");
                continue;
            }
            "derive" => derive,
            "request_digest" => digest,
            "keys" => key,
            "accept" | "reject" => verify,
            "sequences" => sequence,
            other => panic!("unknown key {other:?}"),
        };
        let cases = cases
            .as_array()
            .unwrap_or_else(|| panic!("{kind} is no list"));
        for case in cases {
            let case = case.as_object().unwrap();
            match kind.as_str() {
                "accept" => assert_eq!(case["want"], "ok"),
                "reject" => assert_ne!(case["want"], "ok"),
                _ => {}
            }
            run(case);
        }
        println!("{kind}: {} cases", cases.len());
        total += cases.len();
    }
    assert!(total > 0, "no cases");
    println!("all: {total} cases");
}

fn derive(case: &Object) {
    only(
        case,
        &[
            "name",
            "root",
            "service",
            "generation",
            "service_key",
            "principal",
            "version",
            "expires_at",
            "lease_id",
            "user_key",
        ],
    );
    let root = RootKey::from_bytes(bytes(&case["root"]));
    let service = text(case, "service");
    let service_key = root.service_key(&service.parse().unwrap(), number32(case, "generation"));
    assert_eq!(
        hex::encode(service_key.expose()),
        text(case, "service_key"),
        "{case:?}"
    );
    let id = KeyId {
        epoch: 1,
        service,
        generation: number32(case, "generation"),
        principal: text(case, "principal"),
        version: number32(case, "version"),
        expires_at: number(case, "expires_at"),
        lease_id: bytes(&case["lease_id"]),
    };
    assert_eq!(
        hex::encode(service_key.user_key(&id).expose()),
        text(case, "user_key"),
        "{case:?}"
    );
    let issued = UserKey::issue(&service_key, &id, &[]).unwrap();
    assert_eq!(
        hex::encode(issued.token_key().expose()),
        text(case, "user_key"),
        "{case:?}"
    );
}

fn digest(case: &Object) {
    only(
        case,
        &[
            "name",
            "method",
            "authority",
            "path",
            "body_sha256",
            "digest",
        ],
    );
    let body = text(case, "body_sha256");
    let body = (!body.is_empty()).then(|| bytes::<32>(&case["body_sha256"]));
    let digest = request_digest(
        text(case, "method"),
        text(case, "authority"),
        text(case, "path"),
        body.as_ref(),
    );
    assert_eq!(hex::encode(digest), text(case, "digest"), "{case:?}");
}

fn key(case: &Object) {
    only(case, &["name", "want", "text"]);
    let got = match UserKey::parse_text(text(case, "text")) {
        Ok(key) => {
            assert_eq!(
                *key.to_text(),
                text(case, "text"),
                "{}: another encoding",
                case["name"]
            );
            assert_eq!(
                *UserKey::parse_bytes(&key.to_bytes())
                    .unwrap_or_else(|error| panic!("{error}"))
                    .to_text(),
                text(case, "text")
            );
            "ok"
        }
        Err(_) => "malformed",
    };
    assert_eq!(got, text(case, "want"), "{}", case["name"]);
}

const SETTING: [&str; 10] = [
    "name",
    "service",
    "epoch",
    "generation",
    "service_key",
    "now",
    "request",
    "max_lifetime",
    "leeway",
    "least_version",
];

fn verify(case: &Object) {
    only(
        case,
        &[
            SETTING.as_slice(),
            &["want", "text", "revoked", "least_version_of"],
        ]
        .concat(),
    );
    let world = World::of(case);
    assert_eq!(
        world.verify(text(case, "text"), number(case, "now")),
        text(case, "want"),
        "{}",
        case["name"]
    );
}

fn sequence(case: &Object) {
    only(
        case,
        &[
            SETTING.as_slice(),
            &["steps", "restarted_at", "revoked", "least_version_of"],
        ]
        .concat(),
    );
    let world = World::of(case);
    let steps = case["steps"].as_array().unwrap();
    assert!(!steps.is_empty());
    for (index, step) in steps.iter().enumerate() {
        let step = step.as_object().unwrap();
        only(step, &["now", "text", "want"]);
        let got = world.verify(text(step, "text"), number(step, "now"));
        assert_eq!(got, text(step, "want"), "{} step {index}", case["name"]);
    }
}

/// A verifier as a case sets it up.
struct World<'a> {
    service: &'a str,
    keys: Keyring,
    policy: Policy,
    request: &'a Object,
    least: (&'a str, u32),
    revoked: Vec<(&'a str, &'a str, Vec<u8>)>,
    since: MemorySince,
    used: RefCell<HashMap<[u8; 32], u64>>,
    calls: Cell<usize>,
    scratch: RefCell<Scratch>,
}

impl<'a> World<'a> {
    fn of(case: &'a Object) -> Self {
        let mut keys = Keyring::new();
        let key = ServiceKey::from_bytes(&bytes(&case["service_key"]));
        keys.insert(number32(case, "epoch"), number32(case, "generation"), key);
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
            used: RefCell::default(),
            calls: Cell::new(0),
            scratch: RefCell::default(),
        }
    }

    fn verify(&self, presentation: &str, now: u64) -> &'static str {
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
        match verifier.verify(presentation, &facts, now, &mut self.scratch.borrow_mut()) {
            Ok(_) => "ok",
            Err(denied) => denied.code.as_str(),
        }
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
        self.calls.set(self.calls.get() + 1);
        let mut used = self.used.borrow_mut();
        used.retain(|_, through| *through >= once.now);
        match used.insert(once.mark, once.remember_through) {
            None => Ok(()),
            Some(_) => Err(UseRefused::Replayed),
        }
    }
}

#[test]
fn a_keyring_without_keys_knows_no_epoch() {
    let keys: Keyring = Keyring::new();
    assert!(matches!(keys.find(1, 0), Found::UnknownEpoch));
}

fn only(object: &Object, known: &[&str]) {
    for key in object.keys() {
        assert!(
            known.contains(&key.as_str()),
            "unknown key {key:?} in {object:?}"
        );
    }
}

fn text<'a>(case: &'a Object, key: &str) -> &'a str {
    case[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} of {case:?}"))
}

fn number(case: &Object, key: &str) -> u64 {
    case[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key} of {case:?}"))
}

fn number32(case: &Object, key: &str) -> u32 {
    number(case, key).try_into().unwrap()
}

fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    hex::decode(value.as_str().unwrap())
        .unwrap()
        .try_into()
        .unwrap()
}
