//! One line of the log for a decision, where the configuration wants it. Why a token is refused is here, and nowhere outside.
//!
//! What a stranger claims stays out: the principal is there only once the tag was right. Who presents a forwarded token is known from a token of
//! their own. A query may be private, and is left out.

use std::fmt::Display;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use serde::Deserialize;
use tracing::{Level, enabled, event, info};

use crate::agent::Agent;
use crate::decision::Question;

/// More refusals than these in one second are counted, and not written: strangers can cause as many as they like.
const REFUSALS_PER_SECOND: u32 = 100;
/// The longest path and authority in a line, in bytes.
const LONGEST: usize = 256;

/// Which decisions are logged at `info`; the others are at `debug`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decisions {
    /// None.
    None,
    /// Those that refuse a token, at most a hundred in a second.
    #[default]
    Refused,
    /// All of them.
    All,
}

/// What is logged now; it can be changed while the agent runs.
pub(crate) struct DecisionLog {
    mode: AtomicU8,
    began: Instant,
    /// The second since `began` that is counted.
    second: AtomicU64,
    written: AtomicU32,
    left_out: AtomicU64,
}

impl DecisionLog {
    pub(crate) fn new(decisions: Decisions) -> Self {
        Self {
            mode: AtomicU8::new(decisions as u8),
            began: Instant::now(),
            second: AtomicU64::new(0),
            written: AtomicU32::new(0),
            left_out: AtomicU64::new(0),
        }
    }

    pub(crate) fn set(&self, decisions: Decisions) {
        self.mode.store(decisions as u8, Ordering::Relaxed);
    }

    pub(crate) fn has_all(&self) -> bool {
        self.mode.load(Ordering::Relaxed) == Decisions::All as u8
    }

    fn has_refusals(&self) -> bool {
        self.mode.load(Ordering::Relaxed) != Decisions::None as u8
    }

    /// Whether this refusal is one of the second's first.
    fn has_room(&self, now: Instant) -> bool {
        if self.has_all() {
            return true;
        }
        let second = now.saturating_duration_since(self.began).as_secs();
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.written.store(0, Ordering::Relaxed);
            let left_out = self.left_out.swap(0, Ordering::Relaxed);
            if left_out > 0 {
                info!(
                    left_out,
                    "refusals were not logged: there were too many in a second"
                );
            }
        }
        let has_room = self.written.fetch_add(1, Ordering::Relaxed) < REFUSALS_PER_SECOND;
        if !has_room {
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
        has_room
    }
}

/// What is known of a token, beside what was asked.
#[derive(Default)]
pub(crate) struct Line<'a> {
    /// `ok`, or why not: what the caller is told.
    pub(crate) verdict: &'static str,
    /// More than the caller is told.
    pub(crate) detail: Option<&'a dyn Display>,
    /// Proved.
    pub(crate) principal: Option<&'a str>,
    pub(crate) token_id: Option<[u8; 16]>,
    /// Claimed.
    pub(crate) epoch: Option<u32>,
    /// Who presents a forwarded token.
    pub(crate) presenter: Option<&'a str>,
}

impl Agent {
    /// Logs a token that is refused.
    pub(crate) fn log_refused(&self, question: Option<&Question<'_>>, line: &Line<'_>) {
        let log = &self.decision_log;
        if log.has_refusals() && enabled!(Level::INFO) && log.has_room(Instant::now()) {
            line.write::<true>(question, "refused");
        } else if enabled!(Level::DEBUG) {
            line.write::<false>(question, "refused");
        }
    }

    /// Logs a token that is accepted; ask [`DecisionLog::has_all`] first.
    pub(crate) fn log_accepted(
        &self,
        question: &Question<'_>,
        principal: &str,
        token_id: [u8; 16],
        presenter: Option<&str>,
    ) {
        let line = Line {
            verdict: "ok",
            principal: Some(principal),
            token_id: Some(token_id),
            presenter,
            ..Line::default()
        };
        line.write::<true>(Some(question), "accepted");
    }
}

impl Line<'_> {
    fn write<const INFO: bool>(&self, question: Option<&Question<'_>>, what: &str) {
        let facts = question.map(|question| question.facts.as_core());
        let facts = facts.as_ref();
        let elapsed = question.map(|question| question.asked_at.steady.elapsed().as_micros());
        macro_rules! write {
            ($level:expr) => {
                event!(
                    $level,
                    code = self.verdict,
                    detail = self.detail.map(tracing::field::display),
                    principal = self.principal,
                    token_id = self.token_id.map(hex::encode),
                    epoch = self.epoch,
                    presenter = self.presenter,
                    decision = question.map(|question| tracing::field::display(question.id)),
                    face = question.map(|question| question.face.as_str()),
                    request_id = question.and_then(|question| question.request_id),
                    trace_id = question.and_then(|question| question.trace_id()),
                    method = facts.and_then(|facts| facts.method).map(short),
                    authority = facts.and_then(|facts| facts.authority).map(short),
                    path = facts.and_then(|facts| facts.path()).map(short),
                    body_known = facts.map(|facts| facts.body_sha256.is_some()),
                    elapsed_us = elapsed,
                    "{what}"
                )
            };
        }
        if INFO {
            write!(Level::INFO);
        } else {
            write!(Level::DEBUG);
        }
    }
}

fn short(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_flood_of_refusals_is_cut_off_each_second() {
        let log = DecisionLog::new(Decisions::Refused);
        let at = |ms| log.began + Duration::from_millis(ms);
        let written = |ms| (0..1_000).filter(|_| log.has_room(at(ms))).count();
        assert_eq!(written(10), 100);
        assert_eq!(written(999), 0);
        assert_eq!(written(1_000), 100);
        assert_eq!(log.left_out.load(Ordering::Relaxed), 900);
        log.set(Decisions::All);
        assert_eq!(written(1_001), 1_000);
    }

    #[test]
    fn what_is_long_is_cut_between_characters() {
        assert_eq!(short("/a"), "/a");
        let long = format!("{}é", "a".repeat(LONGEST - 1));
        assert_eq!(short(&long).len(), LONGEST - 1);
    }
}
