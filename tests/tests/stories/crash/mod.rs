//! An authority that dies with SIGKILL at any moment of a busy day, again and again: what it acknowledged stays, what it did
//! not is there whole or not at all, nothing happens twice, and agents do not notice.
//!
//! `CATTERY_CRASH_ROUNDS` is how often, `CATTERY_SEED` repeats the choices (what the scheduler does with them differs).

mod model;
mod verifying;
mod workers;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use cattery_proto::v1::{
    EpochState, GetClusterStatusRequest, GetKeyScheduleRequest, VerifyAuditRequest,
};
use cattery_sdk::{identity::KeyPair, portable::JoinToken};
use cattery_tests::{
    api::{self, Operator},
    random::{generator, seed},
    town::Town,
    wait,
};
use rand::RngExt as _;

use crate::{block_on, say_now};
use model::{Model, Thing};
use verifying::Verifying;

/// At once, on two cores: enough that several changes are always under way.
const WORKERS: u64 = 4;
/// The longest time that a round lets the authority work, microseconds.
const LONGEST: u64 = 500_000;

/// What the workers of all rounds know.
type Known = Arc<Mutex<Model>>;

fn lock(known: &Known) -> MutexGuard<'_, Model> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn killed_at_random_points() -> Result<()> {
    let rounds: u64 = match std::env::var("CATTERY_CRASH_ROUNDS") {
        Ok(text) => text.parse().context("CATTERY_CRASH_ROUNDS")?,
        Err(_) => 25,
    };
    let seed = seed()?;
    say_now(&format!(
        "authority killed {rounds} times, CATTERY_SEED={seed}"
    ));
    let began = Instant::now();
    let mut town = Town::new()?;
    let verifying = Verifying::start(town.agent.http()?, town.key()?);
    let known = Known::default();
    block_on(async {
        prepare(&town, &known).await?;
        for round in 0..rounds {
            one(&mut town, &known, &verifying, seed, round)
                .await
                .with_context(|| format!("round {round}, CATTERY_SEED={seed}"))?;
        }
        Ok(())
    })?;
    let verified = verifying.stop()?;
    let model = lock(&known);
    town.authority.kill()?;
    model.look_at_audit(&town.authority.dir)?;
    block_on(model.look_at_store(&town.authority.dir))?;
    say_now(&format!(
        "{rounds} rounds in {:.1} s: {} acknowledged changes, {} in doubt ({} of these had happened), {} leases, {} join \
         tokens raced, {verified} tokens verified meanwhile and none refused",
        began.elapsed().as_secs_f64(),
        model.acknowledged,
        model.doubted,
        model.happened,
        model.leases.len(),
        model.races,
    ));
    ensure!(
        model.acknowledged > rounds && verified > 0,
        "nothing was going on"
    );
    Ok(())
}

/// What is there before the first round.
async fn prepare(town: &Town, known: &Known) -> Result<()> {
    let mut operator = town.operator()?;
    let mut model = Model::default();
    model.adopt(&mut operator).await?;
    model.api_key = town.api_key.clone();
    *lock(known) = model;
    Ok(())
}

async fn one(
    town: &mut Town,
    known: &Known,
    verifying: &Verifying,
    seed: u64,
    round: u64,
) -> Result<()> {
    let operator = town.operator()?;
    let mut dice = generator(seed, round << 8);
    let race = Race::begin(&operator, known, round).await?;

    let stop = Arc::new(AtomicBool::new(false));
    let before = lock(known).acknowledged;
    let mut tasks = Vec::new();
    for worker in 0..WORKERS {
        let dice = generator(seed, (round << 8) + 1 + worker);
        let (operator, known, stop) = (operator.clone(), Arc::clone(known), Arc::clone(&stop));
        tasks.push(tokio::spawn(workers::work(
            worker, round, dice, operator, known, stop,
        )));
    }
    wait::until_async("the authority is busy", || async {
        let gave_up = tasks.iter().all(tokio::task::JoinHandle::is_finished);
        Ok((gave_up || lock(known).acknowledged > before).then_some(()))
    })
    .await?;
    let racing = race.run(dice.random_range(0..2) == 0);
    tokio::time::sleep(Duration::from_micros(dice.random_range(0..LONGEST))).await;
    town.authority.kill()?;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await??;
    }
    let winners = racing.await??;

    verifying.goes_on().await?;
    town.authority.forget_logs()?;
    town.authority.start()?;
    let mut operator = town.operator()?;
    wait::until_async("the authority serves", || {
        let mut admin = operator.admin.clone();
        async move {
            let status = admin.get_cluster_status(GetClusterStatusRequest {}).await;
            Ok(status.ok().map(drop))
        }
    })
    .await?;
    race.settle(&mut operator, winners, round).await?;
    lock(known).races += 1;
    // Nothing else holds it now.
    let mut model = std::mem::take(&mut *lock(known));
    model.compare(&mut operator).await?;
    model.try_keys().await?;
    *lock(known) = model;
    invariants(&mut operator).await
}

async fn invariants(operator: &mut Operator) -> Result<()> {
    let audit = operator.admin.verify_audit(VerifyAuditRequest {}).await?;
    let audit = audit.into_inner();
    ensure!(audit.intact, "the audit log: {}", audit.problem);
    ensure!(
        audit.dangling_intents == 0,
        "{} intents were not settled",
        audit.dangling_intents
    );
    let asked = GetKeyScheduleRequest::default();
    let schedule = operator.admin.get_key_schedule(asked).await?.into_inner();
    let epochs = schedule.schedule.context("the schedule of epochs")?.keys;
    for state in [
        EpochState::Prepared,
        EpochState::Active,
        EpochState::Draining,
    ] {
        let count = epochs.iter().filter(|epoch| epoch.state() == state).count();
        ensure!(
            count <= 1 && (state != EpochState::Active || count == 1),
            "{count} epochs are {state:?}"
        );
    }
    ensure!(
        epochs
            .windows(2)
            .all(|pair| pair[0].number == pair[1].number + 1),
        "epochs are numbered without gaps"
    );
    Ok(())
}

/// One single-use join token, and two who want it at the same time, while the authority dies.
struct Race {
    service: String,
    token: Arc<JoinToken>,
    keys: [Arc<KeyPair>; 2],
}

/// Who got a certificate.
type Winners = [bool; 2];

impl Race {
    async fn begin(operator: &Operator, known: &Known, round: u64) -> Result<Self> {
        let mut operator = operator.clone();
        let service = format!("race-{round}");
        let request = cattery_proto::v1::AddServiceRequest {
            name: service.clone(),
        };
        let thing = Thing::Service(service.clone());
        lock(known).begin(thing.clone(), model::service(0));
        operator.admin.add_service(request).await?;
        lock(known).end(&thing);
        Ok(Self {
            token: Arc::new(operator.join_token(&service).await?),
            service,
            keys: [
                Arc::new(KeyPair::generate()?),
                Arc::new(KeyPair::generate()?),
            ],
        })
    }

    fn run(&self, swapped: bool) -> tokio::task::JoinHandle<Result<Winners>> {
        let (token, keys) = (Arc::clone(&self.token), self.keys.clone());
        tokio::spawn(async move {
            let order = if swapped { [1, 0] } else { [0, 1] };
            let (first, second) = tokio::join!(
                api::enroll(&token, &keys[order[0]]),
                api::enroll(&token, &keys[order[1]])
            );
            let mut winners = [false; 2];
            winners[order[0]] = won(first)?;
            winners[order[1]] = won(second)?;
            Ok(winners)
        })
    }

    /// Both ask again, as whoever did not hear the answer may: one of them has it, and the same one as before.
    async fn settle(&self, operator: &mut Operator, before: Winners, round: u64) -> Result<()> {
        ensure!(before != [true; 2], "a join token was used twice");
        let mut after = [false; 2];
        for (winner, key) in after.iter_mut().zip(&self.keys) {
            *winner = match api::enroll(&self.token, key).await {
                Ok(_) => true,
                Err(status) if api::in_doubt(&status) => return Err(status.into()),
                Err(_) => false,
            };
        }
        ensure!(
            after != [true; 2] && after != [false; 2],
            "exactly one has the join token: {after:?}"
        );
        for (before, after) in before.iter().zip(after) {
            ensure!(!before || after, "who had the join token has it no more");
        }
        let request = cattery_proto::v1::GetServiceRequest {
            name: self.service.clone(),
        };
        let agents = operator
            .admin
            .get_service(request)
            .await?
            .into_inner()
            .agents;
        ensure!(
            agents.len() == 1,
            "one agent enrolled in round {round}, not {}",
            agents.len()
        );
        Ok(())
    }
}

fn won(answer: api::Answer<cattery_proto::v1::Identity>) -> Result<bool> {
    match answer {
        Ok(_) => Ok(true),
        Err(status) if status.code() == tonic::Code::DataLoss => Err(status.into()),
        Err(_) => Ok(false),
    }
}
