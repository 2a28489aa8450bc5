//! Many presentations at a time against one after the other: good tokens of any shape, and whatever a stranger sends.
#![no_main]

use arbitrary::Arbitrary;
use cattery_core::{
    Caveat, KeyId, Keyring, NoRevocations, NoSingleUse, Policy, Question, RequestFacts, RootKey,
    Scratch, TokenSpec, UserKey, Verifier,
};
use libfuzzer_sys::fuzz_target;

const NOW: u64 = 1_790_000_000;

#[derive(Arbitrary, Debug)]
struct Shape<'a> {
    name: u8,
    key_caveats: Vec<u8>,
    caveats: Vec<u8>,
    claims: &'a [u8],
    epoch: u32,
    /// Put over the text at a place.
    damage: Option<(u16, &'a str)>,
}

fn caveats(sizes: &[u8]) -> Vec<Caveat<'static>> {
    let prefix = |len: &u8| Caveat::PathPrefix(format!("/{}", "x/".repeat(usize::from(*len))).into());
    sizes.iter().take(16).map(prefix).collect()
}

fn text(shape: &Shape<'_>) -> String {
    let service_key = RootKey::from_bytes([7; 32]).service_key(&"photos".parse().unwrap(), 0);
    let principal = format!("user/{}", "a".repeat(usize::from(shape.name % 200) + 1));
    let id = KeyId {
        epoch: shape.epoch.max(1) % 3 + 1,
        service: "photos",
        generation: 0,
        principal: &principal,
        version: 0,
        expires_at: NOW + 3_600,
        lease_id: [1; 8],
    };
    let own = caveats(&shape.caveats);
    let spec = TokenSpec {
        not_before: NOW,
        not_after: NOW + 300,
        token_id: [2; 16],
        claims: shape.claims,
        caveats: &own,
        ..TokenSpec::default()
    };
    let mut text = String::new();
    if let Ok(key) = UserKey::issue(&service_key, &id, &caveats(&shape.key_caveats)) {
        let _ = key.mint(&spec, &mut text);
    }
    if let Some((at, other)) = shape.damage {
        let at = usize::from(at).min(text.len());
        text.truncate(at);
        text.push_str(other);
    }
    text
}

fuzz_target!(|shapes: Vec<Shape<'_>>| {
    let texts: Vec<_> = shapes.iter().map(text).collect();
    let mut keys = Keyring::new();
    let service_key = RootKey::from_bytes([7; 32]).service_key(&"photos".parse().unwrap(), 0);
    keys.insert(1, 0, Box::new(service_key));
    let verifier = Verifier {
        service: "photos",
        keys: &keys,
        revocations: NoRevocations,
        single_use: NoSingleUse,
        policy: Policy::default(),
    };
    let facts = RequestFacts {
        path_and_query: Some("/x/x/x"),
        ..RequestFacts::default()
    };
    let mut scratch = Scratch::new();
    let alone: Vec<_> = texts
        .iter()
        .map(|text| format!("{:?}", verifier.verify(text, &facts, NOW, &mut scratch)))
        .collect();
    let questions: Vec<_> = texts
        .iter()
        .map(|text| Question { presentation: text, presenter: None, facts: &facts })
        .collect();
    let mut together = Vec::new();
    verifier.verify_many(&questions, NOW, &mut scratch, |_, answer| {
        together.push(format!("{answer:?}"));
    });
    assert_eq!(together, alone);
});
