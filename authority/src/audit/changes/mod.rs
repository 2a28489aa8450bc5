mod apply;
mod op;
mod seen;
mod settle;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub(crate) use op::{MARKS, OPS};

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
    #[error("the store was put back to an older state: {sign} (audit log {}). What agents hold and what was revoked since would come apart, so no authority starts on it. Put the newest store back; or restore a backup with `cattery restore`, which begins a new incarnation and repeats what was revoked. Where there is no backup, `cattery backup --dir DIR` makes one of this store", path.display())]
    OldStore {
        /// The log.
        path: PathBuf,
        /// What tells.
        sign: OldSign,
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

/// How far a store has come. A restore counts before everything that happened before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StorePlace {
    /// Counts restores of the cluster, from 1.
    pub incarnation: u64,
    /// Counts changes.
    pub revision: Revision,
}

impl std::fmt::Display for StorePlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            incarnation,
            revision,
        } = self;
        write!(f, "incarnation {incarnation}, revision {revision}")
    }
}

/// What tells that a store is an old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OldSign {
    /// It has not come as far as the log has seen it.
    #[error("it is at {store}, and was seen at {log}")]
    Place {
        /// Where it is.
        store: StorePlace,
        /// Where it was.
        log: StorePlace,
    },

    /// It knows the log up to a record from before a change that was made in it. Others may have made changes in it since, so
    /// that its place tells nothing.
    #[error(
        "the change of record {change} was made in it, and it knows the log up to record {mark} only"
    )]
    Change {
        /// The change's intent.
        change: u64,
        /// The newest record that it knows; 0 for none.
        mark: u64,
    },
}

/// Behind every clone.
struct Inner {
    store: Arc<dyn Store>,
    audit: Audit,
    incarnation: u64,
    /// The store's revision before this process wrote to it.
    found: OnceLock<Revision>,
    mark_key: String,
    /// Changes whose outcome is not in the log yet.
    unsettled: Mutex<Vec<OpId>>,
    /// Changes whose outcome is in the log: their `op/ID` goes with the next transaction.
    settled: Mutex<Vec<OpId>>,
}

impl Changes {
    /// For one authority. `dangling` is what [`Audit::open`] answered, and `incarnation` that of the cluster in the store. Call
    /// [`Changes::settle`] next.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        audit: Audit,
        dangling: Vec<Intent>,
        incarnation: u64,
    ) -> Self {
        let inner = Inner {
            store,
            incarnation,
            found: OnceLock::new(),
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

    /// Says how far the store had come before this process wrote to it, where it did so before [`Changes::settle`], which judges
    /// the store by that.
    pub fn found_at(&self, revision: Revision) {
        self.inner.found.get_or_init(|| revision);
    }

    /// Finds out what became of changes that a crash cut off, and that the log goes as far as the store says. Once, at start,
    /// before any change. `now_ms`: Unix milliseconds.
    ///
    /// # Errors
    ///
    /// [`AuditError::Broken`] when the end of the log is missing, [`ChangeError::OldStore`] when that of the store is, or the
    /// store or the log cannot be used.
    pub async fn settle(&self, now_ms: u64) -> Result<(), ChangeError> {
        let checked = self.inner.check_mark().await?;
        self.inner.enter(now_ms, checked.incarnation).await?;
        self.inner.settle(now_ms).await?;
        self.inner.sweep(&checked.ops).await?;
        self.inner.see().await
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
        let kept = self.inner.audit.verify(None).await?;
        self.inner.enter(now_ms, kept.incarnation).await?;
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

    /// Writes the outcomes that are missing, notes how far the store has come, and stores the log's newest record, so that it is missed if it is cut off. Every
    /// change does this by itself; records that are no changes, such as keys that were issued, are safe from it only after
    /// this: call it now and then, and at the end. `now_ms`: Unix milliseconds.
    ///
    /// # Errors
    ///
    /// The store or the log cannot be used; each has its part done if the other one can.
    pub async fn mark(&self, now_ms: u64) -> Result<(), ChangeError> {
        let settled = self.inner.settle(now_ms).await;
        self.inner.mark().await?;
        self.inner.see().await?;
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
