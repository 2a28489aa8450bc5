//! Tables in Markdown.

use comfy_table::{Table, presets::ASCII_MARKDOWN};

/// An empty one with these headings.
pub(crate) fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(ASCII_MARKDOWN)
        .set_header(head.iter().copied());
    table
}
