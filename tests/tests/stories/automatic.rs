//! Rotation by itself: the leader sees to it, and a period that cannot work is refused at the start.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use cattery_core::{TokenSpec, UserKey};
use cattery_tests::{
    agent::{Agent, CONFIG},
    api::User,
    authority::Authority,
    cli::Cli,
    town::{self, Folder},
    wait,
};

use crate::{block_on, say};

/// The shortest that works with leases of two seconds.
const PERIOD: Duration = Duration::from_secs(33);

#[test]
fn epochs_turn_over_by_themselves() -> Result<()> {
    let folder = Folder::new()?;
    let admin = Cli::new(folder.path(), "admin");
    let mut authority = Authority::init(folder.path(), &admin)?;
    let set = |authority: &Authority, period: &str| {
        authority.edit(|text| {
            text.replace("max_lease = \"1d\"", "max_lease = \"2s\"")
                .replace("leeway = \"30s\"", "leeway = \"1s\"")
                .replace("rotation_period = \"30d\"", period)
        })
    };
    set(&authority, "rotation_period = \"32s\"")?;
    authority.spawn()?;
    let process = authority.process.as_mut().context("the authority")?;
    let ended = process.wait_exit(wait::PATIENCE)?;
    ensure!(!ended.success());
    let said = process.err();
    ensure!(
        said.contains("rotation_period: 32s has to be longer than max_lease + overlap + leeway = 2s + 29s + 1s = 32s"),
        "{said}"
    );
    authority.edit(|text| text.replace("\"32s\"", "\"33s\""))?;
    authority.start()?;
    let mut agent = Agent::new(folder.path(), "agent", CONFIG)?;
    agent.start(Some(&town::admit(&admin, "photos")?))?;
    let alice = Cli::new(folder.path(), "alice");
    let api_key = town::welcome(&admin, &alice, "alice", "photos")?;
    let active = || -> Result<u64> {
        let list = admin.json(&["status"], "")?;
        list["authority"]["active_epoch"]
            .as_u64()
            .context("the active epoch")
    };
    let first = active()?;
    ensure!(first == 1, "epoch {first}");
    block_on(async {
        let mut user = User::new(&api_key)?;
        let began = std::time::Instant::now();
        // Every token that is signed meanwhile passes.
        while active()? == first {
            ensure!(began.elapsed() < PERIOD * 3, "epoch {first} stays active");
            let key = user.key("photos").await?.context("a grant")?;
            let answer = agent.forward_auth(&mint_for(&key, 1)?)?;
            ensure!(answer.status == 200, "{answer:?}");
        }
        say(&format!("epoch {} after {:?}", active()?, began.elapsed()));
        Ok(())
    })
}

fn mint_for(key: &UserKey, seconds: u64) -> Result<String> {
    let now = town::now()?;
    let mut token = String::new();
    let spec = TokenSpec {
        not_before: now,
        not_after: now + seconds,
        token_id: rand::random(),
        ..TokenSpec::default()
    };
    key.mint(&spec, &mut token)?;
    Ok(token)
}
