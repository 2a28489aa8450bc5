//! Renewing the certificate well before it ends.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::agent::Agent;
use crate::clock::{jittered, unix_seconds};

/// How often to look at the clock: it may jump, and the machine may sleep.
const GREATEST_NAP: Duration = Duration::from_secs(60);
/// After a renewal that failed.
const RETRY: Duration = Duration::from_secs(30);

/// Runs until it is dropped.
pub(crate) async fn run(agent: Arc<Agent>) {
    let mut spread = rand::random_range(0.9..=1.1);
    let mut has_failed = false;
    loop {
        let enrolled = agent.link.enrolled();
        let wait = until_due(
            enrolled.obtained_at,
            enrolled.not_after,
            unix_seconds(),
            spread,
        );
        if !wait.is_zero() {
            sleep(wait.min(GREATEST_NAP)).await;
            continue;
        }
        match agent.link.renew(unix_seconds()).await {
            Ok(()) => {
                info!("renewed the certificate");
                spread = rand::random_range(0.9..=1.1);
                has_failed = false;
                sleep(Duration::from_secs(1)).await; // whatever lifetime an authority gives
            }
            Err(error) if has_failed => {
                debug!(%error, "still cannot renew the certificate");
                sleep(jittered(RETRY)).await;
            }
            Err(error) => {
                warn!(%error, not_after = enrolled.not_after, "cannot renew the certificate");
                has_failed = true;
                sleep(jittered(RETRY)).await;
            }
        }
    }
}

/// Two thirds of its life, a tenth sooner or later.
fn until_due(obtained_at: u64, not_after: u64, now: u64, spread: f64) -> Duration {
    let life = Duration::from_secs(not_after.saturating_sub(obtained_at));
    let due = (life * 2 / 3).mul_f64(spread);
    due.saturating_sub(Duration::from_secs(now.saturating_sub(obtained_at)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_due_at_two_thirds_and_once_it_is_over() {
        let due = |now| until_due(1_000, 1_300, now, 1.0).as_secs();
        assert_eq!(
            (due(1_000), due(1_150), due(1_200), due(9_999)),
            (200, 50, 0, 0)
        );
        assert_eq!(due(900), 200, "a clock set back");
        assert_eq!(until_due(1_000, 1_300, 1_000, 1.1).as_secs(), 220);
        assert_eq!(until_due(1_000, 900, 1_000, 1.0).as_secs(), 0);
    }
}
