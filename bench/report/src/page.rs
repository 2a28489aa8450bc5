//! A page of the report: what was measured, how, and what came out.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};

use crate::{
    figures::{self, Figure, Figures},
    machine,
    out::table,
    plot::Bars,
};

/// A page in the making.
pub struct Page {
    title: String,
    text: String,
    plots: Vec<Bars>,
    figures: Figures,
}

impl Page {
    /// One with this title; `about` says what is measured and how, in Markdown.
    pub fn new(title: &str, about: &str) -> Self {
        Self {
            title: title.to_owned(),
            text: format!("{}\n", about.trim()),
            plots: Vec::new(),
            figures: Figures::new(),
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

    /// A figure by its name, for programs: it is in `<group>.json` and does not show on the page.
    pub fn figure(&mut self, name: &str, value: f64, unit: &str) {
        let unit = unit.to_owned();
        self.figures.insert(name.to_owned(), Figure { value, unit });
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

    /// Writes `<group>.md`, the plots and, where there are figures, `<group>.json` into the folder.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write(&self, group: &str, command: &str, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let file = folder.join(format!("{group}.md"));
        fs::write(&file, self.markdown(command)).with_context(|| file.display().to_string())?;
        if !self.figures.is_empty() {
            figures::write(&self.figures, group, folder)?;
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
        page.figure("verify", 352.5, "ns");
        let folder = std::env::temp_dir().join(format!("cat-page-{}", std::process::id()));
        page.write("tokens", "bench/run tokens", &folder).unwrap();
        let text = fs::read_to_string(folder.join("tokens.md")).unwrap();
        let plot = fs::read_to_string(folder.join("verify.svg")).unwrap();
        let figures = figures::read("tokens", &folder).unwrap();
        let none = figures::read("others", &folder).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert!(
            text.starts_with("# Tokens\n\nWritten by `bench/run tokens`."),
            "{text}"
        );
        assert!(text.contains("| plain | 352 |"), "{text}");
        assert!(text.contains("![Verifying](verify.svg)"), "{text}");
        assert!(plot.contains("plain &amp; simple"), "{plot}");
        let figure = &figures["verify"];
        assert_eq!((figure.value, &figure.unit[..]), (352.5, "ns"));
        assert!(none.is_empty());
    }
}
