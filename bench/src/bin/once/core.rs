//! Verifying alone, in one thread: what a bound token takes beside a plain one.

use std::hint::black_box;

use cattery_core::{
    KeyId, Keyring, NoRevocations, NoSingleUse, Policy, RequestFacts, RootKey, Scratch, UserKey,
    Verifier,
};
use cattery_report::{out::table, rounds::median_ns};
use comfy_table::Table;

use crate::{
    ratio,
    tokens::{AUTHORITY, Kind, METHOD, PATH, mint},
};

const NOW: u64 = 1_790_000_000;
const TOKENS: usize = 5_000;

pub(crate) fn binding() -> anyhow::Result<Table> {
    let service_key = RootKey::from_bytes([7; 32]).service_key(&"photos".parse()?, 0);
    let id = KeyId {
        epoch: 1,
        service: "photos",
        generation: 0,
        principal: "user/alice",
        version: 0,
        expires_at: NOW + 3_600,
        lease_id: [1; 8],
    };
    let key = UserKey::issue(&service_key, &id, &[])?;
    let all = |kind| {
        (0..TOKENS)
            .map(|_| mint(&key, kind, NOW))
            .collect::<anyhow::Result<Vec<_>>>()
    };
    let (plain, bound) = (all(Kind::Plain)?, all(Kind::Bound)?);
    let mut keys = Keyring::new();
    keys.insert(1, 0, Box::new(service_key));
    let verifier = Verifier {
        service: "photos",
        keys: &keys,
        revocations: NoRevocations,
        single_use: NoSingleUse,
        policy: Policy::default(),
    };
    let facts = RequestFacts {
        method: Some(METHOD),
        authority: Some(AUTHORITY),
        path_and_query: Some(PATH),
        ..RequestFacts::default()
    };
    let run = |tokens: &[String]| {
        let mut scratch = Scratch::new();
        let passed = tokens
            .iter()
            .filter(|token| verifier.verify(token, &facts, NOW, &mut scratch).is_ok());
        assert_eq!(passed.count(), tokens.len());
    };
    let (mut of_plain, mut of_bound) = (|| run(black_box(&plain)), || run(black_box(&bound)));
    let [plain, bound] = median_ns([&mut of_plain, &mut of_bound]);
    let mut out = table(&["verifying in one thread", "ns", "ratio to plain"]);
    for (what, ns) in [("plain", plain), ("bound to its request", bound)] {
        out.add_row([
            what.to_owned(),
            (ns / TOKENS as u64).to_string(),
            ratio(ns.into(), plain.into()),
        ]);
    }
    Ok(out)
}
