//! Ten minutes at half of what the agent can do: whether memory and latency stay as they are.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use cattery_report::Page;

use super::{
    AT_ONCE, CONNECTIONS, calls,
    load::{Load as _, Paced},
    place::Place,
};

const MINUTES: usize = 10;
/// How long its capacity is measured.
const FULL: Duration = Duration::from_secs(10);

pub(crate) fn measure(smoke: bool) -> Result<Page> {
    let (minute, full) = if smoke {
        (Duration::from_millis(200), Duration::from_millis(100))
    } else {
        (Duration::from_secs(60), FULL)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(all(minute, full))
}

async fn all(minute: Duration, full: Duration) -> Result<Page> {
    let place = Place::start().await?;
    let [agent, _] = place.sides();
    let mut calls = calls::verify_at(&place, agent, AT_ONCE);
    let capacity = calls.run(full).await?.per_second;
    let mut load = Paced {
        calls,
        per_second: capacity / 2.0,
    };
    let mut rows = Vec::new();
    for number in 1..=MINUTES {
        let took = load.run(minute).await?;
        rows.push(vec![
            number.to_string(),
            format!("{:.0}", took.per_second),
            took.p50.as_micros().to_string(),
            took.p99.as_micros().to_string(),
            format!("{:.1}", resident_mib(place.agent_id()?)?),
        ]);
    }
    let mut page = Page::new(
        "The agent at half of its capacity",
        &format!(
            "`Verify` on {CONNECTIONS} connections with {AT_ONCE} places to ask from, as fast as answers come for {} s: {capacity:.0} a second. After that, half as many, evenly, for {MINUTES} times {} s. \
             The agent has its default settings and is a process of its own, beside the client and an authority that does nothing. \
             Its memory is `VmRSS`, as the kernel has it at the end of each row.",
            full.as_secs_f64(),
            minute.as_secs_f64(),
        ),
    );
    let head = [
        "minute",
        "calls per second",
        "p50, µs",
        "p99, µs",
        "memory, MiB",
    ];
    page.table(&head, rows);
    Ok(page)
}

fn resident_mib(process: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: f64 = kib.context("VmRSS in the status")?.parse()?;
    Ok(kib / 1_024.0)
}
