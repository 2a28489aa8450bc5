//! Verifying allocates nothing, whatever the answer; minting and attenuating nothing once their buffer has grown.
#![allow(unsafe_code, clippy::unwrap_used)] // GlobalAlloc is an unsafe trait

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use cattery_core::{
    Caveat, Code, DischargeSpec, KeyId, Keyring, NoRevocations, NoSingleUse, Policy, Presentation,
    Question, RequestFacts, RevocableId, RevocationKey, Revocations, RevokedIds, RootKey, Scratch,
    ServiceKey, TokenSpec, UserKey, Verifier, attenuate_token,
};
use serde_json::Value;
use support::{World, number, text};

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        unsafe { System.alloc(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        unsafe { System.realloc(pointer, layout, size) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn id(lease_id: [u8; 8]) -> KeyId<'static> {
    KeyId {
        epoch: 1,
        service: "photos",
        generation: 0,
        principal: "user/alice",
        version: 0,
        expires_at: 5_000,
        lease_id,
    }
}

fn service_key() -> ServiceKey {
    RootKey::from_bytes([7; 32]).service_key(&"photos".parse().unwrap(), 0)
}

fn allocations<T>(run: impl FnOnce() -> T) -> (T, u64) {
    let before = COUNT.get();
    let result = run();
    (result, COUNT.get() - before)
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))).1, 1);
}

/// Every case of the vectors: all codes but `replay_full`, and all kinds of caveats, holding and failing.
#[test]
fn verifying_allocates_nothing() {
    let file: Value = serde_json::from_str(include_str!("data/cat1.json")).unwrap();
    let mut seen = BTreeMap::<&str, usize>::new();
    let mut verify = |world: &World<'_>, presentation: &str, now: u64, name: &Value| {
        let mut count = 0;
        let answer = world.verify_in(presentation, now, |verify| {
            let (answer, allocations) = allocations(verify);
            count = allocations;
            answer
        });
        assert_eq!(count, 0, "{name}");
        *seen.entry(answer).or_default() += 1;
    };
    for case in ["accept", "reject"]
        .iter()
        .flat_map(|kind| file[kind].as_array().unwrap())
    {
        let case = case.as_object().unwrap();
        verify(
            &World::of(case),
            text(case, "text"),
            number(case, "now"),
            &case["name"],
        );
    }
    for case in file["sequences"].as_array().unwrap() {
        let case = case.as_object().unwrap();
        let world = World::of(case);
        for step in case["steps"].as_array().unwrap() {
            let step = step.as_object().unwrap();
            verify(
                &world,
                text(step, "text"),
                number(step, "now"),
                &case["name"],
            );
        }
    }
    println!("{seen:?}");
    let all: BTreeSet<&str> = Code::ALL
        .iter()
        .map(|code| code.as_str())
        .chain(["ok"])
        .collect();
    let missing: Vec<_> = all
        .iter()
        .filter(|code| !seen.contains_key(*code))
        .collect();
    assert_eq!(missing, [&"replay_full"], "codes without a case");
}

#[test]
fn minting_narrowing_and_reading_allocate_nothing_in_steady_state() {
    let id = id([1; 8]);
    let service_key = service_key();
    let key = UserKey::issue(&service_key, &id, &["scope=a,b".parse().unwrap()]).unwrap();
    let whole = UserKey::issue(&service_key, &id, &[]).unwrap();
    let caveats: Vec<Caveat<'_>> = [
        "after=1000,until=3000",
        "scope=a",
        "method=GET,/a.B/C",
        "path=/x",
        "addr=192.0.2.0/24,2001:db8::/32",
        "cert=1111111111111111111111111111111111111111111111111111111111111111",
        "request=1111111111111111111111111111111111111111111111111111111111111111+body",
        "context:tenant=acme",
        "third-party=user/bob:11111111111111111111111111111111",
        "once=11111111111111111111111111111111",
        "revocation=11111111111111111111111111111111",
    ]
    .map(|text| text.parse().unwrap())
    .into();
    let spec = TokenSpec {
        not_before: 1_000,
        not_after: 1_300,
        claims_type: "a.B",
        claims: &[1; 100],
        caveats: &caveats,
        ..TokenSpec::default()
    };
    let (mut token, mut narrower, mut discharge) = (String::new(), String::new(), String::new());
    let ticket = [0x11; 16];
    let discharge_spec = DischargeSpec {
        not_before: 1_000,
        not_after: 1_300,
        ticket: &ticket,
        ..DischargeSpec::default()
    };
    for round in 0..3 {
        let ((), count) = allocations(|| {
            key.mint(&spec, &mut token).unwrap();
            for caveat in &caveats {
                attenuate_token(&token, caveat, &mut narrower).ok();
            }
            whole.discharge(&discharge_spec, &mut discharge).unwrap();
        });
        assert!(
            round == 0 || count == 0,
            "{count} allocations in round {round}"
        );
    }

    let single = TokenSpec {
        caveats: &caveats[9..10],
        ..spec
    };
    whole.mint(&single, &mut token).unwrap();
    let mut keys = Keyring::new();
    keys.insert(1, 0, Box::new(service_key));
    let verifier = Verifier {
        service: "photos",
        keys,
        revocations: NoRevocations,
        single_use: NoSingleUse,
        policy: Policy::default(),
    };
    let mut scratch = Scratch::new();
    let (code, count) = allocations(|| {
        let answer = verifier.verify(&token, &RequestFacts::default(), 1_100, &mut scratch);
        answer.map(|_| ()).map_err(|denied| denied.code)
    });
    assert_eq!((code, count), (Err(Code::ReplayFull), 0));

    let open = TokenSpec {
        caveats: &caveats[1..2],
        ..spec
    };
    key.mint(&open, &mut token).unwrap();
    let facts = RequestFacts {
        scope: Some("a"),
        ..RequestFacts::default()
    };
    let (scopes, count) = allocations(|| {
        let verified = verifier
            .verify(&token, &facts, 1_100, &mut scratch)
            .ok()
            .unwrap();
        assert_eq!(verified.caveats().count(), 2);
        verified
            .scopes()
            .unwrap()
            .filter(|scope| *scope == "a")
            .count()
    });
    assert_eq!((scopes, count), (1, 0));
}

#[test]
fn many_and_messages_allocate_nothing() {
    let id = id([1; 8]);
    let service_key = service_key();
    let key = UserKey::issue(&service_key, &id, &[]).unwrap();
    let caveats: Vec<Caveat<'_>> = vec!["path=/x".parse().unwrap(); 3];
    let texts: Vec<_> = (0..40)
        .map(|number| {
            let claims = vec![1; number * 40];
            let spec = TokenSpec {
                not_before: 1_000,
                not_after: 1_300,
                claims: &claims,
                caveats: &caveats[..number % 4],
                ..TokenSpec::default()
            };
            let mut text = String::new();
            key.mint(&spec, &mut text).unwrap();
            if number % 5 == 0 {
                text.insert(40, 'A'); // refused, one way or another
            }
            text
        })
        .collect();
    let mut keys = Keyring::new();
    keys.insert(1, 0, Box::new(service_key));
    let verifier = Verifier {
        service: "photos",
        keys,
        revocations: NoRevocations,
        single_use: NoSingleUse,
        policy: Policy::default(),
    };
    let mut scratch = Scratch::new();
    let facts = RequestFacts {
        path_and_query: Some("/x"),
        ..RequestFacts::default()
    };
    let questions: Vec<_> = texts
        .iter()
        .map(|presentation| Question {
            presentation,
            presenter: None,
            facts: &facts,
        })
        .collect();
    let mut passed = 0;
    let ((), count) = allocations(|| {
        verifier.verify_many(&questions, 1_100, &mut scratch, |_, answer| {
            passed += usize::from(answer.is_ok());
        });
    });
    assert_eq!((passed, count), (32, 0));
    let digits = texts[1].strip_prefix("cat1_").unwrap();
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let message = base64::Engine::decode(&engine, digits).unwrap();
    let (is_ok, count) = allocations(|| {
        let presented = Presentation::from_messages(&message, &[]).ok().unwrap();
        let answer = verifier.verify_presentation(None, &presented, &facts, 1_100);
        answer.is_ok()
    });
    assert_eq!((is_ok, count), (true, 0));
}

/// Revocations by id alone.
struct ById {
    key: RevocationKey,
    ids: RevokedIds,
}

impl Revocations for ById {
    fn least_version(&self, _: &str) -> u32 {
        0
    }
    fn lease_revoked(&self, principal: &str, id: &[u8; 8]) -> bool {
        let id = RevocableId::Lease(*id);
        self.ids.revokes(&self.key, principal, &id)
    }
    fn token_revoked(&self, principal: &str, id: &[u8; 16]) -> bool {
        let id = RevocableId::Token(*id);
        self.ids.revokes(&self.key, principal, &id)
    }
    fn key_revoked(&self, principal: &str, id: &[u8; 16]) -> bool {
        let id = RevocableId::HandedOut(*id);
        self.ids.revokes(&self.key, principal, &id)
    }
}

#[test]
fn looking_up_revoked_ids_allocates_nothing() {
    let service_key = service_key();
    let mint = |lease_id, token_id, revocation: &str| {
        let key = UserKey::issue(&service_key, &id(lease_id), &[]).unwrap();
        let spec = TokenSpec {
            not_before: 1_000,
            not_after: 1_300,
            token_id,
            caveats: &[revocation.parse().unwrap()],
            ..TokenSpec::default()
        };
        let mut token = String::new();
        key.mint(&spec, &mut token).unwrap();
        token
    };
    let (one, two) = (
        "revocation=11111111111111111111111111111111",
        "revocation=22222222222222222222222222222222",
    );
    let tokens = [
        (mint([1; 8], [1; 16], one), Ok(())),
        (mint([2; 8], [1; 16], one), Err(Code::Revoked)),
        (mint([1; 8], [2; 16], one), Err(Code::Revoked)),
        (mint([1; 8], [1; 16], two), Err(Code::Revoked)),
    ];
    let key = RevocationKey::from_bytes([3; 16]);
    let mut revoked = vec![
        RevocableId::Lease([2; 8]),
        RevocableId::Token([2; 16]),
        RevocableId::HandedOut([0x22; 16]),
    ];
    revoked.extend((0..1_000_u64).map(|number| RevocableId::Lease(number.to_be_bytes())));
    let fingerprints = revoked.iter().map(|id| key.fingerprint("user/alice", id));
    let mut ids = RevokedIds::new();
    for fingerprint in fingerprints {
        ids = ids.with([(fingerprint, 9_000)]);
    }
    let mut keys = Keyring::new();
    keys.insert(1, 0, Box::new(service_key));
    let verifier = Verifier {
        service: "photos",
        keys,
        revocations: ById { key, ids },
        single_use: NoSingleUse,
        policy: Policy::default(),
    };
    let mut scratch = Scratch::new();
    for (token, expected) in tokens {
        let (code, count) = allocations(|| {
            let answer = verifier.verify(&token, &RequestFacts::default(), 1_100, &mut scratch);
            answer.map(|_| ()).map_err(|denied| denied.code)
        });
        assert_eq!((code, count), (expected, 0));
    }
}
