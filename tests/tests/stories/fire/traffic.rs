//! Clients that get keys, sign and have tokens checked all the time, and the oracle that says what is valid: by the lease's and the
//! token's own times alone.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use cattery_core::{TokenSpec, UserKey};
use cattery_proto::v1::{
    EpochState, GetKeyScheduleRequest, KeySchedule, RequestFacts, VerifyRequest,
    agent_client::AgentClient, verify_response,
};
use cattery_tests::{
    api::{self, Operator, User},
    fleet::{Fleet, SERVICES},
    town,
};
use rand::seq::{IndexedRandom as _, IteratorRandom as _};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tonic::transport::Channel;

use super::{
    spy::{self, Spy},
    tally::{Tally, Verdict},
};

/// How long one call to an authority may take: issuing may fail, and is asked for again later.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long an agent may take: only one that is frozen takes long.
const ANSWER: Duration = Duration::from_secs(40);
/// Lifetime of tokens, seconds.
const TOKEN: u64 = 4;
/// How long after its last answer an agent may have heard an authority, seconds: its period of beats, and a bit.
const BEAT: u64 = 8;

/// What is known of one agent.
#[derive(Default)]
pub(super) struct Agent {
    /// It is stopped, or was a moment ago.
    pub(super) frozen: AtomicBool,
    /// When its cable was pulled; until it is ready again.
    pub(super) cut: Mutex<Option<Instant>>,
}

/// What all clients share.
pub(super) struct Traffic {
    pub(super) tally: Tally,
    pub(super) agents: Vec<Agent>,
    budget: Duration,
    keys: Mutex<HashMap<String, Vec<Arc<UserKey>>>>,
    /// Epochs that somebody saw to be retired, and the newest schedule.
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    retired: HashMap<u32, Instant>,
    schedule: KeySchedule,
}

impl Traffic {
    pub(super) fn new(budget: Duration) -> Arc<Self> {
        Arc::new(Self {
            tally: Tally::default(),
            agents: SERVICES.iter().map(|_| Agent::default()).collect(),
            budget,
            keys: Mutex::default(),
            seen: Mutex::default(),
        })
    }

    /// Starts everything: it goes on until the set is dropped.
    pub(super) async fn start(
        self: &Arc<Self>,
        fleet: &Fleet,
        api_keys: &[String],
        spy: &Arc<Spy>,
    ) -> Result<JoinSet<()>> {
        let mut tasks = JoinSet::new();
        let addresses: Vec<_> = fleet.authorities.iter().map(|one| one.addr).collect();
        for api_key in api_keys {
            let users = addresses
                .iter()
                .map(|address| User::at(api_key, *address))
                .collect::<Result<Vec<_>>>()?;
            tasks.spawn(self.clone().get_keys(users));
        }
        for (number, agent) in fleet.agents.iter().enumerate() {
            let client = api::agent(&agent.socket)?;
            for _ in 0..2 {
                tasks.spawn(self.clone().verify(number, client.clone(), spy.clone()));
            }
        }
        let operators = addresses
            .iter()
            .map(|address| Operator::at(&fleet.admin.home, *address))
            .collect::<Result<Vec<_>>>()?;
        tasks.spawn(self.clone().watch(operators));
        Ok(tasks)
    }

    /// The newest schedule that any authority told.
    pub(super) fn schedule(&self) -> KeySchedule {
        self.seen().schedule.clone()
    }

    /// Epochs that are retired.
    pub(super) fn retired(&self) -> usize {
        self.seen().retired.len()
    }

    /// One user: a key for some service from some authority, again and again.
    async fn get_keys(self: Arc<Self>, mut users: Vec<User>) {
        loop {
            let service = ["photos", "mail", "docs"].choose(&mut rand::rng());
            let number = rand::random_range(0..users.len());
            if let (Some(service), Some(user)) = (service, users.get_mut(number)) {
                let answer = timeout(PATIENCE, user.key(service)).await;
                let key = answer.ok().and_then(Result::ok).flatten();
                self.tally.issued(key.is_some());
                if let Some(key) = key {
                    let mut keys = self.keys();
                    let keys = keys.entry((*service).to_owned()).or_default();
                    let now = town::now().unwrap_or_default();
                    keys.retain(|key| key.id().expires_at > now);
                    keys.push(Arc::new(key));
                }
            }
            sleep(Duration::from_millis(rand::random_range(100..400))).await;
        }
    }

    /// Tokens for one agent. Each is tried once.
    async fn verify(
        self: Arc<Self>,
        number: usize,
        mut agent: AgentClient<Channel>,
        spy: Arc<Spy>,
    ) {
        loop {
            let forged = SERVICES[number] == spy::SERVICE && rand::random_ratio(1, 5);
            let tried = match forged {
                true => self.try_forgery(number, &mut agent, &spy).await,
                false => self.try_lease(number, &mut agent).await,
            };
            if let Err(error) = tried {
                let detail = || format!("agent {number}: {error:#}");
                self.tally.count(Verdict::Refused, detail);
            }
            sleep(Duration::from_millis(rand::random_range(20..60))).await;
        }
    }

    async fn try_lease(&self, number: usize, agent: &mut AgentClient<Channel>) -> Result<()> {
        let before = town::now()?;
        let Some(key) = self.some_key(SERVICES[number], before) else {
            return Ok(());
        };
        let end = (before + TOKEN).min(key.id().expires_at);
        let mut token = String::new();
        let spec = TokenSpec {
            not_before: before,
            not_after: end,
            token_id: rand::random(),
            ..TokenSpec::default()
        };
        key.mint(&spec, &mut token)?;
        let answer = ask(agent, token).await;
        let after = town::now()?;
        // A second for the clock's steps.
        let is_valid = after < end;
        let verdict = match &answer {
            Answer::Accepted => Verdict::Accepted,
            Answer::Denied(code) if code == "unavailable" && self.is_past_budget(number) => {
                Verdict::PastBudget
            }
            Answer::Denied(_) if is_valid => Verdict::Refused,
            Answer::Denied(_) => Verdict::Ended,
            Answer::None(_) if self.agents[number].frozen.load(Ordering::SeqCst) => Verdict::Frozen,
            Answer::None(_) => Verdict::Refused,
        };
        self.tally.count(verdict, || {
            format!(
                "agent {number}, epoch {}, from {before} to {end}, lease until {}, answered at {after}: {answer:?}",
                key.id().epoch,
                key.id().expires_at
            )
        });
        Ok(())
    }

    async fn try_forgery(
        &self,
        number: usize,
        agent: &mut AgentClient<Channel>,
        spy: &Spy,
    ) -> Result<()> {
        let Some((epoch, token)) = spy.forge()? else {
            return Ok(());
        };
        let was_retired = self.seen().retired.contains_key(&epoch);
        let answer = ask(agent, token).await;
        let verdict = match (&answer, was_retired) {
            (Answer::Accepted, true) => Verdict::RetiredAccepted,
            (Answer::Denied(_), true) => Verdict::RetiredRefused,
            (Answer::Accepted, false) => Verdict::LiveForgery,
            // It may drain or be retired at this moment.
            _ => Verdict::Ended,
        };
        self.tally.count(verdict, || {
            format!("agent {number}, epoch {epoch}: {answer:?}")
        });
        Ok(())
    }

    /// Whether nobody has reached the agent for its budget, or it is coming back from that.
    fn is_past_budget(&self, number: usize) -> bool {
        let cut = self.agents[number].cut.lock();
        let cut = cut.unwrap_or_else(PoisonError::into_inner);
        cut.is_some_and(|at| at.elapsed() + Duration::from_secs(BEAT) >= self.budget)
    }

    fn some_key(&self, service: &str, now: u64) -> Option<Arc<UserKey>> {
        let keys = self.keys();
        let good = keys.get(service)?.iter();
        good.filter(|key| key.id().expires_at > now + 1)
            .choose(&mut rand::rng())
            .cloned()
    }

    /// Sees how epochs go, by asking any authority that answers.
    async fn watch(self: Arc<Self>, mut operators: Vec<Operator>) {
        loop {
            let number = rand::random_range(0..operators.len());
            if let Some(operator) = operators.get_mut(number) {
                let asked = GetKeyScheduleRequest::default();
                let answer = timeout(PATIENCE, operator.admin.get_key_schedule(asked)).await;
                let schedule = answer.ok().and_then(Result::ok);
                if let Some(schedule) = schedule.and_then(|answer| answer.into_inner().schedule) {
                    let mut seen = self.seen();
                    for key in &schedule.keys {
                        if key.state() == EpochState::Retired {
                            seen.retired.entry(key.number).or_insert_with(Instant::now);
                        }
                    }
                    if schedule.server_time >= seen.schedule.server_time {
                        seen.schedule = schedule;
                    }
                }
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<String, Vec<Arc<UserKey>>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an agent said.
#[derive(Debug)]
pub(super) enum Answer {
    Accepted,
    Denied(String),
    None(#[allow(dead_code, reason = "shown")] String),
}

/// One attempt.
pub(super) async fn ask(agent: &mut AgentClient<Channel>, presentation: String) -> Answer {
    let request = VerifyRequest {
        presentation,
        facts: Some(RequestFacts::default()),
        ..Default::default()
    };
    let answer = match timeout(ANSWER, agent.verify(request)).await {
        Ok(Ok(answer)) => answer.into_inner().result.context("a result"),
        Ok(Err(status)) => return Answer::None(status.to_string()),
        Err(_) => return Answer::None("no answer in time".to_owned()),
    };
    match answer {
        Ok(verify_response::Result::Caller(_)) => Answer::Accepted,
        Ok(verify_response::Result::Denial(denial)) => Answer::Denied(denial.code),
        Ok(verify_response::Result::Invalid(why)) => Answer::None(why),
        Err(error) => Answer::None(error.to_string()),
    }
}
