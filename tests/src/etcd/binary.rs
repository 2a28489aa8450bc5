use std::{os::unix::fs::PermissionsExt as _, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::programs::installed;

/// A version of etcd that the tests run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Debian's.
    V3_4,
    /// The newest that a package index has.
    V3_5,
}

impl Version {
    /// The program, once it has said that it is of this version.
    ///
    /// # Errors
    /// Where it is missing or another one.
    pub fn binary(self) -> Result<PathBuf> {
        let (path, wanted) = match self {
            Self::V3_4 => (PathBuf::from("/usr/bin/etcd"), "3.4."),
            Self::V3_5 => (installed("etcd-3.5/etcd")?, "3.5."),
        };
        let missing = || {
            format!(
                "etcd {wanted}x is needed at {}: run ./test, which installs it",
                path.display()
            )
        };
        let said = Command::new(&path).arg("--version").output();
        let said = said.with_context(missing)?.stdout;
        let said = String::from_utf8_lossy(&said);
        let version = said
            .lines()
            .find_map(|line| line.strip_prefix("etcd Version: "));
        match version {
            Some(version) if version.starts_with(wanted) => Ok(path),
            _ => bail!("{}, and it says `{}`", missing(), said.trim()),
        }
    }
}

impl Version {
    /// The program that turns snapshots into data, once etcd 3.5 is known to be there.
    pub(super) fn utility() -> Result<PathBuf> {
        let etcd = std::fs::canonicalize(Self::V3_5.binary()?)?;
        let utility = etcd.with_file_name("etcdutl");
        // As in a package of Python: without the right to be run.
        let mut rights = std::fs::metadata(&utility)
            .with_context(|| format!("{} comes with etcd 3.5", utility.display()))?
            .permissions();
        rights.set_mode(rights.mode() | 0o100);
        std::fs::set_permissions(&utility, rights)?;
        Ok(utility)
    }
}
