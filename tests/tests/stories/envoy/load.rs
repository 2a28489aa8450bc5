//! Many clients at once, while epochs rotate, tokens are taken back, and the agent goes away and comes back. An oracle that knows nothing of Envoy
//! and of the agent says what each answer has to be.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use cattery_core::UserKey;
use cattery_tests::{api::User, town::Town, wait};
use http::StatusCode;
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use rand::seq::IndexedRandom as _;
use rustix::process::Signal;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::{Place, mint};
use crate::say_now;

const CLIENTS: usize = 8;
/// Requests with one key before its owner fetches the next.
const PER_KEY: usize = 25;
/// How long Envoy may take for anything: 2 s for the agent, and what a busy machine adds.
const ANSWER: Duration = Duration::from_secs(20);

/// A token, and whether it has been taken back: when that began, and when all agents had said that they refuse it.
struct Revocable {
    token: String,
    begun: AtomicBool,
    done: AtomicBool,
}

/// What all clients share.
struct Shared {
    addr: SocketAddr,
    stop: AtomicBool,
    /// The agent is away or frozen, or was until a moment ago.
    disturbed: AtomicBool,
    revocable: Vec<Revocable>,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    phase: BTreeMap<String, u64>,
    wrong: Vec<String>,
}

type Http = Client<HttpConnector, Empty<Bytes>>;

impl Shared {
    async fn send(&self, client: &Http, token: Option<&str>) -> Result<StatusCode> {
        let mut request = hyper::Request::get(format!("http://{}/albums/7", self.addr));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = client.request(request.body(Empty::new())?);
        let answer = tokio::time::timeout(ANSWER, answer).await;
        Ok(answer.context("Envoy does not answer")??.status())
    }

    /// Sends it, and notes what came of it. `right` says whether this answer can be right, by what was known before and after.
    async fn try_one(
        &self,
        client: &Http,
        what: &str,
        token: Option<&str>,
        right: impl Fn(StatusCode) -> bool,
    ) {
        let was_disturbed = self.disturbed.load(Ordering::SeqCst);
        let answer = self.send(client, token).await;
        let is_disturbed = was_disturbed || self.disturbed.load(Ordering::SeqCst);
        let word = match &answer {
            Ok(StatusCode::SERVICE_UNAVAILABLE) | Err(_) if is_disturbed => "failed".to_owned(),
            Ok(status) if right(*status) => format!("{what}: {}", status.as_u16()),
            _ => {
                lock(&self.counts).wrong.push(format!("{what}: {answer:?}"));
                "WRONG".to_owned()
            }
        };
        *lock(&self.counts).phase.entry(word).or_default() += 1;
    }

    async fn client(self: Arc<Self>, api_key: String) -> Result<()> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let mut user = User::new(&api_key)?;
        while !self.stop.load(Ordering::Relaxed) {
            let key = user.key("photos").await?.context("a grant")?;
            for number in 0..PER_KEY {
                self.one_of_each(&client, &key, number).await?;
            }
        }
        Ok(())
    }

    async fn one_of_each(&self, client: &Http, key: &UserKey, number: usize) -> Result<()> {
        let ok = |status| status == StatusCode::OK;
        let unauthorized = |status| status == StatusCode::UNAUTHORIZED;
        self.try_one(client, "good", Some(&mint(key, &[])?), ok)
            .await;
        match number % 4 {
            0 => self.try_one(client, "none", None, unauthorized).await,
            1 => {
                let elsewhere = mint(key, &["path=/private".parse()?])?;
                let forbidden = |status| status == StatusCode::FORBIDDEN;
                self.try_one(client, "elsewhere", Some(&elsewhere), forbidden)
                    .await;
            }
            2 => {
                let forged = forge(&mint(key, &[])?);
                self.try_one(client, "forged", Some(&forged), unauthorized)
                    .await;
            }
            _ => {
                let one = self.revocable.choose(&mut rand::rng()).context("one")?;
                let was_done = one.done.load(Ordering::SeqCst);
                let right = |status| match (was_done, one.begun.load(Ordering::SeqCst)) {
                    (true, _) => unauthorized(status),
                    (false, true) => ok(status) || unauthorized(status),
                    (false, false) => ok(status),
                };
                let what = if was_done { "revoked" } else { "revocable" };
                self.try_one(client, what, Some(&one.token), right).await;
            }
        }
        Ok(())
    }

    /// Ends a phase: what there was in it. Nothing may have been wrong.
    fn end(&self, phase: &str) -> Result<BTreeMap<String, u64>> {
        let mut counts = lock(&self.counts);
        let phase_counts = std::mem::take(&mut counts.phase);
        say_now(&format!("{phase}: {phase_counts:?}"));
        ensure!(counts.wrong.is_empty(), "{phase}: {:?}", counts.wrong);
        Ok(phase_counts)
    }

    /// Waits until clients have had so many answers in this phase.
    fn had(&self, wanted: u64) -> Result<()> {
        wait::until("clients get answers", || {
            let had: u64 = lock(&self.counts).phase.values().sum();
            Ok((had >= wanted).then_some(()))
        })
    }

    fn had_of(&self, word: &str) -> Result<()> {
        wait::until(word, || {
            Ok(lock(&self.counts).phase.contains_key(word).then_some(()))
        })
    }
}

/// The same token with another tag: the last digit but one has no bits that mean nothing.
fn forge(token: &str) -> String {
    let (head, tail) = token.split_at(token.len() - 2);
    let other = if tail.starts_with('A') { 'B' } else { 'A' };
    format!("{head}{other}{}", &tail[1..])
}

#[test]
fn no_answer_is_wrong_while_all_changes() -> Result<()> {
    let mut place = Place::new(&[])?;
    let key = place.town.key()?;
    let revocable = (0..12)
        .map(|_| {
            Ok(Revocable {
                token: mint(&key, &[])?,
                begun: AtomicBool::new(false),
                done: AtomicBool::new(false),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let shared = Arc::new(Shared {
        addr: place.envoy.addr,
        stop: AtomicBool::new(false),
        disturbed: AtomicBool::new(false),
        revocable,
        counts: Mutex::default(),
    });
    let runtime = Runtime::new()?;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let client = Arc::clone(&shared).client(place.town.api_key.clone());
        clients.spawn_on(client, runtime.handle());
    }
    shared.had(500)?;
    let quiet = shared.end("quiet")?;
    ensure!(!quiet.contains_key("failed"));

    place.town.admin.ok(&["epoch", "rotate", "--wait"], "")?;
    shared.had(500)?;
    ensure!(!shared.end("a rotation")?.contains_key("failed"));

    revoke(&place.town, &shared.revocable[..4])?;
    shared.had(500)?;
    let counts = shared.end("revocations")?;
    ensure!(!counts.contains_key("failed"));

    // Stopped in good order, and started again.
    disturbed(&mut place, &shared, |place| {
        let mut process = place.town.agent.process.take().context("it runs")?;
        process.signal(Signal::TERM)?;
        process.wait_exit(wait::PATIENCE)?;
        place.town.agent.start(None)
    })?;
    shared.end("a restart")?;

    // Killed; a token is taken back meanwhile.
    disturbed(&mut place, &shared, |place| {
        place.town.agent.kill()?;
        shared.had_of("failed")?;
        let one = &shared.revocable[4];
        one.begun.store(true, Ordering::SeqCst);
        place.town.admin.ok(&["revoke"], &one.token)?;
        place.town.agent.start(None)?;
        one.done.store(true, Ordering::SeqCst);
        Ok(())
    })?;
    shared.end("a crash")?;
    revoke(&place.town, &shared.revocable[5..8])?;
    shared.had(500)?;
    ensure!(!shared.end("after it")?.contains_key("failed"));

    // Frozen: who waits for the agent is told 503, and so is everybody once Envoy has found out.
    disturbed(&mut place, &shared, |place| {
        let process = place.town.agent.process.as_ref().context("it runs")?;
        process.signal(Signal::STOP)?;
        shared.had_of("failed")?;
        shared.had(50)?;
        process.signal(Signal::CONT)
    })?;
    let frozen = shared.end("frozen")?;
    ensure!(frozen.contains_key("failed"), "{frozen:?}");

    // All of it at once, but for what makes requests fail.
    place.town.admin.ok(&["epoch", "rotate"], "").ok();
    revoke(&place.town, &shared.revocable[8..])?;
    shared.had(500)?;
    ensure!(
        !shared
            .end("a rotation and revocations")?
            .contains_key("failed")
    );

    shared.stop.store(true, Ordering::Relaxed);
    runtime.block_on(async {
        while let Some(ended) = clients.join_next().await {
            ended??;
        }
        Ok(())
    })
}

/// Takes tokens back, one by one, each until all agents refuse it.
fn revoke(town: &Town, tokens: &[Revocable]) -> Result<()> {
    for one in tokens {
        one.begun.store(true, Ordering::SeqCst);
        town.admin.ok(&["revoke", "--wait"], &one.token)?;
        one.done.store(true, Ordering::SeqCst);
    }
    Ok(())
}

/// Does something to the agent, and waits until requests pass again.
fn disturbed(
    place: &mut Place,
    shared: &Shared,
    what: impl FnOnce(&mut Place) -> Result<()>,
) -> Result<()> {
    shared.disturbed.store(true, Ordering::SeqCst);
    what(place)?;
    let token = mint(&place.town.key()?, &[])?;
    let mut passed = 0;
    wait::until("requests pass again", || {
        passed = match place.get("/", &token, &[]) {
            Ok(answer) if answer.status == 200 => passed + 1,
            _ => 0,
        };
        Ok((passed == 10).then_some(()))
    })?;
    shared.disturbed.store(false, Ordering::SeqCst);
    Ok(())
}

fn lock(counts: &Mutex<Counts>) -> MutexGuard<'_, Counts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}
