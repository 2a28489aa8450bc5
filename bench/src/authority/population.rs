//! A cluster with very many users: how an authority starts on it, and what it costs.
//!
//! They are written into the store by the authority's own code while it does not run: as many calls of an operator would take longer
//! than all the rest.

use std::{
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use cattery_authority::{
    records::{GrantRecord, NameState, Record as _, UserRecord, key},
    store::Transaction,
};
use cattery_bench::Cluster;
use cattery_report::process::{Memory, memory};
use cattery_tests::{http, town};
use tokio::{sync::Semaphore, task::JoinSet};

use super::place::SERVICE;

/// Transactions that are under way at the same time.
const AT_ONCE: usize = 64;
/// Between two looks at an authority that starts.
const LOOK: Duration = Duration::from_millis(1);
/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many there are.
#[derive(Clone, Copy)]
pub(super) struct Population {
    pub(super) users: u32,
    /// Of the first users, one each.
    pub(super) grants: u32,
}

/// A start of an authority.
pub(super) struct Start {
    /// From exec until `/readyz` says 200.
    pub(super) took: Duration,
    /// Then.
    pub(super) memory: Memory,
}

impl Population {
    /// Writes them into the store of an authority that does not run.
    ///
    /// # Errors
    /// The store refuses.
    pub(super) async fn fill(self, cluster: &Cluster) -> Result<()> {
        let store = cluster.open_store().await?;
        let now = town::now()?;
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut filling = JoinSet::new();
        let mut transaction = Transaction::new();
        for number in 0..self.users {
            let name = format!("user-{number:07}");
            transaction = put_user(transaction, &name, now);
            if number < self.grants {
                transaction = put_grant(transaction, &name, now);
            }
            let is_last = number + 1 == self.users;
            if is_last || transaction.room() < 2 {
                let full = std::mem::take(&mut transaction);
                let (store, turn) = (store.clone(), places.clone().acquire_owned().await?);
                filling.spawn(async move {
                    let _turn = turn;
                    store.commit(full).await
                });
            }
            while let Some(done) = filling.try_join_next() {
                done??;
            }
        }
        while let Some(done) = filling.join_next().await {
            done??;
        }
        Ok(())
    }

    /// API keys for some of those who have a grant, from all over the store.
    ///
    /// # Errors
    /// The authority refuses.
    pub(super) async fn api_keys(self, cluster: &Cluster, count: u32) -> Result<Vec<String>> {
        let step = (self.grants / count).max(1);
        let mut keys = Vec::new();
        let mut operator = cluster.operator.clone();
        for number in (0..self.grants).step_by(usize::try_from(step)?) {
            let name = format!("user-{number:07}");
            keys.push(operator.api_key(&name).await?.1);
        }
        Ok(keys)
    }
}

/// Starts an authority that does not run.
///
/// # Errors
/// It ends, or is not ready in time.
pub(super) fn start(cluster: &mut Cluster) -> Result<Start> {
    let began = Instant::now();
    cluster.authority.spawn()?;
    let process = cluster.authority.process.as_mut().context("just started")?;
    loop {
        let answer = http::get(cluster.metrics, "/readyz", &[]);
        if answer.is_ok_and(|answer| answer.status == 200) {
            let took = began.elapsed();
            let memory = memory(process.id())?;
            return Ok(Start { took, memory });
        }
        process.expect_running()?;
        if began.elapsed() > PATIENCE {
            bail!("not ready after {} s", PATIENCE.as_secs());
        }
        sleep(LOOK);
    }
}

fn put_user(transaction: Transaction, name: &str, now: u64) -> Transaction {
    let record = UserRecord {
        name: name.to_owned(),
        version: 0,
        registration: 0,
        state: NameState::Active,
        created_at: now,
    };
    transaction.put(key::user(name), record.encode())
}

fn put_grant(transaction: Transaction, name: &str, now: u64) -> Transaction {
    let record = GrantRecord {
        principal: format!("user/{name}"),
        registration: 0,
        service: SERVICE.to_owned(),
        service_registration: 0,
        caveats: Vec::new(),
        max_lease_seconds: None,
        created_at: now,
    };
    let key = key::grant(&record.principal, &record.service);
    transaction.put(key, record.encode())
}
