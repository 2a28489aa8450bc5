//! Every case of `data/cat1.json`, or of the file that `CATTERY_VECTORS` names, with exactly the answer it names.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::path::{Path, PathBuf};

use cattery_core::{Found, KeyId, Keyring, Keys, RootKey, UserKey, request_digest};
use serde_json::Value;
use support::{Object, World, bytes, number, number32, only, text};

#[test]
fn vectors() {
    let file = file();
    let text = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let Value::Object(file) = serde_json::from_str(&text).unwrap() else {
        panic!("not an object")
    };

    let (mut total, mut failed) = (0, Vec::new());
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
            let passed = std::panic::catch_unwind(|| {
                match kind.as_str() {
                    "accept" => assert_eq!(case["want"], "ok"),
                    "reject" => assert_ne!(case["want"], "ok"),
                    _ => {}
                }
                run(case);
            });
            if passed.is_err() {
                failed.push(format!("{kind}: {}", case["name"]));
            }
        }
        println!("{kind}: {} cases", cases.len());
        total += cases.len();
    }
    assert!(total > 0, "no cases");
    assert!(
        failed.is_empty(),
        "{} of {total} cases: {failed:#?}",
        failed.len()
    );
    println!("all: {total} cases");
}

/// A relative path is meant from where the command was typed, and cargo runs tests elsewhere.
fn file() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some(named) = std::env::var_os("CATTERY_VECTORS") else {
        return own.join("tests/data/cat1.json");
    };
    let typed_in = std::env::var_os("PWD").map(PathBuf::from);
    let bases = typed_in.into_iter().chain(own.parent().map(Path::to_owned));
    let found = bases
        .map(|base| base.join(&named))
        .find(|path| path.exists());
    found.unwrap_or_else(|| named.into())
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

const SETTING: [&str; 13] = [
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
    "least_version_of",
    "restarted_at",
    "revoked",
];

fn verify(case: &Object) {
    only(case, &[SETTING.as_slice(), &["want", "text"]].concat());
    let world = World::of(case);
    assert_eq!(
        world.verify(text(case, "text"), number(case, "now")),
        text(case, "want"),
        "{}",
        case["name"]
    );
}

fn sequence(case: &Object) {
    only(case, &[SETTING.as_slice(), &["steps"]].concat());
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

#[test]
fn a_keyring_without_keys_knows_no_epoch() {
    let keys: Keyring = Keyring::new();
    assert!(matches!(keys.find(1, 0), Found::UnknownEpoch));
}
