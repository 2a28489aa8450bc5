//! The agents: one task, one certificate and one connection each, all in this process.

mod agent;
mod attempts;
mod enrol;
mod held;
mod pace;
mod seen;
mod way;

use std::{
    io::{self, Write as _},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, stdin},
    task::JoinSet,
    time::sleep,
};

use crate::{
    messages::{Attempts, Done, Order, Report},
    moment::{self, Moment},
    spread::Spread,
};
use agent::Agent;
use attempts::Tally;
use seen::Seen;

/// How long anything may take before the measurement fails.
const PATIENCE: Duration = Duration::from_secs(900);
/// Between two looks at all agents. Each one notes its own times.
const LOOK: Duration = Duration::from_millis(50);
/// Between two words on how far they are.
const PROGRESS: Duration = Duration::from_secs(1);

/// Obeys orders on standard input until its end, and reports on standard output.
///
/// # Errors
/// An order makes no sense, or nobody reads.
pub(crate) async fn run() -> Result<()> {
    let mut crowd = Crowd::default();
    let mut orders = BufReader::new(stdin()).lines();
    while let Some(line) = orders.next_line().await? {
        let order = serde_json::from_str(&line).context("an order")?;
        report(&match crowd.obey(order).await {
            Ok(done) => Report::Done(done),
            Err(error) => Report::Failed(format!("{error:#}")),
        })?;
    }
    Ok(())
}

fn report(report: &Report) -> Result<()> {
    let mut line = serde_json::to_string(report)?;
    line.push('\n');
    Ok(io::stdout().write_all(line.as_bytes())?)
}

/// All of them.
#[derive(Default)]
struct Crowd {
    agents: Vec<Arc<Agent>>,
    connected: JoinSet<()>,
    tally: Arc<Tally>,
}

impl Crowd {
    async fn obey(&mut self, order: Order) -> Result<Done> {
        let start = moment::now();
        // What begins here is counted with the order that waits for it.
        let begins = matches!(order, Order::Connect);
        let spread = match order {
            Order::Enrol(join_tokens) => {
                let tally = Arc::clone(&self.tally);
                let agents = enrol::all(join_tokens, self.agents.len(), &tally).await?;
                self.agents.extend(agents);
                Spread::since(start, vec![moment::now()])
            }
            Order::Connect => {
                for agent in &self.agents {
                    self.connected.spawn(Arc::clone(agent).run());
                }
                Spread::since(start, Vec::new())
            }
            Order::AwaitContact(since) => {
                self.each(since, |seen| seen.contact.filter(|at| *at >= since))
                    .await?
            }
            Order::AwaitEpoch(epoch, since) => {
                self.each(since, |seen| match seen.newest {
                    Some((newest, at)) if newest >= epoch => Some(at),
                    _ => None,
                })
                .await?
            }
            Order::AwaitPosition(incarnation, sequence, since) => {
                self.each(since, |seen| match seen.acknowledged {
                    Some((place, at)) if place >= (incarnation, sequence) => Some(at),
                    _ => None,
                })
                .await?
            }
            Order::Disconnect => {
                self.connected.shutdown().await;
                Spread::since(start, Vec::new())
            }
        };
        Ok(Done {
            spread,
            attempts: match begins {
                true => Attempts::default(),
                false => self.tally.take(),
            },
        })
    }

    /// Waits until there is such a moment of every agent.
    async fn each(&self, since: Moment, of: impl Fn(&Seen) -> Option<Moment>) -> Result<Spread> {
        let (began, mut told) = (Instant::now(), Instant::now());
        loop {
            let moments = self.agents.iter().map(|agent| agent.seen());
            let moments: Vec<_> = moments.filter_map(|seen| of(&seen)).collect();
            let (done, all) = (moments.len(), self.agents.len());
            if done == all {
                return Ok(Spread::since(since, moments));
            }
            if began.elapsed() > PATIENCE {
                let attempts = self.tally.take();
                bail!("only {done} of {all} agents were there in time; refused: {attempts:?}");
            }
            if told.elapsed() > PROGRESS {
                told = Instant::now();
                report(&Report::Progress { done, of: all })?;
            }
            sleep(LOOK).await;
        }
    }
}
