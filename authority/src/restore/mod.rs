//! From a backup to a cluster that goes on: a new incarnation of it.
//!
//! What agents and users hold is void: there is one fresh epoch, numbered above everything that the backup, the audit logs or the operator
//! have seen, and every service has a fresh generation. What the audit logs say was taken away since the backup is taken away
//! again; what was given since is gone, and the [`Report`] names it.
//!
//! As with [`init`](crate::init), everything is there at once or nothing is: all is made beside its place, or without the record that
//! makes it a cluster, and comes into place with [`Prepared::finish`].

mod contacts;
mod error;
mod fill;
mod logs;
mod operator;
mod report;
mod revise;
mod settings;
mod since;

use std::path::PathBuf;
use std::sync::Arc;

use cattery_core::epoch::Line;
use cattery_proto::v1::Identity;

use crate::audit::{Action, Audit, ChangeError, Changes, Event, log_path};
use crate::backup::{Backup, BackupError, Contents};
use crate::config::StoreSettings;
use crate::init::{AUDIT_DIR, InitError, Place};
use crate::records::{
    ClusterRecord, EpochRecord, EpochsRecord, FORMAT, FeedRecord, Record as _, key,
};
use crate::rootkeys::fresh_root;
use crate::seal::Sealer;
use crate::store::{Embedded, Etcd, Store, Transaction};
use contacts::Contacts;
use fill::Filling;
use logs::{Logs, copy};
use revise::{FIRST, Revising};

pub use error::RestoreError;
pub(crate) use fill::UNFINISHED;
pub use logs::ReadLog;
pub use operator::NewOperator;
pub use report::Report;
pub use revise::Repeated;
pub use settings::Settings;

/// What is to be restored, and where.
pub struct RestoreOptions {
    /// The backup.
    pub backup: Backup,
    /// What [`Backup::unseal`] answered.
    pub sealer: Sealer,
    /// The audit logs of all authorities.
    pub audit_logs: Vec<PathBuf>,
    /// Go on though logs of authorities are missing that the backup knows.
    pub without_audit_log: bool,
    /// Go on with the intact part of logs that are broken.
    pub accept_audit_loss: bool,
    /// An epoch that somebody saw: the new one is above it.
    pub above_epoch: u32,
    /// An incarnation that somebody saw: the new one is above it.
    pub above_incarnation: u64,
    /// An operator who becomes an admin.
    pub operator: Option<NewOperator>,
    /// The authority that it is made for.
    pub settings: Settings,
    /// The store that it goes into, which must be empty; `None` for the one that the settings name.
    pub store: Option<Arc<dyn Store>>,
    /// The time, Unix seconds.
    pub now: u64,
}

/// A cluster that is restored but for the last step. Dropped, it never comes to be.
pub struct Prepared {
    place: Option<(Place, String)>,
    changes: Changes,
    last: (Event, Transaction),
    filling: Filling,
    report: Report,
    operator: Option<Identity>,
}

impl Prepared {
    /// The new operator's certificate, to be kept before [`finish`](Self::finish).
    #[must_use]
    pub fn operator(&self) -> Option<&Identity> {
        self.operator.as_ref()
    }

    /// Lets it be a cluster.
    ///
    /// # Errors
    ///
    /// [`RestoreError`].
    pub async fn finish(self) -> Result<Report, RestoreError> {
        if let Some((place, text)) = &self.place {
            place.write_config(text)?;
        }
        let (event, transaction) = self.last;
        let applied = self.changes.apply(event, transaction).await;
        applied.map_err(|error| match error {
            ChangeError::Conflict { .. } => RestoreError::Busy,
            other => other.into(),
        })?;
        drop(self.filling);
        drop(self.changes);
        if let Some((place, _)) = self.place {
            place
                .finish()
                .map_err(|error| match &self.report.config.store {
                    StoreSettings::Embedded => error.into(),
                    StoreSettings::Etcd(etcd) => RestoreError::Unfinished {
                        prefix: etcd.prefix.clone(),
                        source: error,
                    },
                })?;
        }
        Ok(self.report)
    }
}

/// Restores a backup, all but the last step.
///
/// # Errors
///
/// [`RestoreError`]. Nothing has changed then but what the next try removes.
pub async fn prepare(options: RestoreOptions) -> Result<Prepared, RestoreError> {
    let header = options.backup.header().clone();
    if header.store_format != FORMAT {
        return Err(RestoreError::Format {
            found: header.store_format,
        });
    }
    options.settings.check(&header)?;
    let contents = options.backup.check(&options.sealer)?;
    let logs = logs::read_all(&header, &options.log_paths(), options.accept_audit_loss)?;
    if !options.without_audit_log && (!logs.missing.is_empty() || logs.read.is_empty()) {
        return Err(RestoreError::NoAuditLog {
            authorities: logs.missing,
        });
    }
    let numbers = Numbers::above(&options, &logs)?;
    Restoring::begin(options, logs, numbers, contents)
        .await?
        .prepare()
        .await
}

/// What the new incarnation is numbered.
struct Numbers {
    incarnation: u64,
    epochs: Line,
}

impl Numbers {
    fn above(options: &RestoreOptions, logs: &Logs) -> Result<Self, RestoreError> {
        let header = options.backup.header();
        let seen = &logs.since.seen;
        let incarnation = header
            .incarnation
            .max(seen.incarnation)
            .max(options.above_incarnation);
        let epoch = header.last_epoch.max(seen.epoch).max(options.above_epoch);
        Ok(Self {
            incarnation: incarnation
                .checked_add(1)
                .ok_or(RestoreError::Incarnations(incarnation))?,
            epochs: Line::restored(epoch, options.now)?,
        })
    }
}

struct Restoring {
    options: RestoreOptions,
    numbers: Numbers,
    contents: Contents,
    logs: Logs,
    place: Option<(Place, String)>,
    store: Arc<dyn Store>,
    filling: Filling,
    audit: Audit,
    changes: Changes,
}

impl Restoring {
    /// Takes the place and the store, and goes on with the authority's own log where that was given.
    async fn begin(
        options: RestoreOptions,
        logs: Logs,
        numbers: Numbers,
        contents: Contents,
    ) -> Result<Self, RestoreError> {
        let config = &options.settings.config;
        let place = match &options.settings.new {
            Some(text) => Some((Place::claim(&config.dir)?, text.clone())),
            None => None,
        };
        let audit_dir = match &place {
            Some((place, _)) => place.new_audit(),
            None => config.dir.join(AUDIT_DIR),
        };
        if let (Some(_), Some(own)) = (&place, logs.intact(&config.authority_id)) {
            copy(&own.path, &audit_dir, &config.authority_id)?;
        }
        let store: Arc<dyn Store> = match (&options.store, &config.store, &place) {
            (Some(store), _, _) => store.clone(),
            (None, StoreSettings::Etcd(etcd), _) => Arc::new(Etcd::connect(etcd.options()?).await?),
            (None, StoreSettings::Embedded, Some((place, _))) => {
                Arc::new(Embedded::create(place.new_store())?)
            }
            (None, StoreSettings::Embedded, None) => {
                let dir = config.dir.clone();
                return Err(InitError::Exists { dir }.into());
            }
        };
        let filling = Filling::begin(store.clone()).await?;
        let (audit, dangling) = Audit::open(&audit_dir, &config.authority_id)?;
        let changes = Changes::new(store.clone(), audit.clone(), dangling, numbers.incarnation);
        changes.settle(options.now.saturating_mul(1000)).await?;
        Ok(Self {
            options,
            numbers,
            contents,
            logs,
            place,
            store,
            filling,
            audit,
            changes,
        })
    }

    async fn prepare(mut self) -> Result<Prepared, RestoreError> {
        let since = std::mem::take(&mut self.logs.since);
        let (now, leeway) = (self.options.now, self.options.settings.config.leeway);
        let contacts = Contacts::new(leeway, self.numbers.incarnation, now);
        let mut revising = Revising::new(since.taken, since.seen, now, contacts);
        let mut items = self.options.backup.items(&self.options.sealer)?;
        while let Some(item) = items.read()? {
            if let Some(item) = revising.revise(item)? {
                self.filling.put(item).await?;
            }
        }
        drop(items);
        for contact in revising.contacts.rest() {
            self.filling.put(contact).await?;
        }
        let config = &self.options.settings.config;
        for mark in self.logs.marks(&config.authority_id) {
            self.filling.put(mark).await?;
        }
        self.filling.flush().await?;
        for repeated in &revising.repeated {
            let event = self.event(Action::RevocationRepeated, &repeated.subject);
            self.audit.append(repeated.fields(event)).await?;
        }
        let mut transaction = self.last_records(&mut revising)?;
        let operator = match &self.options.operator {
            Some(operator) => {
                let admitted = operator.admit(&self.options, &*self.store).await?;
                let (record, identity) = admitted;
                transaction = transaction.put(key::operator(&record.name), record.encode());
                Some(identity)
            }
            None if revising.has_admin => None,
            None => return Err(RestoreError::NoAdmin),
        };
        let report = Report {
            backup: self.options.backup.header().clone(),
            config: self.options.settings.config.clone(),
            incarnation: self.numbers.incarnation,
            epoch: self.numbers.epochs.active().number,
            contents: self.contents,
            unknown: revising.unknown(),
            repeated: revising.repeated,
            gone: since.given.named,
            gone_count: since.given.count,
            missing_logs: std::mem::take(&mut self.logs.missing),
            logs: std::mem::take(&mut self.logs.read),
        };
        let subject = format!("cluster/{}", report.backup.cluster_id);
        let event = report.fields(self.event(Action::ClusterRestored, &subject));
        Ok(Prepared {
            place: self.place,
            changes: self.changes,
            last: (event, transaction),
            filling: self.filling,
            report,
            operator,
        })
    }

    /// What makes it a cluster.
    fn last_records(&self, revising: &mut Revising) -> Result<Transaction, RestoreError> {
        let missing = |key| BackupError::NoCluster { key };
        let cluster = revising.cluster.take();
        let cluster = ClusterRecord {
            incarnation: self.numbers.incarnation,
            ..cluster.ok_or(missing(key::CLUSTER))?
        };
        let epochs = EpochsRecord {
            line: (&self.numbers.epochs).into(),
            // Raised by each authority that starts; what was issued before is void.
            greatest_lease: 0,
            changed: FIRST,
        };
        let number = self.numbers.epochs.active().number;
        let epoch = EpochRecord {
            number,
            created_at: self.options.now,
            activated_at: Some(self.options.now),
            not_after: None,
            retired_at: None,
        };
        let feed = FeedRecord {
            sequence: FIRST,
            cluster_changed: FIRST,
            awaited: 0,
        };
        let retired = revising.retired_cas.iter();
        let last = retired.fold(self.filling.last(), |last, ca| last.delete(key::ca(*ca)));
        Ok(last
            .put(key::CLUSTER, cluster.encode())
            .put(key::EPOCHS_LIVE, epochs.encode())
            .put(key::epoch(number), epoch.encode())
            .put(key::root(number), fresh_root(&self.options.sealer, number)?)
            .put(key::FEED, feed.encode()))
    }

    fn event(&self, action: Action, subject: &str) -> Event {
        let actor = format!("authority/{}", self.audit.authority_id());
        let time = self.options.now.saturating_mul(1000);
        Event::new(time, "", actor, action, subject)
    }
}

impl RestoreOptions {
    /// What was given, and the log of the authority whose directory is there already.
    fn log_paths(&self) -> Vec<PathBuf> {
        let mut paths = self.audit_logs.clone();
        let config = &self.settings.config;
        if self.settings.new.is_none() {
            let own = log_path(&config.dir.join(AUDIT_DIR), &config.authority_id);
            if own.exists() && !paths.contains(&own) {
                paths.push(own);
            }
        }
        paths
    }
}
