//! Named figures beside a page, for programs that go on computing.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// How much it is.
    pub value: f64,
    /// Of what.
    pub unit: String,
}

/// A group's figures by their names.
pub type Figures = BTreeMap<String, Figure>;

/// Those of `<group>.json` in the folder; none where there is no such file.
///
/// # Errors
/// It cannot be read, or has something else in it.
pub fn read(group: &str, folder: &Path) -> Result<Figures> {
    let file = folder.join(format!("{group}.json"));
    if !file.exists() {
        return Ok(Figures::new());
    }
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    serde_json::from_str(&text).with_context(|| file.display().to_string())
}

pub(crate) fn write(figures: &Figures, group: &str, folder: &Path) -> Result<()> {
    let file = folder.join(format!("{group}.json"));
    let text = serde_json::to_string_pretty(figures)?;
    fs::write(&file, text + "\n").with_context(|| file.display().to_string())
}
