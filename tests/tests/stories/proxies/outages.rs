//! The agent is gone, frozen, without keys, and back: the proxy runs on, and lets nothing pass meanwhile.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use cattery_tests::{http, proxy::Kind, wait};
use rustix::process::Signal;

use super::{Place, mint, passes::all};

pub(super) fn nothing_passes_without_an_agent(place: &mut Place) -> Result<()> {
    let token = mint(&place.key, &[])?;
    let (gone, frozen) = match place.kind {
        Kind::Nginx | Kind::Haproxy => (503, 503),
        Kind::Caddy => (502, 504),
    };

    // The client of the harness gives up after half a minute: the proxy has to before that.
    freeze(place)?;
    let answer = place.get("/", &token)?;
    place.refuses(&answer, frozen)?;
    ensure!(frozen != 503 || all(&answer, "retry-after") == ["1"]);
    signal(place, Signal::CONT)?;
    is_good_again(place, &token)?;

    place.town.agent.kill()?;
    for token in [&token[..], ""] {
        let answer = place.get("/", token)?;
        place.refuses(&answer, gone)?;
        ensure!(gone != 503 || all(&answer, "retry-after") == ["1"]);
    }

    // It is back without keys: the answer is its own, with an id.
    place.town.authority.kill()?;
    place.town.agent.spawn(None)?;
    let agent = &place.town.agent;
    wait::until("the agent answers", || {
        let Ok(addr) = agent.http() else {
            return Ok(None);
        };
        Ok(http::get(addr, "/healthz", &[]).ok().map(drop))
    })?;
    let answer = place.get("/", &token)?;
    place.refuses(&answer, 503)?;
    ensure!(all(&answer, "retry-after") == ["1"], "{answer:?}");
    ensure!(all(&answer, "x-cat-decision-id").len() == 1, "{answer:?}");

    place.town.authority.start()?;
    place.town.agent.wait_ready()?;
    is_good_again(place, &token)
}

/// Until no thread of it runs any more: the signal reaches one after the other.
fn freeze(place: &Place) -> Result<()> {
    signal(place, Signal::STOP)?;
    let process = place.town.agent.process.as_ref().context("it runs")?;
    let tasks = format!("/proc/{}/task", process.id());
    wait::until("the agent is frozen", || {
        for task in fs::read_dir(&tasks)? {
            let stat = fs::read_to_string(task?.path().join("stat"))?;
            // Behind the name, which is in brackets.
            let state = stat.rsplit_once(") ").map(|(_, rest)| rest);
            if !state.is_some_and(|state| state.starts_with('T')) {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
}

fn signal(place: &Place, signal: Signal) -> Result<()> {
    let process = place.town.agent.process.as_ref().context("it runs")?;
    process.signal(signal)
}

/// At once, without a look at the proxy.
fn is_good_again(place: &Place, token: &str) -> Result<()> {
    let answer = place.get("/", token)?;
    ensure!(answer.status == 200, "{answer:?}");
    ensure!(place.upstream.one()?.all("x-cat-principal") == ["user/alice"]);
    Ok(())
}
