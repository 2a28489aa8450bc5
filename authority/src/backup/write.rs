use std::collections::BTreeMap;

use super::header::{BACKUP_FORMAT, Header};
use super::line::{encode, encode_last, json_line};
use super::mac::BackupMac;
use super::{BackupError, is_kept};
use crate::audit::{MARKS, Position};
use crate::records::{ClusterRecord, EpochsRecord, Record, RecordError, key};
use crate::seal::{META_KEY, SealMeta, Sealer};
use crate::store::{Entry, Snapshot, Store};

/// Makes a backup, piece by piece: what it holds in memory is a page of the store.
pub struct BackupWriter {
    snapshot: Snapshot,
    header: Header,
    mac: BackupMac,
    next: Next,
}

/// What comes next.
enum Next {
    Header,
    /// Entries after this key.
    Entries(Option<String>),
    Last,
    Nothing,
}

impl BackupWriter {
    /// Takes the store as it is now. `made_at`: now, Unix seconds.
    ///
    /// # Errors
    ///
    /// [`BackupError`].
    pub async fn begin(
        store: &dyn Store,
        sealer: &Sealer,
        made_at: u64,
    ) -> Result<Self, BackupError> {
        let snapshot = store.snapshot().await?;
        let meta = all(&snapshot, "meta/").await?;
        let of = |key: &'static str| {
            let entry = meta.iter().find(|entry| entry.key == key);
            entry.ok_or(BackupError::NoCluster { key })
        };
        let cluster: ClusterRecord = record(of(key::CLUSTER)?)?;
        let epochs: EpochsRecord = record(of(key::EPOCHS_LIVE)?)?;
        let mut audit = BTreeMap::new();
        for mark in all(&snapshot, MARKS).await? {
            let position: Position = record(&mark)?;
            audit.insert(mark.key[MARKS.len()..].to_owned(), position);
        }
        let header = Header {
            cattery_backup: BACKUP_FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            cluster_id: cluster.cluster_id,
            trust_domain: cluster.trust_domain,
            store_format: cluster.format,
            incarnation: cluster.incarnation,
            last_epoch: epochs.line.last,
            made_at,
            revision: snapshot.revision(),
            audit,
            seal: SealMeta::decode(&of(META_KEY)?.value)?,
        };
        Ok(Self {
            snapshot,
            header,
            mac: BackupMac::new(sealer)?,
            next: Next::Header,
        })
    }

    /// What it is of.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next lines, or `None` when all of it was given out.
    ///
    /// # Errors
    ///
    /// [`BackupError`]: there is no backup.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, BackupError> {
        let lines = match &self.next {
            Next::Header => {
                self.next = Next::Entries(None);
                json_line(&self.header)
            }
            Next::Entries(after) => {
                let page = self.snapshot.list("", after.as_deref()).await?;
                let last = page.entries.last().map(|entry| entry.key.clone());
                self.next = match last {
                    Some(last) if page.more => Next::Entries(Some(last)),
                    _ => Next::Last,
                };
                let kept = page.entries.iter().filter(|entry| is_kept(&entry.key));
                kept.flat_map(|entry| encode(&entry.key, &entry.value))
                    .collect()
            }
            Next::Last => {
                self.next = Next::Nothing;
                return Ok(Some(encode_last(self.mac.clone().finish())));
            }
            Next::Nothing => return Ok(None),
        };
        self.mac.update(&lines);
        Ok(Some(lines))
    }
}

async fn all(snapshot: &Snapshot, prefix: &str) -> Result<Vec<Entry>, BackupError> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let after = all.last().map(|entry| entry.key.clone());
        let page = snapshot.list(prefix, after.as_deref()).await?;
        all.extend(page.entries);
        if !page.more {
            return Ok(all);
        }
    }
}

fn record<R: Record>(entry: &Entry) -> Result<R, RecordError> {
    R::decode(&entry.key, &entry.value)
}
