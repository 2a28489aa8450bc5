//! What the store alone bears: writes as an authority makes them for each call that issues keys, without the authority.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use cattery_authority::{
    records::{Record as _, key},
    store::{Revision, Store, Transaction},
};
use cattery_bench::Cluster;
use tokio::task::JoinSet;

use super::{
    Scale,
    place::{SERVICE, without_authority},
    slice::{Slice, Summary},
};
use crate::records::{USED_SERVICES, fetch};

/// Transactions that are under way at the same time.
pub(super) const AT_ONCE: usize = 64;

/// In rounds, the first of which does not count, on a cluster whose authority does not run.
///
/// # Errors
/// The store refuses.
pub(super) async fn measure(cluster: &Cluster, scale: &Scale) -> Result<Summary> {
    let store = cluster.open_store().await?;
    let rests_on = rests_on(&*store).await?;
    let mut slices = Vec::new();
    for round in 0..=scale.rounds {
        let slice = run(cluster, &store, &rests_on, scale.slice).await?;
        if round > 0 {
            slices.push(slice);
        }
    }
    Ok(Summary::of(&mut slices))
}

/// As many records as an authority's write rests on (the API key, its own session, and when grants were last taken away), whichever they are.
async fn rests_on(store: &dyn Store) -> Result<Vec<(String, Revision)>> {
    let mut found = Vec::new();
    for key in [
        key::CLUSTER.to_owned(),
        key::service(SERVICE),
        key::user("user-0000000"),
    ] {
        let entry = store.get(&key).await?.context("what every store has")?;
        found.push((key, entry.revision));
    }
    Ok(found)
}

async fn run(
    cluster: &Cluster,
    store: &Arc<dyn Store>,
    rests_on: &[(String, Revision)],
    length: Duration,
) -> Result<Slice> {
    let programs = without_authority(cluster);
    let (before, began) = (programs.spent()?, Instant::now());
    let mut writers = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (store, rests_on) = (store.clone(), rests_on.to_vec());
        writers.spawn(async move {
            let mut waits = Vec::new();
            while began.elapsed() < length {
                let (key, record) = fetch(rand::random(), USED_SERVICES);
                let transaction = Transaction::new().absent(&key).put(&key, record.encode());
                let transaction = rests_on.iter().fold(transaction, |transaction, (key, at)| {
                    transaction.unchanged(key, *at)
                });
                let since = Instant::now();
                store.commit(transaction).await?;
                waits.push(since.elapsed());
            }
            anyhow::Ok(waits)
        });
    }
    let mut waits = Vec::new();
    while let Some(writer) = writers.join_next().await {
        waits.extend(writer??);
    }
    Ok(Slice {
        done: waits.len() as u64,
        took: began.elapsed(),
        waits,
        spent: programs.spent()?.since(before),
    })
}
