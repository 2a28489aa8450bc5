//! A whole token, verified with sets of several sizes.

use std::hint::black_box;

use cattery_core::{
    KeyId, Keyring, NoSingleUse, Policy, RequestFacts, RevocableId, Revocations, RevokedIds,
    RootKey, Scratch, TokenSpec, UserKey, Verifier,
};
use cattery_report::{Page, rounds::median_ns};

use crate::ids::KEY;

const NOW: u64 = 1_790_000_000;
/// Different tokens, so that no set finds its answer in a processor's cache.
const TOKENS: u64 = 5_000;

struct ById<'a>(&'a RevokedIds);

impl Revocations for ById<'_> {
    fn least_version(&self, _: &str) -> u32 {
        0
    }
    fn lease_revoked(&self, principal: &str, id: &[u8; 8]) -> bool {
        self.0.revokes(&KEY, principal, &RevocableId::Lease(*id))
    }
    fn token_revoked(&self, principal: &str, id: &[u8; 16]) -> bool {
        self.0.revokes(&KEY, principal, &RevocableId::Token(*id))
    }
    fn key_revoked(&self, principal: &str, id: &[u8; 16]) -> bool {
        self.0
            .revokes(&KEY, principal, &RevocableId::HandedOut(*id))
    }
}

/// Verifies tokens that are not revoked: each looks its lease and its id up.
pub(crate) fn verifying(page: &mut Page, sets: &[(u64, RevokedIds)]) -> anyhow::Result<()> {
    let service = || anyhow::Ok(RootKey::from_bytes([7; 32]).service_key(&"photos".parse()?, 0));
    let tokens = (0..TOKENS).map(|number| token(&service()?, number));
    let tokens = tokens.collect::<anyhow::Result<Vec<_>>>()?;
    let service_key = service()?;
    let mut keys = Keyring::new();
    keys.insert(1, 0, Box::new(service_key));
    let run = |set: &RevokedIds| {
        let verifier = Verifier {
            service: "photos",
            keys: &keys,
            revocations: ById(set),
            single_use: NoSingleUse,
            policy: Policy::default(),
        };
        let mut scratch = Scratch::new();
        let facts = RequestFacts::default();
        let verify = |token: &String| verifier.verify(token, &facts, NOW, &mut scratch).is_ok();
        let passed = tokens.iter().map(verify).filter(|passed| *passed).count();
        assert_eq!(passed, tokens.len());
    };
    // Pairs with the empty set, taking turns.
    let none = RevokedIds::new();
    let row = |(entries, set): &(u64, RevokedIds)| {
        let [base, with] = median_ns([&mut || run(black_box(&none)), &mut || run(black_box(set))]);
        vec![
            entries.to_string(),
            format!("{:.2}", with as f64 / TOKENS as f64 / 1_000.0),
            format!("{:.2}", with as f64 / base.max(1) as f64),
        ]
    };
    page.section(
        "Verifying a token",
        &format!(
            "{TOKENS} different tokens that pass: each looks up its lease and its id. In turns with an empty set, the medians of 15 rounds."
        ),
    );
    page.table(
        &["entries", "token, µs", "ratio to an empty set"],
        sets.iter().map(row),
    );
    Ok(())
}

fn token(service_key: &cattery_core::ServiceKey, number: u64) -> anyhow::Result<String> {
    let id = KeyId {
        epoch: 1,
        service: "photos",
        generation: 0,
        principal: "user/alice",
        version: 0,
        expires_at: NOW + 3_600,
        lease_id: number.to_be_bytes(),
    };
    let key = UserKey::issue(service_key, &id, &[])?;
    let spec = TokenSpec {
        not_before: NOW,
        not_after: NOW + 60,
        token_id: crate::ids::id(number),
        ..TokenSpec::default()
    };
    let mut token = String::new();
    key.mint(&spec, &mut token)?;
    Ok(token)
}
