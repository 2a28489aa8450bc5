//! A million users: starts, memory and leases.

use std::time::{Duration, Instant};

use anyhow::Result;
use cattery_bench::{Cluster, Store};
use cattery_report::{Measured, Page};

use super::{
    Scale,
    leases::{Callers, Way},
    place,
    population::{Start, start},
    slice::Summary,
    writes,
};
use crate::records::USED_SERVICES;

/// What one store came to.
struct Column {
    store: Store,
    users: u32,
    filled: Duration,
    /// With hardly anybody, and with all.
    starts: [Starts; 2],
    leases: Summary,
    writes: Summary,
    etcd_mib: Option<f64>,
}

struct Starts {
    seconds: Measured,
    resident_mib: Measured,
    greatest_mib: Measured,
}

/// What a row shows of each column.
type Row = (&'static str, fn(&Column) -> String);

const ROWS: [Row; 12] = [
    ("filling the store, s", |c| {
        format!("{:.1}", c.filled.as_secs_f64())
    }),
    ("start with one service and no user, s", |c| {
        format!("{:.2}", c.starts[0].seconds)
    }),
    ("start with all, s", |c| {
        format!("{:.2}", c.starts[1].seconds)
    }),
    ("memory after a start with no user, MiB", |c| {
        format!("{:.1}", c.starts[0].resident_mib)
    }),
    ("memory after a start with all, MiB", |c| {
        format!("{:.1}", c.starts[1].resident_mib)
    }),
    ("greatest until then, MiB", |c| {
        format!("{:.1}", c.starts[1].greatest_mib)
    }),
    ("memory for each user, bytes", |c| {
        format!("{:.1}", c.bytes_per_user())
    }),
    ("etcd's memory, MiB", |c| {
        c.etcd_mib
            .map_or_else(String::new, |mib| format!("{mib:.0}"))
    }),
    ("leases per second", |c| {
        format!("{:.0}", c.leases.per_second)
    }),
    ("leases: authority's processors, ms each", |c| {
        format!("{:.2}", c.leases.server_ms)
    }),
    ("writes of a lease alone, per second", |c| {
        format!("{:.0}", c.writes.per_second)
    }),
    ("writes: etcd's processors, ms each", |c| match c.store {
        Store::Embedded => String::new(),
        Store::Etcd => format!("{:.2}", c.writes.store_ms),
    }),
];

pub(super) async fn measure(page: &mut Page, scale: &Scale) -> Result<()> {
    page.section(
        "Very many users",
        &format!(
            "{users} users, and {grants} grants of the first ones, written into the store by the authority's own code while it does not run (an operator's \
             calls would take longer than all the rest). A start is from exec until `/readyz` says 200; the authority was stopped with \
             SIGTERM before. Medians and quartiles of {starts} starts, and of {rounds} rounds of leases: {way}, by users from all over those who have a grant. An \
             authority keeps no user in memory: where it grows with the embedded store, that is the cache of the store's file, all of which is read and \
             checked at a start. Writes of a lease alone are what an authority has stored for a call that issues keys for {services} services, by the store's own code and \
             without an authority: one transaction each, {at_once} at once.",
            users = scale.population.users,
            grants = scale.population.grants,
            starts = scale.starts,
            rounds = scale.rounds,
            way = Way::MANY.name,
            services = USED_SERVICES,
            at_once = writes::AT_ONCE,
        ),
    );
    let mut columns = Vec::new();
    for store in Store::BOTH {
        columns.push(column(store, scale).await?);
    }
    let mut head = vec![""];
    head.extend(columns.iter().map(|column| column.store.name()));
    page.table(
        &head,
        ROWS.map(|(name, of)| {
            let cells = columns.iter().map(of);
            std::iter::once(name.to_owned()).chain(cells).collect()
        }),
    );
    for column in &columns {
        let key = column.store.key();
        let mut figure = |name: &str, value: f64, unit: &'static str| {
            page.figure(&format!("{name}_{key}"), value, unit);
        };
        figure("users", f64::from(scale.population.users), "1");
        figure("start_all_users_s", column.starts[1].seconds.median, "s");
        figure("start_no_user_s", column.starts[0].seconds.median, "s");
        figure("user_bytes", column.bytes_per_user(), "B");
        figure(
            "lease_all_users_per_second",
            column.leases.per_second.median,
            "1/s",
        );
        figure(
            "lease_write_per_second",
            column.writes.per_second.median,
            "1/s",
        );
    }
    Ok(())
}

async fn column(store: Store, scale: &Scale) -> Result<Column> {
    let mut cluster = place::start(store).await?;
    cluster.authority.stop()?;
    let empty = Starts::measure(&mut cluster, scale)?;
    let began = Instant::now();
    scale.population.fill(&cluster).await?;
    let filled = began.elapsed();
    let full = Starts::measure(&mut cluster, scale)?;
    start(&mut cluster)?;
    let api_keys = scale.population.api_keys(&cluster, scale.callers).await?;
    let callers = Callers::new(&cluster, api_keys.into(), Way::MANY)?;
    let mut slices = Vec::new();
    for round in 0..=scale.rounds {
        let slice = callers.run(scale.slice).await?;
        if round > 0 {
            slices.push(slice);
        }
    }
    let etcd = cluster.etcd.as_ref().map(|etcd| etcd.ids());
    let mut etcd_mib = None;
    for id in etcd.unwrap_or_default() {
        etcd_mib = Some(mib(cattery_report::process::memory(id)?.resident_kib));
    }
    cluster.authority.stop()?;
    let writes = writes::measure(&cluster, scale).await?;
    Ok(Column {
        store,
        users: scale.population.users,
        filled,
        starts: [empty, full],
        leases: Summary::of(&mut slices),
        writes,
        etcd_mib,
    })
}

impl Column {
    fn bytes_per_user(&self) -> f64 {
        let [empty, full] = &self.starts;
        let mib = full.resident_mib.median - empty.resident_mib.median;
        mib * 1_048_576.0 / f64::from(self.users)
    }
}

impl Starts {
    /// Starts and stops it again and again.
    fn measure(cluster: &mut Cluster, scale: &Scale) -> Result<Self> {
        let mut starts = Vec::new();
        for _ in 0..scale.starts {
            starts.push(start(cluster)?);
            cluster.authority.stop()?;
        }
        let all =
            |of: &dyn Fn(&Start) -> f64| Measured::of(&starts.iter().map(of).collect::<Vec<_>>());
        Ok(Self {
            seconds: all(&|start| start.took.as_secs_f64()),
            resident_mib: all(&|start| mib(start.memory.resident_kib)),
            greatest_mib: all(&|start| mib(start.memory.greatest_kib)),
        })
    }
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1_024.0
}
