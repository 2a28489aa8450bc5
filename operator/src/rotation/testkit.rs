//! An authority for tests: a schedule that does what the real one's rules say, and a clock that goes on by itself.

use std::collections::VecDeque;

use anyhow::anyhow;
use tokio::sync::watch;

use super::{
    agents::Behind,
    course::{Aim, Course, Plan},
    drive::{Watch, drive},
    keys::Keys,
    report::Ended,
    schedule::{Key, Schedule, State},
    source::{Source, Trouble},
    step::{Answer, Command, Refusal, Step},
    stop::Stop,
};

/// What happens at a look, before it is answered.
pub(crate) enum Event {
    /// An agent takes the newest key.
    Holds(&'static str),
    /// Time goes on to this, Unix seconds.
    Time(u64),
    /// Somebody else takes a step.
    Other(Command),
    /// No authority answers.
    Away,
    /// Somebody presses Ctrl-C.
    Interrupt,
    /// The operator is one no more.
    Revoked,
}

/// The authority's side.
pub(crate) struct Cluster {
    pub(crate) schedule: Schedule,
    /// What happens at each look. After the last one, nothing happens any more.
    pub(crate) events: VecDeque<Event>,
    /// The steps that were asked for.
    pub(crate) asked: Vec<Step>,
    /// How many answers to steps get lost, though the steps are taken.
    pub(crate) lose: u32,
    /// How often somebody presses Ctrl-C during each step. After the second time, no answer comes.
    pub(crate) urge: u32,
    asks: watch::Sender<u32>,
}

/// What was shown while time passed.
#[derive(Default)]
pub(crate) struct Shown(pub(crate) Vec<String>);

impl Cluster {
    /// Epoch 3 is active, and the agents a1, a2 … of photos hold it.
    pub(crate) fn new(agents: u32) -> Self {
        let (asks, _) = watch::channel(0);
        Self {
            schedule: Schedule {
                service: None,
                keys: vec![key(3, State::Active)],
                live_agent_count: agents,
                holding_count: agents,
                behind: Vec::new(),
                retires_at: None,
                rotates_at: None,
                overdue: false,
                server_time: 1_000,
            },
            events: VecDeque::new(),
            asked: Vec::new(),
            lose: 0,
            urge: 0,
            asks,
        }
    }

    /// The same with epoch 4 prepared, which all agents hold but those named.
    pub(crate) fn prepared(agents: u32, missing: &[&str]) -> Self {
        let mut cluster = Self::new(agents);
        cluster.schedule.keys.insert(0, key(4, State::Prepared));
        cluster.schedule.behind = missing.iter().map(|id| behind(id)).collect();
        cluster.schedule.holding_count = agents - u32::try_from(missing.len()).unwrap();
        cluster
    }

    /// The same with epoch 2 draining until `at`.
    pub(crate) fn draining(mut self, at: u64) -> Self {
        self.schedule.keys.push(key(2, State::Draining));
        self.schedule.retires_at = Some(at);
        self
    }

    /// What happens from the first look after the start on.
    pub(crate) fn then(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        self.events.extend(events);
        self
    }

    /// Carries `plan` out.
    pub(crate) async fn drive(&mut self, plan: Plan) -> (anyhow::Result<Ended>, Shown) {
        let mut stop = Stop::counted_by(self.asks.subscribe());
        let start = self.schedule.clone();
        let course = Course::new(plan, &start);
        let mut shown = Shown::default();
        let ended = drive(self, course, start, &mut shown, &mut stop).await;
        (ended, shown)
    }

    /// The commands that were asked for.
    pub(crate) fn commands(&self) -> Vec<Command> {
        self.asked.iter().map(|step| step.command).collect()
    }

    /// The rules, in short.
    fn refusal(&self, step: Step) -> Option<Refusal> {
        let now = &self.schedule;
        if step.expect_active.is_some() && step.expect_active != now.active() {
            return Some(Refusal::Changed);
        }
        let (prepared, draining) = (now.prepared(), now.draining());
        match step.command {
            Command::Prepare if prepared.is_some() => Some(Refusal::AlreadyPrepared),
            Command::Activate if prepared.is_none() => Some(Refusal::NothingPrepared),
            Command::Activate if draining.is_some() => Some(Refusal::StillDraining),
            Command::Activate if !now.behind.is_empty() && !step.force => {
                Some(Refusal::AgentsMissing)
            }
            Command::Retire if draining.is_none() => Some(Refusal::NothingDraining),
            Command::Retire if !now.is_drained() && !step.force => Some(Refusal::LeasesOut),
            _ => None,
        }
    }

    fn everybody(&self) -> Vec<Behind> {
        let live = self.schedule.live_agent_count;
        (1..=live).map(|n| behind(&format!("a{n}"))).collect()
    }

    /// What a step makes of the schedule.
    fn after(&self, command: Command) -> Schedule {
        let mut next = self.schedule.clone();
        let newest = next.keys.iter().map(|key| key.number).max().unwrap_or(0);
        match command {
            Command::Prepare => {
                next.keys.insert(0, key(newest + 1, State::Prepared));
                (next.behind, next.holding_count) = (self.everybody(), 0);
            }
            Command::Activate => {
                for key in &mut next.keys {
                    key.state = match key.state {
                        State::Active => State::Draining,
                        State::Prepared => State::Active,
                        other => other,
                    };
                }
                next.retires_at = Some(next.server_time + 43_200);
            }
            Command::Retire => {
                set(&mut next, State::Draining, State::Retired);
                next.retires_at = None;
            }
            Command::Replace => {
                for key in &mut next.keys {
                    key.state = State::Retired;
                }
                next.keys.insert(0, key(newest + 1, State::Active));
                // Of the active key alone, an authority does not know who holds it.
                (next.behind, next.holding_count) = (Vec::new(), next.live_agent_count);
                next.retires_at = None;
            }
        }
        next
    }
}

impl Source for Cluster {
    async fn schedule(&mut self) -> Result<Schedule, Trouble> {
        match self.events.pop_front() {
            None => {}
            Some(Event::Holds(id)) => {
                self.schedule.behind.retain(|agent| agent.agent_id != id);
                let missing = u32::try_from(self.schedule.behind.len()).unwrap();
                self.schedule.holding_count = self.schedule.live_agent_count - missing;
            }
            Some(Event::Time(at)) => self.schedule.server_time = at,
            Some(Event::Other(command)) => self.schedule = self.after(command),
            Some(Event::Away) => return Err(away()),
            Some(Event::Interrupt) => self.asks.send_modify(|asks| *asks += 1),
            Some(Event::Revoked) => return Err(Trouble::Refused(anyhow!("no access"))),
        }
        Ok(self.schedule.clone())
    }

    async fn step(&mut self, step: Step) -> Result<Answer, Trouble> {
        self.asked.push(step);
        let refusal = self.refusal(step);
        let schedule = match refusal {
            None => self.after(step.command),
            Some(_) => self.schedule.clone(),
        };
        let agents = match (refusal, step.command) {
            (None, Command::Replace) => self.everybody(),
            (None, Command::Prepare) | (Some(Refusal::StillDraining), _) => Vec::new(),
            _ => self.schedule.behind.clone(),
        };
        if !step.dry_run {
            self.schedule = schedule.clone();
        }
        self.asks.send_modify(|asks| *asks += self.urge);
        if self.urge > 1 {
            std::future::pending::<()>().await;
        }
        if self.lose > 0 {
            self.lose -= 1;
            return Err(away());
        }
        Ok(Answer {
            refusal,
            agent_count: u32::try_from(agents.len()).unwrap(),
            agents,
            until: refusal.and(self.schedule.retires_at),
            schedule,
            leeway_seconds: 30,
        })
    }
}

impl Watch for Shown {
    fn waiting(&mut self, course: &Course, now: &Schedule) {
        self.0.push(super::progress::waiting(course, now, true));
    }

    fn lost(&mut self, why: &anyhow::Error) {
        self.0.push(format!("lost: {why:#}"));
    }

    fn over(&mut self) {}
}

/// A plan for the cluster without flags.
pub(crate) fn plan(aim: Aim) -> Plan {
    Plan {
        keys: Keys::Cluster,
        aim,
        wait: false,
        force: false,
    }
}

/// The same, and it waits.
pub(crate) fn waiting(aim: Aim) -> Plan {
    Plan {
        wait: true,
        ..plan(aim)
    }
}

/// The same, and it goes ahead.
pub(crate) fn forcing(aim: Aim) -> Plan {
    Plan {
        force: true,
        ..plan(aim)
    }
}

/// An agent of photos, last heard at 900, which goes on until 40000.
pub(crate) fn behind(id: &str) -> Behind {
    Behind {
        agent_id: id.to_owned(),
        service: "photos".to_owned(),
        last_contact: Some(900),
        until: Some(40_000),
    }
}

fn key(number: u32, state: State) -> Key {
    Key {
        number,
        state,
        created_at: Some(100),
        activated_at: (state != State::Prepared).then_some(200),
        not_after: None,
        retired_at: None,
    }
}

fn set(schedule: &mut Schedule, from: State, to: State) {
    for key in &mut schedule.keys {
        if key.state == from {
            key.state = to;
        }
    }
}

fn away() -> Trouble {
    Trouble::Away(anyhow!("no authority answers at auth.example.org:7443"))
}
