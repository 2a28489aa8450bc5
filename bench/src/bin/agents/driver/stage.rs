//! One crowd, from its storm to the authority's death.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use cattery_proto::v1::KeyCommand;
use cattery_report::process::memory;
use tokio::time::sleep;

use super::{
    cluster::Cluster,
    crowd::Crowd,
    measured::{Arrival, Enrolment, Idle, Restart, Rotation, Stage},
    meter::{Meter, Processors},
    progress::say,
};
use crate::{
    messages::Order,
    moment::{milliseconds, now},
};

/// Measures all agents that have enrolled, `agents` of them, and leaves none connected.
///
/// # Errors
/// Where something cannot be measured.
pub(super) async fn run(
    cluster: &mut Cluster,
    crowd: &mut Crowd,
    agents: usize,
    enrolment: Enrolment,
    idle_for: Duration,
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
    let idle = idle(cluster, crowd, idle_for).await?;
    say(&format!("{agents} agents get another key"));
    let rotation = rotation(cluster, crowd).await?;
    say(&format!("{agents} agents lose their authority"));
    let restart = restart(cluster, crowd).await?;
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
