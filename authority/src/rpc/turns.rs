//! How many calls are worked on at the same time, and who waits for whom.

use std::sync::Arc;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::access::Access;
use crate::peer::PeerCertificate;

/// Most calls of those with a certificate. The rest waits its turn, up to its time.
const DEVICES: usize = 256;
/// Most calls of those with an API key.
const BEARERS: usize = 192;
/// Most calls of those with neither.
const STRANGERS: usize = 64;

/// One queue for each way of proving who calls, so that those who prove less never hold up those who prove more. A call
/// waits for its turn only once all of it has arrived: a slow sender takes nobody's place.
pub(super) struct Turns {
    devices: Arc<Semaphore>,
    bearers: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

impl Turns {
    pub(super) fn new() -> Self {
        let places = |most| Arc::new(Semaphore::new(most));
        Self {
            devices: places(DEVICES),
            bearers: places(BEARERS),
            strangers: places(STRANGERS),
        }
    }

    /// The turn of one who has a certificate, until this is dropped.
    pub(super) async fn device(&self) -> Option<OwnedSemaphorePermit> {
        // Fails only for a semaphore that was closed, and none is.
        self.devices.clone().acquire_owned().await.ok()
    }

    /// The caller's turn, until this is dropped.
    pub(super) async fn take(
        &self,
        access: Access,
        certificate: Option<&PeerCertificate>,
        headers: &HeaderMap,
    ) -> Option<OwnedSemaphorePermit> {
        let queue = match (access, certificate) {
            (Access::Client | Access::User, _) if headers.contains_key(AUTHORIZATION) => {
                &self.bearers
            }
            (_, Some(_)) => &self.devices,
            (_, None) => &self.strangers,
        };
        // Fails only for a semaphore that was closed, and none is.
        queue.clone().acquire_owned().await.ok()
    }
}
