//! What the set of revoked ids costs: memory, looking up, adding, and what it adds to verifying a token. `bench/README.md` has the figures.
//!
//! One thread, no network. Where two things are compared, their rounds take turns, so that both meet the same machine.
#![forbid(unsafe_code)]

mod ids;
mod memory;
mod peer;
mod tokens;

use std::{
    collections::HashSet,
    hint::black_box,
    io::{self, Write as _},
    process::ExitCode,
    time::{Duration, Instant},
};

use cattery_core::RevokedIds;
use clap::Parser;
use comfy_table::Table;

use cattery_report::{
    out::{say, table},
    rounds::{median_ns, spread},
};
use ids::{KEY, all, batches, fingerprint, id, principal};
use peer::Peer;

/// Single entries that are added to the largest set.
const ADDED: u64 = 10_000;
/// When all but those that were added one by one end, Unix seconds.
const ENDS_AT: u64 = 2_000_000_000;

/// Measures the set of revoked ids.
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

fn measure(args: &Args) -> anyhow::Result<()> {
    let mut sizes = table(&[
        "entries",
        "MiB",
        "bytes each",
        "peer, MiB",
        "bytes each",
        "hit, ns",
        "miss, ns",
        "peer, hit",
        "miss",
    ]);
    let mut sets = Vec::new();
    for entries in args.entries.iter().copied() {
        let before = memory::resident()?;
        let set = batches(entries).fold(RevokedIds::new(), |set, batch| {
            set.with(batch.map(|number| (fingerprint(number), ENDS_AT)))
        });
        let ours = memory::resident()?.saturating_sub(before);
        let before = memory::resident()?;
        let peer = (entries <= args.peer).then(|| {
            all(entries)
                .map(|n| (principal(n), id(n)))
                .collect::<Peer>()
        });
        let theirs = memory::resident()?.saturating_sub(before);
        let [hit, miss, peer_hit, peer_miss] = lookups(&set, peer.as_ref(), entries);
        let each = |bytes: u64| {
            bytes
                .checked_div(entries)
                .map_or_else(String::new, |each| each.to_string())
        };
        let of_peer = |cell: String| if peer.is_some() { cell } else { String::new() };
        sizes.add_row([
            entries.to_string(),
            memory::mebibytes(ours),
            each(ours),
            of_peer(memory::mebibytes(theirs)),
            of_peer(each(theirs)),
            hit.to_string(),
            miss.to_string(),
            of_peer(peer_hit.to_string()),
            of_peer(peer_miss.to_string()),
        ]);
        sets.push((entries, set));
    }
    say(&sizes)?;
    say(&tokens::verifying(&sets)?)?;
    if let Some((entries, set)) = sets.pop() {
        sets.clear();
        say(&changing(entries, set))?;
    }
    Ok(())
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
fn changing(entries: u64, mut set: RevokedIds) -> Table {
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
    let mut table = table(&["at how many entries", "what", "µs"]);
    for (what, took) in [
        ("adding one, median", median),
        ("adding one, p99", p99),
        ("adding one, greatest", greatest),
        ("adding a quarter, so that all is merged", merged),
        ("digest", digest),
        ("looking for ended ones, none", nothing_ended),
        ("letting go of almost all", all_ended),
    ] {
        table.add_row([entries.to_string(), what.to_owned(), micros(took)]);
    }
    table
}

fn micros(duration: Duration) -> String {
    format!("{:.1}", duration.as_secs_f64() * 1e6)
}
