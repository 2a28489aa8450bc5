//! What was looked at, how it is, and what to do about it.

use serde::Serialize;

use crate::{out::counted, plain::plain};

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// As it should be.
    Ok,
    /// It works, and will not for ever.
    Warning,
    /// It is broken.
    Error,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    state: State,
    /// What kind of check it was: a stable name for programs.
    check: &'static str,
    /// Which one of its kind: an address, a path.
    subject: String,
    /// How it is.
    found: String,
    /// What to do, where something is to be done.
    remedy: Option<String>,
}

/// All of them.
#[derive(Serialize)]
pub(super) struct Report {
    error_count: usize,
    warning_count: usize,
    findings: Vec<Finding>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "callers have paths, errors and texts at hand"
)]
impl Finding {
    pub(super) fn ok(check: &'static str, subject: impl ToString, found: impl ToString) -> Self {
        Self {
            state: State::Ok,
            check,
            subject: subject.to_string(),
            found: found.to_string(),
            remedy: None,
        }
    }

    pub(super) fn warning(
        check: &'static str,
        subject: impl ToString,
        found: impl ToString,
        remedy: impl ToString,
    ) -> Self {
        Self {
            state: State::Warning,
            remedy: Some(remedy.to_string()),
            ..Self::ok(check, subject, found)
        }
    }

    pub(super) fn error(
        check: &'static str,
        subject: impl ToString,
        found: impl ToString,
        remedy: impl ToString,
    ) -> Self {
        Self {
            state: State::Error,
            ..Self::warning(check, subject, found, remedy)
        }
    }

    #[cfg(test)]
    pub(super) fn state(&self) -> State {
        self.state
    }

    fn lines(&self) -> String {
        let state = match self.state {
            State::Ok => "ok",
            State::Warning => "WARNING",
            State::Error => "ERROR",
        };
        let (subject, found) = (one_line(&self.subject), one_line(&self.found));
        let remedy = self.remedy.as_ref().map_or_else(String::new, |remedy| {
            format!("         remedy: {}\n", one_line(remedy))
        });
        format!("{state:<8} {subject}: {found}\n{remedy}")
    }
}

fn one_line(text: &str) -> String {
    plain(&text.trim().replace(['\n', '\r', '\t'], " "))
}

impl Report {
    pub(super) fn new(findings: Vec<Finding>) -> Self {
        let count = |state| findings.iter().filter(|f| f.state == state).count();
        Self {
            error_count: count(State::Error),
            warning_count: count(State::Warning),
            findings,
        }
    }

    /// Whether nothing is broken.
    pub(super) fn is_well(&self) -> bool {
        self.error_count == 0
    }

    /// For people: what is broken comes last, where they look.
    pub(super) fn describe(&self) -> String {
        let mut sorted: Vec<_> = self.findings.iter().collect();
        sorted.sort_by_key(|finding| finding.state as u8);
        let lines: String = sorted.into_iter().map(Finding::lines).collect();
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        format!(
            "{lines}{}, {}, {}\n",
            counted(number(self.findings.len()), "check"),
            counted(number(self.warning_count), "warning"),
            counted(number(self.error_count), "error"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_last_with_their_remedy_and_decide() {
        let report = Report::new(vec![
            Finding::error("a", "one", "is\nbroken", "mend it"),
            Finding::ok("b", "two", "fine"),
        ]);
        assert!(!report.is_well());
        assert_eq!(
            report.describe(),
            "ok       two: fine\nERROR    one: is broken\n         remedy: mend it\n2 checks, 0 warnings, 1 error\n"
        );
        let warned = Report::new(vec![Finding::warning("a", "one", "is old", "look")]);
        assert!(warned.is_well());
    }
}
