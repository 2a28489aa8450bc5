//! One crowd, from its storm to the authority's death.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use cattery_proto::v1::KeyCommand;
use cattery_report::process::memory;
use tokio::time::sleep;

use super::{
    cluster::Cluster,
    crowd::Crowd,
    measured::{Arrival, Enrolment, Idle, Restart, Revocations, Rotation, Stage},
    meter::{Meter, Processors},
    progress::say,
};
use crate::{
    messages::{Attempts, Done, Order},
    moment::{milliseconds, now},
};

/// How much is measured of each crowd.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    pub(super) idle: Duration,
    pub(super) revocations: u32,
}

/// Measures all agents that have enrolled, `agents` of them, and leaves none connected.
///
/// # Errors
/// Where something cannot be measured.
pub(super) async fn run(
    cluster: &mut Cluster,
    crowd: &mut Crowd,
    agents: usize,
    enrolment: Enrolment,
    extent: Extent,
) -> Result<Stage> {
    say(&format!("{agents} agents connect at once"));
    cluster.restart()?; // what enrolling left in its memory is none of theirs
    cluster.admin.settled().await?;
    let fresh = memory(cluster.id()?)?;
    let (meter, since) = (meter(cluster, crowd)?, now());
    crowd.obey("connect", &Order::Connect).await?;
    let storm = arrival(crowd, since, &meter).await?;
    let after_storm = memory(cluster.id()?)?;
    say(&format!("{agents} agents are idle"));
    let idle = idle(cluster, crowd, extent.idle).await?;
    say(&format!("{agents} agents get another key"));
    let rotation = rotation(cluster, crowd).await?;
    say(&format!("{agents} agents lose their authority"));
    let restart = restart(cluster, crowd).await?;
    say(&format!("{agents} agents hear of revoked ids"));
    let revocations = revocations(cluster, crowd, extent.revocations).await?;
    crowd.obey("disconnect", &Order::Disconnect).await?;
    Ok(Stage {
        agents,
        enrolment,
        fresh,
        storm,
        after_storm,
        idle,
        rotation,
        restart,
        revocations,
    })
}

fn meter(cluster: &Cluster, crowd: &Crowd) -> Result<Meter> {
    Meter::start(cluster.id()?, crowd.id()?)
}

async fn arrival(crowd: &mut Crowd, since: u64, meter: &Meter) -> Result<Arrival> {
    let done = crowd
        .obey("hold their keys", &Order::AwaitContact(since))
        .await?;
    Ok(Arrival {
        spread: done.spread,
        processors: meter.read()?,
        attempts: done.attempts,
    })
}

async fn idle(cluster: &Cluster, crowd: &mut Crowd, length: Duration) -> Result<Idle> {
    let (began, meter) = (Instant::now(), meter(cluster, crowd)?);
    sleep(length).await;
    let used = meter.read()?;
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    let memory = memory(cluster.id()?)?;
    // All have to be there still.
    let done = crowd.obey("are there", &Order::AwaitContact(0)).await?;
    Ok(Idle {
        memory,
        processors: Processors {
            authority_s: used.authority_s / minutes,
            agents_s: used.agents_s / minutes,
        },
        attempts: done.attempts,
    })
}

/// The leader prepares an epoch as soon as there is none, within a second. So what is prepared is activated first, and the next
/// one is prepared behind that at once: agents hear of both.
async fn rotation(cluster: &mut Cluster, crowd: &mut Crowd) -> Result<Rotation> {
    let meter = meter(cluster, crowd)?;
    let admin = &mut cluster.admin;
    let schedule = admin.settled().await?;
    let prepared = schedule.keys.first().context("a prepared epoch")?.number;
    admin.acknowledged(prepared).await?;
    admin.step(KeyCommand::Activate, false).await?;
    let (epoch, since) = (prepared + 1, now());
    admin.step(KeyCommand::Prepare, false).await?;
    let done = crowd
        .obey("have the next key", &Order::AwaitEpoch(epoch, since))
        .await?;
    admin.acknowledged(epoch).await?;
    let acknowledged_ms = milliseconds(since, now());
    let memory = memory(cluster.id()?)?;
    cluster.admin.step(KeyCommand::Retire, true).await?; // the next crowd finds what this one found
    Ok(Rotation {
        acknowledged_ms,
        news: done.spread,
        processors: meter.read()?,
        memory,
        attempts: done.attempts,
    })
}

async fn restart(cluster: &mut Cluster, crowd: &mut Crowd) -> Result<Restart> {
    let since = now();
    cluster.restart()?;
    let listens_ms = milliseconds(since, now());
    let back = arrival(crowd, since, &meter(cluster, crowd)?).await?;
    Ok(Restart {
        listens_ms,
        back,
        memory: memory(cluster.id()?)?,
    })
}

/// After one that does not count: until it is acknowledged, agents may still be about what was before.
async fn revocations(cluster: &mut Cluster, crowd: &mut Crowd, ids: u32) -> Result<Revocations> {
    revocation(cluster, crowd).await?;
    let meter = meter(cluster, crowd)?;
    let mut acknowledged_ms = 0.0;
    let mut attempts = Attempts::default();
    for _ in 0..ids {
        let done = revocation(cluster, crowd).await?;
        acknowledged_ms += done.spread.max_ms as f64 / f64::from(ids);
        attempts.add(done.attempts);
    }
    Ok(Revocations {
        ids,
        acknowledged_ms,
        processors: meter.read()?,
        attempts,
    })
}

/// From the order until each agent's acknowledgement is answered.
async fn revocation(cluster: &mut Cluster, crowd: &mut Crowd) -> Result<Done> {
    let since = now();
    let service = cluster.services.first().context("a service")?;
    let position = cluster.admin.revoke(service).await?;
    let order = Order::AwaitPosition(position.incarnation, position.sequence, since);
    crowd.obey("acknowledged it", &order).await
}
