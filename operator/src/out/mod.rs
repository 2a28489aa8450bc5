//! The only place that prints: tables and lines for people, JSON for programs.

mod live;

use std::io::{self, Write as _};

use anyhow::Context as _;
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::plain::{PlainJson, plain, push_lines};

pub(crate) use live::Live;

/// More than any secret of ours takes: buffers that do not grow leave no copies behind.
const ROOM: usize = 128 * 1024;

/// Who reads the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables and sentences.
    #[default]
    Human,
    /// JSON on one line: stable names in snake_case, times in Unix seconds, null for what is not or never ends.
    Json,
}

impl Format {
    /// Prints `value` as JSON, or what `text` makes of it.
    pub(crate) fn show<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        match self.print(value, text) {
            // Whoever read the output has enough of it: that changes nothing of what it said.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.context("the output cannot be written"),
        }
    }

    /// The same for what cannot be shown again: it fails where nobody reads, and says what to do then.
    pub(crate) fn show_secret<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
        unseen: impl FnOnce() -> String,
    ) -> anyhow::Result<()> {
        self.print(value, text).with_context(unseen)
    }

    /// Prints a list as JSON, or as a table.
    pub(crate) fn list<T: Serialize, const N: usize>(
        self,
        rows: &[T],
        header: [&str; N],
        row: impl Fn(&T) -> [String; N],
    ) -> anyhow::Result<()> {
        self.show(&rows, |rows| table(header, rows.iter().map(row)))
    }

    fn print<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) -> io::Result<()> {
        let mut out = Zeroizing::new(Vec::with_capacity(ROOM));
        match self {
            Self::Human => {
                let text = Zeroizing::new(text(value));
                let mut lines = Zeroizing::new(String::with_capacity(text.len()));
                push_lines(&mut lines, text.strip_suffix('\n').unwrap_or(&text));
                out.extend_from_slice(lines.as_bytes());
            }
            Self::Json => {
                value.serialize(&mut serde_json::Serializer::with_formatter(
                    &mut *out, PlainJson,
                ))?;
            }
        }
        out.push(b'\n');
        let mut stdout = io::stdout().lock();
        stdout.write_all(&out)?;
        stdout.flush()
    }
}

/// Prints what a program of ours made for another one, as it is.
pub(crate) fn script(script: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(script).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("the output cannot be written"),
    }
}

/// Says on standard error, in one line, why the command failed.
pub(crate) fn failure(why: &str) {
    note(&format!("cattery: {why}"));
}

/// Says something beside the output: one line on standard error.
pub(crate) fn note(text: &str) {
    let line = plain(&text.trim().replace(['\n', '\r', '\t'], " "));
    // Where standard error is closed there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// The same in several lines: the first one says why, those that follow what to do.
pub(crate) fn failure_with(why: &str, then: &[String]) {
    failure(why);
    lines(then);
}

/// Says something beside the output, in lines that keep their indentation.
pub(crate) fn lines(lines: &[String]) {
    let mut stderr = io::stderr().lock();
    for line in lines {
        let _ = writeln!(stderr, "{}", plain(line));
    }
}

/// `1 agent`, `2 agents`.
pub(crate) fn counted(count: impl Into<u64>, what: &str) -> String {
    let count = count.into();
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Columns without borders.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.map(str::to_uppercase));
    for row in rows {
        table.add_row(row.map(|cell| plain(&cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}
