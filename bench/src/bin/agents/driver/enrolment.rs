//! Agents come to be.

use std::time::Instant;

use anyhow::Result;
use tokio::task::JoinSet;

use super::{
    cluster::Cluster,
    crowd::Crowd,
    measured::Enrolment,
    meter::Meter,
    progress::{say, show},
};
use crate::messages::Order;

/// Join tokens that are made at the same time: fewer than an authority takes of one connection.
const AT_ONCE: usize = 32;

/// Adds agents up to `count`: `enrolled` of them are there.
///
/// # Errors
/// One of them is refused for good.
pub(super) async fn run(
    cluster: &mut Cluster,
    crowd: &mut Crowd,
    enrolled: usize,
    count: usize,
) -> Result<Enrolment> {
    say(&format!("{} agents enrol", count - enrolled));
    let began = Instant::now();
    let join_tokens = join_tokens(cluster, enrolled, count).await?;
    let join_tokens_per_second = per_second(count - enrolled, began);
    let meter = Meter::start(cluster.id()?, crowd.id()?)?;
    let began = Instant::now();
    let done = crowd.obey("enrolled", &Order::Enrol(join_tokens)).await?;
    Ok(Enrolment {
        agents: count - enrolled,
        join_tokens_per_second,
        agents_per_second: per_second(count - enrolled, began),
        processors: meter.read()?,
        attempts: done.attempts,
    })
}

async fn join_tokens(cluster: &Cluster, first: usize, end: usize) -> Result<Vec<String>> {
    let mut making = JoinSet::new();
    let mut made = Vec::with_capacity(end - first);
    for number in first..end {
        if making.len() >= AT_ONCE
            && let Some(join_token) = making.join_next().await
        {
            made.push(join_token??);
            show(&format!("join tokens: {} of {}", made.len(), end - first));
        }
        let mut operator = cluster.admin.0.clone();
        let service = cluster.services[number % cluster.services.len()].clone();
        making.spawn(async move {
            let join_token = operator.join_token(&service).await?;
            anyhow::Ok(join_token.to_text().to_string())
        });
    }
    for join_token in making.join_all().await {
        made.push(join_token?);
    }
    Ok(made)
}

fn per_second(count: usize, began: Instant) -> f64 {
    count as f64 / began.elapsed().as_secs_f64()
}
