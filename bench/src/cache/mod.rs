//! Whether it pays to keep users' keys: a table of them against deriving them again, for populations of several sizes.

mod keys;
mod page;
mod zipf;

use std::{cell::RefCell, hint::black_box};

use anyhow::{Context as _, Result, ensure};
use cattery_core::{
    KeyId, Keyring, NoRevocations, NoSingleUse, Policy, RequestFacts, RootKey, Scratch, ServiceKey,
    TokenSpec, UserKey, Verifier,
};
use cattery_report::{Measured, Page, Work, interleave};

use keys::Kept;

const NOW: u64 = 1_790_000_000;
const POPULATIONS: [u32; 5] = [100, 1_000, 8_000, 100_000, 1_000_000];
const EXPONENTS: [f64; 2] = [1.0, 1.2];
const SIZES: [usize; 2] = [4_096, 65_536];
/// Of a processor's cache, bytes.
const LINE: usize = 64;
/// Other work touches so many lines for each request: 16 KiB, of 8 MiB that come round and round.
const LINES: usize = 256;
const ALL_LINES: usize = 131_072;
/// As many bytes as the payload of a token without claims.
const PAYLOAD: [u8; 30] = [3; 30];

/// How much is done.
#[derive(Clone, Copy)]
struct Effort {
    /// Requests of each population, over and over.
    requests: usize,
    /// Of those, how many are answered before it is another table's turn: enough for each to have its entries in the processor's caches again.
    turn: u32,
}

/// What a population came to.
struct Row {
    population: u32,
    exponent: f64,
    /// From a key's id to the tag, without a table.
    derived: Took,
    /// The same with a table of each of the sizes.
    kept: Vec<Column>,
}

/// Nanoseconds.
#[derive(Clone, Copy)]
struct Took {
    /// With nothing else to do.
    alone: Measured,
    /// With other work between two requests; what that takes is not in it.
    between: Measured,
}

struct Column {
    size: usize,
    took: Took,
    /// How many of all keys were there.
    hits: f64,
}

pub(crate) fn measure(smoke: bool) -> Result<Page> {
    let effort = match smoke {
        true => Effort {
            requests: 1 << 12,
            turn: 64,
        },
        false => Effort {
            requests: 1 << 20,
            turn: 5_000,
        },
    };
    let mut rows = Vec::new();
    for exponent in EXPONENTS {
        for population in POPULATIONS {
            rows.push(row(population, exponent, effort)?);
        }
    }
    Ok(page::write(effort, &rows, &whole()?))
}

/// Where requests come from: each is the next one's number, round and round.
struct Requests<'a> {
    users: &'a [u32],
    next: usize,
}

impl Requests<'_> {
    fn next(&mut self) -> u32 {
        let user = self.users.get(self.next).copied().unwrap_or_default();
        self.next = (self.next + 1) % self.users.len();
        user
    }
}

fn row(population: u32, exponent: f64, effort: Effort) -> Result<Row> {
    let service = service()?;
    let users = zipf::requests(population, exponent, effort.requests);
    let requests = || Requests {
        users: &users,
        next: 0,
    };
    let mut tables = SIZES.map(|size| (Kept::new(size), requests()));
    // Full before anything counts.
    for (kept, _) in &mut tables {
        for user in &users {
            let mut name = [0; NAME];
            let known = kept.key(&service, &id(*user, &mut name)).is_some();
            ensure!(known, "a name is too long");
        }
        (kept.hits, kept.misses) = (0, 0);
    }
    let mut derived = requests();
    let mut ways = vec![Way(Box::new(|| {
        let mut name = [0; NAME];
        let key = service.user_key(&id(derived.next(), &mut name));
        black_box(key.token(black_box(&PAYLOAD)));
    }))];
    for (kept, requests) in &mut tables {
        ways.push(Way(Box::new(|| {
            let mut name = [0; NAME];
            let key = kept.key(&service, &id(requests.next(), &mut name));
            black_box(key.map(|key| key.token(black_box(&PAYLOAD))));
        })));
    }
    let alone = in_turns(&mut ways, effort, None);
    let other = OtherWork::new();
    ways.push(Way(Box::new(|| {})));
    let mut between = in_turns(&mut ways, effort, Some(other));
    drop(ways);
    let nothing = between.pop().map_or(0.0, |nothing| nothing.median);
    let took = alone.into_iter().zip(between);
    let mut took = took.map(|(alone, between)| Took {
        alone,
        between: between.less(nothing),
    });
    let derived = took.next().context("a measurement")?;
    let columns = SIZES.into_iter().zip(took).zip(&tables);
    let kept = columns.map(|((size, took), (kept, _))| Column {
        size,
        took,
        hits: kept.hits as f64 / (kept.hits + kept.misses) as f64,
    });
    Ok(Row {
        population,
        exponent,
        derived,
        kept: kept.collect(),
    })
}

/// One request, answered in one of the ways that are compared.
struct Way<'a>(Box<dyn FnMut() + 'a>);

/// Nanoseconds of a request each way, with other work in front of each or none.
fn in_turns(ways: &mut [Way<'_>], effort: Effort, other: Option<OtherWork>) -> Vec<Measured> {
    let other = RefCell::new(other);
    let works = ways.iter_mut().map(|way| {
        Work::of_many("a request", effort.turn.into(), || {
            let mut other = other.borrow_mut();
            for _ in 0..effort.turn {
                if let Some(other) = &mut *other {
                    other.do_some();
                }
                (way.0)();
            }
        })
    });
    let took = interleave(works.collect());
    took.into_iter().map(|(_, took)| took).collect()
}

/// What a request touches besides its key: it is read, decoded, answered, and an application does something for it.
struct OtherWork {
    memory: Vec<[u8; LINE]>,
    next: usize,
}

impl OtherWork {
    fn new() -> Self {
        Self {
            memory: vec![[1; LINE]; ALL_LINES],
            next: 0,
        }
    }

    fn do_some(&mut self) {
        let lines = self.memory.iter().skip(self.next).take(LINES);
        let sum: u64 = lines.map(|line| u64::from(line[0])).sum();
        black_box(sum);
        self.next = (self.next + LINES) % ALL_LINES;
    }
}

/// A whole verification, from the text of the token to who is calling: what all this is a part of.
fn whole() -> Result<Measured> {
    let service = service()?;
    let mut name = [0; NAME];
    let key = UserKey::issue(&service, &id(0, &mut name), &[])?;
    let mut token = String::new();
    let spec = TokenSpec {
        not_before: NOW,
        not_after: NOW + 300,
        token_id: [2; 16],
        ..TokenSpec::default()
    };
    key.mint(&spec, &mut token)?;
    let mut keys = Keyring::new();
    keys.insert(1, 0, Box::new(service));
    let verifier = Verifier {
        service: "photos",
        keys,
        revocations: NoRevocations,
        single_use: NoSingleUse,
        policy: Policy::default(),
    };
    let facts = RequestFacts::default();
    let mut scratch = Scratch::new();
    let passes = verifier.verify(&token, &facts, NOW, &mut scratch).is_ok();
    ensure!(passes, "a good token is refused");
    let took = interleave(vec![Work::new("whole", || {
        let verified = verifier.verify(black_box(&token), &facts, NOW, &mut scratch);
        black_box(verified.is_ok());
    })]);
    let mut took = took.into_iter().map(|(_, took)| took);
    Ok(took.next().unwrap_or_else(|| Measured::of(&[])))
}

fn service() -> Result<ServiceKey> {
    Ok(RootKey::from_bytes([7; 32]).service_key(&"photos".parse()?, 0))
}

/// `user/` and eight digits.
const NAME: usize = 13;

/// The lease of a user. It is made from the number each time, as a token brings it along each time.
fn id(user: u32, name: &mut [u8; NAME]) -> KeyId<'_> {
    name[..5].copy_from_slice(b"user/");
    for (digit, nibble) in name[5..].iter_mut().zip((0..8).rev()) {
        *digit = b"0123456789abcdef"[(user >> (4 * nibble) & 15) as usize];
    }
    KeyId {
        epoch: 1,
        service: "photos",
        generation: 0,
        principal: std::str::from_utf8(name).unwrap_or_default(),
        version: 0,
        expires_at: NOW + 3_600,
        lease_id: mixed(user.into()).to_le_bytes(),
    }
}

/// As good as random (SplitMix64; Steele, Lea and Flood, 2014).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
