//! One write of the embedded store: transactions are checked one after the other, and what they change goes to the disk at once.

use std::collections::BTreeSet;

use redb::{Database, ReadableTable as _, Table, WriteTransaction};

use super::super::{
    Change, Changes, Entry, Operation, Revision, SessionId, StoreError, Transaction,
};
use super::file::{ENTRIES, NUMBERS, REVISION, SESSIONS};

/// What became of one transaction. Told once everything before it is on the disk.
pub(super) type Decision = Result<Revision, Refusal>;

/// Why a transaction does not happen.
pub(super) enum Refusal {
    /// The check of this key did not hold.
    Conflict(String),
    SessionEnded,
    TooLate,
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Conflict(key) => Self::Conflict { key },
            Refusal::SessionEnded => Self::SessionEnded,
            Refusal::TooLate => Self::TooLate,
        }
    }
}

/// The tables, open for one write.
struct Tables<'t> {
    entries: Table<'t, &'static str, (u64, &'static [u8])>,
    sessions: Table<'t, &'static str, i64>,
    numbers: Table<'t, &'static str, u64>,
    revision: Revision,
    /// What the write changed so far.
    published: Vec<Changes>,
}

/// Decides each transaction, after the entries of sessions that are over are gone.
pub(super) fn write<'a>(
    database: &Database,
    over: &BTreeSet<SessionId>,
    transactions: impl Iterator<Item = &'a Transaction>,
    is_live: impl Fn(SessionId) -> bool,
) -> Result<(Vec<Decision>, Vec<Changes>), redb::Error> {
    in_tables(database, |tables| {
        if !over.is_empty() {
            tables.end_sessions(|session| over.contains(&session))?;
        }
        transactions
            .map(|transaction| tables.decide(transaction, &is_live))
            .collect()
    })
}

/// Removes the entries of every session there was. Answers the store's revision.
pub(super) fn clear_sessions(database: &Database) -> Result<Revision, redb::Error> {
    in_tables(database, |tables| {
        tables.end_sessions(|_| true)?;
        Ok(tables.revision)
    })
    .map(|(revision, _)| revision)
}

fn in_tables<T>(
    database: &Database,
    work: impl FnOnce(&mut Tables<'_>) -> Result<T, redb::Error>,
) -> Result<(T, Vec<Changes>), redb::Error> {
    let write = database.begin_write()?;
    let (result, published) = {
        let mut tables = Tables::open(&write)?;
        let before = tables.revision;
        let result = work(&mut tables)?;
        if tables.revision != before {
            tables.numbers.insert(REVISION, tables.revision)?;
        }
        (result, tables.published)
    };
    if published.is_empty() {
        write.abort()?;
    } else {
        write.commit()?;
    }
    Ok((result, published))
}

impl<'t> Tables<'t> {
    fn open(write: &'t WriteTransaction) -> Result<Self, redb::Error> {
        let numbers = write.open_table(NUMBERS)?;
        let revision = numbers
            .get(REVISION)?
            .map_or(0, |revision| revision.value());
        Ok(Self {
            entries: write.open_table(ENTRIES)?,
            sessions: write.open_table(SESSIONS)?,
            numbers,
            revision,
            published: Vec::new(),
        })
    }

    fn decide(
        &mut self,
        transaction: &Transaction,
        is_live: &impl Fn(SessionId) -> bool,
    ) -> Result<Decision, redb::Error> {
        // It may have waited for the disk.
        if transaction.until().is_past() {
            return Ok(Err(Refusal::TooLate));
        }
        for check in transaction.checks() {
            let found = self.entries.get(check.key())?.map(|found| found.value().0);
            if !check.holds(found) {
                return Ok(Err(Refusal::Conflict(check.key().to_owned())));
            }
        }
        let mut sessions = transaction
            .operations()
            .iter()
            .filter_map(Operation::session);
        if !sessions.all(is_live) {
            return Ok(Err(Refusal::SessionEnded));
        }
        self.change(transaction.operations())?;
        Ok(Ok(self.revision))
    }

    fn change(&mut self, operations: &[Operation]) -> Result<(), redb::Error> {
        let revision = self.revision + 1;
        let mut changes = Vec::with_capacity(operations.len());
        for operation in operations {
            match operation {
                Operation::Put {
                    key,
                    value,
                    session,
                } => {
                    self.entries
                        .insert(key.as_str(), (revision, value.as_slice()))?;
                    match session {
                        Some(SessionId(id)) => self.sessions.insert(key.as_str(), *id)?,
                        None => self.sessions.remove(key.as_str())?,
                    };
                    changes.push(Change::Put(Entry {
                        key: key.clone(),
                        value: value.clone(),
                        revision,
                    }));
                }
                Operation::Delete(key) => {
                    self.sessions.remove(key.as_str())?;
                    if self.entries.remove(key.as_str())?.is_some() {
                        changes.push(Change::Deleted { key: key.clone() });
                    }
                }
            }
        }
        if !changes.is_empty() {
            self.revision = revision;
            self.published.push(Changes { revision, changes });
        }
        Ok(())
    }

    fn end_sessions(&mut self, ended: impl Fn(SessionId) -> bool) -> Result<(), redb::Error> {
        let mut gone = Vec::new();
        for found in self.sessions.iter()? {
            let (key, session) = found?;
            if ended(SessionId(session.value())) {
                gone.push(Operation::Delete(key.value().to_owned()));
            }
        }
        self.change(&gone)
    }
}
