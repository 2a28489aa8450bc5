use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use super::record::{MAX_LINE, ReadLine};
use super::{AuditError, Intent, OpId, Position};
use crate::store::Revision;

/// A log, checked from its first record to its last.
#[derive(Clone, Debug)]
pub struct VerifyReport {
    /// Whether every record follows from the one before it, and the mark is among them.
    pub intact: bool,
    /// Records that follow from each other, from the first on.
    pub records: u64,
    /// The last of those.
    pub head: Position,
    /// What is wrong and where, when it is not intact.
    pub problem: Option<String>,
    /// Intents without an outcome, oldest first.
    pub dangling: Vec<Intent>,
    /// The newest revision of the store that a change in it made; 0 for none.
    pub revision: Revision,
    /// Bytes of a last line that was cut off; the next start removes them. No sign of tampering.
    pub torn: u64,
}

/// Checks the log at `path`. With `mark`, that record has to be in it: the store keeps one to notice when the end is cut off.
///
/// # Errors
///
/// [`AuditError::Open`] when it cannot be read.
pub fn verify(
    path: &Path,
    authority_id: &str,
    mark: Option<Position>,
) -> Result<VerifyReport, AuditError> {
    let opened = |source| AuditError::Open {
        path: path.into(),
        source,
    };
    let file = File::open(path).map_err(opened)?;
    scan(BufReader::new(file), Position::start(authority_id), mark).map_err(opened)
}

/// Reads records from their first on, until one does not fit.
pub(super) fn scan(
    mut log: impl BufRead,
    start: Position,
    mark: Option<Position>,
) -> io::Result<VerifyReport> {
    let mut head = start;
    let mut torn = 0;
    let mut revision = 0;
    let mut problem = None;
    let mut marked = mark.is_none_or(|mark| mark == start);
    let mut open: HashMap<OpId, Intent> = HashMap::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = log
            .by_ref()
            .take(MAX_LINE + 1)
            .read_until(b'\n', &mut line)?;
        if read == 0 {
            break;
        }
        if line.pop_if(|last| *last == b'\n').is_none() {
            if read as u64 > MAX_LINE {
                problem = Some(format!("line {} is longer than any record", head.seq + 1));
            } else {
                torn = read as u64;
            }
            break;
        }
        match follow(head, &line, &mut open) {
            Ok((next, made)) => {
                head = next;
                revision = revision.max(made.unwrap_or(0));
            }
            Err(why) => {
                problem = Some(format!("line {}: {why}", head.seq + 1));
                break;
            }
        }
        if let Some(mark) = mark.filter(|mark| mark.seq == head.seq) {
            marked = mark.hash == head.hash;
            if !marked {
                problem = Some(format!(
                    "record {} is not the one that the store knows: the log was replaced",
                    mark.seq
                ));
                break;
            }
        }
    }
    if let (None, false, Some(mark)) = (&problem, marked, mark) {
        problem = Some(format!(
            "it ends at record {}, but the store knows of record {}: its end was cut off",
            head.seq, mark.seq
        ));
    }
    let mut dangling: Vec<Intent> = open.into_values().collect();
    dangling.sort_unstable_by_key(|intent| intent.seq);
    Ok(VerifyReport {
        intact: problem.is_none(),
        records: head.seq,
        head,
        problem,
        dangling,
        revision,
        torn,
    })
}

/// The place after `line`, if it follows from `head`, and the store's revision if it says one.
fn follow(
    head: Position,
    line: &[u8],
    open: &mut HashMap<OpId, Intent>,
) -> Result<(Position, Option<Revision>), &'static str> {
    let record: ReadLine = serde_json::from_slice(line).map_err(|_| "it is not a record")?;
    if record.prev != head.hash {
        return Err(
            "it does not follow from the record before it: one of the two was changed, or records were removed",
        );
    }
    if record.seq != head.seq + 1 {
        return Err("its number does not follow");
    }
    match (record.kind.as_str(), record.op) {
        ("intent", Some(op)) => {
            let action = record.action.unwrap_or_default();
            open.insert(
                op,
                Intent {
                    op,
                    seq: record.seq,
                    action,
                },
            );
        }
        ("outcome", Some(op)) => {
            open.remove(&op);
        }
        ("event", None) => {}
        _ => return Err("it is not a record of a kind that this version knows"),
    }
    Ok((Position::of(record.seq, line), record.revision))
}
