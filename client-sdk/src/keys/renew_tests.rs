use std::{
    cell::{Cell, OnceCell},
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Mutex,
};

use tokio::{sync::mpsc::UnboundedReceiver, time::sleep};
use zeroize::Zeroizing;

use super::*;
use crate::keys::snapshot::Held;

const LIFE: u64 = 3_600;
const BEGAN: u64 = 1_000_000;

thread_local! {
    static START: OnceCell<Instant> = const { OnceCell::new() };
    /// How long this computer slept.
    static SLEPT: Cell<u64> = const { Cell::new(0) };
}

/// Goes as the paused clock does, and on while the computer sleeps.
fn wall() -> Option<u64> {
    let awake = START.with(|start| start.get_or_init(Instant::now).elapsed());
    Some(BEGAN + awake.as_secs() + SLEPT.get())
}

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

fn keys_for(services: &[&str], life: u64) -> Fetched {
    let now = wall().unwrap();
    let held = services.iter().map(|service| {
        let held = Held::Token {
            text: Zeroizing::new("cat1_x".into()),
            not_after: now + life,
        };
        ((*service).to_owned(), Arc::new(held))
    });
    Fetched {
        principal: "user/alice".into(),
        held: held.collect(),
        now,
        ..Fetched::default()
    }
}

fn keys() -> Fetched {
    keys_for(&["photos"], LIFE)
}

fn no(service: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(service.to_owned(), "no".to_owned())])
}

fn start_with(
    first: Fetched,
    answers: Vec<Result<Fetched, String>>,
) -> (Arc<State>, UnboundedReceiver<Instant>) {
    let (calls, called) = tokio::sync::mpsc::unbounded_channel();
    let script = Script {
        answers: Mutex::new(answers.into()),
        calls,
    };
    (start(first, script, wall).0, called)
}

async fn attempts(state: &State, count: u64) {
    let mut attempts = state.attempts.subscribe();
    attempts.wait_for(|n| *n == count).await.unwrap();
}

fn held(state: &State) -> HashMap<String, Arc<Held>> {
    state.snapshot().brought.held.clone()
}

#[tokio::test(start_paused = true)]
async fn renews_at_half_life() {
    let (state, mut called) = start_with(keys(), vec![Ok(keys()), Ok(keys())]);
    let mut before = Instant::now();
    for round in 2..4 {
        let at = called.recv().await.unwrap();
        let share = (at - before).as_secs_f64() / LIFE as f64;
        assert!((0.40..0.56).contains(&share), "{share}");
        attempts(&state, round - 1).await;
        assert_eq!(state.round(), round);
        before = at;
    }
}

#[tokio::test(start_paused = true)]
async fn a_life_beyond_all_clocks_is_a_long_one() {
    let endless = keys_for(&["photos"], u64::MAX - 2 * BEGAN);
    let (_, mut called) = start_with(endless, vec![Ok(keys())]);
    let began = Instant::now();
    let at = called.recv().await.unwrap();
    assert!((at - began).as_secs() > 13 * 24 * 3600);
}

#[tokio::test(start_paused = true)]
async fn a_computer_that_slept_renews_when_it_wakes_up() {
    let (state, mut called) = start_with(keys(), vec![Ok(keys())]);
    let woke = Instant::now();
    SLEPT.set(8 * 3600);
    let at = called.recv().await.unwrap();
    assert!(at - woke < Duration::from_secs(61), "{:?}", at - woke);
    attempts(&state, 1).await;
    assert_eq!(state.round(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_reported_and_tried_again_long_before_it_matters() {
    let (state, mut called) = start_with(
        keys(),
        vec![Err("down".into()), Err("down".into()), Ok(keys())],
    );
    let mut health = state.health();
    let first = called.recv().await.unwrap();
    let failing = health.wait_for(|health| health.failing.is_some()).await;
    let failing = failing.unwrap().failing.clone().unwrap();
    assert_eq!((failing.attempts, failing.why.as_str()), (1, "down"));
    called.recv().await.unwrap();
    let third = called.recv().await.unwrap();
    assert!(third - first < Duration::from_secs(4));
    attempts(&state, 3).await;
    assert_eq!(health.borrow().failing, None);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_keeps_the_old_key_until_it_ends_and_asks_again_soon() {
    let refused = || {
        Ok(Fetched {
            refused: no("mail"),
            ..keys()
        })
    };
    let both = || keys_for(&["photos", "mail"], LIFE);
    let (state, mut called) = start_with(both(), vec![refused(), refused(), Ok(both())]);
    let first = called.recv().await.unwrap();
    attempts(&state, 1).await;
    assert!(held(&state).contains_key("mail"));
    assert_eq!(state.health().borrow().refused, no("mail"));
    assert_eq!(state.health().borrow().failing, None);
    let second = called.recv().await.unwrap();
    assert!(second - first <= REFUSED);
    called.recv().await.unwrap();
    attempts(&state, 3).await;
    assert!(state.health().borrow().refused.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_no_answer_names_any_more_is_refused() {
    let (state, mut called) = start_with(keys_for(&["photos", "mail"], LIFE), vec![Ok(keys())]);
    called.recv().await.unwrap();
    attempts(&state, 1).await;
    assert!(held(&state).contains_key("mail"));
    assert!(state.health().borrow().refused["mail"].contains("no grant"));
}

#[tokio::test(start_paused = true)]
async fn a_kept_key_ends() {
    let mut later = keys();
    later.now += LIFE;
    later.refused = no("mail");
    later.keep(&keys_for(&["mail"], LIFE));
    assert!(!later.held.contains_key("mail"));
}

#[tokio::test(start_paused = true)]
async fn one_service_without_an_answer_holds_up_no_other() {
    let without_mail = Fetched {
        missing: no("mail"),
        ..keys()
    };
    let both = || keys_for(&["photos", "mail"], LIFE);
    let (state, mut called) = start_with(both(), vec![Ok(without_mail), Ok(both())]);
    let first = called.recv().await.unwrap();
    attempts(&state, 1).await;
    assert_eq!(state.round(), 2);
    assert!(held(&state).contains_key("mail"));
    let failing = state.health().borrow().failing.clone().unwrap();
    assert_eq!(failing.why, "mail: no");
    let second = called.recv().await.unwrap();
    assert!(second - first < Duration::from_secs(2));
    attempts(&state, 2).await;
    assert_eq!(state.health().borrow().failing, None);
}

#[tokio::test(start_paused = true)]
async fn many_refusals_are_one_fetch() {
    let (state, mut called) = start_with(keys(), vec![Ok(keys()), Ok(keys())]);
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
    assert_eq!(state.round(), 2);
    sleep(Duration::from_secs(30)).await;
    assert!(called.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_again_is_fetched_less_and_less_often() {
    let answers = (0..8).map(|_| Ok(keys())).collect();
    let (state, mut called) = start_with(keys(), answers);
    assert!(state.newer_than(1).await);
    let mut before = called.recv().await.unwrap();
    for (round, gap) in (2..8).zip([5, 10, 20, 40, 60, 60]) {
        let refused = Instant::now();
        assert!(!state.newer_than(round).await);
        if gap == 5 {
            assert_eq!(refused, Instant::now()); // nobody waits in vain
        }
        let at = called.recv().await.unwrap();
        let after = (at - before).as_secs_f64();
        assert!(
            (gap as f64 - 0.01..gap as f64 + 0.3).contains(&after),
            "{after}"
        );
        attempts(&state, round).await;
        before = at;
    }
}

#[tokio::test(start_paused = true)]
async fn keys_that_last_bring_the_first_gap_back() {
    let answers = (0..4).map(|_| Ok(keys())).collect();
    let (state, mut called) = start_with(keys(), answers);
    assert!(state.newer_than(1).await);
    called.recv().await.unwrap();
    called.recv().await.unwrap(); // at half life
    attempts(&state, 2).await;
    assert!(state.newer_than(3).await);
    assert!(state.quiet_for() <= DEMAND_GAP);
}

#[tokio::test(start_paused = true)]
async fn a_demand_that_was_met_meanwhile_is_dropped() {
    let (state, mut called) = start_with(keys(), vec![Ok(keys())]);
    assert!(state.newer_than(1).await);
    called.recv().await.unwrap();
    state.demand.notify_one();
    sleep(Duration::from_secs(60)).await;
    assert!(called.try_recv().is_err());
    assert_eq!(*state.attempts.subscribe().borrow(), 1);
}
