//! The only place that prints: tables and lines for people, JSON for programs.

use std::{
    error::Error,
    fmt,
    io::{self, Write as _},
};

use anyhow::Context as _;
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

/// Who reads the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Tables and sentences.
    #[default]
    Human,
    /// JSON on one line: stable names in snake_case, times in Unix seconds.
    Json,
}

/// Whoever read the output has enough of it: no failure, and nothing more to say.
#[derive(Debug)]
pub(crate) struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the output any more")
    }
}

impl Error for Closed {}

impl Format {
    /// Prints `value` as JSON, or what `text` makes of it.
    pub(crate) fn show<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        match self {
            Self::Human => lines(&text(value)),
            Self::Json => json(value),
        }
    }

    /// Prints a list as JSON, or as a table.
    pub(crate) fn list<T: Serialize, const N: usize>(
        self,
        rows: &[T],
        header: [&str; N],
        row: impl Fn(&T) -> [String; N],
    ) -> anyhow::Result<()> {
        match self {
            Self::Human => lines(&table(header, rows.iter().map(row))),
            Self::Json => json(rows),
        }
    }
}

/// Prints text and a line's end.
pub(crate) fn lines(text: &str) -> anyhow::Result<()> {
    let mut out = zeroize::Zeroizing::new(String::with_capacity(text.len() + 1));
    out.push_str(text);
    if !text.ends_with('\n') {
        out.push('\n');
    }
    write(out.as_bytes())
}

fn json<T: Serialize + ?Sized>(value: &T) -> anyhow::Result<()> {
    let mut out = zeroize::Zeroizing::new(serde_json::to_vec(value).context("no JSON")?);
    out.push(b'\n');
    write(&out)
}

fn write(bytes: &[u8]) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
        other => other.context("the output cannot be written"),
    }
}

/// Says on standard error, in one line, why the command failed.
pub(crate) fn failure(why: &str) {
    note(&format!("cattery: {why}"));
}

/// Says something beside the output: one line on standard error. What others wrote cannot steer the terminal.
pub(crate) fn note(text: &str) {
    let plain: String = text
        .trim()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    // Where standard error is closed there is nobody left to tell.
    let _ = writeln!(io::stderr().lock(), "{plain}");
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
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}
