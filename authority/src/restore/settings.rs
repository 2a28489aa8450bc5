use std::path::Path;

use super::RestoreError;
use crate::backup::Header;
use crate::config::{Config, Unseal};
use crate::init::InitError;

/// The authority that a cluster is restored for.
pub struct Settings {
    pub(super) config: Config,
    /// The text of its `authority.toml`; `None` where that is there already.
    pub(super) new: Option<String>,
}

impl Settings {
    /// An authority in a new directory. `like` is the text of the `authority.toml` that it had before: without it the settings
    /// are the usual ones. `change` has the last word on what is configured.
    ///
    /// # Errors
    ///
    /// [`RestoreError::Config`], or the directory has no path.
    pub fn new_directory(
        backup: &Header,
        dir: &Path,
        unseal: Unseal,
        like: Option<&str>,
        change: impl FnOnce(&mut Config),
    ) -> Result<Self, RestoreError> {
        let dir = std::path::absolute(dir).map_err(|source| InitError::File {
            what: "find",
            path: dir.into(),
            source,
        })?;
        let mut config = match like {
            Some(text) => Config::parse(&dir, text)?,
            None => Config::new(
                &dir,
                backup.cluster_id,
                &backup.trust_domain,
                unseal.clone(),
            ),
        };
        config.unseal = unseal;
        change(&mut config);
        let text = config.to_toml();
        Ok(Self {
            config: Config::parse(&dir, &text)?,
            new: Some(text),
        })
    }

    /// An authority whose directory is there, and whose store is elsewhere.
    #[must_use]
    pub fn existing(config: Config) -> Self {
        Self { config, new: None }
    }

    /// What they are.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn check(&self, backup: &Header) -> Result<(), RestoreError> {
        let config = &self.config;
        if config.cluster_id == backup.cluster_id && config.trust_domain == backup.trust_domain {
            return Ok(());
        }
        Err(RestoreError::OtherCluster {
            config: config.cluster_id.to_string(),
            config_domain: config.trust_domain.clone(),
            backup: backup.cluster_id.to_string(),
            backup_domain: backup.trust_domain.clone(),
        })
    }
}
