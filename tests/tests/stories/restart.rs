//! Programs that start again are who they were.

use std::{fs, os::unix::fs::PermissionsExt as _};

use anyhow::{Result, ensure};
use cattery_sdk::identity::KeyPair;
use cattery_tests::{
    agent::{Agent, CONFIG},
    api,
    town::{Town, admit, mint},
};

use crate::block_on;

#[test]
fn an_agent_needs_its_join_token_once() -> Result<()> {
    let mut town = Town::new()?;
    let key = town.key()?;
    let agents = || town.admin.json(&["service", "show", "photos"], "");
    let before = agents()?["agents"].to_string();
    town.agent.kill()?;
    town.agent.start(None)?;
    ensure!(town.agent.forward_auth(&mint(&key)?)?.status == 200);
    // The join token again does no harm: a unit file may name it for ever.
    town.agent.kill()?;
    let token = town.join_token.clone();
    town.agent.start(Some(&token))?;
    ensure!(town.agent.forward_auth(&mint(&key)?)?.status == 200);
    let id = |text: &str| {
        text.split('"')
            .skip_while(|part| *part != "agent_id")
            .nth(2)
            .map(str::to_owned)
    };
    let after = town.admin.json(&["service", "show", "photos"], "")?["agents"].to_string();
    ensure!(
        id(&before).is_some() && id(&before) == id(&after),
        "the same agent: {before} {after}"
    );
    Ok(())
}

#[test]
fn a_sealed_cache_bridges_a_start_without_an_authority() -> Result<()> {
    let mut town = Town::new()?;
    let key = town.key()?;
    let folder = town.folder().to_owned();
    let (cache, cache_key) = (folder.join("cache"), folder.join("cache.key"));
    fs::write(&cache_key, rand::random::<[u8; 32]>())?;
    fs::set_permissions(&cache_key, fs::Permissions::from_mode(0o600))?;
    let config = format!(
        "{CONFIG}[cache]\nfile = {:?}\nkey_file = {:?}\n",
        cache.display(),
        cache_key.display()
    );
    let join_token = town.admin.ok(&["service", "join-token", "photos"], "")?;
    let mut agent = Agent::new(&folder, "caching", &config)?;
    agent.start(Some(&join_token))?;
    agent.kill()?;
    town.authority.kill()?;
    agent.start(None)?;
    ensure!(agent.forward_auth(&mint(&key)?)?.status == 200);
    // Without a cache there is nothing to verify with.
    town.agent.kill()?;
    town.agent.spawn(None)?;
    cattery_tests::wait::until("the other agent says that it cannot tell", || {
        let answer = town.agent.forward_auth(&mint(&key)?).ok();
        ensure!(
            answer.as_ref().is_none_or(|answer| answer.status == 503),
            "{answer:?}"
        );
        Ok(answer.map(drop))
    })
}

#[test]
fn a_lost_answer_can_be_asked_for_again() -> Result<()> {
    let town = Town::new()?;
    let token = cattery_sdk::portable::JoinToken::parse(&admit(&town.admin, "films")?)?;
    block_on(async {
        let (own, other) = (KeyPair::generate()?, KeyPair::generate()?);
        let first = api::enroll(&token, &own).await?;
        let again = api::enroll(&token, &own).await?;
        ensure!(
            first.device_id == again.device_id,
            "it stays the same agent"
        );
        ensure!(
            api::enroll(&token, &other).await.is_err(),
            "nobody else has it"
        );
        Ok(())
    })
}
