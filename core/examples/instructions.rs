//! Does one operation so many times, for somebody who counts instructions: `instructions OPERATION TIMES`. The test `instructions` does.
#![allow(clippy::unwrap_used)]

use std::hint::black_box;

use cattery_core::{
    Caveat, Found, KeyId, Keyring, Keys, NoRevocations, NoSingleUse, Policy, Presentation,
    Question, RequestFacts, RootKey, Scratch, TokenSpec, TokenState, UserKey, Verifier,
    attenuate_token,
};

const NOW: u64 = 1_790_000_000;
const MANY: usize = 16;

struct Kept<'k>(&'k Keyring, TokenState);

impl Keys for Kept<'_> {
    fn find(&self, epoch: u32, generation: u32) -> Found<'_> {
        self.0.find(epoch, generation)
    }
    fn user_state(&self, _: &KeyId<'_>) -> Option<&TokenState> {
        Some(&self.1)
    }
}

fn main() {
    let mut args = std::env::args().skip(1);
    let operation = args.next().unwrap();
    let times: usize = args.next().unwrap().parse().unwrap();
    let service_key = RootKey::from_bytes([7; 32]).service_key(&"photos".parse().unwrap(), 0);
    let id = KeyId {
        epoch: 1,
        service: "photos",
        generation: 0,
        principal: "user/alice",
        version: 0,
        expires_at: NOW + 3_600,
        lease_id: [1; 8],
    };
    let state = service_key.user_state(&id);
    let key = UserKey::issue(&service_key, &id, &[]).unwrap();
    let caveat: Caveat<'_> = "path=/albums".parse().unwrap();
    let caveats = [caveat.clone(), caveat.clone(), caveat.clone()];
    let mint = |caveats: &[Caveat<'_>]| {
        let mut token = String::new();
        let spec = TokenSpec {
            not_before: NOW,
            not_after: NOW + 300,
            token_id: [2; 16],
            caveats,
            ..TokenSpec::default()
        };
        key.mint(&spec, &mut token).unwrap();
        token
    };
    let (plain, narrowed) = (mint(&[]), mint(&caveats));
    let mut message = vec![0; plain.len()];
    let digits = &plain["cat1_".len()..];
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let len = base64::Engine::decode_slice(&engine, digits, &mut message).unwrap();
    message.truncate(len);
    let mut keys = Keyring::new();
    keys.insert(1, 0, Box::new(service_key));
    let facts = RequestFacts {
        path_and_query: Some("/albums/7"),
        ..RequestFacts::default()
    };
    let with = Verifier {
        service: "photos",
        keys: &keys,
        revocations: NoRevocations,
        single_use: NoSingleUse,
        policy: Policy::default(),
    };
    let kept = Verifier {
        service: "photos",
        keys: Kept(&keys, state),
        revocations: NoRevocations,
        single_use: NoSingleUse,
        policy: Policy::default(),
    };
    let question = Question {
        presentation: &plain,
        presenter: None,
        facts: &facts,
    };
    let questions = [question; MANY];
    let mut scratch = Scratch::new();
    let mut out = String::with_capacity(1_024);
    let spec = TokenSpec {
        not_before: NOW,
        not_after: NOW + 300,
        token_id: [2; 16],
        ..TokenSpec::default()
    };
    let mut passed = 0;
    let mut run = |work: &mut dyn FnMut(&mut usize)| (0..times).for_each(|_| work(&mut passed));
    match &operation[..] {
        "verify-text" => run(&mut |passed| {
            let answer = with.verify(black_box(&plain), &facts, NOW, &mut scratch);
            *passed += usize::from(answer.is_ok());
        }),
        "verify-text-3-caveats" => run(&mut |passed| {
            let answer = with.verify(black_box(&narrowed), &facts, NOW, &mut scratch);
            *passed += usize::from(answer.is_ok());
        }),
        "verify" => run(&mut |passed| {
            let presented = Presentation::from_messages(black_box(&message), &[])
                .ok()
                .unwrap();
            let answer = with.verify_presentation(None, &presented, &facts, NOW);
            *passed += usize::from(answer.is_ok());
        }),
        "verify-kept" => run(&mut |passed| {
            let presented = Presentation::from_messages(black_box(&message), &[])
                .ok()
                .unwrap();
            let answer = kept.verify_presentation(None, &presented, &facts, NOW);
            *passed += usize::from(answer.is_ok());
        }),
        "verify-many" => run(&mut |passed| {
            let mut ok = 0;
            with.verify_many(black_box(&questions), NOW, &mut scratch, |_, answer| {
                ok += usize::from(answer.is_ok());
            });
            *passed += usize::from(ok == MANY);
        }),
        "mint" => run(&mut |passed| {
            *passed += usize::from(key.mint(black_box(&spec), &mut out).is_ok());
        }),
        "attenuate" => run(&mut |passed| {
            let done = attenuate_token(black_box(&plain), &caveat, &mut out);
            *passed += usize::from(done.is_ok());
        }),
        _ => std::process::exit(2),
    }
    assert_eq!(passed, times);
}
