//! The authority is away: the agent goes on for its budget, says how much of it is left, and no longer.

use anyhow::{Result, ensure};
use cattery_proto::v1::{GetStatusRequest, GetStatusResponse};
use cattery_tests::{
    agent::CONFIG,
    api, http,
    town::{Town, mint},
    wait,
};

use crate::{block_on, say};

#[test]
fn goes_on_within_the_budget_and_says_how_much_is_left() -> Result<()> {
    let mut town = Town::new()?;
    let key = town.key()?;
    town.authority.kill()?;
    for _ in 0..50 {
        ensure!(town.agent.forward_auth(&mint(&key)?)?.status == 200);
    }
    let ready = http::get(town.agent.http()?, "/readyz", &[])?;
    ensure!(ready.status == 200, "{ready:?}");
    ensure!(ready.body.contains("outage budget left: 11 h"), "{ready:?}");
    let status = status(&town)?;
    let left = status.outage_budget_left_seconds;
    ensure!(
        status.ready
            && status.outage_budget_seconds == 12 * 3600
            && (11 * 3600..=12 * 3600).contains(&left),
        "{left} s of {} s are left",
        status.outage_budget_seconds
    );
    say(&format!(
        "without an authority: {left} s of 12 h are left; readyz says {:?}",
        ready.body.trim()
    ));
    let health = http::get(town.agent.http()?, "/healthz", &[])?;
    ensure!(health.status == 200, "{health:?}");
    Ok(())
}

#[test]
fn answers_503_past_the_budget_and_comes_back() -> Result<()> {
    let mut town = Town::with(&format!("outage_budget_seconds = 3\n{CONFIG}"))?;
    // More often than the budget is long.
    town.authority.kill()?;
    town.authority.edit(|text| {
        text.replace(
            "service_refresh_interval = \"30s\"",
            "service_refresh_interval = \"1s\"",
        )
    })?;
    town.authority.start()?;
    town.agent.kill()?;
    town.agent.start(None)?;

    let key = town.key()?;
    ensure!(town.agent.forward_auth(&mint(&key)?)?.status == 200);
    town.authority.kill()?;
    let refused = wait::until("the budget is spent", || {
        let answer = town.agent.forward_auth(&mint(&key)?)?;
        ensure!(
            [200, 503].contains(&answer.status),
            "a good token is never refused: {answer:?}"
        );
        Ok((answer.status == 503).then_some(answer))
    })?;
    ensure!(
        refused.header("x-cat-principal").is_none(),
        "nobody is named: {refused:?}"
    );
    ensure!(http::get(town.agent.http()?, "/readyz", &[])?.status == 503);
    ensure!(http::get(town.agent.http()?, "/healthz", &[])?.status == 200);

    town.authority.start()?;
    wait::until("the agent verifies again", || {
        let answer = town.agent.forward_auth(&mint(&key)?)?;
        Ok((answer.status == 200).then_some(()))
    })
}

fn status(town: &Town) -> Result<GetStatusResponse> {
    block_on(async {
        let mut agent = api::agent(&town.agent.socket)?;
        Ok(agent.get_status(GetStatusRequest {}).await?.into_inner())
    })
}
