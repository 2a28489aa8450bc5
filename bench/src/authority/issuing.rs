//! Leases of both stores and exchanges of MIT Kerberos, in rounds that take turns.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use cattery_bench::Store;
use cattery_report::{Bar, Bars, Measured, Page};

use super::{
    Scale,
    kerberos::{self, Exchange, Kerberos, Notes},
    leases::{Callers, Way},
    place,
    slice::{Slice, Summary},
};

const KERBEROS: [(&str, &str, Notes, Exchange); 3] = [
    ("AS, as Debian ships it", "as", Notes::Logins, Exchange::As),
    (
        "AS, no notes of logins",
        "as_without_notes",
        Notes::Nothing,
        Exchange::As,
    ),
    ("TGS", "tgs", Notes::Nothing, Exchange::Tgs),
];

/// One kind of work, and all that it came to.
struct Work<'a> {
    name: String,
    /// The same for plots.
    label: String,
    key: String,
    by: By<'a>,
    slices: Vec<Slice>,
}

enum By<'a> {
    Leases(Callers<'a>),
    Kerberos(Notes, Exchange),
}

/// What one kind came to.
struct Row {
    name: String,
    label: String,
    key: String,
    is_lease: bool,
    summary: Summary,
}

pub(super) async fn measure(page: &mut Page, scale: &Scale) -> Result<()> {
    let mut clusters = Vec::new();
    for store in Store::BOTH {
        let cluster = place::start(store).await?;
        let api_keys = place::welcome(&cluster, scale.callers).await?;
        clusters.push((store, cluster, api_keys.into()));
    }
    let mut peers = [Notes::Logins, Notes::Nothing]
        .into_iter()
        .map(|notes| Ok((notes, Kerberos::start(notes, scale.callers)?)))
        .collect::<Result<Vec<_>>>()?;
    let mut works = Vec::new();
    for (store, cluster, api_keys) in &clusters {
        for way in Way::ALL {
            let callers = Callers::new(cluster, Arc::clone(api_keys), way)?;
            works.push(Work::new(
                &format!("{}, {}", store.name(), way.name),
                &format!("{}: {}", store.key(), way.short),
                &format!("lease_{}_{}", store.key(), way.key),
                By::Leases(callers),
            ));
        }
    }
    for (name, key, notes, exchange) in KERBEROS {
        works.push(Work::new(
            name,
            name,
            &format!("kerberos_{key}"),
            By::Kerberos(notes, exchange),
        ));
    }
    // The first round warms up.
    for round in 0..=scale.rounds {
        for work in &mut works {
            let slice = match &work.by {
                By::Leases(callers) => callers.run(scale.slice).await?,
                By::Kerberos(notes, exchange) => {
                    let peer = peers.iter_mut().find(|(of, _)| of == notes);
                    let (_, peer) = peer.context("a KDC of that kind")?;
                    peer.run(*exchange, scale.slice)?
                }
            };
            if round > 0 {
                work.slices.push(slice);
            }
        }
    }
    let rows: Vec<_> = works.into_iter().map(Row::of).collect();
    write(page, scale, &rows)
}

impl<'a> Work<'a> {
    fn new(name: &str, label: &str, key: &str, by: By<'a>) -> Self {
        Self {
            name: name.to_owned(),
            label: label.to_owned(),
            key: key.to_owned(),
            by,
            slices: Vec::new(),
        }
    }
}

impl Row {
    fn of(mut work: Work<'_>) -> Self {
        Self {
            summary: Summary::of(&mut work.slices),
            is_lease: matches!(work.by, By::Leases(_)),
            name: work.name,
            label: work.label,
            key: work.key,
        }
    }

    /// What server and store spend on processors for each, milliseconds.
    fn spent_ms(&self) -> f64 {
        self.summary.server_ms.median + self.summary.store_ms.median
    }

    fn per_second(&self) -> f64 {
        self.summary.per_second.median
    }
}

fn write(page: &mut Page, scale: &Scale, rows: &[Row]) -> Result<()> {
    let (leases, exchanges): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.is_lease);
    page.section(
        "Leases of user keys",
        &format!(
            "{callers} users with an API key and a grant each take turns. As the SDK does, each call makes a key pair that the answer is sealed \
             to (HPKE), and opens what comes. An authority looks up who calls and what they are granted, derives the key, and has an audit record \
             and the lease on the disk before it answers; calls at the same time share writes. TLS 1.3 with X25519MLKEM768 and an ECDSA certificate; \
             sessions are not resumed, as an authority never does. Medians and quartiles of {rounds} rounds, in each of which each row here and \
             below has its turn of {slice} ms, after one that does not count.",
            callers = scale.callers,
            rounds = scale.rounds,
            slice = scale.slice.as_millis(),
        ),
    );
    page.table(
        &[
            "leases",
            "per second",
            "p50, ms",
            "p99, ms",
            "authority's processors, ms each",
            "etcd's, ms each",
            "client's, ms each",
        ],
        leases.iter().map(|row| {
            let of = &row.summary;
            let etcd = match of.store_ms.median > 0.0 {
                true => format!("{:.2}", of.store_ms),
                false => String::new(),
            };
            vec![
                row.name.clone(),
                format!("{:.0}", of.per_second),
                format!("{:.1}", of.p50_ms),
                format!("{:.1}", of.p99_ms),
                format!("{:.2}", of.server_ms),
                etcd,
                format!("{:.2}", of.clients_ms),
            ]
        }),
    );
    page.section(
        "Beside MIT Kerberos",
        &format!(
            "{version}, the KDC of Debian's `krb5-kdc` with a process for each core, a db2 database of as many users, encrypted timestamps \
             required, and AES-256. {clients} processes ask through libkrb5, each for one thing at a time, over UDP: for ticket-granting tickets with a \
             keytab (AS, two requests each, since the first one is told that a timestamp is wanted) or for tickets of one service (TGS). A key of \
             a user for a service is what AS and TGS come to together; later services take a TGS each, or another lease. By itself \
             the KDC notes each login in its database; a row without that is there, too. Its log is not forced to the disk, and no ticket is \
             kept anywhere, so it cannot list what is out or take it back; an authority can, and pays for that on each lease.",
            version = kerberos::version()?,
            clients = kerberos::CLIENTS,
        ),
    );
    page.table(
        &[
            "exchanges",
            "per second",
            "KDC's processors, ms each",
            "clients', ms each",
        ],
        exchanges.iter().map(|row| {
            let of = &row.summary;
            vec![
                row.name.clone(),
                format!("{:.0}", of.per_second),
                format!("{:.2}", of.server_ms),
                format!("{:.2}", of.clients_ms),
            ]
        }),
    );
    compare(page, &leases, &exchanges);
    for row in rows {
        page.figure(&format!("{}_per_second", row.key), row.per_second(), "1/s");
        page.figure(
            &format!("{}_server_ms", row.key),
            row.summary.server_ms.median,
            "ms",
        );
        if row.summary.store_ms.median > 0.0 {
            page.figure(
                &format!("{}_store_ms", row.key),
                row.summary.store_ms.median,
                "ms",
            );
        }
        if row.is_lease {
            page.figure(
                &format!("{}_p50_ms", row.key),
                row.summary.p50_ms.median,
                "ms",
            );
        }
    }
    Ok(())
}

/// Each kind of lease in terms of each exchange, and of a login and a ticket together.
fn compare(page: &mut Page, leases: &[&Row], exchanges: &[&Row]) {
    let [_, quiet, tgs] = exchanges else {
        return;
    };
    let peers = [
        ("AS", [quiet.spent_ms(), quiet.per_second()]),
        ("TGS", [tgs.spent_ms(), tgs.per_second()]),
        ("AS and TGS", together(quiet, tgs)),
    ];
    page.text(
        "One lease in terms of one exchange, AS without notes of logins: how many times as much the servers' processors spend (authority and etcd, \
         against the KDC), and how many times as many are done per second.",
    );
    let mut head = vec!["lease".to_owned()];
    head.extend(peers.iter().map(|(name, _)| format!("processors: {name}")));
    head.extend(peers.iter().map(|(name, _)| format!("per second: {name}")));
    let head: Vec<_> = head.iter().map(String::as_str).collect();
    page.table(
        &head,
        leases.iter().map(|row| {
            let of = |at: usize, own: f64| {
                let ratio = move |(_, peer): &(&str, [f64; 2])| format!("{:.2}", own / peer[at]);
                peers.iter().map(ratio)
            };
            let mut cells = vec![row.name.clone()];
            cells.extend(of(0, row.spent_ms()));
            cells.extend(of(1, row.per_second()));
            cells
        }),
    );
    let bars = |value: &dyn Fn(&Row) -> Measured| {
        let own = leases.iter().map(|row| Bar::own(&row.label, value(row)));
        let theirs = exchanges.iter().map(|row| Bar::new(&row.label, value(row)));
        own.chain(theirs).collect()
    };
    page.bars(Bars {
        file: "authority-per-second",
        title: "Leases, and exchanges of MIT Kerberos".to_owned(),
        unit: "per second",
        bars: bars(&|row| row.summary.per_second),
    });
    page.bars(Bars {
        file: "authority-processors",
        title: "The server's processors for each, without etcd's".to_owned(),
        unit: "ms",
        bars: bars(&|row| row.summary.server_ms),
    });
}

/// One of each, one after the other.
fn together(one: &Row, other: &Row) -> [f64; 2] {
    let seconds = 1.0 / one.per_second() + 1.0 / other.per_second();
    [one.spent_ms() + other.spent_ms(), 1.0 / seconds]
}
