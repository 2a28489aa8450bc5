use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;

use serde::Deserialize;

use super::verify::scan_each;
use super::{AuditError, OpId, Outcome, Position, VerifyReport};
use crate::store::Revision;

/// A record of a log, read back.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its number.
    pub seq: u64,
    /// Of the store that its authority worked on.
    pub incarnation: u64,
    /// When, Unix milliseconds.
    pub time: u64,
    /// What it says.
    pub said: Said,
}

/// What a record says.
#[derive(Clone, Debug)]
pub enum Said {
    /// Something happened without a change of the store.
    Event(Told),
    /// A change was begun.
    Intent(OpId, Told),
    /// It came to an end.
    Outcome {
        /// Which change.
        op: OpId,
        /// What became of it; `None` for something that a newer version says.
        outcome: Option<Outcome>,
        /// The store's at the change, if it happened.
        revision: Option<Revision>,
    },
}

/// As [`Event`](super::Event), in the words of the log: actions of newer versions are among them.
#[derive(Clone, Debug, Deserialize)]
pub struct Told {
    /// Who.
    #[serde(default)]
    pub actor: String,
    /// What.
    #[serde(default)]
    pub action: String,
    /// To whom or what.
    #[serde(default)]
    pub subject: String,
    /// The rest.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
}

/// Checks a log as [`verify`](super::verify) does, and tells each record that follows from the one before it.
///
/// # Errors
///
/// [`AuditError::Open`] when it cannot be read.
pub fn read(
    path: &Path,
    authority_id: &str,
    mark: Option<Position>,
    mut visit: impl FnMut(Record),
) -> Result<VerifyReport, AuditError> {
    let opened = |source| AuditError::Open {
        path: path.into(),
        source,
    };
    let file = File::open(path).map_err(opened)?;
    let each = |line: &[u8], incarnation| {
        if let Some(record) = parse(line, incarnation) {
            visit(record);
        }
    };
    let start = Position::start(authority_id);
    scan_each(BufReader::new(file), start, mark, each).map_err(opened)
}

/// Whose log it is, of those who may be: its first record follows from the authority's id. `None` for nobody's, or a log without
/// any record.
///
/// # Errors
///
/// [`AuditError::Open`] when it cannot be read.
pub fn whose<'a>(
    path: &Path,
    mut candidates: impl Iterator<Item = &'a str>,
) -> Result<Option<&'a str>, AuditError> {
    let first = first_line(path).map_err(|source| AuditError::Open {
        path: path.into(),
        source,
    })?;
    let Ok(first) = serde_json::from_slice::<super::record::ReadLine>(&first) else {
        return Ok(None);
    };
    Ok(candidates.find(|id| Position::start(id).hash == first.prev))
}

fn first_line(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read as _;
    let file = File::open(path)?;
    let mut line = Vec::new();
    BufReader::new(file.take(super::record::MAX_LINE)).read_until(b'\n', &mut line)?;
    Ok(line)
}

/// A line that is part of the chain; `None` for one whose words are of another form.
fn parse(line: &[u8], incarnation: u64) -> Option<Record> {
    let read: Line = serde_json::from_slice(line).ok()?;
    let said = match (read.kind.as_str(), read.op) {
        ("event", None) => Said::Event(read.told),
        ("intent", Some(op)) => Said::Intent(op, read.told),
        ("outcome", Some(op)) => Said::Outcome {
            op,
            outcome: serde_json::from_value(read.outcome).ok(),
            revision: read.revision,
        },
        _ => return None,
    };
    Some(Record {
        seq: read.seq,
        incarnation,
        time: read.time,
        said,
    })
}

#[derive(Deserialize)]
struct Line {
    seq: u64,
    kind: String,
    #[serde(default)]
    time: u64,
    op: Option<OpId>,
    #[serde(flatten)]
    told: Told,
    #[serde(default)]
    outcome: serde_json::Value,
    revision: Option<Revision>,
}
