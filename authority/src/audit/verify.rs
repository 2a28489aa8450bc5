use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;

use super::event::INCARNATION_ENTERED;
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
    /// Of the store that the authority worked on last: how often its cluster was restored, from 1.
    pub incarnation: u64,
    /// The newest revision of that store that a change in it made; 0 for none.
    pub revision: Revision,
    /// The intent of that change; 0 for none.
    pub newest_change: u64,
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
    log: impl BufRead,
    start: Position,
    mark: Option<Position>,
) -> io::Result<VerifyReport> {
    scan_each(log, start, mark, |_, _| {})
}

/// As [`scan`], and tells each line, with the incarnation that it is of.
pub(super) fn scan_each(
    mut log: impl BufRead,
    start: Position,
    mark: Option<Position>,
    mut visit: impl FnMut(&[u8], u64),
) -> io::Result<VerifyReport> {
    let mut head = start;
    let mut torn = 0;
    let mut incarnation = 1;
    let mut newest = (0, 0);
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
            Ok(Followed {
                next,
                made,
                entered,
            }) => {
                head = next;
                if let Some(entered) = entered.filter(|entered| *entered > incarnation) {
                    incarnation = entered;
                    newest = (0, 0);
                }
                newest = newest.max(made.unwrap_or_default());
                visit(&line, incarnation);
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
        incarnation,
        revision: newest.0,
        newest_change: newest.1,
        torn,
    })
}

/// What the chain needs to know of a line that follows.
struct Followed {
    /// The place after it.
    next: Position,
    /// If it says that a change was made: the store's revision, and the intent's number.
    made: Option<(Revision, u64)>,
    /// The incarnation, if one begins.
    entered: Option<u64>,
}

/// What `line` says, if it follows from `head`.
fn follow(
    head: Position,
    line: &[u8],
    open: &mut HashMap<OpId, Intent>,
) -> Result<Followed, &'static str> {
    let record: ReadLine = serde_json::from_slice(line).map_err(|_| "it is not a record")?;
    if record.prev != head.hash {
        return Err(
            "it does not follow from the record before it: one of the two was changed, or records were removed",
        );
    }
    if record.seq != head.seq + 1 {
        return Err("its number does not follow");
    }
    let mut entered = None;
    let mut made = None;
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
            let intent = open.remove(&op).map_or(0, |intent| intent.seq);
            made = record.revision.map(|revision| (revision, intent));
        }
        ("event", None) => entered = record.entered(),
        _ => return Err("it is not a record of a kind that this version knows"),
    }
    Ok(Followed {
        next: Position::of(record.seq, line),
        made,
        entered,
    })
}

impl ReadLine {
    fn entered(&self) -> Option<u64> {
        let (action, subject) = INCARNATION_ENTERED;
        if self.action.as_deref() != Some(action) {
            return None;
        }
        self.subject.as_deref()?.strip_prefix(subject)?.parse().ok()
    }
}
