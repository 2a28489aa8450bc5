//! Where the programs under test are.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context as _, Result};

/// Where programs are, if somebody said so.
static FOLDER: OnceLock<PathBuf> = OnceLock::new();

/// Programs are in this folder, and nowhere else. Of two calls the first one counts.
pub fn look_in(folder: PathBuf) {
    let _ = FOLDER.set(folder);
}

/// A program of this project, built beside the test binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `cattery`.
    Cli,
    /// `cattery-authority`.
    Authority,
    /// `cattery-agent`.
    Agent,
}

impl Program {
    /// The file's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cli => "cattery",
            Self::Authority => "cattery-authority",
            Self::Agent => "cattery-agent",
        }
    }

    /// The built file: in the folder of [`look_in`], or else beside this program or its folder (a test lies in `deps/`).
    ///
    /// # Errors
    /// Where it has not been built.
    pub fn path(self) -> Result<PathBuf> {
        let this = std::env::current_exe().context("where this program is")?;
        let beside = this.ancestors().skip(1).take(2).map(Path::to_owned);
        let folders: Vec<_> = match FOLDER.get() {
            Some(folder) => vec![folder.clone()],
            None => beside.collect(),
        };
        let mut paths = folders.iter().map(|folder| folder.join(self.name()));
        paths.find(|path| path.is_file()).with_context(|| {
            format!(
                "{} is in none of {folders:?}: build it first, with the same profile",
                self.name()
            )
        })
    }

    /// A command that runs it, free of the caller's `CATTERY_*` and `RUST_*` settings.
    ///
    /// # Errors
    /// Where it has not been built.
    pub fn command(self) -> Result<Command> {
        let mut command = Command::new(self.path()?);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CATTERY_") || text.starts_with("RUST_") {
                command.env_remove(&name);
            }
        }
        Ok(command)
    }
}

/// A program that `tools/setup.sh` installs from a package index, `envoy/envoy` say.
///
/// # Errors
/// Where it is missing: a test that needs it fails.
pub fn installed(program: &str) -> Result<PathBuf> {
    let test = std::env::current_exe().context("where this test binary is")?;
    let mut found = test
        .ancestors()
        .map(|folder| folder.join("tools").join(program));
    found.find(|path| path.exists()).with_context(|| {
        let folder = test.ancestors().nth(3).unwrap_or(Path::new("target"));
        format!(
            "{}/tools has no {program}: run ./test, which installs it",
            folder.display()
        )
    })
}

/// The folder with the plain-Python client.
pub fn python_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}
