use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use cattery_authority::{
    backup::Backup,
    config::{Config, FILE, StoreSettings, Unseal},
    restore::Settings,
};

use super::Args;
use crate::address::Address;

/// The authority to restore for.
pub(super) enum Target {
    /// Its directory is there, and its store is elsewhere.
    Existing(Config),
    /// Its directory is to be made; with the text of the `authority.toml` that it had, and what that says.
    New {
        dir: PathBuf,
        like: Option<(String, Config)>,
    },
}

impl Target {
    pub(super) fn new(args: &Args, dir: &Path) -> anyhow::Result<Self> {
        if dir.join(FILE).exists() {
            let config = Config::load(dir)?;
            let asked = args.config.is_some() || args.listen.is_some() || !args.address.is_empty();
            if asked || args.store.is_given() {
                bail!(
                    "{} is there and has the settings: leave out --config, --address, --listen and --store options, or choose an empty directory",
                    dir.join(FILE).display()
                );
            }
            return Ok(Self::Existing(config));
        }
        let like = match &args.config {
            None => None,
            Some(path) => {
                let text = std::fs::read_to_string(path).with_context(|| {
                    format!(
                        "{} cannot be read: name the authority.toml that there was",
                        path.display()
                    )
                })?;
                // Relative paths in it are meant from where it lies.
                let from = path.parent().unwrap_or(Path::new("."));
                let from = std::path::absolute(from).context("the configuration has no path")?;
                let config = Config::parse(&from, &text)?;
                Some((text, config))
            }
        };
        Ok(Self::New {
            dir: dir.to_owned(),
            like,
        })
    }

    /// What its settings open the store with.
    pub(super) fn unseal(&self) -> Option<&Unseal> {
        match self {
            Self::Existing(config) => Some(&config.unseal),
            Self::New { like, .. } => like.as_ref().map(|(_, config)| &config.unseal),
        }
    }

    pub(super) fn settings(self, args: &Args, backup: &Backup) -> anyhow::Result<Settings> {
        let unseal = args.key.unseal(backup, self.unseal())?;
        let (dir, like) = match self {
            Self::Existing(config) => return Ok(Settings::existing(config)),
            Self::New { dir, like } => (dir, like),
        };
        let header = backup.header();
        let store = match (args.store.is_given(), &like) {
            (false, Some((_, config))) => config.store.clone(),
            _ => args.store.clone().settings(&header.trust_domain)?,
        };
        let text = like.as_ref().map(|(text, _)| text.as_str());
        let change = |config: &mut Config| change(config, args, store, like.is_some());
        Ok(Settings::new_directory(header, &dir, unseal, text, change)?)
    }
}

fn change(config: &mut Config, args: &Args, store: StoreSettings, has_settings: bool) {
    config.store = store;
    if !args.address.is_empty() {
        config.addresses = args.address.iter().cloned().map(String::from).collect();
    }
    match &args.listen {
        Some(listen) => config.listen = listen.clone().into(),
        None if !has_settings => config.listen = Address::listen_for(args.address.first()),
        None => {}
    }
}
