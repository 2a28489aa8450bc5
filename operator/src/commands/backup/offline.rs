use std::{path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use cattery_authority::{
    backup::{BackupFile, BackupWriter},
    config::{Config, StoreSettings, Unseal},
    init::STORE_FILE,
    seal::{KeyFile, Passphrase, passphrase_from_file, passphrase_from_standard_input, unseal},
    store::{Embedded, Etcd, Store},
};

use crate::clock;

/// Reads it from the store that a directory's authority has.
pub(super) async fn write(
    config: &Config,
    passphrase: Option<&Path>,
    file: &mut BackupFile,
) -> anyhow::Result<()> {
    let store: Arc<dyn Store> = match &config.store {
        StoreSettings::Embedded => Arc::new(Embedded::open(config.dir.join(STORE_FILE))?),
        StoreSettings::Etcd(etcd) => Arc::new(Etcd::connect(etcd.options()?).await?),
    };
    let sealer = match (&config.unseal, passphrase) {
        (Unseal::KeyFile(path), None) => unseal(&*store, KeyFile::read(path)?).await?,
        (Unseal::KeyFile(_), Some(_)) => {
            bail!("this store opens with a key file: leave out --passphrase-file")
        }
        (Unseal::Passphrase, file) => {
            let file = file.context(
                "this store opens with a passphrase: add --passphrase-file FILE, or - for standard input",
            )?;
            let passphrase = match file == Path::new("-") {
                true => passphrase_from_standard_input("Passphrase: ")?,
                false => passphrase_from_file(file)?,
            };
            unseal(&*store, Passphrase::new(passphrase)).await?
        }
    };
    let mut writer = BackupWriter::begin(&*store, &sealer, clock::now()).await?;
    while let Some(lines) = writer.next().await? {
        file.write(&lines)?;
    }
    Ok(())
}
