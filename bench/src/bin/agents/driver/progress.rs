//! Words for people on standard error.

use std::io::{self, IsTerminal as _, Write as _};

/// Back to the begin of the line, and off with what is there.
const CLEAR: &str = "\r\u{1b}[K";

/// A line that stays.
pub(super) fn say(text: &str) {
    let mut stderr = io::stderr().lock();
    let clear = if stderr.is_terminal() { CLEAR } else { "" };
    // Where nobody reads, there is nobody to tell.
    let _ = writeln!(stderr, "{clear}{text}");
}

/// A line that the next one takes the place of; nothing where lines cannot be replaced.
pub(super) fn show(text: &str) {
    let mut stderr = io::stderr().lock();
    if stderr.is_terminal() {
        let _ = write!(stderr, "{CLEAR}{text}");
        let _ = stderr.flush();
    }
}
