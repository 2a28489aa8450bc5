//! A root key may be known to somebody else.

use anyhow::{Result, ensure};

use super::{
    Place,
    place::{says, status},
};

#[test]
fn all_that_was_signed_before_is_dead() -> Result<()> {
    let place = Place::new("")?;
    let (photos, films) = (place.fresh_key("photos")?, place.fresh_key("films")?);
    let emergency = ["epoch", "rotate", "--emergency"];

    let asked = place.run(&emergency)?;
    ensure!(asked.code == 1, "{asked:?}");
    says(&asked.err, &["nothing was done", "--yes"])?;
    let would = place.ok(&[&emergency[..], &["--dry-run"]].concat())?;
    let cost = [
        "Epoch 3 becomes active",
        "epoch 1 (active)",
        "epoch 2 (prepared)",
        "is dead",
    ];
    says(&would, &cost)?;
    says(&would, &[&place.second_id, "nothing was changed"])?;
    ensure!(place.active()? == 1 && status(&place.second, &photos)? == 200);

    let done = place.run(&[&emergency[..], &["--yes", "--wait"]].concat())?;
    ensure!(done.code == 0, "{done:?}");
    says(&done.err, &cost)?;
    says(
        &done.out,
        &["Epoch 3 is active", "nobody accepts what was signed before"],
    )?;
    // It says so, and it is so: at once, everywhere.
    for (agent, key) in [
        (&place.town.agent, &photos),
        (&place.second, &photos),
        (&place.films, &films),
    ] {
        ensure!(
            status(agent, key)? == 401,
            "{} accepts an old key",
            agent.name
        );
    }
    let new = place.fresh_key("photos")?;
    ensure!(new.id().epoch == 3);
    for agent in [&place.town.agent, &place.second] {
        ensure!(
            status(agent, &new)? == 200,
            "{} refuses a new key",
            agent.name
        );
    }
    Ok(())
}
