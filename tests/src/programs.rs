//! Where the programs under test are.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

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

    /// The built file.
    ///
    /// # Errors
    /// Where it has not been built.
    pub fn path(self) -> Result<PathBuf> {
        let test = std::env::current_exe().context("where this test binary is")?;
        let path = test
            .parent()
            .and_then(Path::parent) // the test binary lies in `deps/`
            .context("a test binary lies in a target folder")?
            .join(self.name());
        ensure!(
            path.is_file(),
            "{} is missing: run `cargo build --workspace` first",
            path.display()
        );
        Ok(path)
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

/// The folder with the plain-Python client.
pub fn python_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("python")
}
