//! One user's keys.

use anyhow::{Result, ensure};

use super::{
    Place,
    place::{says, status},
};

#[test]
fn a_user_whose_key_was_stolen_gets_a_new_one() -> Result<()> {
    let place = Place::new("")?;
    let (stolen, films) = (place.fresh_key("photos")?, place.fresh_key("films")?);
    ensure!(status(&place.second, &stolen)? == 200 && status(&place.films, &films)? == 200);
    let said = place.ok(&["user", "revoke", "alice"])?;
    says(&said, &["user/alice", "below version 1"])?;
    for (agent, key) in [
        (&place.town.agent, &stolen),
        (&place.second, &stolen),
        (&place.films, &films),
    ] {
        place.refuses(agent, key)?;
    }
    place.accepts(&place.second, &place.fresh_key("photos")?)
}
