//! Taking back one token, one handed-out key, one lease or one API key: two authorities on etcd, three agents.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use cattery_core::{Caveat, UserKey};
use cattery_proto::v1::{self, GetStatusRequest, RevocationKind};
use cattery_tests::{
    agent::{Agent, CONFIG},
    api::{self, Operator},
    cli::Cli,
    process::Process,
    programs::Program,
    town::{admit, mint, welcome},
    wait,
};
use rustix::process::Signal;

use super::two_authorities::Pair;
use crate::{block_on, say_now};

/// Enough that they come in many parts, while an agent is away.
const STORM: usize = 100_000;
/// As many as one call takes.
const BATCH: usize = 500;

/// Everybody, running.
struct Place {
    pair: Pair,
    agents: Vec<Agent>,
    alice: Cli,
    api_key: String,
}

impl Place {
    fn new() -> Result<Self> {
        let pair = Pair::start()?;
        let mut agents = Vec::new();
        for number in 0..3 {
            let join_token = match number {
                0 => admit(&pair.admin, "photos")?,
                _ => pair.admin.ok(&["service", "join-token", "photos"], "")?,
            };
            let mut agent = Agent::new(pair.folder.path(), &format!("agent-{number}"), CONFIG)?;
            agent.start(Some(&join_token))?;
            agents.push(agent);
        }
        let alice = Cli::new(pair.folder.path(), "alice");
        let api_key = welcome(&pair.admin, &alice, "alice", "photos")?;
        Ok(Self {
            pair,
            agents,
            alice,
            api_key,
        })
    }

    fn fresh_key(&self) -> Result<UserKey> {
        block_on(async {
            let mut alice = api::User::new(&self.api_key)?;
            alice.key("photos").await?.context("a grant")
        })
    }

    fn accepted(&self, token: &str) -> Result<()> {
        for agent in &self.agents {
            let answer = agent.forward_auth(token)?;
            ensure!(answer.status == 200, "{}: {answer:?}", agent.name);
        }
        Ok(())
    }

    /// Every agent refuses it, for this reason, now.
    fn refused(&self, token: &str) -> Result<()> {
        self.refused_at("/albums/7", token)
    }

    fn refused_at(&self, path: &str, token: &str) -> Result<()> {
        for agent in &self.agents {
            let answer = agent.forward_auth_of("GET", path, token)?;
            let why = answer.header("www-authenticate").unwrap_or_default();
            ensure!(
                answer.status == 401 && why.contains("revoked"),
                "{}: {answer:?}",
                agent.name
            );
        }
        Ok(())
    }

    /// Runs a command that revokes, and prints when the last agent refused the token, from the command's start.
    fn timed(&self, what: &str, args: &[&str], stdin: &str, token: &str) -> Result<()> {
        self.accepted(token)?;
        let began = Instant::now();
        let mut command = Program::Cli.command()?;
        command.arg("--home").arg(&self.pair.admin.home).args(args);
        let logs = self.pair.folder.path().join("logs");
        let mut running = Process::start("revoke", command, &logs, Some(stdin.as_bytes()))?;
        for agent in &self.agents {
            wait::until("the agent refuses it", || {
                Ok((agent.forward_auth(token)?.status == 401).then_some(()))
            })?;
        }
        say_now(&format!(
            "{what}: the last agent refuses it {} ms after the command began",
            began.elapsed().as_millis()
        ));
        ensure!(
            running.wait_exit(wait::PATIENCE)?.success(),
            "{}",
            running.err()
        );
        self.refused(token)
    }
}

#[test]
fn each_thing_is_taken_back_alone() -> Result<()> {
    let place = Place::new()?;
    let key = place.fresh_key()?;
    let (stolen, kept) = (mint(&key)?, mint(&key)?);
    place.timed("one token", &["revoke"], &stolen, &stolen)?;
    place.accepted(&kept)?;
    // With --wait it is over when the command is.
    let waited = place.pair.admin.ok(&["revoke", "--wait"], &kept)?;
    ensure!(waited.contains("all 3 live agents refuse it"), "{waited}");
    place.refused(&kept)?;

    let [first, second] = [narrowed(&key, 'a')?, narrowed(&key, 'b')?];
    let token = mint(&first)?;
    place.timed("one handed-out key", &["revoke"], &first.to_text(), &token)?;
    place.accepted(&mint(&second)?)?;
    place.accepted(&mint(&key)?)?;

    let admin = &place.pair.admin;
    let lease = hex::encode(key.id().lease_id);
    let leases = admin.json(&["lease", "list", "--user", "alice"], "")?;
    let row = |id: &str| {
        let rows = leases.as_array().into_iter().flatten();
        rows.clone().find(|row| row["lease_id"] == id).cloned()
    };
    ensure!(
        row(&lease).is_some_and(|row| row["state"] == "active"),
        "{leases}"
    );
    let token = mint(&second)?;
    let args = ["lease", "revoke", "--user", "alice", &lease];
    place.timed("one lease", &args, "", &token)?;
    place.refused(&mint(&key)?)?;
    let leases = admin.json(&["lease", "list", "--user", "alice"], "")?;
    ensure!(leases.to_string().contains("\"revoked\""), "{leases}");
    admin.refused(
        &["lease", "revoke", "--user", "alice", "0123456789abcdef"],
        "",
        &["no lease 0123456789abcdef", "nothing was revoked"],
    )?;

    // Another lease of the same API key is good until that is revoked.
    let again = place.fresh_key()?;
    let token = mint(&again)?;
    let keys = admin.json(&["user", "api-key", "list", "alice"], "")?;
    let id = keys[0]["id"]
        .as_str()
        .context("alice's API key")?
        .to_owned();
    place.timed(
        "all leases of one API key",
        &["user", "api-key", "revoke", &id],
        "",
        &token,
    )?;
    // A second time it says the same, and where that has come.
    let again = admin.ok(&["user", "api-key", "revoke", &id, "--wait"], "")?;
    ensure!(
        again.contains("works no more") && again.contains("all 3 live agents"),
        "{again}"
    );
    ensure!(place.fresh_key().is_err(), "the API key works no more");
    let mine = place.alice.ok(&["mint", "photos"], "")?;
    place.refused(&mine)
}

/// alice hands one app's paths to a contractor, asking nobody, and takes that back alone.
#[test]
fn a_contractor_gets_one_apps_paths_and_loses_them_alone() -> Result<()> {
    let place = Place::new()?;
    let (alice, bob) = (&place.alice, Cli::new(place.pair.folder.path(), "bob"));
    let key = alice.ok(&["key", "export", "photos"], "")?;
    let narrowing = ["--caveat", "path=/app", "--caveat", "method=GET"];
    let narrow = |whom| {
        let args = [
            &["key", "attenuate"],
            &narrowing[..],
            &["--revocable", whom],
        ]
        .concat();
        alice.ok(&args, &key)
    };
    let (bobs, carols) = (narrow("bob, contractor")?, narrow("carol")?);
    bob.ok(&["login"], &bobs)?;
    let agent = &place.agents[0];
    let status =
        |method, path, token: &str| anyhow::Ok(agent.forward_auth_of(method, path, token)?.status);
    let token = bob.ok(&["mint", "photos"], "")?;
    ensure!(status("GET", "/app/1", &token)? == 200);
    ensure!(status("GET", "/albums/7", &token)? == 403 && status("POST", "/app/1", &token)? == 403);
    // What he adds only narrows it further.
    let wider = bob.ok(
        &[
            "mint",
            "photos",
            "--caveat",
            "path=/",
            "--caveat",
            "method=POST,GET",
        ],
        "",
    )?;
    ensure!(status("GET", "/albums/7", &wider)? == 403 && status("POST", "/app/1", &wider)? == 403);

    let handed_out = alice.json(&["key", "handed-out"], "")?;
    ensure!(handed_out[0]["whom"] == "bob, contractor", "{handed_out}");
    let take_back = handed_out[0]["take_back"].as_str().context("a command")?;
    let args: Vec<&str> = take_back.split(' ').skip(1).collect();
    alice.ok(&args, "")?;
    // Whoever wants to know how far that has come asks an operator for the same once more.
    let id = handed_out[0]["id"].as_str().context("an id")?;
    let of = ["--principal", "user/alice", "--handed-out", id, "--wait"];
    let said = place.pair.admin.ok(&[&["revoke"], &of[..]].concat(), "")?;
    ensure!(said.contains("all 3 live agents refuse it"), "{said}");
    place.refused_at("/app/1", &token)?;
    place.refused_at("/app/1", &bob.ok(&["mint", "photos"], "")?)?;
    let others = [
        alice.ok(&["mint", "photos"], "")?,
        mint(&UserKey::parse_text(&carols)?)?,
    ];
    ensure!(status("GET", "/albums/7", &others[0])? == 200);
    ensure!(status("GET", "/app/1", &others[1])? == 200);
    Ok(())
}

#[test]
fn an_agent_that_has_not_heard_is_named_and_waited_for() -> Result<()> {
    let place = Place::new()?;
    let token = mint(&place.fresh_key()?)?;
    place.accepted(&token)?;
    let away = &place.agents[1];
    let id = block_on(async {
        let mut agent = api::agent(&away.socket)?;
        let status = agent.get_status(GetStatusRequest {}).await?;
        Ok(status.into_inner().agent_id)
    })?;
    let process = away.process.as_ref().context("it runs")?;
    process.signal(Signal::STOP)?;
    let mut command = Program::Cli.command()?;
    command
        .arg("--home")
        .arg(&place.pair.admin.home)
        .args(["revoke", "--wait"]);
    let logs = place.pair.folder.path().join("logs");
    let mut waiting = Process::start("waiting", command, &logs, Some(token.as_bytes()))?;
    let named = format!("waiting for agent {}… of photos", &id[..8]);
    wait::until("the agent that is away is named", || {
        waiting.expect_running()?;
        Ok(waiting.err().contains(&named).then_some(()))
    })?;
    ensure!(place.agents[0].forward_auth(&token)?.status == 401);
    process.signal(Signal::CONT)?;
    ensure!(
        waiting.wait_exit(wait::PATIENCE)?.success(),
        "{}",
        waiting.err()
    );
    place.refused(&token)
}

#[test]
fn an_agent_that_restarts_in_a_storm_knows_what_the_others_know() -> Result<()> {
    let mut place = Place::new()?;
    let token = mint(&place.fresh_key()?)?;
    let home = place.pair.admin.home.clone();
    let began = Instant::now();
    let storm = std::thread::spawn(move || {
        block_on(storm(&home)).inspect_err(|why| say_now(&format!("the storm ended: {why:#}")))
    });
    // Once in the middle of it, and once with all of it to learn.
    wait::until("the storm has reached the agents", || {
        ensure!(
            !storm.is_finished(),
            "the storm ended before it reached them"
        );
        Ok((known(&place.agents[2])?.0 > 10 * BATCH as u64).then_some(()))
    })?;
    place.agents[2].kill()?;
    place.agents[2].start(None)?;
    storm
        .join()
        .map_err(|_| anyhow::anyhow!("the storm panicked"))??;
    say_now(&format!(
        "{STORM} revocations, {BATCH} a call, took {} ms",
        began.elapsed().as_millis()
    ));
    place.agents[1].kill()?;
    place.agents[1].start(None)?;
    let all = wait::until("all agents know the same", || {
        let all: Vec<_> = place.agents.iter().map(known).collect::<Result<_>>()?;
        let is_whole = all.iter().all(|one| one.0 == STORM as u64);
        Ok(is_whole.then_some(all))
    })?;
    ensure!(
        all[0].1.len() == 16 && all.iter().all(|one| *one == all[0]),
        "{all:?}"
    );
    // Who was not meant goes on, and who is meant next is refused at once.
    place.accepted(&token)?;
    place.pair.admin.ok(&["revoke", "--wait"], &token)?;
    place.refused(&token)
}

/// How many revoked ids an agent knows, and their digest.
fn known(agent: &Agent) -> Result<(u64, Vec<u8>)> {
    block_on(async {
        let mut agent = api::agent(&agent.socket)?;
        let status = agent.get_status(GetStatusRequest {}).await?.into_inner();
        Ok((status.revoked_ids, status.revoked_ids_digest))
    })
}

async fn storm(home: &std::path::Path) -> Result<()> {
    let mut operator = Operator::of_home(home)?;
    for batch in 0..STORM / BATCH {
        let revocation = |number: usize| {
            let number = batch * BATCH + number;
            let mut id = [0; 16];
            id[..8].copy_from_slice(&number.to_be_bytes());
            v1::Revocation {
                kind: RevocationKind::Token.into(),
                principal: ["user/alice", "service/photos"][number % 2].to_owned(),
                id: id.to_vec(),
                not_after: 0,
            }
        };
        let request = v1::RevokeRequest {
            revocations: (0..BATCH).map(revocation).collect(),
            wait: false,
        };
        operator.admin.revoke(request).await?;
    }
    Ok(())
}

/// The key with a condition by which it can be revoked.
fn narrowed(key: &UserKey, digit: char) -> Result<UserKey> {
    let mut key = UserKey::parse_text(&key.to_text())?;
    let caveat: Caveat<'static> =
        format!("revocation={}", String::from(digit).repeat(32)).parse()?;
    key.narrow(&caveat)?;
    Ok(key)
}
