//! The versions that were built in, as the lock file has them.

use anyhow::{Context as _, Result};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct Packages {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    #[serde(default)]
    dependencies: Vec<String>,
}

impl Packages {
    pub(crate) fn locked() -> Result<Self> {
        Ok(toml::from_str(include_str!("../Cargo.lock"))?)
    }

    /// `name 1.2.3` of a direct dependency.
    pub(crate) fn of(&self, name: &str) -> Result<String> {
        self.used_by(env!("CARGO_PKG_NAME"), name)
    }

    /// `name 1.2.3` of what that package uses. Where several versions are locked, the user's entry says which.
    pub(crate) fn used_by(&self, user: &str, name: &str) -> Result<String> {
        let mut users = self.package.iter().filter(|one| one.name == user);
        let user = users.next().with_context(|| format!("no {user}"))?;
        let entry = user.dependencies.iter().find(|entry| {
            let mut words = entry.split(' ');
            words.next() == Some(name)
        });
        let entry = entry.with_context(|| format!("{} does not use {name}", user.name))?;
        if entry.contains(' ') {
            return Ok(entry.clone());
        }
        let used = self.package.iter().find(|one| one.name == name);
        let used = used.with_context(|| format!("no {name}"))?;
        Ok(format!("{name} {}", used.version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_one_that_its_user_has() {
        let lock = r#"
            [[package]]
            name = "app"
            version = "0.1.0"
            dependencies = ["hash 2.0.0", "token"]

            [[package]]
            name = "token"
            version = "3.0.0"
            dependencies = ["hash 1.0.0"]

            [[package]]
            name = "hash"
            version = "1.0.0"

            [[package]]
            name = "hash"
            version = "2.0.0"
        "#;
        let packages: Packages = toml::from_str(lock).unwrap();
        assert_eq!(packages.used_by("app", "token").unwrap(), "token 3.0.0");
        assert_eq!(packages.used_by("app", "hash").unwrap(), "hash 2.0.0");
        assert_eq!(packages.used_by("token", "hash").unwrap(), "hash 1.0.0");
        assert!(packages.used_by("token", "app").is_err());
    }
}
