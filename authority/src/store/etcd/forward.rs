//! etcd has to go forward. Once it answered from an earlier revision than before, it was put back to an older state underneath, and
//! nothing is asked of it any more: what was revoked since would be good again.

use std::sync::atomic::{AtomicU64, Ordering};

use etcd_client::ResponseHeader;
use tokio_util::sync::CancellationToken;

use super::super::{Revision, StoreError};
use super::revision;

/// The revisions that etcd answered.
#[derive(Default)]
pub(super) struct Forward {
    newest: AtomicU64,
    /// What it went back to.
    back: AtomicU64,
    went_back: CancellationToken,
}

/// The least revision that the answer to a question may have.
#[derive(Clone, Copy)]
pub(super) struct Least(Revision);

impl Forward {
    pub(super) fn went_back(&self) -> CancellationToken {
        self.went_back.clone()
    }

    /// To be called before a question. Reads are linearizable: an answer is as new as all that came before its question.
    pub(super) fn before(&self) -> Result<Least, StoreError> {
        let newest = self.newest.load(Ordering::SeqCst);
        match self.went_back.is_cancelled() {
            true => Err(StoreError::WentBack {
                from: newest,
                to: self.back.load(Ordering::SeqCst),
            }),
            false => Ok(Least(newest)),
        }
    }

    /// To be called with its answer.
    pub(super) fn after(
        &self,
        Least(least): Least,
        header: Option<&ResponseHeader>,
    ) -> Result<Revision, StoreError> {
        let answered = header.map_or(0, |header| revision(header.revision()));
        if answered >= least {
            self.newest.fetch_max(answered, Ordering::SeqCst);
            return Ok(answered);
        }
        let error = StoreError::WentBack {
            from: self.newest.load(Ordering::SeqCst),
            to: answered,
        };
        self.back.store(answered, Ordering::SeqCst);
        if !self.went_back.is_cancelled() {
            tracing::error!(%error, "nothing is asked of the store any more");
        }
        self.went_back.cancel();
        Err(error)
    }
}

impl Least {
    /// Of a change that was made: it has a revision of its own.
    pub(super) fn of_change(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}
