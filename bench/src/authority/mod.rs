//! The authority: leases and enrolments per second, beside what MIT Kerberos hands out; ten thousand agents; a million users.

mod fleet;
mod issuing;
mod kerberos;
mod leases;
mod place;
mod population;
mod slice;
mod users;
mod writes;

use std::time::Duration;

use anyhow::Result;
use cattery_bench::Store;
use cattery_report::Page;
use tokio::runtime::Builder;

use population::Population;

/// How much is measured.
struct Scale {
    /// Users who lease.
    callers: u32,
    rounds: usize,
    /// How long each kind is at it in a round.
    slice: Duration,
    population: Population,
    starts: usize,
    /// Agents come to these stores. On etcd it takes a minute to see one authority after the other die.
    fleets: &'static [Store],
    agents: u32,
    /// Seconds that agents are idle: two beats of each.
    idle: u32,
    /// Ids that agents are told of.
    revocations: u32,
}

impl Scale {
    const FULL: Self = Self {
        callers: 512,
        rounds: 7,
        slice: Duration::from_millis(1_000),
        population: Population {
            users: 1_000_000,
            grants: 100_000,
        },
        starts: 3,
        fleets: &Store::BOTH,
        agents: 10_000,
        idle: 60,
        revocations: 20,
    };
    const SMOKE: Self = Self {
        callers: 16,
        rounds: 1,
        slice: Duration::from_millis(100),
        population: Population {
            users: 300,
            grants: 100,
        },
        starts: 1,
        fleets: &[Store::Embedded],
        agents: 10,
        idle: 1,
        revocations: 2,
    };
}

pub(crate) fn measure(smoke: bool) -> Result<Page> {
    let scale = if smoke { Scale::SMOKE } else { Scale::FULL };
    let mut page = Page::new(
        "The authority",
        "A real `cattery-authority` with its default settings, once with its embedded store and once with an etcd of one member. It, its store, \
         who asks it, and the peer share one machine, so what is done per second says less than what the server's processors spend on each: \
         times of processors are `utime` and `stime` of `/proc`, the kernel's work for the program included.",
    );
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        issuing::measure(&mut page, &scale).await?;
        fleet::measure(&mut page, &scale)?;
        users::measure(&mut page, &scale).await
    })?;
    Ok(page)
}
