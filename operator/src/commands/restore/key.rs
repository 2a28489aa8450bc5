use std::path::{self, Path, PathBuf};

use anyhow::{Context as _, bail};
use cattery_authority::{
    backup::Backup,
    config::Unseal,
    seal::{
        KeyFile, Passphrase, Sealer, Wrapping, passphrase_from_file, passphrase_from_standard_input,
    },
};
use clap::Args as ClapArgs;

/// What opens the backup, and the store after it.
#[derive(ClapArgs)]
pub(super) struct KeyArgs {
    /// The key file that seals the cluster [default: the one that authority.toml names]
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    key_file: Option<PathBuf>,
    /// A file with the passphrase that seals the cluster, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl KeyArgs {
    /// How the restored store is opened at each start.
    pub(super) fn unseal(
        &self,
        backup: &Backup,
        configured: Option<&Unseal>,
    ) -> anyhow::Result<Unseal> {
        if let Some(file) = &self.key_file {
            return Ok(Unseal::KeyFile(
                path::absolute(file).context("the key file has no path")?,
            ));
        }
        match (backup.header().seal.wrapping(), configured) {
            (Wrapping::Passphrase { .. }, _) => Ok(Unseal::Passphrase),
            (Wrapping::KeyFile { .. }, Some(configured)) => Ok(configured.clone()),
            (Wrapping::KeyFile { .. }, None) => bail!(
                "the cluster of this backup is sealed with a key file: name it with --key-file"
            ),
        }
    }

    pub(super) async fn open(
        &self,
        backup: &Backup,
        configured: Option<&Unseal>,
    ) -> anyhow::Result<Sealer> {
        if let Some(file) = &self.passphrase_file {
            let passphrase = match file == Path::new("-") {
                true => passphrase_from_standard_input("Passphrase: ")?,
                false => passphrase_from_file(file)?,
            };
            return Ok(backup.unseal(Passphrase::new(passphrase)).await?);
        }
        match self.unseal(backup, configured)? {
            Unseal::KeyFile(path) => Ok(backup.unseal(KeyFile::read(path)?).await?),
            Unseal::Passphrase => bail!(
                "the cluster of this backup is sealed with a passphrase: add --passphrase-file FILE, or - for standard input"
            ),
        }
    }
}
