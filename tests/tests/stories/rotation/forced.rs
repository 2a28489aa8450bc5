//! Going ahead without an agent that hears nothing.

use anyhow::{Result, ensure};
use rustix::process::Signal;

use super::{
    Place,
    place::{says, status},
};

#[test]
fn whoever_is_left_behind_is_named_and_catches_up() -> Result<()> {
    let place = Place::new("")?;
    place.freeze_second(|| Ok(()))?;
    let (name, old) = (place.second_id.as_str(), place.fresh_key("photos")?);

    let refused = place.run(&["epoch", "rotate"])?;
    ensure!(refused.code == 1 && refused.out.is_empty(), "{refused:?}");
    let evict = format!("cattery agent evict {name}");
    says(
        &refused.err,
        &[
            "epoch 3 is not active yet: 1 of 3",
            name,
            "--wait",
            "--force",
            &evict,
        ],
    )?;
    let json = place.run(&["--output", "json", "epoch", "rotate"])?;
    says(
        &json.out,
        &[
            r#""refusal":"agents_missing""#,
            r#""waits_for_count":1"#,
            name,
        ],
    )?;
    ensure!(json.code == 1 && json.err.is_empty(), "{json:?}");

    let would = place.ok(&["epoch", "rotate", "--force", "--dry-run"])?;
    says(
        &would,
        &["Epoch 3 would become active", "would be left behind", name],
    )?;
    let would = place.ok(&["epoch", "rotate", "--wait", "--dry-run"])?;
    says(&would, &["It would wait for 1 agent", name])?;
    let would = place.run(&["epoch", "rotate", "--dry-run"])?;
    ensure!(would.code == 1, "{would:?}");
    ensure!(place.active()? == 2, "a dry run changed something");

    let done = place.ok(&["epoch", "rotate", "--force"])?;
    says(
        &done,
        &["Epoch 3 is active", "Left behind", name, "Epoch 2 drains"],
    )?;
    let new = place.fresh_key("photos")?;
    ensure!(new.id().epoch == 3);
    place.accepts(&place.town.agent, &new)?;
    ensure!(
        status(&place.town.agent, &old)? == 200,
        "the old one drains"
    );

    place.signal_second(Signal::CONT)?;
    place.accepts(&place.second, &new)
}
