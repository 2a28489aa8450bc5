//! Whether time tells something of a secret, by statistics: dudect (Reparaz, Balasch, Verbauwhede, "Dude, is my code constant time?", 2017).
//!
//! Two classes of inputs in random order, made some time before they are used, so that making one leaves no trace of its class in the processor;
//! Welch's t-test on the times, cut at several percentiles so that interrupts do not drown a difference.

use std::{hint::black_box, thread, time::Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use cattery_core::{
    KeyId, Keyring, NoRevocations, NoSingleUse, Policy, Presentation, RequestFacts, SecretTag,
    ServiceKey, Verifier,
};
use cattery_report::Page;
use rand::RngExt as _;
use rustix::thread::{CpuSet, sched_getcpu, sched_setaffinity};

use crate::core::shape::{NOW, SERVICE, Shape, Token, keyring};

const ABOUT: &str = "
For each subject, two classes of inputs take turns at random; where |t| of Welch's test stays below 4.5, time tells the classes apart no better
than chance (the threshold of dudect). The thread stays on one processor. Beyond 10 there is no doubt that it does. The last row is a comparison that stops at the first byte that
differs: the test has to find it, or the run fails.

That nothing is found is no proof. The argument is in [constant-time.md](../constant-time.md): no branch and no index depends on a secret; the hash is the
processor's instructions, or code without tables; tags are compared by `constant_time_eq`.";

/// Below it, nothing was found.
const THRESHOLD: f64 = 4.5;
/// From it on, there is no doubt.
const NO_DOUBT: f64 = 10.0;
/// Calls that are timed together: the clock is coarser than one.
const CALLS: usize = 16;

pub(crate) fn measure(smoke: bool) -> Result<Page> {
    let samples = if smoke { 20_000 } else { 400_000 };
    // In a thread of its own: what is measured later may move.
    let found = thread::scope(|scope| {
        let measuring = scope.spawn(|| {
            stay_on_one_processor()?;
            all(samples)
        });
        measuring.join().map_err(|_| anyhow!("a subject panicked"))
    })??;
    let mut page = Page::new("Constant time", ABOUT);
    page.section(
        "Found",
        &format!("{samples} samples of {CALLS} calls each; the greatest |t| over all cuts."),
    );
    let rows = found.iter().map(|(what, classes, t)| {
        let verdict = match *t {
            t if t < THRESHOLD => "nothing",
            t if t < NO_DOUBT => "a hint",
            _ => "a difference",
        };
        vec![
            (*what).to_owned(),
            (*classes).to_owned(),
            format!("{t:.1}"),
            verdict.to_owned(),
        ]
    });
    page.table(&["subject", "classes", "greatest |t|", "found"], rows);
    let (.., control) = found[found.len() - 1];
    ensure!(
        control > NO_DOUBT,
        "the test does not find a comparison that stops early: |t| is {control:.1}"
    );
    Ok(page)
}

/// All subjects, the control last.
fn all(samples: usize) -> Result<[Found; 4]> {
    let token = Token::of(&Shape::default())?;
    let (message, tag) = token.message.split_at(token.message.len() - 32);
    let [first, last] = [0, 31].map(|at| {
        let mut wrong: [u8; 32] = tag.try_into().unwrap_or([0; 32]);
        wrong[at] ^= 1;
        wrong
    });
    Ok([
        compared(samples, [first, last])?,
        verified(samples, message, [first, last])?,
        derived(samples),
        stopped_early(samples, [first, last]),
    ])
}

/// Where the thread moves from one processor to another, the test may find what is none of the subject's: some of the runs that moved had a |t|
/// beyond 5, and none that stayed.
fn stay_on_one_processor() -> Result<()> {
    let mut this = CpuSet::new();
    this.set(sched_getcpu());
    sched_setaffinity(None, &this).context("staying on one processor")
}

type Found = (&'static str, &'static str, f64);

const PLACES: &str = "the first byte is wrong; the last byte is wrong";

/// The comparison of a tag.
fn compared(samples: usize, tags: [[u8; 32]; 2]) -> Result<Found> {
    let shape = Shape::default();
    let key = shape.key("user/alice")?;
    let secret: SecretTag = key.token_key().token(&[1; 30]);
    let t = difference(
        samples,
        |class| tags[class],
        |input| {
            black_box(secret.matches(black_box(input)));
        },
    );
    Ok(("comparing a tag", PLACES, t))
}

/// All of verifying, up to the refusal.
fn verified(samples: usize, message: &[u8], tags: [[u8; 32]; 2]) -> Result<Found> {
    let keys: Keyring = keyring()?;
    let verifier = Verifier {
        service: SERVICE,
        keys: &keys,
        revocations: NoRevocations,
        single_use: NoSingleUse,
        policy: Policy::default(),
    };
    let facts = RequestFacts::default();
    let t = difference(
        samples,
        |class| [message, &tags[class]].concat(),
        |input| {
            let refused = Presentation::from_messages(black_box(input), &[])
                .and_then(|read| verifier.verify_presentation(None, &read, &facts, NOW));
            black_box(refused.is_err());
        },
    );
    Ok(("verifying a token with a wrong tag", PLACES, t))
}

/// The chain from the service's key to a tag.
fn derived(samples: usize) -> Found {
    let id = KeyId {
        epoch: 1,
        service: SERVICE,
        generation: 0,
        principal: "user/alice",
        version: 0,
        expires_at: NOW,
        lease_id: [1; 8],
    };
    let t = difference(
        samples,
        |class| {
            let keys: [[u8; 32]; 2] = [[0; 32], rand::random()];
            Box::new(ServiceKey::from_bytes(&keys[class]))
        },
        |key| {
            black_box(black_box(key).user_state(&id).token(&[1; 30]));
        },
    );
    let classes = "a service key of zeros; random ones";
    ("deriving a user's key and a tag", classes, t)
}

/// What must not be.
fn stopped_early(samples: usize, tags: [[u8; 32]; 2]) -> Found {
    let mut right = tags[0];
    right[0] ^= 1;
    let t = difference(
        samples,
        |class| tags[class],
        |input| {
            let mut pairs = black_box(input).iter().zip(black_box(&right));
            black_box(pairs.all(|(left, right)| left == right));
        },
    );
    ("a comparison that stops early", PLACES, t)
}

/// So many inputs are made at once.
const CHUNK: usize = 256;

/// The greatest |t| between the times of the two classes.
fn difference<I>(samples: usize, make: impl Fn(usize) -> I, mut run: impl FnMut(&I)) -> f64 {
    let mut rng = rand::rng();
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..samples / CHUNK {
        let classes: [_; CHUNK] = std::array::from_fn(|_| usize::from(rng.random::<bool>()));
        let inputs = classes.map(&make);
        for (number, (class, input)) in classes.into_iter().zip(&inputs).enumerate() {
            let began = Instant::now();
            for _ in 0..CALLS {
                run(input);
            }
            let nanoseconds = began.elapsed().as_nanos();
            // The first ones of each chunk meet caches that others filled.
            if number > CHUNK / 16 {
                took[class].push(nanoseconds as f64);
            }
        }
    }
    let mut all = took.concat();
    all.sort_by(f64::total_cmp);
    let cuts = [50, 70, 80, 90, 95, 99, 100].map(|percent| all[(all.len() - 1) * percent / 100]);
    let ts = cuts.map(|cut| {
        let [left, right] = took.each_ref().map(|took| Spread::of(took, cut));
        left.t(&right).abs()
    });
    ts.into_iter().fold(0.0, f64::max)
}

/// Mean and variance of what is not beyond a cut.
struct Spread {
    count: f64,
    mean: f64,
    variance: f64,
}

impl Spread {
    fn of(took: &[f64], cut: f64) -> Self {
        let kept = || took.iter().filter(|took| **took <= cut);
        let count = kept().count() as f64;
        let mean = kept().sum::<f64>() / count;
        let squares = kept().map(|took| (took - mean).powi(2)).sum::<f64>();
        Self {
            count,
            mean,
            variance: squares / (count - 1.0),
        }
    }

    /// Welch's t.
    fn t(&self, other: &Self) -> f64 {
        let deviation = self.variance / self.count + other.variance / other.count;
        if deviation == 0.0 {
            return 0.0;
        }
        (self.mean - other.mean) / deviation.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: means 2 and 5, variances 1 and 4, of three each.
    #[test]
    fn t_is_welchs() {
        let (left, right) = (
            Spread::of(&[1.0, 2.0, 3.0, 99.0], 9.0),
            Spread::of(&[3.0, 5.0, 7.0], 9.0),
        );
        assert!((left.t(&right) + 3.0 / (5.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        assert_eq!(left.t(&left), 0.0);
    }
}
