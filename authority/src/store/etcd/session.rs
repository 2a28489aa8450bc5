//! A session is a lease that is renewed while it is wanted.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::super::session::Life;
use super::super::{BootTime, Session, SessionId, StoreError};
use super::connection::{Connections, Repeat};

/// Between two looks at the clock, so that a machine that was suspended notices soon.
const LOOK: Duration = Duration::from_millis(500);

/// Grants a lease and keeps it.
pub(super) async fn open(
    connections: Arc<Connections>,
    ttl: Duration,
) -> Result<Session, StoreError> {
    let seconds = i64::try_from(ttl.as_nanos().div_ceil(1_000_000_000)).unwrap_or(i64::MAX);
    let sent = BootTime::now();
    let granted = connections.call(Repeat::Freely, |client| {
        let mut leases = client.lease_client();
        async move { leases.grant(seconds, None).await }
    });
    let keeper = Keeper {
        lease: granted.await?.id(),
        connections,
        ttl,
        life: Life::new(sent.after(ttl), CancellationToken::new()),
    };
    let unwanted = CancellationToken::new();
    let session = Session::new(SessionId(keeper.lease), keeper.life.clone(), {
        let unwanted = unwanted.clone();
        move || unwanted.cancel()
    });
    tokio::spawn(async move {
        unwanted.run_until_cancelled(keeper.keep()).await;
        keeper.revoke().await;
        keeper.life.end();
    });
    Ok(session)
}

struct Keeper {
    connections: Arc<Connections>,
    lease: i64,
    ttl: Duration,
    life: Arc<Life>,
}

impl Keeper {
    /// Until it is lost.
    async fn keep(&self) {
        tokio::select! {
            () = self.renewals() => {}
            () = self.lapse() => {}
        }
        self.life.end();
        tracing::warn!("the session in the store is lost");
    }

    /// Until the store has it no more.
    async fn renewals(&self) {
        let mut pause = self.ttl / 3;
        loop {
            sleep(pause).await;
            let sent = BootTime::now();
            let renewed = self.connections.call(Repeat::Freely, |client| {
                let (mut leases, lease) = (client.lease_client(), self.lease);
                async move { leases.keep_alive(lease).await.map(drop) }
            });
            pause = match renewed.await {
                Ok(()) => {
                    self.life.extend(sent.after(self.ttl));
                    self.ttl / 3
                }
                Err(StoreError::SessionEnded) => return,
                Err(error) => {
                    tracing::warn!(error = %crate::failure::chain(&error), "cannot renew the session in the store");
                    self.ttl / 20
                }
            };
        }
    }

    /// Until it is not certain any more that the store has it.
    async fn lapse(&self) {
        loop {
            let left = self.life.until().remaining();
            if left.is_zero() {
                return;
            }
            sleep(left.min(LOOK)).await;
        }
    }

    /// Where that fails, the lease runs out by itself.
    async fn revoke(&self) {
        let revoked = self.connections.call(Repeat::Freely, |client| {
            let (mut leases, lease) = (client.lease_client(), self.lease);
            async move { leases.revoke(lease).await }
        });
        match revoked.await {
            Ok(_) | Err(StoreError::SessionEnded) => {}
            Err(error) => {
                tracing::info!(error = %crate::failure::chain(&error), "a session in the store ends by itself");
            }
        }
    }
}
