//! By the book: nobody notices, whoever is missing is waited for, and waiting survives what happens meanwhile.

use anyhow::{Context as _, Result, ensure};
use cattery_tests::{process::Process, wait::PATIENCE};
use rustix::process::Signal;

use super::{
    Place,
    load::Load,
    place::{says, status},
};
use crate::say_now;

#[test]
fn under_load_no_token_is_refused() -> Result<()> {
    let place = Place::new("")?;
    let load = Load::start(&place.town.api_key, place.town.agent.http()?);
    load.reaches(1)?;
    place.freeze_second(|| load.reaches(2))?;

    let mut waiting = place.start("rotate", &["epoch", "rotate", "--wait"])?;
    place.wait_named(&mut waiting)?;
    ensure!(place.active()? == 2, "it did not wait");
    place.signal_second(Signal::CONT)?;
    ends_well(&mut waiting)?;
    says(&waiting.out(), &["Epoch 3 is active", "Epoch 2 drains"])?;
    load.reaches(3)?;

    let counts = load.stop()?;
    say_now(&format!(
        "tokens verified through two rotations, by epoch, none refused: {counts:?}"
    ));
    let keys = [place.fresh_key("photos")?, place.fresh_key("films")?];
    ensure!(keys.iter().all(|key| key.id().epoch == 3));
    place.accepts(&place.second, &keys[0])?;
    place.accepts(&place.films, &keys[1])
}

#[test]
fn waiting_survives_the_authority_and_ends_with_a_signal() -> Result<()> {
    let mut place = Place::new("")?;
    place.freeze_second(|| Ok(()))?;

    let mut waiting = place.start("stopped", &["epoch", "rotate", "--wait"])?;
    place.wait_named(&mut waiting)?;
    waiting.signal(Signal::INT)?;
    let code = waiting.wait_exit(PATIENCE)?.code();
    says(
        &waiting.err(),
        &[
            "nothing is half done",
            "epoch 2 is active",
            "cattery epoch rotate --wait",
        ],
    )?;
    ensure!(code == Some(1) && waiting.out().is_empty(), "{code:?}");

    let mut waiting = place.start("rotate", &["epoch", "rotate", "--wait"])?;
    place.wait_named(&mut waiting)?;
    place.town.authority.kill()?;
    cattery_tests::wait::until("it notices", || {
        waiting.expect_running()?;
        Ok(waiting.err().contains("asking again").then_some(()))
    })?;
    place.town.authority.start()?;
    place.signal_second(Signal::CONT)?;
    ends_well(&mut waiting)?;
    ensure!(place.active()? == 3);
    place.accepts(&place.second, &place.fresh_key("photos")?)
}

#[test]
fn one_service_turns_over_alone() -> Result<()> {
    let place = Place::new("")?;
    let (old, films) = (place.fresh_key("photos")?, place.fresh_key("films")?);
    let out = place.ok(&["service", "rotate-key", "photos", "--wait"])?;
    says(
        &out,
        &[
            "Generation 1 of service/photos is active",
            "Generation 0 of service/photos drains",
        ],
    )?;
    let new = place.fresh_key("photos")?;
    ensure!((old.id().generation, new.id().generation) == (0, 1));
    for agent in [&place.town.agent, &place.second] {
        ensure!(status(agent, &old)? == 200, "the old one drains");
        place.accepts(agent, &new)?;
    }
    let again = place.run(&["service", "rotate-key", "photos"])?;
    ensure!(again.code == 1, "{again:?}");
    says(&again.err, &["generation 0 of service/photos drains"])?;

    place.ok(&["service", "rotate-key", "photos", "--compromised", "--yes"])?;
    for agent in [&place.town.agent, &place.second] {
        for key in [&old, &new] {
            place.refuses(agent, key)?;
        }
        place.accepts(agent, &place.fresh_key("photos")?)?;
    }
    ensure!(
        status(&place.films, &films)? == 200,
        "another service's keys stay"
    );
    Ok(())
}

/// Waits for a command to end with 0.
fn ends_well(command: &mut Process) -> Result<()> {
    let status = command.wait_exit(PATIENCE)?;
    ensure!(status.success(), "{status}: {}", command.err());
    command.err().lines().next().context("progress").map(drop)
}
