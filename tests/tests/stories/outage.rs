//! The authority is away: the agent goes on for its budget, says how much of it is left, and no longer.

use anyhow::{Result, ensure};
use cattery_proto::v1::{GetStatusRequest, GetStatusResponse};
use cattery_tests::{
    agent::CONFIG,
    api, http,
    town::{Setting, Town, mint},
    wait,
};

use crate::{block_on, say};

#[test]
fn goes_on_within_the_budget_and_says_how_much_is_left() -> Result<()> {
    let mut town = Town::with(&Setting {
        refresh_each_second: true,
        ..Setting::default()
    })?;
    let key = town.key()?;
    town.authority.kill()?;
    wait::until("the agent notices", || {
        let gone = status(&town)?.last_contact_seconds.unwrap_or(0);
        Ok((gone > 2).then_some(()))
    })?;
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
    let mut town = Town::with(&Setting {
        agent: format!("outage_budget_seconds = 10\n{CONFIG}"),
        refresh_each_second: true,
        ..Setting::default()
    })?;
    let key = town.key()?;
    town.authority.kill()?;
    ensure!(town.agent.forward_auth(&mint(&key)?)?.status == 200);
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

#[test]
fn a_disabled_user_is_refused_at_every_face() -> Result<()> {
    let town = Town::with(&Setting {
        refresh_each_second: true,
        ..Setting::default()
    })?;
    let key = town.key()?;
    let socket = town.agent.socket.to_string_lossy().into_owned();
    ensure!(town.agent.forward_auth(&mint(&key)?)?.status == 200);
    town.admin.ok(&["user", "disable", "alice"], "")?;
    let refused = wait::until("the agent has heard of it", || {
        let answer = town.agent.forward_auth(&mint(&key)?)?;
        Ok((answer.status != 200).then_some(answer))
    })?;
    let challenge = refused.header("www-authenticate").unwrap_or_default();
    ensure!(
        refused.status == 401 && challenge.contains("\"revoked\""),
        "{refused:?}"
    );
    let verified = town
        .alice
        .run(&["verify", "--socket", &socket], &mint(&key)?)?;
    ensure!(
        verified.code == 1 && format!("{}{}", verified.out, verified.err).contains("revoked"),
        "{verified:?}"
    );
    // Whoever comes under that name again is somebody else.
    town.admin
        .ok(&["user", "add", "alice", "--grant", "photos"], "")?;
    ensure!(town.agent.forward_auth(&mint(&key)?)?.status == 401);
    Ok(())
}
