//! Keeping this authority's session in the store, and standing for election.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::cluster::Authority;
use crate::failure::{Failure, chain};
use crate::registry::{Registry, register};
use crate::standing::{Seat, Standing};
use crate::store::Store;
use crate::timing::SESSION;

/// How often an authority that does not lead stands for election, and one without a session asks for one.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the session of a process that was killed can be in the way. etcd may give it its whole length anew.
const PATIENCE: Duration = Duration::from_secs(3 * SESSION.as_secs());

/// Takes the first seat.
pub(super) async fn join(store: &dyn Store, id: &str) -> Result<Seat, StartError> {
    let began = Instant::now();
    loop {
        match seat(store, id).await {
            Err(Failure::Contended) if began.elapsed() < PATIENCE => sleep(PAUSE).await,
            Err(Failure::Contended) => {
                return Err(StartError::IdInUse { id: id.to_owned() });
            }
            other => return Ok(other?),
        }
    }
}

/// Keeps a seat and stands for election, until `drain`. What is under way then still rests on the seat.
pub(super) async fn keep(
    authority: Arc<Authority>,
    store: Arc<dyn Store>,
    ended: impl Future<Output = ()>,
    drain: CancellationToken,
) {
    let kept = keep_on(&authority, &*store, ended);
    drain.run_until_cancelled(kept).await;
}

async fn keep_on(authority: &Authority, store: &dyn Store, ended: impl Future<Output = ()>) {
    let registry = &authority.registry;
    let id = &authority.config.authority_id;
    let standing = authority.standing();
    stand(registry, standing, id, ended).await;
    loop {
        tracing::warn!(
            "this authority's session in the store is lost: nothing can be changed until there is another one"
        );
        standing.set(None);
        let seat = loop {
            match seat(store, id).await {
                Ok(seat) => break seat,
                Err(error) => tracing::debug!(error = %chain(&error), "no session yet"),
            }
            sleep(PAUSE).await;
        };
        tracing::info!("there is a session in the store again");
        let ended = seat.session.ended();
        standing.set(Some(seat));
        stand(registry, standing, id, ended).await;
    }
}

/// Stands for election until the session ends.
async fn stand(
    registry: &Registry,
    standing: &Standing,
    id: &str,
    ended: impl Future<Output = ()>,
) {
    let stood = async {
        loop {
            if standing.election().is_none() {
                match registry.lead(id).await {
                    Ok(revision) => {
                        tracing::info!("this authority leads");
                        standing.elected(revision);
                    }
                    // Another one does.
                    Err(Failure::Contended) => {}
                    Err(error) => {
                        tracing::debug!(error = %chain(&error), "cannot stand for election");
                    }
                }
            }
            sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = ended => {}
        () = stood => {}
    }
}

async fn seat(store: &dyn Store, id: &str) -> Result<Seat, Failure> {
    let session = store.open_session(SESSION).await?;
    let (key, revision) = register(store, id, session.id()).await?;
    Ok(Seat {
        session,
        key,
        revision,
        leads: None,
    })
}
