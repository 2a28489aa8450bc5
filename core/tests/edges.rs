//! Limits, the order of steps, and what is said about a refusal.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::cell::RefCell;

use cattery_core::{
    AttenuateError, Authorization, Caveat, Code, FormError, Found, KeyError, KeyId, Keyring, Keys,
    MemorySince, MintError, NoRevocations, Part, Policy, Principal, PrincipalKind, Reason,
    RequestFacts, RootKey, Scratch, ServiceKey, ServiceName, SingleUse, TokenSpec, Use, UseRefused,
    UserKey, UserName, Verifier, attenuate_token, authorization, bearer, inspect,
};
use support::raw;

fn service_key(generation: u32) -> ServiceKey {
    RootKey::from_bytes([7; 32]).service_key(&"photos".parse().unwrap(), generation)
}

const ID: KeyId<'_> = KeyId {
    epoch: 3,
    service: "photos",
    generation: 2,
    principal: "user/alice",
    version: 1,
    expires_at: 5_000,
    lease_id: *b"lease-id",
};

fn issue(caveats: &[Caveat<'_>]) -> UserKey {
    UserKey::issue(&service_key(2), &ID, caveats).unwrap()
}

fn spec<'a>(caveats: &'a [Caveat<'a>]) -> TokenSpec<'a> {
    TokenSpec {
        not_before: 1_000,
        not_after: 1_300,
        token_id: [9; 16],
        caveats,
        ..TokenSpec::default()
    }
}

fn mint(key: &UserKey, caveats: &[Caveat<'_>]) -> String {
    let mut token = String::new();
    key.mint(&spec(caveats), &mut token).unwrap();
    token
}

type Seen = ([u8; 32], [u8; 32], u64);

struct Memory {
    since: MemorySince,
    answer: Result<(), UseRefused>,
    /// Mark, token, and remember_through.
    uses: RefCell<Vec<Seen>>,
}

impl Memory {
    fn new() -> Self {
        Self {
            since: MemorySince::Always,
            answer: Ok(()),
            uses: RefCell::default(),
        }
    }
}

impl SingleUse for Memory {
    fn since(&self) -> MemorySince {
        self.since
    }
    fn use_once(&self, once: &Use<'_>) -> Result<(), UseRefused> {
        assert_eq!((once.principal, once.lease_id), (ID.principal, ID.lease_id));
        self.uses
            .borrow_mut()
            .push((once.mark, once.token, once.remember_through));
        self.answer
    }
}

fn keyring() -> Keyring {
    let mut keys = Keyring::new();
    keys.insert(3, 2, Box::new(service_key(2)));
    keys
}

fn verify_at(
    presentation: &str,
    memory: &Memory,
    policy: Policy,
    now: u64,
) -> Result<(), (Code, Reason)> {
    let verifier = Verifier {
        service: "photos",
        keys: keyring(),
        revocations: NoRevocations,
        single_use: memory,
        policy,
    };
    let facts = RequestFacts {
        scope: Some("a"),
        ..RequestFacts::default()
    };
    let mut scratch = Scratch::new();
    let answer = verifier.verify(presentation, &facts, now, &mut scratch);
    answer
        .map(|_| ())
        .map_err(|denied| (denied.code, denied.reason))
}

fn verify(presentation: &str) -> Result<(), (Code, Reason)> {
    verify_at(presentation, &Memory::new(), Policy::default(), 1_100)
}

const ONCE: Caveat<'_> = Caveat::SingleUse { id: [1; 16] };
const NAMED: Caveat<'_> = Caveat::RevocationId { id: [2; 16] };

#[test]
fn sixteen_caveats_and_no_more() {
    let sixteen = vec![NAMED; 16];
    let key = issue(&sixteen);
    let token = mint(&key, &sixteen);
    assert_eq!(verify(&token), Ok(()));
    assert_eq!(
        key.attenuate(&NAMED).err(),
        Some(KeyError::Form(FormError::TooManyCaveats))
    );
    let seventeen = vec![NAMED; 17];
    let mut out = String::from("x");
    assert_eq!(
        key.mint(&spec(&seventeen), &mut out).err(),
        Some(MintError::Form(FormError::TooManyCaveats))
    );
    assert_eq!(out, "");
    let full = AttenuateError::Full(FormError::TooManyCaveats);
    assert_eq!(attenuate_token(&token, &NAMED, &mut out), Err(full));
}

#[test]
fn a_message_of_8192_bytes_and_no_more() {
    let key = issue(&[]);
    let mut token = String::new();
    let claims = vec![1; 9_000];
    let whole = |len: usize| TokenSpec {
        claims: &claims[..len],
        ..spec(&[])
    };
    key.mint(&whole(8_000), &mut token).unwrap();
    let most = 8_000 + 8_192 - raw::bytes(&token).len();
    key.mint(&whole(most), &mut token).unwrap();
    assert_eq!((raw::bytes(&token).len(), verify(&token)), (8_192, Ok(())));
    assert_eq!(
        key.mint(&whole(most + 1), &mut token).err(),
        Some(MintError::Form(FormError::TooLong))
    );
    let long = raw::text("cat1_", &[0; 8_193]);
    assert_eq!(
        verify(&long),
        Err((
            Code::Malformed,
            Reason::Form(Part::Token, FormError::TooLong)
        ))
    );
}

#[test]
fn a_caveat_of_1024_bytes_and_no_more() {
    let of = |len: usize| Caveat::Scopes(["a".to_owned(), "x".repeat(len)].into_iter().collect());
    let mut out = Vec::new();
    of(1_015).encode(&mut out).unwrap();
    assert_eq!(out.len(), 1_024);
    assert!(of(1_016).encode(&mut out).is_err());
    assert_eq!(verify(&mint(&issue(&[of(1_015)]), &[of(1_015)])), Ok(()));
}

#[test]
fn minting_refuses_what_no_verifier_accepts() {
    let key = issue(&[]);
    let mut out = String::new();
    let mut mint = |spec: TokenSpec<'_>| key.mint(&spec, &mut out).err();
    assert_eq!(
        mint(TokenSpec {
            not_before: 1_301,
            ..spec(&[])
        }),
        Some(MintError::Order)
    );
    assert_eq!(
        mint(TokenSpec {
            not_after: 5_001,
            ..spec(&[])
        }),
        Some(MintError::OutlivesKey { expires_at: 5_000 })
    );
    assert_eq!(
        mint(TokenSpec {
            not_after: 5_000,
            ..spec(&[])
        }),
        None
    );
    assert_eq!(
        mint(TokenSpec {
            claims_type: "a/b",
            ..spec(&[])
        }),
        Some(MintError::ClaimsType)
    );
    let long = "a".repeat(201);
    assert_eq!(
        mint(TokenSpec {
            claims_type: &long,
            ..spec(&[])
        }),
        Some(MintError::ClaimsType)
    );
}

#[test]
fn blanks_stand_round_commas_only() {
    let token = mint(&issue(&[]), &[]);
    let mut discharge = String::new();
    let spec = cattery_core::DischargeSpec {
        not_after: 1_300,
        ticket: &[5; 16],
        ..Default::default()
    };
    issue(&[]).discharge(&spec, &mut discharge).unwrap();
    for good in [
        format!("{token},{discharge}"),
        format!("{token} \t , \t\t{discharge}\t,{discharge} ,{discharge}, {discharge}"),
    ] {
        assert_eq!(verify(&good), Ok(()), "{good}");
    }
    for bad in [
        format!(" {token}"),
        format!("{token} "),
        format!("{token},{discharge} "),
        format!("{token},{discharge}\n,{discharge}"),
        format!("{token},"),
        format!(",{token}"),
        format!("{token},,{discharge}"),
        format!("{token} {discharge}"),
        format!("{token};{discharge}"),
        format!("{discharge},{token}"),
        format!("{token},{token}"),
        format!("{token}{}", format!(",{discharge}").repeat(5)),
        format!("{token}\u{a0},{discharge}"),
        String::new(),
        ",".to_owned(),
    ] {
        assert_eq!(
            verify(&bad).map_err(|(code, _)| code),
            Err(Code::Malformed),
            "{bad}"
        );
    }
}

#[test]
fn keyring_answers() {
    let mut keys = Keyring::new();
    for (epoch, generation) in [(5, 2), (3, 7), (5, 0)] {
        assert!(
            keys.insert(epoch, generation, Box::new(service_key(generation)))
                .is_none()
        );
    }
    assert!(keys.held().eq([(3, 7), (5, 0), (5, 2)]));
    let find = |epoch, generation| match keys.find(epoch, generation) {
        Found::Key(_) => "key",
        Found::UnknownEpoch => "unknown",
        Found::RetiredEpoch => "retired",
        Found::Revoked => "revoked",
    };
    let cases = [
        (2, 7),
        (3, 6),
        (3, 7),
        (3, 8),
        (4, 0),
        (5, 0),
        (5, 1),
        (5, 2),
        (5, 3),
        (6, 0),
    ];
    let want = [
        "retired", "revoked", "key", "unknown", "retired", "key", "revoked", "key", "unknown",
        "unknown",
    ];
    assert_eq!(
        cases.map(|(epoch, generation)| find(epoch, generation)),
        want
    );
    assert!(keys.insert(5, 0, Box::new(service_key(0))).is_some());
    assert!(keys.remove(5, 0).is_some() && keys.remove(5, 0).is_none());
}

#[test]
fn a_single_use_is_remembered_by_what_cannot_be_changed() {
    let memory = Memory::new();
    let policy = Policy::default();
    let run = |token: &str| verify_at(token, &memory, policy, 1_100);
    let plain = mint(&issue(&[]), &[NAMED, ONCE]);
    let mut longer = String::new();
    attenuate_token(&plain, &ONCE, &mut longer).unwrap();
    run(&plain).unwrap();
    run(&longer).unwrap();
    run(&mint(&issue(&[]), &[NAMED, ONCE, NAMED])).unwrap();
    run(&mint(&issue(&[]), &[ONCE])).unwrap();
    run(&mint(&issue(&[ONCE]), &[ONCE])).unwrap();
    run(&mint(&issue(&[ONCE]), &[])).unwrap();
    run(&mint(&issue(&[]), &[NAMED])).unwrap();
    let uses = memory.uses.borrow().clone();
    assert_eq!(
        uses.len(),
        6,
        "a token without the caveat is not remembered"
    );
    assert_eq!(uses[0], uses[1]);
    assert_eq!(uses[0], uses[2]);
    assert_ne!(uses[0].0, uses[3].0);
    assert_eq!(uses[0].1, uses[3].1, "one T_0, one share");
    assert_eq!(uses[4], uses[5]);
    assert_eq!(uses[4].0, uses[4].1, "the key's caveat: T_0 itself");
    // 1300 + 30 is the first second at which the token cannot pass.
    assert_eq!(uses[0].2, 1_329);
    verify_at(&plain, &memory, policy, 1_329).unwrap();
    assert_eq!(
        verify_at(&plain, &memory, policy, 1_330).unwrap_err().0,
        Code::Expired
    );
}

#[test]
fn after_a_restart_a_token_from_before_is_refused() {
    let token = mint(&issue(&[]), &[ONCE]);
    for (restart, want) in [
        (969, Ok(())),
        (970, Err(Code::Replayed)),
        (1_100, Err(Code::Replayed)),
        (u64::MAX, Err(Code::Replayed)),
    ] {
        let memory = Memory {
            since: MemorySince::Restart(restart),
            ..Memory::new()
        };
        let got = verify_at(&token, &memory, Policy::default(), 1_100);
        assert_eq!(got.map_err(|(code, _)| code), want, "restart at {restart}");
        assert_eq!(memory.uses.borrow().len(), usize::from(want.is_ok()));
    }
    for (answer, code) in [
        (UseRefused::Replayed, Code::Replayed),
        (UseRefused::Full, Code::ReplayFull),
    ] {
        let memory = Memory {
            answer: Err(answer),
            ..Memory::new()
        };
        assert_eq!(
            verify_at(&token, &memory, Policy::default(), 1_100),
            Err((code, Reason::Once))
        );
    }
}

#[test]
fn times_beyond_the_range_are_remembered_to_its_end() {
    let id = KeyId {
        expires_at: u64::MAX,
        ..ID
    };
    let key = UserKey::issue(&service_key(2), &id, &[ONCE]).unwrap();
    let mut token = String::new();
    key.mint(
        &TokenSpec {
            not_after: u64::MAX,
            not_before: u64::MAX - 5,
            ..spec(&[])
        },
        &mut token,
    )
    .unwrap();
    let memory = Memory::new();
    for leeway in [30, u64::MAX] {
        verify_at(
            &token,
            &memory,
            Policy {
                leeway,
                max_lifetime: 5,
                ..Policy::default()
            },
            u64::MAX,
        )
        .unwrap();
    }
    assert!(
        memory
            .uses
            .borrow()
            .iter()
            .all(|(_, _, through)| *through == u64::MAX)
    );
}

#[test]
fn the_scopes_that_are_left() {
    let scopes = |list: &[&str]| Caveat::Scopes(list.iter().copied().collect());
    let verifier = Verifier {
        service: "photos",
        keys: keyring(),
        revocations: NoRevocations,
        single_use: Memory::new(),
        policy: Policy::default(),
    };
    let facts = RequestFacts {
        scope: Some("a"),
        ..RequestFacts::default()
    };
    let mut scratch = Scratch::new();
    let mut left = |presentation: &str| {
        let verified = verifier
            .verify(presentation, &facts, 1_100, &mut scratch)
            .unwrap_or_else(|denied| panic!("{denied}"));
        verified
            .scopes()
            .map(|left| left.map(str::to_owned).collect::<Vec<_>>())
    };
    assert_eq!(left(&mint(&issue(&[]), &[])), None);
    let narrowed = mint(
        &issue(&[scopes(&["c", "a", "b"])]),
        &[scopes(&["b", "a", "d"]), scopes(&["a", "b", "c"])],
    );
    assert_eq!(left(&narrowed), Some(vec!["a".to_owned(), "b".to_owned()]));
    // Long lists are compared in another way.
    let many: Vec<_> = (0..100)
        .map(|n| n.to_string())
        .chain(["a".into()])
        .collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let alone = mint(&issue(&[scopes(&many)]), &[]);
    assert_eq!(left(&alone).map(|left| left.len()), Some(101));
    let narrowed = mint(
        &issue(&[scopes(&many)]),
        &[scopes(&["x", "99", "a", "7"]), scopes(&many[50..])],
    );
    assert_eq!(left(&narrowed), Some(vec!["99".to_owned(), "a".to_owned()]));

    let demand = [
        Caveat::ThirdParty {
            principal: "user/alice".into(),
            ticket: (&[5; 16]).into(),
        },
        scopes(&["a", "b"]),
    ];
    let mut discharge = String::new();
    let limited = [scopes(&["a"])];
    let spec = cattery_core::DischargeSpec {
        not_after: 1_300,
        ticket: &[5; 16],
        caveats: &limited,
        ..Default::default()
    };
    issue(&[]).discharge(&spec, &mut discharge).unwrap();
    assert_eq!(
        left(&format!("{},{discharge}", mint(&issue(&[]), &demand))),
        Some(vec!["a".to_owned()])
    );
    let unused = [scopes(&["a", "b"])];
    assert_eq!(
        left(&format!("{},{discharge}", mint(&issue(&[]), &unused))),
        Some(vec!["a".to_owned(), "b".to_owned()])
    );
}

#[test]
fn a_refusal_says_why_to_logs() {
    let token = mint(&issue(&[NAMED]), &[NAMED, Caveat::PathPrefix("/x".into())]);
    let verifier = Verifier {
        service: "photos",
        keys: keyring(),
        revocations: NoRevocations,
        single_use: Memory::new(),
        policy: Policy::default(),
    };
    let mut scratch = Scratch::new();
    let denied = verifier
        .verify(&token, &RequestFacts::default(), 1_100, &mut scratch)
        .err()
        .unwrap();
    assert!(denied.is_authentic());
    assert_eq!((denied.key_id, denied.token_id), (Some(ID), Some([9; 16])));
    assert_eq!(
        denied.to_string(),
        "caveat_failed: token caveat 1 (path_prefix): it needs a fact that is not known"
    );
    let denied = verifier
        .verify("cat1_", &RequestFacts::default(), 1_100, &mut scratch)
        .err()
        .unwrap();
    assert!(!denied.is_authentic() && denied.key_id.is_none());
    assert!(
        Code::ALL
            .iter()
            .all(|code| code.as_str().parse() == Ok(*code))
    );
}

#[test]
fn the_authorization_header() {
    assert_eq!(bearer("Bearer cat1_x"), Some("cat1_x"));
    assert_eq!(bearer("bEARER cat1_x,catd1_y"), Some("cat1_x,catd1_y"));
    assert_eq!(bearer("Bearer  cat1_x"), Some(" cat1_x"));
    for empty in ["Bearer ", "Bearer", "bearer"] {
        assert_eq!(bearer(empty), Some(""), "a server may trim the blank");
    }
    for other in [
        "",
        "Basic eA==",
        "Basic",
        "Bearer\tcat1_x",
        " Bearer cat1_x",
        "Bearercat1_x",
    ] {
        assert_eq!(bearer(other), None, "{other}");
    }
    let read = |values: &[&'static [u8]]| authorization(values.iter().copied());
    assert_eq!(read(&[]), Authorization::Absent);
    assert_eq!(read(&[b"Basic eA=="]), Authorization::Absent);
    assert_eq!(read(&[b"bearer x"]), Authorization::Presentation("x"));
    assert_eq!(read(&[b"Bearer"]), Authorization::Presentation(""));
    assert!(!format!("{:?}", read(&[b"Bearer cat1_x"])).contains("cat1_x"));
    for bad in [
        &[&b"Bearer x"[..], b"Bearer x"][..],
        &[b"Basic x", b"Bearer x"],
        &[b"Bearer x", b"Basic x"],
        &[b"Bearer \xff"],
    ] {
        assert_eq!(read(bad), Authorization::Malformed);
    }
}

#[test]
fn names() {
    for good in ["a", "0", "a.b-c_d", &"a".repeat(63)] {
        assert!(good.parse::<ServiceName>().is_ok(), "{good}");
    }
    for bad in [
        "",
        "A",
        "-a",
        ".a",
        "_a",
        "a/b",
        "a b",
        "é",
        &"a".repeat(64),
    ] {
        assert!(bad.parse::<ServiceName>().is_err(), "{bad}");
    }
    for good in [
        "a",
        "oidc/acme:42",
        "a@b.c",
        "_~!".trim_end_matches('!'),
        "...",
        "a/...b",
        &"a".repeat(200),
    ] {
        assert!(good.parse::<UserName>().is_ok(), "{good}");
    }
    for bad in [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        ".",
        "..",
        "a/.",
        "../a",
        "a b",
        "a%b",
        "a\n",
        "é",
        &"a".repeat(201),
    ] {
        assert!(bad.parse::<UserName>().is_err(), "{bad}");
    }
    for bad in [
        "",
        "alice",
        "user/",
        "service/",
        "service/A",
        "group/a",
        "USER/a",
        "user",
        "users/a",
    ] {
        assert!(bad.parse::<Principal>().is_err(), "{bad}");
    }
    let user = Principal::user(&"oidc/acme".parse().unwrap());
    assert_eq!(
        (user.as_str(), user.kind()),
        ("user/oidc/acme", PrincipalKind::User("oidc/acme"))
    );
    assert_eq!(
        user.spiffe_id("example.org").as_deref(),
        Some("spiffe://example.org/user/oidc/acme")
    );
    assert_eq!(
        Principal::user(&"a@b".parse().unwrap()).spiffe_id("example.org"),
        None
    );
    let service = Principal::service(&"photos".parse().unwrap());
    assert_eq!(
        (service.as_str(), service.kind()),
        ("service/photos", PrincipalKind::Service("photos"))
    );
}

#[test]
fn inspecting_shows_and_proves_nothing() {
    let mut scratch = Scratch::new();
    let token = mint(&issue(&[NAMED]), &[ONCE]);
    let Ok(inspect::Inspected::Token(token)) = inspect::parse(&token, &mut scratch) else {
        panic!()
    };
    assert_eq!(token.unverified_key_id(), ID);
    assert!(
        token.unverified_key_caveats().eq([Ok(NAMED)]) && token.unverified_caveats().eq([Ok(ONCE)])
    );
    let payload = token.unverified_payload().unwrap();
    assert_eq!(
        (payload.not_before, payload.not_after, payload.token_id),
        (1_000, 1_300, &[9; 16][..])
    );
    let text = issue(&[]).to_text();
    assert!(
        matches!(inspect::parse(&text, &mut scratch), Ok(inspect::Inspected::Key(key)) if key.id() == ID)
    );
    assert_eq!(
        inspect::parse("x", &mut scratch).err(),
        Some(FormError::Prefix("cat1_"))
    );
}
