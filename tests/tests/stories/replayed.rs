//! Tokens that somebody sends again, or elsewhere: what binding and single use are worth, at one agent and at several.

use std::{collections::BTreeMap, thread};

use anyhow::{Context as _, Result, bail, ensure};
use cattery_core::{Caveat, TokenSpec, UserKey, request_digest};
use cattery_proto::v1::{RequestFacts, VerifyRequest, verify_response};
use cattery_tests::{
    agent::Agent,
    api,
    cli::Cli,
    http::Response,
    town::{self, Setting, Town, admit, welcome},
    wait,
};

use super::two_authorities::Pair;
use crate::{block_on, next_second, say_now};

const PATH: &str = "/albums/7?size=l";
/// How many tokens are raced for.
const RACES: usize = 30;

/// `require` and `shared` are TOML.
fn config(require: &str, shared: bool) -> String {
    format!(
        "http = \"127.0.0.1:0\"\n\
         [verify]\nleeway_seconds = 0\nrequire = {require}\n\
         [single_use]\nshared = {shared}\n\
         [forward_auth]\nfacts = \"x-forwarded\"\n\
         [log]\nlevel = \"debug\"\nformat = \"json\"\n"
    )
}

fn bound(body: Option<&[u8; 32]>) -> Caveat<'static> {
    Caveat::Request {
        digest: request_digest("GET", "photos.example", PATH, body),
        body: body.is_some(),
    }
}

fn mint(key: &UserKey, caveats: &[Caveat<'_>]) -> Result<String> {
    let now = town::now()?;
    let mut token = String::new();
    let spec = TokenSpec {
        not_before: now,
        not_after: now + 60,
        token_id: rand::random(),
        caveats,
        ..TokenSpec::default()
    };
    key.mint(&spec, &mut token)?;
    Ok(token)
}

fn single_use(key: &UserKey) -> Result<String> {
    mint(key, &[Caveat::SingleUse { id: rand::random() }])
}

/// All that whoever asked can see.
fn outside(answer: &Response) -> (u16, Vec<(String, String)>, String) {
    // A decision's id is random, and leads to the reason in the agent's log alone.
    let says = |name: &str| name != "date" && name != "x-cat-decision-id";
    let headers = answer.headers.iter().filter(|(name, _)| says(name));
    (
        answer.status,
        headers.cloned().collect(),
        answer.body.clone(),
    )
}

#[test]
fn a_stolen_bound_token_is_good_for_nothing_else() -> Result<()> {
    let setting = Setting {
        agent: config("[\"request\", \"single-use\"]", false),
        ..Setting::default()
    };
    let town = Town::with(&setting)?;
    let key = town.key()?;
    next_second()?; // what was minted in the second of the start may have been used before it
    let once = || Caveat::SingleUse { id: rand::random() };
    let token = mint(&key, &[once(), bound(None)])?;

    // The thief comes first.
    let stolen = [
        town.agent
            .forward_auth_of("GET", "/albums/8?size=l", &token)?,
        town.agent.forward_auth_of("DELETE", PATH, &token)?,
        town.agent
            .forward_auth_of("GET", "/albums/7?size=xl", &token)?,
    ];
    for answer in &stolen {
        ensure!(outside(answer) == outside(&stolen[0]), "{answer:?}");
        ensure!(answer.status == 403 && answer.body == "caveat_failed\n");
    }
    // That spent nothing.
    let owner = town.agent.forward_auth_of("GET", PATH, &token)?;
    ensure!(owner.status == 200, "{owner:?}");
    let again = town.agent.forward_auth_of("GET", PATH, &token)?;
    ensure!(again.status == 401 && again.body == "replayed\n");

    // Another body; and tokens that are not what the service demands.
    let (body, other) = ([1; 32], [2; 32]);
    let covered = mint(&key, &[once(), bound(Some(&body))])?;
    ensure!(verify(&town.agent, &covered, Some(other))? == "caveat_failed");
    ensure!(verify(&town.agent, &covered, None)? == "caveat_failed");
    ensure!(verify(&town.agent, &covered, Some(body))? == "ok");
    ensure!(verify(&town.agent, &covered, Some(body))? == "replayed");
    for (lacking, demand) in [
        (mint(&key, &[once()])?, "bound to their request"),
        (mint(&key, &[bound(None)])?, "for a single use"),
    ] {
        let answer = town.agent.forward_auth_of("GET", PATH, &lacking)?;
        ensure!(
            outside(&answer) == outside(&stolen[0]),
            "{demand}: {answer:?}"
        );
        wait::until("it is in the log", || {
            Ok(log(&town.agent)?.contains(demand).then_some(()))
        })?;
    }

    // What came when is in the log, and no token.
    let log = log(&town.agent)?;
    for told in [
        r#""method":"DELETE""#,
        r#""path":"/albums/8""#,
        r#""code":"replayed""#,
        r#""body_known":true"#,
        r#""principal":"user/alice""#,
    ] {
        ensure!(log.contains(told), "{told} is not in the log");
    }
    ensure!(
        !log.contains("cat1_") && !log.contains("size=xl"),
        "the log holds a token or a query"
    );
    Ok(())
}

fn log(agent: &Agent) -> Result<String> {
    Ok(agent.process.as_ref().context("it runs")?.err())
}

/// `ok`, or the code.
fn verify(agent: &Agent, token: &str, body: Option<[u8; 32]>) -> Result<String> {
    let request = VerifyRequest {
        presentation: token.to_owned(),
        facts: Some(RequestFacts {
            method: Some("GET".into()),
            authority: Some("photos.example".into()),
            path_and_query: Some(PATH.into()),
            body_sha256: body.map(|sha256| sha256.to_vec()),
            ..RequestFacts::default()
        }),
        ..Default::default()
    };
    let answer = block_on(async {
        let mut client = api::agent(&agent.socket)?;
        Ok(client.verify(request).await?.into_inner())
    })?;
    match answer.result {
        Some(verify_response::Result::Caller(_)) => Ok("ok".into()),
        Some(verify_response::Result::Denial(denial)) => Ok(denial.code),
        Some(verify_response::Result::Invalid(why)) => bail!("{why}"),
        None => bail!("no result"),
    }
}

/// Three agents that share a memory, and two that do not.
struct Place {
    pair: Pair,
    sharing: Vec<Agent>,
    alone: Vec<Agent>,
    key: UserKey,
}

impl Place {
    fn new() -> Result<Self> {
        let pair = Pair::start()?;
        let first = admit(&pair.admin, "photos")?;
        let mut join_tokens = vec![first];
        for _ in 1..5 {
            join_tokens.push(pair.admin.ok(&["service", "join-token", "photos"], "")?);
        }
        let mut agents = Vec::new();
        for (number, join_token) in join_tokens.iter().enumerate() {
            let config = config("[]", number < 3);
            let mut agent = Agent::new(pair.folder.path(), &format!("agent-{number}"), &config)?;
            agent.start(Some(join_token))?;
            agents.push(agent);
        }
        let alice = Cli::new(pair.folder.path(), "alice");
        welcome(&pair.admin, &alice, "alice", "photos")?;
        let key = alice.ok(&["key", "export", "photos"], "")?;
        let alone = agents.split_off(3);
        next_second()?;
        Ok(Self {
            pair,
            sharing: agents,
            alone,
            key: UserKey::parse_text(&key).context("the exported key")?,
        })
    }

    /// Until a fresh token is accepted by each of those that share.
    fn accepted_by_each(&self) -> Result<()> {
        for agent in &self.sharing {
            wait::until("a fresh token is accepted", || {
                let answer = code(agent, &single_use(&self.key)?)?;
                ensure!(answer == "ok" || answer == "unavailable", "{answer}");
                Ok((answer == "ok").then_some(()))
            })?;
        }
        Ok(())
    }
}

fn code(agent: &Agent, token: &str) -> Result<String> {
    let answer = agent.forward_auth(token)?;
    Ok(match answer.status {
        200 => "ok".into(),
        _ => answer.body.trim().to_owned(),
    })
}

#[test]
fn once_is_once_at_each_agent_or_once_at_all_of_them() -> Result<()> {
    let mut place = Place::new()?;

    // Each remembers by itself.
    let token = single_use(&place.key)?;
    for agent in &place.alone {
        ensure!(code(agent, &token)? == "ok");
        ensure!(code(agent, &token)? == "replayed");
    }

    // All remember together, whoever of them and of the authorities is asked, and after a crash at once.
    let used = single_use(&place.key)?;
    ensure!(code(&place.sharing[0], &used)? == "ok");
    for agent in &place.sharing {
        ensure!(code(agent, &used)? == "replayed", "{}", agent.name);
    }
    place.sharing[1].kill()?;
    place.sharing[1].start(None)?;
    ensure!(code(&place.sharing[1], &used)? == "replayed");
    race(&place)?;

    // One authority is enough.
    place.pair.one.kill()?;
    place.accepted_by_each()?;
    place.pair.other.kill()?;
    let lost = single_use(&place.key)?;
    for agent in &place.sharing {
        let answer = agent.forward_auth(&lost)?;
        ensure!(answer.status == 503, "{answer:?}");
        let bearer = mint(&place.key, &[])?;
        ensure!(code(agent, &bearer)? == "ok", "others are not concerned");
    }
    ensure!(code(&place.alone[0], &single_use(&place.key)?)? == "ok");
    place.pair.one.start()?;
    place.accepted_by_each()?;
    for agent in &place.sharing {
        ensure!(code(agent, &used)? == "replayed", "{}", agent.name);
    }
    Ok(())
}

/// Everybody tries each token at the same time.
fn race(place: &Place) -> Result<()> {
    let mut answers = BTreeMap::<String, usize>::new();
    for _ in 0..RACES {
        let token = single_use(&place.key)?;
        let codes = thread::scope(|scope| {
            let agents = place.sharing.iter().chain(&place.sharing);
            let racing: Vec<_> = agents
                .map(|agent| scope.spawn(|| code(agent, &token)))
                .collect();
            let ended = racing.into_iter().map(|one| match one.join() {
                Ok(code) => code,
                Err(_) => bail!("a racer panicked"),
            });
            ended.collect::<Result<Vec<_>>>()
        })?;
        let wins = codes.iter().filter(|code| *code == "ok").count();
        ensure!(wins <= 1, "{wins} of {codes:?}");
        for code in codes {
            ensure!(
                ["ok", "replayed", "unavailable"].contains(&&*code),
                "{code}"
            );
            *answers.entry(code).or_default() += 1;
        }
    }
    ensure!(answers.contains_key("ok"), "nobody ever won: {answers:?}");
    say_now(&format!(
        "six racers for each of {RACES} single uses at three agents: {answers:?}"
    ));
    Ok(())
}
