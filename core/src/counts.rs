//! How many compressions each operation costs, exactly. By SPEC section 2, a key costs two, and a MAC one for each block of 64 bytes of its
//! label, message and padding (9 bytes), and one for the outer hash.

use crate::compress::count;
use crate::{
    Caveat, KeyId, Keyring, Keys, NoRevocations, NoSingleUse, Policy, Question, RequestFacts,
    RootKey, Scratch, ServiceKey, TokenSpec, TokenState, UserKey, Verifier, attenuate_token,
};

const NOW: u64 = 1_790_000_000;

fn id(principal: &str) -> KeyId<'_> {
    KeyId {
        epoch: 1,
        service: "photos",
        generation: 0,
        principal,
        version: 0,
        expires_at: NOW + 3_600,
        lease_id: [1; 8],
    }
}

fn service_key() -> ServiceKey {
    RootKey::from_bytes([7; 32]).service_key(&"photos".parse().unwrap(), 0)
}

fn spec<'a>(claims: &'a [u8], caveats: &'a [Caveat<'a>]) -> TokenSpec<'a> {
    TokenSpec {
        not_before: NOW,
        not_after: NOW + 300,
        token_id: [2; 16],
        claims,
        caveats,
        ..TokenSpec::default()
    }
}

/// Blocks of an inner hash behind its pad.
fn blocks(len: usize) -> usize {
    (len + 9).div_ceil(64)
}

struct World<K> {
    keys: K,
}

impl<K: Keys> World<K> {
    fn verify(&self, texts: &[&str], many: bool) -> usize {
        let verifier = Verifier {
            service: "photos",
            keys: &self.keys,
            revocations: NoRevocations,
            single_use: NoSingleUse,
            policy: Policy::default(),
        };
        let facts = RequestFacts {
            path_and_query: Some("/x"),
            ..RequestFacts::default()
        };
        let mut scratch = Scratch::new();
        let questions: Vec<_> = texts
            .iter()
            .map(|presentation| Question {
                presentation,
                presenter: None,
                facts: &facts,
            })
            .collect();
        let ((), count) = count::of(|| {
            if many {
                verifier.verify_many(&questions, NOW, &mut scratch, |_, answer| {
                    assert!(answer.is_ok());
                });
            } else {
                for text in texts {
                    assert!(verifier.verify(text, &facts, NOW, &mut scratch).is_ok());
                }
            }
        });
        count
    }
}

fn held() -> World<Keyring> {
    let mut keys = Keyring::new();
    keys.insert(1, 0, Box::new(service_key()));
    World { keys }
}

struct Kept(Keyring, TokenState);

impl Keys for Kept {
    fn find(&self, epoch: u32, generation: u32) -> crate::Found<'_> {
        self.0.find(epoch, generation)
    }
    fn user_state(&self, _: &KeyId<'_>) -> Option<&TokenState> {
        Some(&self.1)
    }
}

#[test]
fn a_plain_token_costs_two_to_mint_and_six_to_verify() {
    let key = UserKey::issue(&service_key(), &id("user/alice"), &[]).unwrap();
    let mut token = String::new();
    let (_, minted) = count::of(|| key.mint(&spec(&[], &[]), &mut token).map(|_| ()).unwrap());
    assert_eq!(minted, 2);
    assert_eq!(held().verify(&[&token], false), 6);
    let state = service_key().user_state(&id("user/alice"));
    let kept = World {
        keys: Kept(held().keys, state),
    };
    assert_eq!(kept.verify(&[&token], false), 2);
}

#[test]
fn each_caveat_costs_four_more() {
    let caveats: Vec<Caveat<'_>> = vec!["path=/".parse().unwrap(); 16];
    let mut token = String::new();
    for own in [0, 1, 3, 16] {
        for of_key in [0, 1, 16] {
            let key =
                UserKey::issue(&service_key(), &id("user/alice"), &caveats[..of_key]).unwrap();
            let spec = spec(&[], &caveats[..own]);
            let (_, minted) = count::of(|| key.mint(&spec, &mut token).map(|_| ()).unwrap());
            assert_eq!(minted, 2 + 4 * own);
            assert_eq!(held().verify(&[&token], false), 6 + 4 * (own + of_key));
        }
    }
}

#[test]
fn narrowing_costs_four_whatever_the_token_is() {
    let caveat: Caveat<'_> = "path=/".parse().unwrap();
    let key = UserKey::issue(&service_key(), &id("user/alice"), &[]).unwrap();
    let (mut token, mut narrower) = (String::new(), String::new());
    for claims in [0, 1_000] {
        key.mint(&spec(&vec![1; claims], &[]), &mut token).unwrap();
        let (_, count) = count::of(|| attenuate_token(&token, &caveat, &mut narrower).unwrap());
        assert_eq!(count, 4);
    }
}

#[test]
fn long_names_and_claims_cost_their_blocks() {
    let mut token = String::new();
    for name in [1, 21, 22, 100, 200] {
        let principal = format!("user/{}", "a".repeat(name));
        let key = UserKey::issue(&service_key(), &id(&principal), &[]).unwrap();
        for claims in [0, 10, 22, 23, 1_024] {
            key.mint(&spec(&vec![1; claims], &[]), &mut token).unwrap();
            let header = match claims {
                0 => 0,
                1..128 => 2,
                _ => 3,
            };
            // Two times of six bytes, an id of 18, and the claims.
            let payload = 12 + 18 + header + claims;
            let expected = blocks(29 + principal.len()) + 3 + blocks(9 + payload) + 1;
            assert_eq!(held().verify(&[&token], false), expected, "{name} {claims}");
        }
    }
}

#[test]
fn many_cost_what_each_costs() {
    let caveats: Vec<Caveat<'_>> = vec!["path=/".parse().unwrap(); 16];
    let texts: Vec<_> = (0..40)
        .map(|number| {
            let key =
                UserKey::issue(&service_key(), &id("user/alice"), &caveats[..number % 3]).unwrap();
            let (mut token, claims) = (String::new(), vec![1; number * number]);
            key.mint(&spec(&claims, &caveats[..number % 5]), &mut token)
                .unwrap();
            token
        })
        .collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    assert_eq!(held().verify(&texts, true), held().verify(&texts, false));
}

/// A stranger's token costs what its form allows, and no more than its own blocks; one that names no key costs nothing.
#[test]
fn refusals_cost_no_more() {
    let key = UserKey::issue(&service_key(), &id("user/alice"), &[]).unwrap();
    let mut token = String::new();
    key.mint(&spec(&[], &[]), &mut token).unwrap();
    let verify = |text: &str, service| {
        let verifier = Verifier {
            service,
            keys: held().keys,
            revocations: NoRevocations,
            single_use: NoSingleUse,
            policy: Policy::default(),
        };
        let mut scratch = Scratch::new();
        let facts = RequestFacts::default();
        let (refused, count) =
            count::of(|| verifier.verify(text, &facts, NOW, &mut scratch).is_err());
        assert!(refused);
        count
    };
    assert_eq!(verify(&token[1..], "photos"), 0);
    assert_eq!(verify(&token, "videos"), 0);
    let last = token.pop();
    token.push(if last == Some('A') { 'E' } else { 'A' });
    assert_eq!(verify(&token, "photos"), 6);
}
