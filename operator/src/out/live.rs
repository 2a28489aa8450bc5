//! Progress on standard error: a line that a terminal rewrites, or in a pipe a line whenever something changes.

use std::{
    env,
    io::{self, IsTerminal as _, Stderr, Write},
};

use rustix::termios::tcgetwinsize;

use crate::plain::plain;

/// Where a terminal does not say.
const DEFAULT_WIDTH: usize = 80;
/// Back to the begin of the line, and off with what is there.
const CLEAR: &str = "\r\u{1b}[K";

/// What is going on at the moment.
pub(crate) struct Live<W> {
    to: W,
    /// How many columns there are; none where lines are not rewritten.
    width: Option<fn() -> usize>,
    /// What was said last, without what changes all the time.
    said: String,
}

impl Live<Stderr> {
    /// On standard error.
    pub(crate) fn on_stderr() -> Self {
        let is_dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        let rewrites = io::stderr().is_terminal() && !is_dumb;
        Self {
            to: io::stderr(),
            width: rewrites.then_some(stderr_width),
            said: String::new(),
        }
    }
}

impl<W: Write> Live<W> {
    /// Shows `text`. In a pipe, only where `what`, the part of it that is news when it changes, is another one.
    pub(crate) fn show(&mut self, what: &str, text: &str) {
        let text = plain(text);
        // Where nobody reads, there is nobody to tell.
        let _ = match self.width {
            Some(width) => {
                // The last column stays free: some terminals begin a new line there.
                let room = width().saturating_sub(1);
                let line: String = text.chars().take(room).collect();
                write!(self.to, "{CLEAR}{line}")
            }
            None if what == self.said => Ok(()),
            None => writeln!(self.to, "{text}"),
        };
        let _ = self.to.flush();
        what.clone_into(&mut self.said);
    }

    /// Makes room for what comes next.
    pub(crate) fn over(&mut self) {
        if self.width.is_some() && !self.said.is_empty() {
            let _ = write!(self.to, "{CLEAR}");
            let _ = self.to.flush();
        }
        self.said.clear();
    }
}

fn stderr_width() -> usize {
    match tcgetwinsize(io::stderr()) {
        Ok(size) if size.ws_col > 0 => size.ws_col.into(),
        _ => DEFAULT_WIDTH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(width: Option<fn() -> usize>) -> Live<Vec<u8>> {
        Live {
            to: Vec::new(),
            width,
            said: String::new(),
        }
    }

    fn text(live: Live<Vec<u8>>) -> String {
        String::from_utf8(live.to).unwrap()
    }

    #[test]
    fn a_pipe_gets_a_line_when_something_changes() {
        let mut live = live(None);
        for (what, text) in [
            ("a", "a, 9 s"),
            ("a", "a, 8 s"),
            ("b", "b, 7 s"),
            ("a", "a, 6 s"),
        ] {
            live.show(what, text);
        }
        live.over();
        live.show("a", "a\u{1b}[2J");
        assert_eq!(text(live), "a, 9 s\nb, 7 s\na, 6 s\na\\u{1b}[2J\n");
    }

    #[test]
    fn a_terminal_gets_one_line_that_fits() {
        let mut live = live(Some(|| 8));
        live.show("a", "0123456789");
        live.show("a", "01");
        live.over();
        live.over();
        assert_eq!(text(live), format!("{CLEAR}0123456{CLEAR}01{CLEAR}"));
    }
}
