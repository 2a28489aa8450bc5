//! What the set of revoked ids costs: memory, looking up, adding, and what it adds to verifying a token. A program of its own, whose memory is
//! nothing else.
#![forbid(unsafe_code)]

mod ids;
mod peer;
mod tokens;

use std::{
    collections::HashSet,
    hint::black_box,
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;
use cattery_core::RevokedIds;
use cattery_report::{
    Page, process,
    rounds::{median_ns, spread},
};
use clap::Parser;

use ids::{KEY, all, batches, fingerprint, id, principal};
use peer::Peer;

/// Single entries that are added to the largest set.
const ADDED: u64 = 10_000;
/// When all but those that were added one by one end, Unix seconds.
const ENDS_AT: u64 = 2_000_000_000;

const ABOUT: &str = "The set that an agent asks on every request (`core/src/revocation/set.rs`), in one thread and without a network. Where two things are compared, their rounds take \
    turns. The ids are those of tokens of 100,000 users; the set is filled by 10,000 at a time, as news fills it, so it does not come as one table: what was added last is in smaller ones.";
const SIZES: &str = "Memory is the difference of `VmRSS`: small sets fit into what the process had before. Lookups are of 50,000 ids from all over the set, or of ids that are not in it, in nanoseconds; \
    the median of 15 rounds. The peer is a `HashSet<(String, [u8; 16])>` of the same ids, filled at once. Its entries are looked up by what is already in the form that it keeps, so names \
    cost it nothing; the set's lookups include the fingerprint.";

/// Measures the set of revoked ids, and writes `revoked.md`.
#[derive(Parser)]
struct Args {
    /// Entries, ascending.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "0,10000,1000000,10000000"
    )]
    entries: Vec<u64>,
    /// The greatest number of entries that the peer, a `HashSet<(String, [u8; 16])>`, is measured with.
    #[arg(long, default_value_t = 10_000_000)]
    peer: u64,
    /// Where the page goes
    #[arg(long, default_value = "docs/speed")]
    out: PathBuf,
}

fn main() -> ExitCode {
    match measure(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where standard error is closed there is nobody left to tell.
            let _ = writeln!(io::stderr(), "revoked: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &Args) -> Result<()> {
    let mut page = Page::new("Ten million revoked ids", ABOUT);
    let mut sets = sizes(&mut page, args)?;
    tokens::verifying(&mut page, &sets)?;
    if let Some((entries, set)) = sets.pop() {
        sets.clear();
        changing(&mut page, entries, set);
    }
    page.write("revoked", "bench/run revoked", &args.out)
}

/// What sets of each size take, and how long looking up does: those sets.
fn sizes(page: &mut Page, args: &Args) -> Result<Vec<(u64, RevokedIds)>> {
    let mut rows = Vec::new();
    let mut sets = Vec::new();
    for entries in args.entries.iter().copied() {
        let before = resident()?;
        let set = batches(entries).fold(RevokedIds::new(), |set, batch| {
            set.with(batch.map(|number| (fingerprint(number), ENDS_AT)))
        });
        let ours = resident()?.saturating_sub(before);
        let before = resident()?;
        let peer = (entries <= args.peer).then(|| {
            all(entries)
                .map(|n| (principal(n), id(n)))
                .collect::<Peer>()
        });
        let theirs = resident()?.saturating_sub(before);
        let [hit, miss, peer_hit, peer_miss] = lookups(&set, peer.as_ref(), entries);
        let each = |bytes: u64| {
            bytes
                .checked_div(entries)
                .map_or_else(String::new, |each| each.to_string())
        };
        let of_peer = |cell: String| if peer.is_some() { cell } else { String::new() };
        rows.push(vec![
            entries.to_string(),
            mebibytes(ours),
            each(ours),
            of_peer(mebibytes(theirs)),
            of_peer(each(theirs)),
            hit.to_string(),
            miss.to_string(),
            of_peer(peer_hit.to_string()),
            of_peer(peer_miss.to_string()),
        ]);
        // That of the largest set is left.
        page.figure("bytes_per_id", ours as f64 / entries.max(1) as f64, "B");
        sets.push((entries, set));
    }
    page.section("Memory, and looking up", SIZES);
    page.table(
        &[
            "entries",
            "MiB",
            "bytes each",
            "peer, MiB",
            "bytes each",
            "hit, ns",
            "miss, ns",
            "peer, hit",
            "miss",
        ],
        rows,
    );
    Ok(sets)
}

/// This process's memory, bytes.
fn resident() -> Result<u64> {
    Ok(process::memory(std::process::id())?.resident_kib * 1_024)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1_048_576.0)
}

/// Nanoseconds for a hit and a miss, here and at the peer.
fn lookups(set: &RevokedIds, peer: Option<&Peer>, entries: u64) -> [u64; 4] {
    let none = HashSet::default();
    let peer = peer.unwrap_or(&none);
    let hits = ids::sample(0..entries.max(1));
    let misses = ids::sample(entries..2 * entries.max(1));
    let ours = |sample: &[ids::Id]| {
        sample
            .iter()
            .filter(|id| set.revokes(&KEY, &id.principal, &id.revocable))
            .count()
    };
    let theirs = |sample: &[ids::Id]| sample.iter().filter(|id| peer.contains(&id.peers)).count();
    median_ns([
        &mut || _ = black_box(ours(black_box(&hits))),
        &mut || _ = black_box(ours(black_box(&misses))),
        &mut || _ = black_box(theirs(black_box(&hits))),
        &mut || _ = black_box(theirs(black_box(&misses))),
    ])
    .map(|ns| ns / ids::SAMPLE)
}

/// What changing a set of this size takes.
fn changing(page: &mut Page, entries: u64, mut set: RevokedIds) {
    let mut took = Vec::new();
    for number in entries..entries + ADDED {
        let began = Instant::now();
        set = set.with([(fingerprint(number), ENDS_AT + 1)]);
        took.push(began.elapsed());
    }
    let [median, p99, greatest] = spread(&mut took);
    let timed = |work: &mut dyn FnMut()| {
        let began = Instant::now();
        work();
        began.elapsed()
    };
    let quarter: Vec<_> = (2 * entries..2 * entries + entries / 4)
        .map(|number| (fingerprint(number), ENDS_AT))
        .collect();
    let merged = timed(&mut || _ = black_box(set.with(black_box(&quarter).iter().copied())));
    let digest = timed(&mut || _ = black_box(set.digest(0)));
    let nothing_ended = timed(&mut || _ = black_box(set.without_ended(0)));
    let all_ended = timed(&mut || _ = black_box(set.without_ended(ENDS_AT)));
    page.section(
        &format!("Changing a set of {entries}"),
        &format!("Adding one is done {ADDED} times, one after the other. Each gives a whole new set and drops the one before it."),
    );
    page.table(
        &["what", "µs"],
        [
            ("adding one, median", median),
            ("adding one, p99", p99),
            ("adding one, greatest", greatest),
            ("adding a quarter, so that all is merged", merged),
            ("count and digest", digest),
            (
                "looking for what has ended, as each hour: nothing",
                nothing_ended,
            ),
            ("letting go of almost all", all_ended),
        ]
        .map(|(what, took)| vec![what.to_owned(), micros(took)]),
    );
}

fn micros(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1e6)
}
