//! Each group of measurements works: here with so little work that its figures say nothing.
#![allow(clippy::unwrap_used)]

mod agent;
mod authority;
mod cache;
mod core;
mod envoy;
mod in_process;
mod once;
mod programs;
mod scale;

use std::{
    fs,
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// What a group wrote when it was tried out.
struct Page {
    text: String,
    /// Null where the group writes none.
    figures: Value,
}

impl Page {
    /// Measures the group, and looks whether each plot that the page shows is there.
    fn of(group: &str) -> Self {
        Self::in_folder(group, &tempfile::tempdir().unwrap())
    }

    /// The same in a folder that has figures of other groups.
    fn in_folder(group: &str, folder: &TempDir) -> Self {
        let status = Command::new(env!("CARGO_BIN_EXE_cattery-bench"))
            .args(["--smoke", group, "--out"])
            .arg(folder.path())
            .stderr(Stdio::inherit())
            .status()
            .unwrap();
        assert!(status.success());
        let read = |file: &str| fs::read_to_string(folder.path().join(file));
        let text = read(&format!("{group}.md")).unwrap();
        let links = text.split("](").skip(1);
        let links = links.filter_map(|behind| behind.split_once(')'));
        for (plot, _) in links.filter(|(link, _)| link.ends_with(".svg")) {
            let plot = read(plot).unwrap();
            assert!(plot.starts_with("<svg"), "{plot}");
        }
        let figures = read(&format!("{group}.json"));
        let figures = figures.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
        Self { text, figures }
    }

    /// How many rows begin with this cell.
    fn rows(&self, cell: &str) -> usize {
        let begin = format!("| {cell} ");
        self.begin_with(&begin)
    }

    /// How many lines begin like that.
    fn begin_with(&self, begin: &str) -> usize {
        let lines = self.text.lines();
        lines.filter(|line| line.starts_with(begin)).count()
    }

    fn says(&self, what: &str) -> bool {
        self.text.contains(what)
    }
}
