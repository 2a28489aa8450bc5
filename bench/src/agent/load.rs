//! Load on two servers in turns, and what it came to.

use std::time::{Duration, Instant};

use anyhow::Result;
use cattery_report::{Measured, rounds::spread};
use tokio::{task::JoinSet, time::interval_at};

/// What one server was asked in one round.
pub(crate) struct Took {
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) per_second: f64,
}

/// Something that keeps a server busy.
pub(crate) trait Load {
    /// Does so for this long.
    async fn run(&mut self, lasting: Duration) -> Result<Took>;
}

/// One who asks, and waits for the answer.
pub(crate) trait Ask: Send + 'static {
    /// Asks once. An answer that is not a yes is an error.
    fn ask(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// All of them ask at the same time, each one question after the other.
pub(crate) struct Calls<A>(pub(crate) Vec<A>);

impl<A: Ask> Load for Calls<A> {
    async fn run(&mut self, lasting: Duration) -> Result<Took> {
        self.run_at(lasting, None).await
    }
}

impl<A: Ask> Calls<A> {
    /// With a `period`, each asks once in it; otherwise again as soon as there is an answer.
    async fn run_at(&mut self, lasting: Duration, period: Option<Duration>) -> Result<Took> {
        let mut all = JoinSet::new();
        let began = Instant::now();
        let end = began + lasting;
        let askers = self.0.len();
        for (number, mut asker) in self.0.drain(..).enumerate() {
            all.spawn(async move {
                let mut due = period.map(|period| {
                    // They begin one after the other, all within a period.
                    let first = period.mul_f64(number as f64 / askers as f64);
                    interval_at((began + first).into(), period)
                });
                let mut took = Vec::new();
                loop {
                    if let Some(due) = &mut due {
                        due.tick().await;
                    }
                    let asked_at = Instant::now();
                    if asked_at >= end {
                        return anyhow::Ok((asker, took));
                    }
                    asker.ask().await?;
                    took.push(asked_at.elapsed());
                }
            });
        }
        let mut took = Vec::new();
        while let Some(ended) = all.join_next().await {
            let (asker, its) = ended??;
            self.0.push(asker);
            took.extend(its);
        }
        let per_second = took.len() as f64 / began.elapsed().as_secs_f64();
        let [p50, p99, _] = spread(&mut took);
        Ok(Took {
            p50,
            p99,
            per_second,
        })
    }
}

/// Asks at a rate that leaves room: each asker in its turn, as long as answers come in time.
pub(crate) struct Paced<A> {
    pub(crate) calls: Calls<A>,
    pub(crate) per_second: f64,
}

impl<A: Ask> Load for Paced<A> {
    async fn run(&mut self, lasting: Duration) -> Result<Took> {
        let askers = self.calls.0.len() as f64;
        let period = Duration::from_secs_f64(askers / self.per_second);
        self.calls.run_at(lasting, Some(period)).await
    }
}

/// Two servers beside each other.
pub(crate) struct Pair {
    pub(crate) one: Measured,
    pub(crate) other: Measured,
    /// The first one's by the other's.
    pub(crate) ratio: Measured,
}

/// The first one and then the other, and the other way round in the next round. The first round does not count.
pub(crate) async fn in_turns<L: Load>(
    mut sides: [L; 2],
    rounds: usize,
    lasting: Duration,
    of: impl Fn(&Took) -> f64,
) -> Result<Pair> {
    let mut values = [Vec::new(), Vec::new()];
    for round in 0..=rounds {
        for turn in 0..2 {
            let side = (round + turn) % 2;
            let took = sides[side].run(lasting).await?;
            if round > 0 {
                values[side].push(of(&took));
            }
        }
    }
    let [one, other] = values;
    let ratios: Vec<_> = one.iter().zip(&other).map(|(a, b)| a / b).collect();
    Ok(Pair {
        one: Measured::of(&one),
        other: Measured::of(&other),
        ratio: Measured::of(&ratios),
    })
}
