mod apply;
mod op;
mod settle;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use thiserror::Error;

use op::MARKS;

use super::{Action, Audit, AuditError, Event, Intent, OpId, VerifyReport};
use crate::store::{Revision, Store, StoreError, Transaction};

/// Makes changes of the store that are in the audit log: all of them go through here. Clones share everything.
///
/// A change is an intent in the log, then a transaction that also leaves `op/ID` in the store, then an outcome in the log. So
/// after a crash `op/ID` tells what became of an intent without an outcome. Each transaction also stores the log's newest
/// record at `audit/AUTHORITY`: a log that ends before it was cut off.
#[derive(Clone)]
pub struct Changes {
    inner: Arc<Inner>,
}

/// Why a change did not happen, or is not known to have happened.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ChangeError {
    /// Somebody else changed what it rests on. It did not happen: read again, decide again.
    #[error("`{key}` was changed by someone else in the meantime")]
    Conflict {
        /// The first key whose check did not hold.
        key: String,
    },

    /// The audit log cannot be written. It did not happen.
    #[error(transparent)]
    Audit(#[from] AuditError),

    /// The store refused it, or could not be asked. It did not happen.
    #[error(transparent)]
    Store(StoreError),

    /// It happened, and the log has its intent alone. It is settled as soon as the log can be written again.
    #[error(
        "operation {op} happened, but its outcome cannot be recorded; look before trying again"
    )]
    Unrecorded {
        /// The operation's id, as in the audit log.
        op: OpId,
        /// Why.
        #[source]
        source: AuditError,
    },

    /// The store is an old one.
    #[error("the store is older than its audit log {}: it is at revision {store}, and the log has a change of revision {log}. Put the newest store back; or, to go on with this one, keep the log as evidence, move it away, and start once with `--accept-audit-loss`", path.display())]
    OldStore {
        /// The log.
        path: PathBuf,
        /// The store's revision.
        store: Revision,
        /// The newest that the log knows.
        log: Revision,
    },

    /// The log that goes with the store is another one.
    #[error(
        "the store goes with the audit log of authority `{store}`, not of `{found}`: set authority_id = \"{store}\" in authority.toml"
    )]
    OtherAuthority {
        /// Who starts.
        found: String,
        /// Who wrote the store.
        store: String,
    },

    /// The store did not answer, so it may have happened or not. It is settled as soon as the store answers again.
    #[error("it is not known whether operation {op} happened; look before trying again")]
    Unknown {
        /// The operation's id, as in the audit log.
        op: OpId,
        /// What the store answered.
        #[source]
        source: StoreError,
    },
}

/// Behind every clone.
struct Inner {
    store: Arc<dyn Store>,
    audit: Audit,
    mark_key: String,
    /// Changes whose outcome is not in the log yet.
    unsettled: Mutex<Vec<OpId>>,
    /// Changes whose outcome is in the log: their `op/ID` goes with the next transaction.
    settled: Mutex<Vec<OpId>>,
}

impl Changes {
    /// For one authority. `dangling` is what [`Audit::open`] answered. Call [`Changes::settle`] next.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, audit: Audit, dangling: Vec<Intent>) -> Self {
        let inner = Inner {
            store,
            mark_key: format!("{MARKS}{}", audit.authority_id()),
            audit,
            unsettled: Mutex::new(dangling.into_iter().map(|intent| intent.op).collect()),
            settled: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The log.
    #[must_use]
    pub fn audit(&self) -> &Audit {
        &self.inner.audit
    }

    /// Finds out what became of changes that a crash cut off, and that the log goes as far as the store says. Once, at start,
    /// before any change. `now_ms`: Unix milliseconds.
    ///
    /// # Errors
    ///
    /// [`AuditError::Broken`] when the end of the log is missing, [`ChangeError::OldStore`] when that of the store is, or the
    /// store or the log cannot be used.
    pub async fn settle(&self, now_ms: u64) -> Result<(), ChangeError> {
        let old = self.inner.check_mark().await?;
        self.inner.settle(now_ms).await?;
        self.inner.sweep(&old).await
    }

    /// As [`Changes::settle`], for an operator who accepts that records are lost: recorded, with what the store knew of them.
    ///
    /// # Errors
    ///
    /// The store or the log cannot be used.
    pub async fn settle_accepting_loss(&self, now_ms: u64) -> Result<(), ChangeError> {
        let Err(lost) = self.inner.check_mark().await else {
            return self.settle(now_ms).await;
        };
        let ChangeError::Audit(AuditError::Broken { problem, .. }) = lost else {
            return Err(lost);
        };
        let old: Vec<OpId> = self
            .inner
            .own_ops()
            .await?
            .into_iter()
            .map(|(op, _)| op)
            .collect();
        let authority = format!("authority/{}", self.inner.audit.authority_id());
        let event = Event::new(
            now_ms,
            "",
            &authority,
            Action::AuditLossAccepted,
            &authority,
        )
        .field("problem", problem);
        self.apply(event, Transaction::new()).await?;
        self.inner.sweep(&old).await
    }

    /// Refuses a store in which another authority left its mark. For a store that has one authority only.
    ///
    /// # Errors
    ///
    /// [`ChangeError::OtherAuthority`], or the store cannot be used.
    pub async fn expect_alone(&self) -> Result<(), ChangeError> {
        self.inner.expect_alone().await
    }

    /// Writes the outcomes that are missing, and stores the log's newest record, so that it is missed if it is cut off. Every
    /// change does this by itself; records that are no changes, such as keys that were issued, are safe from it only after
    /// this: call it now and then, and at the end. `now_ms`: Unix milliseconds.
    ///
    /// # Errors
    ///
    /// The store or the log cannot be used; each has its part done if the other one can.
    pub async fn mark(&self, now_ms: u64) -> Result<(), ChangeError> {
        let settled = self.inner.settle(now_ms).await;
        self.inner.mark().await?;
        settled
    }

    /// Checks the log from its first record to its last, and that it goes as far as the store says. Changes that are under way
    /// count as dangling.
    ///
    /// # Errors
    ///
    /// The store or the log cannot be read.
    pub async fn verify(&self) -> Result<VerifyReport, ChangeError> {
        self.inner.verify().await
    }

    /// Makes a change. Goes on to its end when the caller stops waiting.
    ///
    /// # Errors
    ///
    /// [`ChangeError`]; but for [`ChangeError::Unrecorded`] and [`ChangeError::Unknown`], nothing happened.
    pub async fn apply(
        &self,
        event: Event,
        transaction: Transaction,
    ) -> Result<Revision, ChangeError> {
        let inner = self.inner.clone();
        tokio::spawn(async move { inner.apply(event, transaction).await })
            .await
            .map_err(|_| AuditError::Closed)?
    }
}
