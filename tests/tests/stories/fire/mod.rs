//! Rotation that nobody notices: epochs turn over again and again while everything that can fail does, and clients sign and have
//! tokens checked all the time. Not one valid token may be refused, and not one of a retired epoch accepted.

mod spy;
mod tally;
mod traffic;

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use cattery_proto::v1::{
    ChangeKeyScheduleRequest, ChangeKeyScheduleResponse, EpochState, GetStatusRequest, KeyCommand,
    KeySchedule,
};
use cattery_tests::{
    api::{self, Operator},
    fleet::{Fleet, Periods, REMOTE},
    wait,
};
use rand::seq::IteratorRandom as _;
use rustix::process::Signal;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{block_on, say_now};
use spy::Spy;
use tally::Verdict;
use traffic::Traffic;

/// As short as they can be: an epoch drains for a bit more than half a minute.
const PERIODS: Periods = Periods {
    lease: 6,
    leeway: 1,
    budget: 24,
};
/// Verifications of each phase at the least.
const ENOUGH: u64 = 1_000;
/// How long a rotation may take that waits for a lease to end and an agent to be given up.
const ROTATION: Duration = Duration::from_secs(180);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);

#[test]
fn epochs_turn_over_under_fire_and_nobody_notices() -> Result<()> {
    block_on(async {
        let mut town = Fire::start(&PERIODS).await?;
        town.calm().await?;
        town.etcd_loses_its_leader().await?;
        town.authorities_are_killed_at_each_step().await?;
        town.an_agent_is_frozen().await?;
        town.the_leading_authority_is_frozen().await?;
        town.an_agent_is_cut_off().await?;
        town.end()
    })
}

#[test]
fn without_the_gate_valid_tokens_are_refused() -> Result<()> {
    block_on(async {
        // The agent has to be alive for longer than an epoch drains.
        let mut town = Fire::start(&Periods {
            budget: 300,
            ..PERIODS
        })
        .await?;
        town.settled().await?;
        // What the gate is for: one live agent does not hear of the next epoch.
        town.fleet.namespace.unplug()?;
        town.step(KeyCommand::Activate, true).await?;
        town.settled_but_for_the_remote_agent().await?;
        let refused = town.step(KeyCommand::Activate, false).await?;
        let id = agent_id(&town, REMOTE).await?;
        let missing: Vec<_> = refused.agents.iter().map(|agent| &agent.agent_id).collect();
        ensure!(!refused.done && missing == [&id], "{refused:?}");
        let forced = town.step(KeyCommand::Activate, true).await?;
        ensure!(forced.done && forced.agent_count >= 1, "{forced:?}");
        let number = active(&forced.schedule.context("a schedule")?);
        // Keys of that epoch are given out, and the agent refuses what they sign.
        let before = town.traffic.tally.of_all(Verdict::Refused);
        wait::until_async("valid tokens are refused", || {
            let refused = town.traffic.tally.of_all(Verdict::Refused);
            async move { Ok((refused > before).then_some(())) }
        })
        .await?;
        let phase = town.traffic.tally.end_phase();
        say_now(&phase.line("without the gate"));
        // It has heard of nothing since, so it also goes on with what is retired meanwhile, until its budget is over.
        let remote = format!("agent {REMOTE},");
        let newest = format!("epoch {number},");
        for line in &phase.wrong {
            let is_refusal = line.starts_with("Refused") && line.contains(&newest);
            let is_its_own = is_refusal || line.starts_with("RetiredAccepted");
            ensure!(line.contains(&remote) && is_its_own, "{line}");
        }
        Ok(())
    })
}

/// The fleet, and all that goes on in it.
struct Fire {
    fleet: Fleet,
    traffic: Arc<Traffic>,
    operators: Vec<Operator>,
    _tasks: JoinSet<()>,
}

impl Fire {
    async fn start(periods: &Periods) -> Result<Self> {
        let fleet = Fleet::start(periods).await?;
        let mut api_keys = Vec::new();
        for name in ["alice", "bob", "carol", "dave"] {
            fleet.admin.ok(&["user", "add", name], "")?;
            for service in ["photos", "mail", "docs"] {
                let grant = ["grant", "add", &format!("user/{name}"), service];
                fleet.admin.ok(&grant, "")?;
            }
            let api_key = fleet.admin.ok(&["user", "api-key", "create", name], "")?;
            api_keys.push(api_key);
        }
        let spy = Spy::enroll(&fleet, periods.budget).await?;
        let traffic = Traffic::new(Duration::from_secs(periods.budget));
        let operators = fleet
            .authorities
            .iter()
            .map(|authority| Operator::at(&fleet.admin.home, authority.addr))
            .collect::<Result<_>>()?;
        ready(&fleet, REMOTE).await?;
        let mut tasks = traffic.start(&fleet, &api_keys, &spy).await?;
        tasks.spawn(spy.follow());
        Ok(Self {
            fleet,
            traffic,
            operators,
            _tasks: tasks,
        })
    }

    async fn calm(&mut self) -> Result<()> {
        self.rotate().await?;
        self.end_phase("calm").await
    }

    async fn etcd_loses_its_leader(&mut self) -> Result<()> {
        self.settled().await?;
        let leader = self.fleet.etcd.leader().await?;
        self.fleet.etcd.kill(leader)?;
        self.rotate().await?;
        self.fleet.etcd.spawn(leader)?;
        self.fleet.etcd.answers().await?;
        self.end_phase("etcd's leader is killed").await
    }

    async fn authorities_are_killed_at_each_step(&mut self) -> Result<()> {
        // While it activates.
        self.settled().await?;
        let number = active(&self.traffic.schedule());
        let victim = self.leader().await?;
        let mut operator = self.operators[victim].clone();
        let asked = tokio::spawn(async move {
            let request = request(KeyCommand::Activate, false, number);
            timeout(LOOK * 20, operator.admin.change_key_schedule(request)).await
        });
        tokio::task::yield_now().await;
        self.fleet.authorities[victim].kill()?;
        let _ = asked.await;
        self.rotate_from(number).await?;
        // While it prepares the next one, which a leader does by itself.
        let second = self.leader().await?;
        self.fleet.authorities[second].kill()?;
        self.fleet.authorities[victim].start()?;
        self.fleet.authorities[second].start()?;
        // While it retires the last one.
        self.until("the leases end", |schedule| {
            schedule.retires_at <= schedule.server_time
        })
        .await?;
        let third = self.leader().await?;
        self.fleet.authorities[third].kill()?;
        self.rotate().await?;
        self.fleet.authorities[third].start()?;
        self.end_phase("an authority is killed at each step").await
    }

    async fn an_agent_is_frozen(&mut self) -> Result<()> {
        self.settled().await?;
        let (number, id) = (0, agent_id(self, 0).await?);
        self.traffic.agents[number]
            .frozen
            .store(true, Ordering::SeqCst);
        self.signal_agent(number, Signal::STOP)?;
        self.rotate().await?;
        self.until("the frozen agent is missed by name", |schedule| {
            schedule.behind.iter().any(|agent| agent.agent_id == id)
        })
        .await?;
        self.signal_agent(number, Signal::CONT)?;
        self.until("the agent holds the next epoch", |schedule| {
            schedule.behind.is_empty() && is_prepared(schedule)
        })
        .await?;
        self.traffic.agents[number]
            .frozen
            .store(false, Ordering::SeqCst);
        self.end_phase("an agent is frozen").await
    }

    async fn the_leading_authority_is_frozen(&mut self) -> Result<()> {
        self.settled().await?;
        let victim = self.leader().await?;
        self.signal_authority(victim, Signal::STOP)?;
        self.rotate().await?;
        wait::until_async("another authority leads", || async {
            let leader = self.fleet.leader().await.unwrap_or_default();
            Ok(leader.filter(|leader| *leader != victim))
        })
        .await?;
        self.settled().await?;
        self.signal_authority(victim, Signal::CONT)?;
        self.rotate().await?;
        self.end_phase("the leading authority is frozen").await
    }

    async fn an_agent_is_cut_off(&mut self) -> Result<()> {
        self.rotate().await?;
        self.fleet.namespace.unplug()?;
        *self.cut() = Some(Instant::now());
        self.rotate().await?;
        self.fleet.namespace.plug()?;
        ready(&self.fleet, REMOTE).await?;
        *self.cut() = None;
        self.settled().await?;
        ensure!(
            self.traffic.tally.of_all(Verdict::PastBudget) > 0,
            "the agent never ran out of its budget"
        );
        self.end_phase("an agent is cut off").await
    }

    fn end(self) -> Result<()> {
        let tally = &self.traffic.tally;
        let total = |verdict| tally.of_all(verdict);
        say_now(&format!(
            "{} epochs retired; {} valid tokens accepted, {} refused; {} of retired epochs refused, {} accepted",
            self.traffic.retired(),
            total(Verdict::Accepted),
            total(Verdict::Refused),
            total(Verdict::RetiredRefused),
            total(Verdict::RetiredAccepted),
        ));
        ensure!(total(Verdict::LiveForgery) > 0, "no forgery ever worked");
        ensure!(
            total(Verdict::RetiredRefused) > 0,
            "none was of a retired epoch"
        );
        Ok(())
    }

    /// Goes on until there was enough of it, and nothing was wrong.
    async fn end_phase(&self, name: &str) -> Result<()> {
        let began = Instant::now();
        while self.traffic.tally.verifications() < ENOUGH {
            ensure!(began.elapsed() < ROTATION, "{name}: too few verifications");
            sleep(LOOK).await;
        }
        let phase = self.traffic.tally.end_phase();
        say_now(&phase.line(name));
        let some: Vec<_> = phase.wrong.iter().take(10).collect();
        ensure!(some.is_empty(), "{name}: {some:#?}");
        Ok(())
    }

    /// One rotation: the next epoch becomes active as soon as it may.
    async fn rotate(&mut self) -> Result<()> {
        self.settled().await?;
        let number = active(&self.traffic.schedule());
        self.rotate_from(number).await
    }

    async fn rotate_from(&mut self, number: u32) -> Result<()> {
        let began = Instant::now();
        while active(&self.traffic.schedule()) == number {
            ensure!(
                began.elapsed() < ROTATION,
                "epoch {number} stays active: {:?}",
                self.traffic.schedule()
            );
            if let Some(operator) = self.operators.iter_mut().choose(&mut rand::rng()) {
                let request = request(KeyCommand::Activate, false, number);
                let _ = timeout(LOOK * 40, operator.admin.change_key_schedule(request)).await;
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// One step, by whichever authority answers.
    async fn step(
        &mut self,
        command: KeyCommand,
        force: bool,
    ) -> Result<ChangeKeyScheduleResponse> {
        let number = active(&self.traffic.schedule());
        let answer = self.operators[0]
            .admin
            .change_key_schedule(request(command, force, number))
            .await?;
        let answer = answer.into_inner();
        if answer.done {
            self.until("the step is seen", |schedule| active(schedule) != number)
                .await?;
        }
        Ok(answer)
    }

    /// The last epoch is retired, and every live agent holds the next one.
    async fn settled(&self) -> Result<()> {
        self.until(
            "the next epoch is prepared and the last one retired",
            |schedule| schedule.retires_at == 0 && is_prepared(schedule),
        )
        .await
    }

    async fn settled_but_for_the_remote_agent(&self) -> Result<()> {
        self.until("only the remote agent lacks the next epoch", |schedule| {
            schedule.retires_at == 0 && is_prepared(schedule) && schedule.behind.len() == 1
        })
        .await
    }

    async fn until(&self, what: &str, is_so: impl Fn(&KeySchedule) -> bool) -> Result<()> {
        let began = Instant::now();
        loop {
            let schedule = self.traffic.schedule();
            if !schedule.keys.is_empty() && is_so(&schedule) {
                return Ok(());
            }
            ensure!(
                began.elapsed() < ROTATION,
                "waited in vain: {what}: {schedule:?}"
            );
            sleep(LOOK).await;
        }
    }

    /// The number of the authority that leads, and runs.
    async fn leader(&self) -> Result<usize> {
        wait::until_async("an authority leads", || async {
            let leader = self.fleet.leader().await.unwrap_or_default();
            let runs = |number: &usize| self.fleet.authorities[*number].process.is_some();
            Ok(leader.filter(runs))
        })
        .await
    }

    fn signal_agent(&self, number: usize, signal: Signal) -> Result<()> {
        let process = self.fleet.agents[number].process.as_ref();
        process.context("the agent runs")?.signal(signal)
    }

    fn signal_authority(&self, number: usize, signal: Signal) -> Result<()> {
        let process = self.fleet.authorities[number].process.as_ref();
        process.context("the authority runs")?.signal(signal)
    }

    fn cut(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        let cut = self.traffic.agents[REMOTE].cut.lock();
        cut.unwrap_or_else(PoisonError::into_inner)
    }
}

fn request(command: KeyCommand, force: bool, number: u32) -> ChangeKeyScheduleRequest {
    ChangeKeyScheduleRequest {
        command: command.into(),
        force,
        expect_active: Some(number),
        ..Default::default()
    }
}

fn active(schedule: &KeySchedule) -> u32 {
    let mut keys = schedule.keys.iter();
    let active = keys.find(|key| key.state() == EpochState::Active);
    active.map_or(0, |key| key.number)
}

fn is_prepared(schedule: &KeySchedule) -> bool {
    let mut keys = schedule.keys.iter();
    keys.any(|key| key.state() == EpochState::Prepared)
}

async fn agent_id(town: &Fire, number: usize) -> Result<String> {
    let mut agent = api::agent(&town.fleet.agents[number].socket)?;
    let status = agent.get_status(GetStatusRequest {}).await?;
    Ok(status.into_inner().agent_id)
}

/// Waits until an agent verifies.
async fn ready(fleet: &Fleet, number: usize) -> Result<()> {
    let agent = api::agent(&fleet.agents[number].socket)?;
    wait::until_async("the agent is ready", || {
        let mut agent = agent.clone();
        async move {
            let status = agent.get_status(GetStatusRequest {}).await;
            Ok(status
                .ok()
                .filter(|status| status.get_ref().ready)
                .map(drop))
        }
    })
    .await
}
