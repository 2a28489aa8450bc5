//! Made-up ids: the same number is always the same id.

use std::ops::Range;

use cattery_core::{Fingerprint, RevocableId, RevocationKey};

pub(crate) const KEY: RevocationKey = RevocationKey::from_bytes([7; 16]);
/// Ids in one round of looking up.
pub(crate) const SAMPLE: u64 = 50_000;
/// As many as one news has at most.
const BATCH: u64 = 10_000;

/// One id, as each side looks it up.
pub(crate) struct Id {
    pub(crate) principal: String,
    pub(crate) revocable: RevocableId,
    pub(crate) peers: (String, [u8; 16]),
}

pub(crate) fn all(entries: u64) -> Range<u64> {
    0..entries
}

/// The numbers as they come with news.
pub(crate) fn batches(entries: u64) -> impl Iterator<Item = Range<u64>> {
    let begin = (0..entries.div_ceil(BATCH)).map(|batch| batch * BATCH);
    begin.map(move |begin| begin..entries.min(begin + BATCH))
}

/// One of 100,000 users.
pub(crate) fn principal(number: u64) -> String {
    format!("user/employee-{:05}", number % 100_000)
}

/// As good as random, and never twice.
pub(crate) fn id(number: u64) -> [u8; 16] {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut id = [0; 16];
    id[..8].copy_from_slice(&mixed.to_be_bytes());
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}

pub(crate) fn fingerprint(number: u64) -> Fingerprint {
    KEY.fingerprint(&principal(number), &RevocableId::Token(id(number)))
}

/// Ids of numbers from all over the range.
pub(crate) fn sample(range: Range<u64>) -> Vec<Id> {
    let span = range.end - range.start;
    let numbers = (0..SAMPLE).map(|index| range.start + (index * 7_919 + index * index) % span);
    let sample = numbers.map(|number| Id {
        principal: principal(number),
        revocable: RevocableId::Token(id(number)),
        peers: (principal(number), id(number)),
    });
    sample.collect()
}
