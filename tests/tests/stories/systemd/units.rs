//! The units, as systemd reads them.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use cattery_tests::{programs::Program, town::Folder};

/// The folder with the units.
fn units() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd")
}

#[test]
fn systemd_takes_every_unit() -> Result<()> {
    let folder = Folder::new()?;
    let built = Program::Agent.path()?;
    let built = built.parent().context("a folder")?.to_string_lossy();
    let mut names = Vec::new();
    for entry in fs::read_dir(units())? {
        let path = entry?.path();
        let name = path
            .file_name()
            .context("a name")?
            .to_string_lossy()
            .into_owned();
        if name.ends_with(".service") || name.ends_with(".socket") {
            let text = fs::read_to_string(&path)?;
            fs::write(
                folder.path().join(&name),
                text.replace("/usr/bin/cattery", &format!("{built}/cattery")),
            )?;
            names.push(name.replace('@', "@photos"));
        }
    }
    ensure!(names.len() == 5, "{names:?}");
    for name in names {
        let said = Command::new("systemd-analyze")
            .args(["verify", "--man=no", "--recursive-errors=no", &name])
            // The units of the system come after ours.
            .env("SYSTEMD_UNIT_PATH", format!("{}:", folder.path().display()))
            .output()?;
        let words = String::from_utf8_lossy(&said.stderr);
        ensure!(said.status.success() && words.is_empty(), "{name}: {words}");
    }
    Ok(())
}

/// The score is in the documentation, and this is what keeps it true.
#[test]
fn the_sandbox_is_as_tight_as_the_documentation_says() -> Result<()> {
    let page = fs::read_to_string(units().join("../../docs/systemd.md"))?;
    for name in ["cattery-authority.service", "cattery-agent@.service"] {
        let path = units().join(name);
        let score = |text: &str| -> Result<String> {
            let line = text
                .lines()
                .find(|line| line.contains("Overall exposure level"));
            let line = line.with_context(|| format!("no score: {text}"))?;
            let score = line
                .rsplit(": ")
                .next()
                .and_then(|rest| rest.split(' ').next());
            Ok(score.context("a number")?.to_owned())
        };
        let said = Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager", "--threshold=20"])
            .arg(&path)
            .output()?;
        ensure!(said.status.success(), "above the threshold: {said:?}");
        let score = score(&String::from_utf8_lossy(&said.stdout))?;
        let row = format!("| `{name}` | {score} |");
        ensure!(page.contains(&row), "docs/systemd.md lacks: {row}");
    }
    Ok(())
}
