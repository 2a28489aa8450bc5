//! Tokens that somebody else presents.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::cell::Cell;

use cattery_core::{
    Caveat, CaveatFailure, Code, Demands, KeyId, Keyring, MemorySince, NoRevocations, Policy,
    Reason, RequestFacts, RootKey, Scratch, ServiceKey, SingleUse, TokenSpec, Use, UseRefused,
    UserKey, Verifier,
};

const FRONTEND: &str = "service/frontend";

fn service_key() -> ServiceKey {
    RootKey::from_bytes([7; 32]).service_key(&"backend".parse().unwrap(), 0)
}

fn parsed(caveats: &[&str]) -> Vec<Caveat<'static>> {
    let caveats = caveats.iter();
    caveats.map(|caveat| caveat.parse().unwrap()).collect()
}

/// alice's token, from a key with some caveats.
fn mint(key_caveats: &[&str], caveats: &[&str]) -> String {
    let id = KeyId {
        epoch: 1,
        service: "backend",
        generation: 0,
        principal: "user/alice",
        version: 0,
        expires_at: 5_000,
        lease_id: [1; 8],
    };
    let key = UserKey::issue(&service_key(), &id, &parsed(key_caveats)).unwrap();
    let mut token = String::new();
    let spec = TokenSpec {
        not_before: 1_000,
        not_after: 1_300,
        token_id: [2; 16],
        caveats: &parsed(caveats),
        ..TokenSpec::default()
    };
    key.mint(&spec, &mut token).unwrap();
    token
}

#[derive(Default)]
struct Uses(Cell<u32>);

impl SingleUse for Uses {
    fn since(&self) -> MemorySince {
        MemorySince::Always
    }

    fn use_once(&self, _: &Use<'_>) -> Result<(), UseRefused> {
        self.0.set(self.0.get() + 1);
        Ok(())
    }
}

/// What `backend` says of a token that is presented by this one, or by its signer; and how many uses that spent.
fn verify(token: &str, presenter: Option<&str>) -> (Result<(), (Code, Reason)>, u32) {
    verify_by(Demands::default(), token, presenter)
}

fn verify_by(
    demands: Demands,
    token: &str,
    presenter: Option<&str>,
) -> (Result<(), (Code, Reason)>, u32) {
    let mut keys = Keyring::new();
    keys.insert(1, 0, Box::new(service_key()));
    let uses = Uses::default();
    let verifier = Verifier {
        service: "backend",
        keys,
        revocations: NoRevocations,
        single_use: &uses,
        policy: Policy {
            demands,
            ..Policy::default()
        },
    };
    let facts = RequestFacts {
        path_and_query: Some("/items/7"),
        // An entry that counts for nothing, whoever put it there.
        context: &[("tenant", "blue"), ("presenter", "service/other")],
        ..RequestFacts::default()
    };
    let mut scratch = Scratch::new();
    let answer = verifier.verify_by(presenter, token, &facts, 1_100, &mut scratch);
    let answer = answer.map(|verified| assert_eq!(verified.principal(), "user/alice"));
    let answer = answer.map_err(|denied| {
        assert!(denied.is_authentic());
        (denied.code, denied.reason)
    });
    (answer, uses.0.get())
}

fn why(answer: Result<(), (Code, Reason)>) -> CaveatFailure {
    match answer {
        Err((Code::CaveatFailed, Reason::Caveat { why, .. })) => why,
        other => panic!("{other:?}"),
    }
}

const THROUGH: &str = "context:presenter=service/frontend";
const ONCE: &str = "once=01010101010101010101010101010101";

#[test]
fn it_is_good_from_its_presenter_and_from_nobody_else() {
    let token = mint(&[], &[ONCE, THROUGH, "path=/items", "context:tenant=blue"]);
    assert_eq!(verify(&token, Some(FRONTEND)), (Ok(()), 1));
    for other in ["service/other", "user/alice", "", "service/frontend2"] {
        let (answer, uses) = verify(&token, Some(other));
        assert_eq!((why(answer), uses), (CaveatFailure::Unmet, 0), "{other}");
    }
    let (own, uses) = verify(&token, None);
    assert_eq!((why(own), uses), (CaveatFailure::Unknown, 0));
}

#[test]
fn the_context_says_nothing_of_who_presents() {
    let token = mint(&[], &["context:presenter=service/other"]);
    assert_eq!(why(verify(&token, None).0), CaveatFailure::Unknown);
    assert_eq!(why(verify(&token, Some(FRONTEND)).0), CaveatFailure::Unmet);
    assert_eq!(verify(&token, Some("service/other")).0, Ok(()));
}

#[test]
fn one_that_names_no_presenter_is_refused_and_its_use_not_spent() {
    let refused = Err((Code::CaveatFailed, Reason::NoPresenter));
    let bare = mint(&[], &[ONCE, "context:tenant=blue"]);
    assert_eq!(verify(&bare, Some(FRONTEND)), (refused, 0));
    assert_eq!(verify(&bare, None), (Ok(()), 1));
    assert!(Reason::NoPresenter.to_string().contains("forwarded"));
}

#[test]
fn a_key_can_be_for_one_presenter_and_narrowing_does_not_widen() {
    let of_key = mint(&[THROUGH], &[]);
    assert_eq!(verify(&of_key, Some(FRONTEND)).0, Ok(()));
    let twice = mint(&[THROUGH], &[THROUGH]);
    assert_eq!(verify(&twice, Some(FRONTEND)).0, Ok(()));
    let passed_on = mint(&[THROUGH], &["context:presenter=service/other"]);
    for by in [FRONTEND, "service/other"] {
        assert_eq!(why(verify(&passed_on, Some(by)).0), CaveatFailure::Unmet);
    }
}

#[test]
fn what_is_demanded_of_callers_is_not_demanded_here() {
    let demands = Demands {
        request: true,
        body: true,
        single_use: true,
    };
    let token = mint(&[], &[THROUGH]);
    assert_eq!(verify_by(demands, &token, Some(FRONTEND)).0, Ok(()));
    let bare = verify_by(demands, &mint(&[], &[]), None).0;
    assert!(matches!(bare, Err((_, Reason::Demanded(_)))));
    let bare = verify_by(demands, &mint(&[], &[]), Some(FRONTEND)).0;
    assert_eq!(bare, Err((Code::CaveatFailed, Reason::NoPresenter)));
}
