//! Renewing the certificate well before it ends, and getting another one where that did not work out.

mod retry;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::agent::Agent;
use crate::clock::{spread, unix_seconds};
use crate::link::{Link, LinkError, Outcome};
use crate::meters::Certified;
use retry::Retry;

/// How often to look at the clock: it may jump, and the machine may sleep.
const GREATEST_NAP: Duration = Duration::from_secs(60);

/// Runs until it is dropped.
pub(crate) async fn run(agent: Arc<Agent>) {
    let link = &agent.link;
    let mut due_at = rand::random_range(0.9..=1.1);
    let mut retry = Retry::default();
    loop {
        let enrolled = link.enrolled();
        let (obtained_at, not_after) = (enrolled.obtained_at, enrolled.not_after);
        let wait = until_due(obtained_at, not_after, unix_seconds(), due_at);
        if !wait.is_zero() {
            sleep(wait.min(GREATEST_NAP)).await;
            continue;
        }
        match next_certificate(link).await {
            Ok(how) => {
                agent.meters.certificate_renewals.add(how);
                info!("{}", said(how));
                due_at = rand::random_range(0.9..=1.1);
                retry = Retry::default();
                sleep(Duration::from_secs(1)).await; // whatever lifetime an authority gives
            }
            Err(error) => {
                agent
                    .meters
                    .certificate_renewals
                    .add(match error.outcome() {
                        Outcome::Failed => Certified::Failed,
                        Outcome::Unknown | Outcome::Refused => Certified::Refused,
                    });
                let (wait, is_news) = retry.failed(error.outcome());
                if is_news {
                    warn!(%error, not_after, "cannot renew the certificate");
                } else {
                    debug!(%error, "still cannot renew the certificate");
                }
                sleep(spread(wait)).await;
            }
        }
    }
}

/// Renews, or asks for another one where the certificate has ended by this clock or the authority's. Gives what was done.
async fn next_certificate(link: &Link) -> Result<Certified, LinkError> {
    let now = unix_seconds();
    if !link.enrolled().has_ended(now) {
        match link.renew(now).await {
            Ok(()) => return Ok(Certified::Renewed),
            Err(error) if error.outcome() == Outcome::Unknown => {
                debug!(%error, "an authority does not take the certificate");
            }
            Err(error) => return Err(error),
        }
    }
    link.recover(now).await?;
    Ok(Certified::Recovered)
}

fn said(how: Certified) -> &'static str {
    match how {
        Certified::Recovered => "the certificate had ended: got another one for the same key",
        _ => "renewed the certificate",
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
