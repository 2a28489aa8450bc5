//! The audit logs that a restore is given.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::RestoreError;
use super::since::{Reading, Since};
use crate::audit::{MARKS, Position, log_path, read, whose};
use crate::backup::{Header, Item};
use crate::init::InitError;
use crate::records::Record as _;

/// A log that was read.
#[derive(Clone, Debug)]
pub struct ReadLog {
    /// The file.
    pub path: PathBuf,
    /// Whose it is.
    pub authority_id: String,
    /// Records that follow from each other, from the first on.
    pub records: u64,
    /// The last of them.
    pub head: Position,
    /// What is wrong behind them, where that was accepted.
    pub problem: Option<String>,
}

/// All logs that were given, and what they tell.
pub(super) struct Logs {
    pub(super) read: Vec<ReadLog>,
    /// The ids of authorities that the backup knows and whose log was not given.
    pub(super) missing: Vec<String>,
    pub(super) since: Since,
}

impl Logs {
    /// The log of an authority, if it was given and nothing is wrong with it.
    pub(super) fn intact(&self, authority_id: &str) -> Option<&ReadLog> {
        let intact = |log: &&ReadLog| log.authority_id == authority_id && log.problem.is_none();
        self.read.iter().find(intact)
    }

    /// Where the logs of all but one authority have to go on.
    pub(super) fn marks(&self, but: &str) -> Vec<Item> {
        let others = self.read.iter().filter(|log| log.authority_id != but);
        others
            .filter(|log| log.problem.is_none() && log.records > 0)
            .map(|log| Item {
                key: format!("{MARKS}{}", log.authority_id),
                value: log.head.encode(),
            })
            .collect()
    }
}

/// Lets an authority in a new directory go on with the log that it had.
pub(super) fn copy(from: &Path, dir: &Path, authority_id: &str) -> Result<(), InitError> {
    let to = log_path(dir, authority_id);
    let copied = || {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let mut new = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&to)?;
        io::copy(&mut File::open(from)?, &mut new)?;
        new.sync_all()
    };
    copied().map_err(|source| InitError::File {
        what: "copy an audit log to",
        path: to.clone(),
        source,
    })
}

/// Reads logs from their first record to their last.
pub(super) fn read_all(
    backup: &Header,
    paths: &[PathBuf],
    accept_loss: bool,
) -> Result<Logs, RestoreError> {
    let mut since = Since::default();
    let mut logs: BTreeMap<String, ReadLog> = BTreeMap::new();
    for path in paths {
        let log = read_one(backup, path, &mut since)?;
        if let (Some(problem), false) = (&log.problem, accept_loss) {
            return Err(RestoreError::BrokenLog {
                path: path.clone(),
                problem: problem.clone(),
            });
        }
        if logs.contains_key(&log.authority_id) {
            return Err(RestoreError::SecondLog {
                path: path.clone(),
                authority_id: log.authority_id,
            });
        }
        logs.insert(log.authority_id.clone(), log);
    }
    let known = backup.audit.keys();
    let missing = known.filter(|id| !logs.contains_key(*id)).cloned();
    Ok(Logs {
        missing: missing.collect(),
        read: logs.into_values().collect(),
        since,
    })
}

fn read_one(backup: &Header, path: &Path, since: &mut Since) -> Result<ReadLog, RestoreError> {
    let named = path.file_stem().and_then(|name| name.to_str());
    let known = backup.audit.keys().map(String::as_str);
    let authority_id = whose(path, named.into_iter().chain(known))?;
    let authority_id = authority_id.ok_or_else(|| RestoreError::OthersLog { path: path.into() })?;
    let mark = backup.audit.get(authority_id).copied();
    let mut reading = Reading::new(since, backup, authority_id);
    let report = read(path, authority_id, mark, |record| reading.record(record))?;
    reading.finish();
    Ok(ReadLog {
        path: path.into(),
        authority_id: authority_id.to_owned(),
        records: report.records,
        head: report.head,
        problem: report.problem,
    })
}
