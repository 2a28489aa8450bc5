//! The worst day: the store is gone, or somebody put an older one in its place.

use std::{path::Path, time::Duration};

use anyhow::{Context as _, Result, ensure};
use cattery_core::UserKey;
use cattery_tests::{
    agent::{self, Agent},
    api::User,
    authority::Authority,
    cli::{Cli, one_clear_line},
    etcd::{Etcd, Version},
    ports,
    town::{Folder, Setting, Town, admit, mint, welcome},
    wait,
};
use etcd_client::DeleteOptions;
use rustix::process::Signal;

use crate::block_on;

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// A key that the authority gives out now.
fn fresh_key(api_key: &str) -> Result<UserKey> {
    block_on(async {
        let key = User::new(api_key)?.key("photos").await?;
        key.context("a grant allows it")
    })
}

fn is_refused(api_key: &str, words: &str) -> Result<()> {
    block_on(async {
        let refused = User::new(api_key)?.key("photos").await.err();
        let refused = refused.context("it was given out")?;
        ensure!(refused.message().contains(words), "{refused:?}");
        Ok(())
    })
}

fn accepted_soon(agent: &Agent, key: &UserKey) -> Result<()> {
    wait::until("the agent has the new keys", || {
        let answer = agent.forward_auth(&mint(key)?)?;
        Ok((answer.status == 200).then_some(()))
    })
}

/// A token of before is one that the agent knows to be over.
fn is_over(agent: &Agent, token: &str) -> Result<()> {
    let answer = agent.forward_auth(token)?;
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    ensure!(
        answer.status == 401 && challenge.contains("\"retired_epoch\""),
        "{answer:?}"
    );
    Ok(())
}

fn stop(authority: &mut Authority) -> Result<()> {
    let process = authority.process.as_mut().context("it runs")?;
    process.signal(Signal::TERM)?;
    ensure!(process.wait_exit(Duration::from_secs(30))?.success());
    authority.process = None;
    Ok(())
}

#[test]
fn a_cluster_goes_on_from_its_backup_and_what_was_revoked_since_stays_revoked() -> Result<()> {
    let mut town = Town::with(&Setting {
        refresh_each_second: true,
        ..Setting::default()
    })?;
    let admin = Cli::new(town.folder(), "admin");
    let bob = Cli::new(town.folder(), "bob");
    let bobs = welcome(&admin, &bob, "bob", "photos")?;
    let backup = text(&town.folder().join("cattery.backup"));
    let made = admin.ok(&["backup", &backup], "")?;
    ensure!(
        made.contains("2 users") && made.contains("cattery restore"),
        "{made}"
    );
    admin.refused(&["backup", &backup], "", &["is there already"])?;
    let old = town.authority.dir.clone();
    let key_file = text(&old.join("master.key"));
    let check = ["restore", "--check", &backup, "--key-file", &key_file];
    let checked = admin.ok(&check, "")?;
    ensure!(checked.contains("is whole and as it was made"), "{checked}");

    // The agent goes on to where the backup has never been.
    admin.ok(&["user", "disable", "bob"], "")?;
    admin.ok(&["user", "add", "carol"], "")?;
    for _ in 0..3 {
        admin.ok(&["epoch", "rotate", "--emergency", "--yes"], "")?;
    }
    let before = fresh_key(&town.api_key)?;
    accepted_soon(&town.agent, &before)?;
    let token = mint(&before)?;
    stop(&mut town.authority)?;

    let new = town.folder().join("restored");
    let (settings, log) = (
        old.join("authority.toml"),
        old.join("audit/authority-1.log"),
    );
    let (dir, settings, log) = (text(&new), text(&settings), text(&log));
    let restore = ["restore", &backup, "--dir", &dir, "--config", &settings];
    let missing = admin.refused(&restore, "", &["authority-1", "--audit-log"])?;
    ensure!(missing.contains("--without-audit-log"), "{missing}");
    ensure!(!new.join("authority.toml").exists());
    let restore = [&restore[..], &["--audit-log", &log]].concat();
    let report = admin.json(&restore, "")?;
    ensure!(report["incarnation"] == 2, "{report}");
    let listed = |list: &str, line: &str| {
        let list = report[list].as_array();
        list.is_some_and(|list| list.iter().any(|item| item == line))
    };
    ensure!(
        listed("repeated", "user_disabled user/bob (version 1)"),
        "{report}"
    );
    ensure!(listed("gone", "user_added user/carol"), "{report}");

    town.authority.dir = new;
    town.authority.start()?;
    let after = fresh_key(&town.api_key)?;
    ensure!(after.id().epoch > before.id().epoch);
    accepted_soon(&town.agent, &after)?;
    is_over(&town.agent, &token)?;
    is_refused(&bobs, "was disabled")?;
    let users = admin.ok(&["user", "list"], "")?;
    ensure!(!users.contains("carol"), "{users}");
    // What alice has kept is void; her next keys come by themselves or with a login.
    town.alice.ok(&["login"], &town.api_key)?;
    let minted = town.alice.ok(&["mint", "photos"], "")?;
    ensure!(town.agent.forward_auth(&minted)?.status == 200);
    let audit = admin.json(&["audit", "verify"], "")?;
    ensure!(audit["intact"] == true, "{audit}");
    // Its agents come back after a restart, too.
    town.agent.kill()?;
    town.agent.start(None)?;
    accepted_soon(&town.agent, &after)
}

const PREFIX: &str = "/cattery/story/";

#[test]
fn an_etcd_that_was_put_back_underneath_is_refused_by_everybody() -> Result<()> {
    let folder = Folder::new()?;
    let mut etcd = block_on(Etcd::start(Version::V3_5, folder.path()))?;
    let admin = Cli::new(folder.path(), "admin");
    let (at, endpoints) = (ports::free()?, etcd.endpoints().join(","));
    let args = ["--store-etcd", &endpoints, "--store-prefix", PREFIX];
    let mut authority = Authority::init_at(folder.path(), &admin, at, &args, "")?;
    authority.refresh_each_second()?;
    let mut other = authority.twin(folder.path(), "authority-2", at)?;
    authority.start()?;
    let mut agent = Agent::new(folder.path(), "agent", agent::CONFIG)?;
    agent.start(Some(&admit(&admin, "photos")?))?;
    let alices = welcome(&admin, &Cli::new(folder.path(), "alice"), "alice", "photos")?;
    let bobs = welcome(&admin, &Cli::new(folder.path(), "bob"), "bob", "photos")?;
    let backup = text(&folder.path().join("cattery.backup"));
    admin.ok(&["backup", &backup], "")?;
    let snapshot = folder.path().join("snapshot");
    block_on(etcd.save_snapshot(&snapshot))?;
    let bob = fresh_key(&bobs)?;
    // More news than an authority makes by itself when it starts: it must not count as far as the agent has seen.
    for user in ["carol", "dave", "erin", "frank"] {
        admin.ok(&["user", "add", user], "")?;
        admin.ok(&["user", "disable", user], "")?;
    }
    admin.ok(&["user", "disable", "bob"], "")?;
    let bob_is_out = || Ok((agent.forward_auth(&mint(&bob)?)?.status == 401).then_some(()));
    wait::until("bob is refused", bob_is_out)?;
    let alice = fresh_key(&alices)?;
    accepted_soon(&agent, &alice)?;

    // The authority that runs ends, and does not start again.
    block_on(etcd.put_back_snapshot(&snapshot))?;
    let process = authority.process.as_mut().context("it runs")?;
    ensure!(!process.wait_exit(wait::PATIENCE)?.success());
    let said = process.err();
    ensure!(said.contains("`cattery restore`"), "{said}");
    authority.spawn()?;
    let process = authority.process.as_mut().context("it was started")?;
    ensure!(!process.wait_exit(wait::PATIENCE)?.success());
    let last = process.err().lines().last().unwrap_or_default().to_owned();
    one_clear_line(&last, &["older state", "`cattery restore`"])?;

    // One that knows nothing would give bob keys. The agent takes nothing from it, and the operator is told.
    other.start()?;
    wait::until("the operator is told", || {
        let status = admin.run(&["--output", "json", "status"], "")?;
        Ok(status.out.contains("holds incarnation 1").then_some(()))
    })?;
    ensure!(bob_is_out()?.is_some(), "the agent went back");
    ensure!(agent.forward_auth(&mint(&alice)?)?.status == 200);
    stop(&mut other)?;

    let dir = text(&authority.dir);
    let restore = ["restore", &backup, "--dir", &dir];
    admin.refused(&restore, "", &["already holds", "prefix"])?;
    block_on(async {
        let all = DeleteOptions::new().with_prefix();
        etcd.client().await?.delete(PREFIX, Some(all)).await?;
        Ok(())
    })?;
    let report = admin.ok(&restore, "")?;
    ensure!(
        report.contains("user_disabled user/bob (version 1)"),
        "{report}"
    );
    authority.start()?;
    let token = mint(&alice)?;
    accepted_soon(&agent, &fresh_key(&alices)?)?;
    is_over(&agent, &token)?;
    is_refused(&bobs, "was disabled")?;
    let audit = admin.json(&["audit", "verify"], "")?;
    ensure!(audit["intact"] == true, "{audit}");
    Ok(())
}
