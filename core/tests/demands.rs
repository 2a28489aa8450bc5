//! What a service demands of tokens, beside what their signers asked for.
#![allow(clippy::unwrap_used)]

use std::cell::Cell;

use cattery_core::{
    Caveat, Code, Demand, Demands, DischargeSpec, KeyId, Keyring, MemorySince, NoRevocations,
    Policy, Reason, RequestFacts, RootKey, Scratch, ServiceKey, SingleUse, TokenSpec, Use,
    UseRefused, UserKey, Verifier, request_digest,
};

const BODY: [u8; 32] = [7; 32];
const ONCE: Caveat<'_> = Caveat::SingleUse { id: [1; 16] };
const IAM: Caveat<'_> = Caveat::ThirdParty {
    principal: std::borrow::Cow::Borrowed("service/iam"),
    ticket: std::borrow::Cow::Borrowed(&[5; 16]),
};

fn service_key() -> ServiceKey {
    RootKey::from_bytes([7; 32]).service_key(&"photos".parse().unwrap(), 0)
}

fn key(principal: &str, caveats: &[Caveat<'_>]) -> UserKey {
    let id = KeyId {
        epoch: 1,
        service: "photos",
        generation: 0,
        principal,
        version: 0,
        expires_at: 5_000,
        lease_id: *b"lease-id",
    };
    UserKey::issue(&service_key(), &id, caveats).unwrap()
}

fn bound(body: bool) -> Caveat<'static> {
    let covered = body.then_some(&BODY);
    Caveat::Request {
        digest: request_digest("GET", "photos.test", "/a", covered),
        body,
    }
}

fn mint(of_key: &[Caveat<'_>], of_token: &[Caveat<'_>]) -> String {
    let mut token = String::new();
    let spec = TokenSpec {
        not_before: 1_000,
        not_after: 1_300,
        token_id: [9; 16],
        caveats: of_token,
        ..TokenSpec::default()
    };
    key("user/alice", of_key).mint(&spec, &mut token).unwrap();
    token
}

#[derive(Default)]
struct Memory(Cell<u32>);

impl SingleUse for Memory {
    fn since(&self) -> MemorySince {
        MemorySince::Always
    }
    fn use_once(&self, _: &Use<'_>) -> Result<(), UseRefused> {
        self.0.set(self.0.get() + 1);
        Ok(())
    }
}

/// What is missing, and how many uses were spent.
fn verify(demands: Demands, presentation: &str) -> (Option<Demand>, u32) {
    let mut keys = Keyring::new();
    keys.insert(1, 0, Box::new(service_key()));
    let memory = Memory::default();
    let verifier = Verifier {
        service: "photos",
        keys,
        revocations: NoRevocations,
        single_use: &memory,
        policy: Policy {
            demands,
            ..Policy::default()
        },
    };
    let facts = RequestFacts {
        method: Some("GET"),
        authority: Some("photos.test"),
        path_and_query: Some("/a"),
        body_sha256: Some(BODY),
        ..RequestFacts::default()
    };
    let mut scratch = Scratch::new();
    let missing = match verifier.verify(presentation, &facts, 1_100, &mut scratch) {
        Ok(_) => None,
        Err(denied) => {
            assert_eq!(denied.code, Code::CaveatFailed);
            assert!(denied.is_authentic());
            match denied.reason {
                Reason::Demanded(demand) => Some(demand),
                reason => unreachable!("{reason}"),
            }
        }
    };
    (missing, memory.0.get())
}

#[test]
fn a_caveat_of_the_key_or_of_the_token_meets_a_demand() {
    let nothing = Demands::default();
    let request = Demands {
        request: true,
        ..nothing
    };
    let body = Demands {
        body: true,
        ..nothing
    };
    let once = Demands {
        single_use: true,
        ..nothing
    };
    let all = Demands {
        request: true,
        body: true,
        single_use: true,
    };
    let cases: [(Demands, &[Caveat<'_>], Option<Demand>); 11] = [
        (nothing, &[], None),
        (request, &[], Some(Demand::Request)),
        (request, &[ONCE], Some(Demand::Request)),
        (request, &[bound(false)], None),
        (request, &[bound(true)], None),
        (body, &[bound(false)], Some(Demand::Body)),
        (body, &[bound(false), bound(true)], None),
        (once, &[bound(true)], Some(Demand::SingleUse)),
        (once, &[ONCE], None),
        (all, &[bound(true)], Some(Demand::SingleUse)),
        (all, &[ONCE, bound(true)], None),
    ];
    for (demands, caveats, missing) in cases {
        let single = caveats.contains(&ONCE);
        let spent = u32::from(single && missing.is_none());
        for token in [mint(caveats, &[]), mint(&[], caveats)] {
            assert_eq!(
                verify(demands, &token),
                (missing, spent),
                "{demands:?} {caveats:?}"
            );
        }
    }
}

#[test]
fn a_caveat_of_a_discharge_meets_none() {
    let mut discharge = String::new();
    let caveats = [bound(true)];
    let spec = DischargeSpec {
        not_before: 1_000,
        not_after: 1_300,
        ticket: &[5; 16],
        bound_to: None,
        caveats: &caveats,
    };
    key("service/iam", &[])
        .discharge(&spec, &mut discharge)
        .unwrap();
    let presentation = format!("{},{discharge}", mint(&[], &[IAM]));
    let request = Demands {
        request: true,
        ..Demands::default()
    };
    assert_eq!(verify(Demands::default(), &presentation), (None, 0));
    assert_eq!(verify(request, &presentation), (Some(Demand::Request), 0));
}
