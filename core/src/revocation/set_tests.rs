use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const FOREVER: u64 = u32::MAX as u64;

/// Few enough that batches meet, and spread as fingerprints are.
fn fingerprint(number: u16) -> Fingerprint {
    let word = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&word.to_le_bytes());
    bytes[8..10].copy_from_slice(&number.to_le_bytes());
    Fingerprint(bytes)
}

fn entries(numbers: impl IntoIterator<Item = u16>, ends_at: u64) -> Vec<(Fingerprint, u64)> {
    let entry = |number| (fingerprint(number), ends_at);
    numbers.into_iter().map(entry).collect()
}

fn sizes(set: &RevokedIds) -> Vec<usize> {
    set.layers.iter().map(|layer| layer.len()).collect()
}

fn check_layers(set: &RevokedIds) {
    let sizes = sizes(set);
    assert!(!sizes.contains(&0), "{sizes:?}");
    assert!(
        sizes.windows(2).all(|pair| pair[0] >= SPACING * pair[1]),
        "{sizes:?}"
    );
}

/// What a plain map would hold.
#[derive(Clone, Default)]
struct Model(HashMap<Fingerprint, u64>);

impl Model {
    fn add(&mut self, entries: &[(Fingerprint, u64)]) {
        for (fingerprint, ends_at) in entries {
            let end = self.0.entry(*fingerprint).or_default();
            *end = (*end).max((*ends_at).min(FOREVER));
        }
    }

    fn digest(&self, now: u64) -> (u64, [u8; 16]) {
        let alive = self
            .0
            .iter()
            .filter(|(_, end)| **end == FOREVER || **end > now);
        alive.fold((0, [0; 16]), |(count, sum), (fingerprint, _)| {
            (
                count + 1,
                std::array::from_fn(|at| sum[at] ^ fingerprint.0[at]),
            )
        })
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add(Vec<(u16, u64)>),
    Forget(u64),
}

fn ends_at() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0..100_u64, 1 => FOREVER - 1..FOREVER + 2, 1 => Just(u64::MAX)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => vec((0..400_u16, ends_at()), 0..60).prop_map(Step::Add),
        1 => (0..120_u64).prop_map(Step::Forget),
    ]
}

proptest! {
    #[test]
    fn it_holds_what_a_map_would(steps in vec(step(), 0..40)) {
        let (mut set, mut model, mut latest) = (RevokedIds::new(), Model::default(), 0);
        for step in steps {
            match step {
                Step::Add(added) => {
                    let added: Vec<_> = added.iter().map(|(number, end)| (fingerprint(*number), *end)).collect();
                    set = set.with(added.clone());
                    model.add(&added);
                }
                Step::Forget(now) => {
                    latest = latest.max(now);
                    set = set.without_ended(latest);
                }
            }
            check_layers(&set);
            prop_assert_eq!(set.digest(latest), model.digest(latest));
            let found: HashMap<_, _> = set.iter().collect();
            prop_assert_eq!(found.len(), set.iter().count(), "each once");
            for number in 0..400 {
                let fingerprint = fingerprint(number);
                let expected = model.0.get(&fingerprint).copied();
                let is_over = expected.is_some_and(|end| end != FOREVER && end <= latest);
                prop_assert!(is_over || found.get(&fingerprint).copied() == expected);
                prop_assert!(is_over || set.contains(&fingerprint) == expected.is_some());
            }
        }
    }

    #[test]
    fn order_and_batches_make_no_difference(
        (told, again) in vec((0..400_u16, ends_at()), 0..300).prop_flat_map(|told| (Just(told.clone()), Just(told).prop_shuffle())),
        batch in 1..50_usize,
    ) {
        let entry = |(number, end): &(u16, u64)| (fingerprint(*number), *end);
        let at_once = RevokedIds::new().with(told.iter().map(entry));
        let bit_by_bit = again.chunks(batch).fold(RevokedIds::new(), |set, batch| set.with(batch.iter().map(entry)));
        for now in [0, 50, 200] {
            prop_assert_eq!(at_once.digest(now), bit_by_bit.digest(now));
        }
        let ends = |set: &RevokedIds| set.iter().collect::<HashMap<_, _>>();
        prop_assert_eq!(ends(&at_once), ends(&bit_by_bit));
    }
}

#[test]
fn what_is_known_changes_nothing_and_a_later_end_extends() {
    let set = RevokedIds::new().with(entries(0..10, 50));
    assert!(set.with(entries(3..5, 50)).is_same(&set));
    assert!(set.with(entries(3..5, 49)).is_same(&set));
    let longer = set.with(entries(3..5, 90));
    assert!(!longer.is_same(&set));
    assert_eq!((longer.digest(0).0, longer.digest(50).0), (10, 2));
    let left = longer.without_ended(50);
    assert_eq!(
        left.iter().collect::<HashMap<_, _>>(),
        entries(3..5, 90).into_iter().collect()
    );
    assert_eq!(set.digest(0).0, 10, "the former one is as it was");
}

#[test]
fn nothing_is_left_once_all_is_over() {
    let mut set = RevokedIds::new();
    for number in 0..500 {
        set = set.with(entries([number], u64::from(number)));
    }
    assert!(set.without_ended(499).is_empty());
    let half = set.without_ended(249);
    check_layers(&half);
    assert_eq!(half.digest(249).0, 250);
}

#[test]
fn little_that_is_over_is_not_worth_the_work() {
    let set = RevokedIds::new()
        .with(entries(0..1_000, 90))
        .with(entries(1_000..1_100, 10));
    let sizes_before = sizes(&set);
    assert_eq!(sizes_before, [1_000, 100]);
    let left = set.without_ended(10);
    assert!(Arc::ptr_eq(&left.layers[0], &set.layers[0]));
    assert_eq!(sizes(&left), [1_000]);
    let mixed = RevokedIds::new().with(
        entries(0..1_000, 90)
            .into_iter()
            .chain(entries(1_000..1_100, 10)),
    );
    assert!(mixed.without_ended(10).is_same(&mixed));
    assert_eq!(mixed.digest(10).0, 1_000, "it is not counted, though");
}

#[test]
fn what_ends_after_2106_is_kept() {
    for ends_at in [FOREVER, FOREVER + 1, u64::MAX] {
        let set = RevokedIds::new().with(entries([1], ends_at));
        assert!(set.without_ended(u64::MAX).contains(&fingerprint(1)));
        assert_eq!(set.digest(u64::MAX).0, 1);
    }
    let set = RevokedIds::new().with(entries([1], FOREVER - 1));
    assert!(set.without_ended(FOREVER - 1).is_empty());
}

#[test]
fn an_id_is_looked_up_by_its_fingerprint() {
    let key = RevocationKey::from_bytes([7; 16]);
    let id = RevocableId::Token([1; 16]);
    let set = RevokedIds::new().with([(key.fingerprint("user/alice", &id), 50)]);
    assert!(set.revokes(&key, "user/alice", &id));
    assert!(!set.revokes(&key, "user/bob", &id));
    assert!(!set.revokes(&key, "user/alice", &RevocableId::HandedOut([1; 16])));
    assert!(!RevokedIds::new().revokes(&key, "user/alice", &id));
}
