use std::collections::{HashMap, VecDeque};

use tokio::time::advance;
use zeroize::Zeroizing;

use super::*;

const LIFE: u64 = 3_600;

/// Answers in order; then the channel's other end is told of the call.
struct Script {
    answers: Mutex<VecDeque<Result<Fetched, String>>>,
    calls: tokio::sync::mpsc::UnboundedSender<Instant>,
}

impl Fetch for Script {
    async fn fetch(&self) -> Result<Fetched, String> {
        let _ = self.calls.send(Instant::now());
        let answer = self.answers.lock().unwrap().pop_front();
        answer.unwrap_or_else(|| Err("no more answers".into()))
    }
}

fn keys() -> Fetched {
    let held = Held::Token {
        text: Zeroizing::new("cat1_x".into()),
        not_after: 1_000_000 + LIFE,
    };
    Fetched {
        principal: "user/alice".into(),
        held: HashMap::from([("photos".into(), held)]),
        now: 1_000_000,
    }
}

fn start(
    answers: Vec<Result<Fetched, String>>,
) -> (Arc<State>, tokio::sync::mpsc::UnboundedReceiver<Instant>) {
    let first = keys();
    let life = first.shortest();
    let state = Arc::new(State::new(first));
    let (calls, called) = tokio::sync::mpsc::unbounded_channel();
    let script = Script {
        answers: Mutex::new(answers.into()),
        calls,
    };
    tokio::spawn(run(Arc::clone(&state), script, life));
    (state, called)
}

#[tokio::test(start_paused = true)]
async fn renews_at_half_life() {
    let (state, mut called) = start(vec![Ok(keys()), Ok(keys())]);
    let mut before = Instant::now();
    for round in 2..4 {
        let at = called.recv().await.unwrap();
        let share = (at - before).as_secs_f64() / LIFE as f64;
        assert!((0.45..0.56).contains(&share), "{share}");
        state
            .attempts
            .subscribe()
            .wait_for(|n| *n == round - 1)
            .await
            .unwrap();
        assert_eq!(state.snapshot().round, round);
        before = at;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_reported_and_tried_again_long_before_it_matters() {
    let (state, mut called) = start(vec![Err("down".into()), Err("down".into()), Ok(keys())]);
    let first = called.recv().await.unwrap();
    state
        .attempts
        .subscribe()
        .wait_for(|n| *n == 1)
        .await
        .unwrap();
    let failing = state.health().failing.clone().unwrap();
    assert_eq!((failing.attempts, failing.why.as_str()), (1, "down"));
    called.recv().await.unwrap();
    let third = called.recv().await.unwrap();
    assert!(third - first < Duration::from_secs(4));
    state
        .attempts
        .subscribe()
        .wait_for(|n| *n == 3)
        .await
        .unwrap();
    assert_eq!(state.health().failing, None);
}

#[tokio::test(start_paused = true)]
async fn many_refusals_are_one_fetch() {
    let (state, mut called) = start(vec![Ok(keys()), Ok(keys())]);
    let waiting: Vec<_> = (0..100)
        .map(|_| {
            let state = Arc::clone(&state);
            tokio::spawn(async move { state.newer_than(1).await })
        })
        .collect();
    for waiter in waiting {
        assert!(waiter.await.unwrap());
    }
    called.recv().await.unwrap();
    assert!(called.try_recv().is_err());
    assert_eq!(state.snapshot().round, 2);

    // Refused again at once: nobody waits, and the next fetch keeps its distance.
    let refused = Instant::now();
    assert!(!state.newer_than(2).await);
    assert_eq!(refused, Instant::now());
    let at = called.recv().await.unwrap();
    assert!(at - refused > DEMAND_GAP - DEMAND_JITTER - Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn a_demand_that_was_met_meanwhile_is_dropped() {
    let (state, mut called) = start(vec![Ok(keys())]);
    assert!(state.newer_than(1).await);
    state.demand.notify_one();
    advance(Duration::from_secs(60)).await;
    called.recv().await.unwrap();
    assert!(called.try_recv().is_err());
}
