//! The CA turns over by itself once an operator began it: two authorities follow, and nobody who knew the old one notices.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use cattery_core::{TokenSpec, UserKey};
use cattery_tests::{
    agent::{Agent, CONFIG},
    api::User,
    cli::Cli,
    town::{admit, now, welcome},
    wait,
};
use serde_json::Value;

use crate::{block_on, say, two_authorities::Pair};

/// The greatest lease, the overlap for clocks and views, and some.
const LONGEST: Duration = Duration::from_secs(120);

#[test]
fn a_ca_turns_over_and_nobody_is_refused() -> Result<()> {
    let Pair {
        etcd: _etcd,
        mut one,
        other,
        admin,
        folder,
    } = Pair::with(|authority| {
        authority.edit(|text| {
            text.replace("max_lease = \"1d\"", "max_lease = \"5s\"")
                .replace("leeway = \"30s\"", "leeway = \"1s\"")
        })
    })?;
    // The first epoch was made for longer leases.
    admin.ok(&["epoch", "rotate", "--wait", "--force"], "")?;
    admin.ok(&["epoch", "retire", "--force"], "").ok();
    let mut agent = Agent::new(folder.path(), "agent", CONFIG)?;
    agent.start(Some(&admit(&admin, "photos")?))?;
    let alice = Cli::new(folder.path(), "alice");
    let old_key = welcome(&admin, &alice, "alice", "photos")?;
    let both = [one.addr, other.addr];

    admin.ok(&["ca", "rotate"], "")?;
    ensure!(active(&admin)? == 1, "agents and users hear of it first");
    let began = std::time::Instant::now();
    while active(&admin)? == 1 {
        ensure!(began.elapsed() < LONGEST, "{}", shown(&admin)?);
        for at in both {
            passes(&agent, &old_key, at)?;
        }
    }
    say(&format!("CA 2 signs after {:?}", began.elapsed()));

    // Texts of before and of now, at both.
    let new_key = admin.ok(&["user", "api-key", "create", "alice"], "")?;
    for at in both {
        wait::until("this authority shows the new CA", || {
            Ok(passes(&agent, &new_key, at).ok())
        })?;
        passes(&agent, &old_key, at)?;
    }
    let mut newcomer = Agent::new(folder.path(), "newcomer", CONFIG)?;
    let join_token = admin.ok(&["service", "join-token", "photos"], "")?;
    newcomer.start(Some(&join_token))?;
    passes(&newcomer, &old_key, one.addr)?;
    // An agent whose certificate is of the old one, and an authority, start anew.
    agent.kill()?;
    agent.start(None)?;
    one.kill()?;
    one.start()?;
    for at in both {
        wait::until("the authority has its place again", || {
            Ok(passes(&agent, &old_key, at).ok())
        })?;
        passes(&newcomer, &new_key, at)?;
    }
    let cas = shown(&admin)?;
    ensure!(cas["needs"]["agents"] == 1, "the first one: {cas}");
    admin.refused(&["ca", "retire"], "", &["CA 1 stays trusted", "1 agent"])?;
    Ok(())
}

fn shown(admin: &Cli) -> Result<Value> {
    admin.json(&["ca", "show"], "")
}

/// Number of the CA that signs.
fn active(admin: &Cli) -> Result<u64> {
    let shown = shown(admin)?;
    let mut cas = shown["cas"].as_array().context("a list")?.iter();
    let active = cas.find(|ca| ca["state"] == "active");
    active
        .and_then(|ca| ca["number"].as_u64())
        .with_context(|| format!("no CA signs: {shown}"))
}

/// A key from this authority, and a token at the agent. The API key's text is all that is known of the authority.
fn passes(agent: &Agent, api_key: &str, at: SocketAddr) -> Result<()> {
    let key = block_on(async { Ok(User::at(api_key, at)?.key("photos").await?) })?;
    let token = mint(&key.context("a grant")?)?;
    let answer = agent.forward_auth(&token)?;
    ensure!(answer.status == 200, "{answer:?}");
    Ok(())
}

/// A token for as long as the key lasts.
fn mint(key: &UserKey) -> Result<String> {
    let mut token = String::new();
    let spec = TokenSpec {
        not_before: now()?,
        not_after: key.id().expires_at,
        token_id: rand::random(),
        ..TokenSpec::default()
    };
    key.mint(&spec, &mut token)?;
    Ok(token)
}
