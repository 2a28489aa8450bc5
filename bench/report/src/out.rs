//! Tables on standard output.

use std::io::{self, Write as _};

use comfy_table::{Table, presets::ASCII_MARKDOWN};

/// An empty one with these headings.
pub fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(ASCII_MARKDOWN)
        .set_header(head.iter().copied());
    table
}

/// Prints one.
///
/// # Errors
/// Nobody reads.
pub fn say(table: &Table) -> io::Result<()> {
    writeln!(io::stdout(), "{table}\n")
}
