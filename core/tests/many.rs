//! Many presentations at a time have the answers that each of them has alone.
#![allow(clippy::unwrap_used)]

mod support;

use std::cell::Cell;

use cattery_core::{
    Caveat, KeyId, Keyring, Keys, MemorySince, Policy, Presentation, Question, RequestFacts,
    Revocations, RootKey, Scratch, ServiceKey, SingleUse, TokenSpec, TokenState, Use, UseRefused,
    UserKey, Verifier,
};
use proptest::prelude::*;

const NOW: u64 = 1_790_000_000;

/// What one presentation is made of.
#[derive(Clone, Debug)]
struct Shape {
    user: String,
    key_caveats: Vec<usize>,
    caveats: Vec<usize>,
    claims: usize,
    epoch: u32,
    discharges: usize,
    /// A place in the text where another character is put.
    damage: Option<(usize, char)>,
}

fn shape() -> impl Strategy<Value = Shape> {
    let sizes = || prop::collection::vec(0..100_usize, 0..6);
    let damage = prop::option::weighted(
        0.2,
        (
            0..400_usize,
            prop::sample::select(vec!['A', 'b', '_', ',', '!', 'é']),
        ),
    );
    (
        "[a-z]{1,120}",
        sizes(),
        sizes(),
        prop_oneof![4 => Just(0), 1 => 1..3_000_usize],
        prop_oneof![9 => Just(1_u32), 1 => 2..4_u32],
        prop_oneof![9 => Just(0), 1 => 1..6_usize],
        damage,
    )
        .prop_map(
            |(user, key_caveats, caveats, claims, epoch, discharges, damage)| Shape {
                user,
                key_caveats,
                caveats,
                claims,
                epoch,
                discharges,
                damage,
            },
        )
}

fn caveats(sizes: &[usize]) -> Vec<Caveat<'static>> {
    let prefix = |len: &usize| Caveat::PathPrefix(format!("/{}", "x/".repeat(*len)).into());
    sizes.iter().map(prefix).collect()
}

fn service_key() -> ServiceKey {
    RootKey::from_bytes([7; 32]).service_key(&"photos".parse().unwrap(), 0)
}

impl Shape {
    fn text(&self) -> String {
        let principal = format!("user/{}", self.user);
        let id = KeyId {
            epoch: self.epoch,
            service: "photos",
            generation: 0,
            principal: &principal,
            version: 3,
            expires_at: NOW + 3_600,
            lease_id: [1; 8],
        };
        let key = UserKey::issue(&service_key(), &id, &caveats(&self.key_caveats)).unwrap();
        let claims = vec![8; self.claims];
        let own = caveats(&self.caveats);
        let spec = TokenSpec {
            not_before: NOW,
            not_after: NOW + 300,
            token_id: [9; 16],
            claims: &claims,
            caveats: &own,
            ..TokenSpec::default()
        };
        let mut text = String::new();
        key.mint(&spec, &mut text).unwrap();
        for _ in 0..self.discharges {
            text += ", catd1_AAAA";
        }
        if let Some((at, other)) = self.damage {
            let mut chars: Vec<char> = text.chars().collect();
            let at = at % chars.len();
            chars[at] = other;
            text = chars.into_iter().collect();
        }
        text
    }
}

/// What most of the caveats allow.
const PATH: &str = "/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x/x";

/// Some users' tokens are revoked, and nothing is remembered.
struct World;

impl Revocations for World {
    fn least_version(&self, principal: &str) -> u32 {
        if principal.len().is_multiple_of(7) {
            4
        } else {
            0
        }
    }
    fn lease_revoked(&self, _: &str, _: &[u8; 8]) -> bool {
        false
    }
    fn token_revoked(&self, principal: &str, _: &[u8; 16]) -> bool {
        principal.len().is_multiple_of(5)
    }
    fn key_revoked(&self, _: &str, _: &[u8; 16]) -> bool {
        false
    }
}

impl SingleUse for World {
    fn since(&self) -> MemorySince {
        MemorySince::Always
    }
    fn use_once(&self, _: &Use<'_>) -> Result<(), UseRefused> {
        Ok(())
    }
}

fn keyring() -> Keyring {
    let mut keys = Keyring::new();
    keys.insert(1, 0, Box::new(service_key()));
    keys
}

fn verifier<K: Keys>(keys: K) -> Verifier<'static, K, World, World> {
    Verifier {
        service: "photos",
        keys,
        revocations: World,
        single_use: World,
        policy: Policy::default(),
    }
}

/// All that an answer says.
macro_rules! said {
    ($answer:expr) => {
        match $answer {
            Ok(verified) => format!(
                "{verified:?} {:?} {}",
                verified.claims(),
                verified.caveats().count()
            ),
            Err(denied) => format!("{denied:?}"),
        }
    };
}

proptest! {
    #[test]
    fn the_answers_are_those_of_one_after_the_other(shapes in prop::collection::vec(shape(), 0..40)) {
        let texts: Vec<_> = shapes.iter().map(Shape::text).collect();
        let facts = RequestFacts { path_and_query: Some(PATH), ..RequestFacts::default() };
        let verifier = verifier(keyring());
        let mut scratch = Scratch::new();
        let alone: Vec<_> = texts
            .iter()
            .map(|text| said!(verifier.verify(text, &facts, NOW, &mut scratch)))
            .collect();
        let questions: Vec<_> = texts
            .iter()
            .map(|text| Question { presentation: text, presenter: None, facts: &facts })
            .collect();
        let mut together = Vec::new();
        verifier.verify_many(&questions, NOW, &mut scratch, |index, answer| {
            assert_eq!(index, together.len());
            together.push(said!(answer));
        });
        prop_assert_eq!(together, alone);
    }
}

/// Keeps the state of one user's key.
struct Kept<'k> {
    keys: Keyring,
    id: KeyId<'k>,
    state: TokenState,
    asked: Cell<usize>,
}

impl Keys for Kept<'_> {
    fn find(&self, epoch: u32, generation: u32) -> cattery_core::Found<'_> {
        self.keys.find(epoch, generation)
    }
    fn user_state(&self, id: &KeyId<'_>) -> Option<&TokenState> {
        self.asked.set(self.asked.get() + 1);
        (*id == self.id).then_some(&self.state)
    }
}

#[test]
fn a_state_that_is_kept_stands_for_the_key() {
    let shape = |user: &str| Shape {
        user: user.to_owned(),
        key_caveats: vec![3],
        caveats: vec![4, 5],
        claims: 20,
        epoch: 1,
        discharges: 0,
        damage: None,
    };
    let (mine, other) = (shape("alicia").text(), shape("bob").text());
    let mut damaged = mine.clone();
    let last = damaged.pop().unwrap();
    damaged.push(if last == 'A' { 'E' } else { 'A' });
    let id = KeyId {
        epoch: 1,
        service: "photos",
        generation: 0,
        principal: "user/alicia",
        version: 3,
        expires_at: NOW + 3_600,
        lease_id: [1; 8],
    };
    let verifier = verifier(Kept {
        keys: keyring(),
        id,
        state: service_key().user_state(&id),
        asked: Cell::new(0),
    });
    let facts = RequestFacts {
        path_and_query: Some(PATH),
        ..RequestFacts::default()
    };
    let mut scratch = Scratch::new();
    let texts = [&mine, &other, &damaged, &mine];
    let alone = texts.map(|text| said!(verifier.verify(text, &facts, NOW, &mut scratch)));
    assert!(
        alone[0].starts_with("Verified") && alone[2].starts_with("Denied"),
        "{alone:?}"
    );
    let questions = texts.map(|text| Question {
        presentation: text,
        presenter: None,
        facts: &facts,
    });
    let mut together = Vec::new();
    verifier.verify_many(&questions, NOW, &mut scratch, |_, answer| {
        together.push(said!(answer));
    });
    assert_eq!(together, alone);
    assert!(verifier.keys.asked.get() >= 6);
}

#[test]
fn messages_are_read_as_texts_are() {
    let file: serde_json::Value = serde_json::from_str(include_str!("data/cat1.json")).unwrap();
    let text = support::text(file["accept"][0].as_object().unwrap(), "text");
    let digits = text.strip_prefix("cat1_").unwrap();
    let message =
        base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, digits).unwrap();
    assert!(Presentation::from_messages(&message, &[]).is_ok());
    let refused = |token: &[u8], discharges: &[&[u8]]| {
        let refused = Presentation::from_messages(token, discharges)
            .err()
            .unwrap();
        format!("{:?} {:?}", refused.code, refused.reason)
    };
    assert_eq!(refused(&[], &[]), "Malformed Form(Token, Wire(Missing))");
    assert_eq!(refused(&[0; 8_193], &[]), "Malformed Form(Token, TooLong)");
    assert_eq!(
        refused(&message, &[&message, &[1]]),
        "Malformed Form(Discharge(1), Wire(Missing))"
    );
    let five = [&message[..]; 5];
    assert_eq!(
        refused(&message, &five),
        "Malformed Form(Presentation, TooManyDischarges)"
    );
}
