//! Calls of `Verify`, over the agent's Unix socket.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use cattery_core::UserKey;
use cattery_proto::v1::{RequestFacts, VerifyRequest, agent_client::AgentClient, verify_response};
use cattery_report::{Measured, Page, rounds::spread};
use cattery_tests::town;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use super::{
    Extent,
    tokens::{AUTHORITY, Kind, METHOD, PATH, mint},
};

/// Calls that are under way at the same time.
const AT_ONCE: [usize; 2] = [1, 64];

/// One kind of token at one agent.
pub(super) struct Way {
    /// For people.
    pub(super) what: String,
    pub(super) kind: Kind,
    pub(super) key: Arc<UserKey>,
    pub(super) agent: AgentClient<Channel>,
}

/// What one way came to in one round.
struct Took {
    p50: Duration,
    p99: Duration,
    /// All calls.
    all: Duration,
}

/// A section about all ways, the first of which is what the others are compared with.
///
/// # Errors
/// A call fails, or a token is refused.
pub(super) async fn measure(page: &mut Page, ways: &[Way], extent: Extent) -> Result<()> {
    page.section(
        "Through an agent",
        &format!(
            "`Verify` over a Unix socket. Agents of one service, each of which remembers single uses by itself or has the authority remember them, on an embedded store or an \
             etcd of one member. They share one machine with their authorities, etcd, and who asks, so that all work shows in what a call takes. Each token is used \
             once; {} of each kind in turns in each of {} rounds, after one that does not count.",
            extent.tokens, extent.rounds,
        ),
    );
    for at_once in AT_ONCE {
        let mut took: Vec<Vec<Took>> = ways.iter().map(|_| Vec::new()).collect();
        for round in 0..=extent.rounds {
            for (way, took) in ways.iter().zip(&mut took) {
                let its = run(way, extent.tokens, at_once).await?;
                if round > 0 {
                    took.push(its);
                }
            }
        }
        let head = match at_once {
            1 => "one at a time".to_owned(),
            _ => format!("{at_once} at once"),
        };
        page.table(
            &[
                &head,
                "p50, µs",
                "p99, µs",
                "calls per second",
                "time, ratio to plain",
            ],
            ways.iter().zip(&took).map(|(way, its)| {
                let of = |of: &dyn Fn(&Took) -> f64| {
                    Measured::of(&its.iter().map(of).collect::<Vec<_>>())
                };
                let plain = took.first().into_iter().flatten();
                let ratios = its.iter().zip(plain).map(|(its, plain)| its.over(plain));
                vec![
                    way.what.clone(),
                    format!("{:.0}", of(&|took| micros(took.p50))),
                    format!("{:.0}", of(&|took| micros(took.p99))),
                    format!(
                        "{:.0}",
                        of(&|took| extent.tokens as f64 / took.all.as_secs_f64())
                    ),
                    format!("{:.2}", Measured::of(&ratios.collect::<Vec<_>>())),
                ]
            }),
        );
    }
    Ok(())
}

impl Took {
    /// In terms of another one of the same round.
    fn over(&self, other: &Self) -> f64 {
        self.all.as_secs_f64() / other.all.as_secs_f64()
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

async fn run(way: &Way, tokens: usize, at_once: usize) -> Result<Took> {
    let now = town::now()?;
    let tokens: Arc<[String]> = (0..tokens)
        .map(|_| mint(&way.key, way.kind, now))
        .collect::<Result<_>>()?;
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    let began = Instant::now();
    for _ in 0..at_once {
        let (agent, tokens, next) = (way.agent.clone(), tokens.clone(), next.clone());
        callers.spawn(async move {
            let mut took = Vec::new();
            while let Some(token) = tokens.get(next.fetch_add(1, Ordering::Relaxed)) {
                let began = Instant::now();
                verify(agent.clone(), token).await?;
                took.push(began.elapsed());
            }
            anyhow::Ok(took)
        });
    }
    let mut each = Vec::new();
    while let Some(ended) = callers.join_next().await {
        each.extend(ended??);
    }
    let all = began.elapsed();
    let [p50, p99, _] = spread(&mut each);
    Ok(Took { p50, p99, all })
}

async fn verify(mut agent: AgentClient<Channel>, token: &str) -> Result<()> {
    let request = VerifyRequest {
        presentation: token.to_owned(),
        facts: Some(RequestFacts {
            method: Some(METHOD.into()),
            authority: Some(AUTHORITY.into()),
            path_and_query: Some(PATH.into()),
            ..RequestFacts::default()
        }),
        ..Default::default()
    };
    let answer = agent.verify(request).await?.into_inner().result;
    let passed = matches!(answer, Some(verify_response::Result::Caller(_)));
    ensure!(passed, "a token was refused: {answer:?}");
    Ok(())
}
