//! A page of the report: what was measured, how, and what came out.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::{machine, out::table, plot::Bars};

/// A page in the making.
pub struct Page {
    title: String,
    text: String,
    plots: Vec<Bars>,
    figures: Vec<Figure>,
}

/// A number that other programs reckon with.
#[derive(Serialize)]
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
}

impl Page {
    /// One with this title; `about` says what is measured and how, in Markdown.
    pub fn new(title: &str, about: &str) -> Self {
        Self {
            title: title.to_owned(),
            text: format!("{}\n", about.trim()),
            plots: Vec::new(),
            figures: Vec::new(),
        }
    }

    /// A heading and a paragraph below it; no paragraph where it is empty.
    pub fn section(&mut self, heading: &str, text: &str) {
        self.text += &format!("\n## {heading}\n");
        self.text(text);
    }

    /// A paragraph, or whatever Markdown it is.
    pub fn text(&mut self, text: &str) {
        if !text.is_empty() {
            self.text += &format!("\n{}\n", text.trim());
        }
    }

    /// A table.
    pub fn table(&mut self, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        let mut table = table(head);
        for row in rows {
            table.add_row(row);
        }
        self.text(&table.to_string());
    }

    /// A plot.
    pub fn bars(&mut self, bars: Bars) {
        self.text(&format!("![{}]({}.svg)", bars.title, bars.file));
        self.plots.push(bars);
    }

    /// A number for other programs, in `<group>.json` beside the page.
    pub fn figure(&mut self, name: &str, value: f64, unit: &'static str) {
        self.figures.push(Figure {
            name: name.to_owned(),
            value,
            unit,
        });
    }

    /// The whole in Markdown. `command` is what was run.
    pub fn markdown(&self, command: &str) -> String {
        let mut out = format!("# {}\n\n", self.title);
        let _ = writeln!(
            out,
            "Written by `{command}`. Nothing on this page is typed in by hand.\n\nMachine: {}.\n",
            machine()
        );
        out += &self.text;
        out
    }

    /// Writes `<group>.md`, the plots, and `<group>.json` where there are figures into the folder.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, group: &str, command: &str, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let file = folder.join(format!("{group}.md"));
        fs::write(&file, self.markdown(command)).with_context(|| file.display().to_string())?;
        if !self.figures.is_empty() {
            let file = folder.join(format!("{group}.json"));
            let text = serde_json::to_string_pretty(&self.figures)?;
            fs::write(&file, text + "\n").with_context(|| file.display().to_string())?;
        }
        for plot in &self.plots {
            plot.draw(&folder.join(format!("{}.svg", plot.file)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bar, Measured};

    #[test]
    fn a_page_has_its_tables_and_its_plots() {
        let mut page = Page::new("Tokens", "How long they take.");
        page.section("Verifying", "In one thread.");
        page.table(
            &["what", "ns"],
            [vec!["plain".to_owned(), "352".to_owned()]],
        );
        page.bars(Bars {
            file: "verify",
            title: "Verifying".to_owned(),
            unit: "ns",
            bars: vec![Bar::new(
                "plain & simple",
                Measured::of(&[350.0, 352.0, 360.0]),
            )],
        });
        page.figure("verify_plain", 352.5, "ns");
        let folder = std::env::temp_dir().join(format!("cat-page-{}", std::process::id()));
        page.write("tokens", "bench/run tokens", &folder).unwrap();
        let text = fs::read_to_string(folder.join("tokens.md")).unwrap();
        let plot = fs::read_to_string(folder.join("verify.svg")).unwrap();
        let figures = fs::read_to_string(folder.join("tokens.json")).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert!(
            text.starts_with("# Tokens\n\nWritten by `bench/run tokens`."),
            "{text}"
        );
        assert!(text.contains("| plain | 352 |"), "{text}");
        assert!(text.contains("![Verifying](verify.svg)"), "{text}");
        assert!(plot.contains("plain &amp; simple"), "{plot}");
        assert!(figures.contains("\"value\": 352.5"), "{figures}");
    }
}
