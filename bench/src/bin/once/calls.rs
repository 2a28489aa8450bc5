//! Calls of `Verify`, over the agent's Unix socket.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use cattery_proto::v1::{RequestFacts, VerifyRequest, agent_client::AgentClient, verify_response};
use cattery_report::{out::table, rounds::spread};
use cattery_tests::town;
use comfy_table::Table;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::{
    Args,
    place::Place,
    ratio,
    tokens::{AUTHORITY, Kind, METHOD, PATH, mint},
};

/// What is compared; the first is what the others are compared with.
const WHAT: [(&str, Kind, bool); 4] = [
    ("plain", Kind::Plain, false),
    ("bound to its request", Kind::Bound, false),
    ("single use, each agent remembers", Kind::Once, false),
    ("single use, all agents share", Kind::Once, true),
];

/// Each kind in turn, with so many calls at once.
pub(crate) async fn measure(place: &Place, args: &Args, at_once: usize) -> Result<Table> {
    let mut took = WHAT.map(|_| (Vec::new(), Duration::ZERO));
    for round in 0..=args.rounds {
        for ((_, kind, shared), took) in WHAT.iter().zip(&mut took) {
            let agent = if *shared {
                &place.sharing
            } else {
                &place.alone
            };
            let (each, all) = run(place, agent, *kind, args.tokens, at_once).await?;
            if round > 0 {
                took.0.extend(each);
                took.1 += all;
            }
        }
    }
    let calls = args.rounds * args.tokens;
    let plain = took[0].1;
    let head = format!("{at_once} at once");
    let mut out = table(&[
        &head,
        "p50, µs",
        "p99, µs",
        "calls per second",
        "time, ratio to plain",
    ]);
    for ((what, ..), (mut each, all)) in WHAT.into_iter().zip(took) {
        let [median, p99, _] = spread(&mut each);
        let per_second = calls as f64 / all.as_secs_f64();
        out.add_row([
            what.to_owned(),
            median.as_micros().to_string(),
            p99.as_micros().to_string(),
            format!("{per_second:.0}"),
            ratio(all.as_nanos(), plain.as_nanos()),
        ]);
    }
    Ok(out)
}

async fn run(
    place: &Place,
    agent: &AgentClient<Channel>,
    kind: Kind,
    tokens: usize,
    at_once: usize,
) -> Result<(Vec<Duration>, Duration)> {
    let now = town::now()?;
    let tokens: Arc<[String]> = (0..tokens)
        .map(|_| mint(&place.key, kind, now))
        .collect::<Result<_>>()?;
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    let began = Instant::now();
    for _ in 0..at_once {
        let (agent, tokens, next) = (agent.clone(), tokens.clone(), next.clone());
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
    Ok((each, began.elapsed()))
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
