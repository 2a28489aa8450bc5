use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use tokio::io::AsyncWriteExt as _;

use super::{Etcd, Version};

impl Etcd {
    /// Saves all that etcd has to a file, as `etcdctl snapshot save` does.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn save_snapshot(&self, file: &Path) -> Result<()> {
        let mut answers = self.client().await?.snapshot().await?;
        let mut file = tokio::fs::File::create(file).await?;
        while let Some(answer) = answers.message().await? {
            file.write_all(answer.blob()).await?;
        }
        file.sync_all().await?;
        Ok(())
    }

    /// Kills every member and starts each one anew with what a snapshot has, as `etcdctl snapshot restore` does: nothing tells those
    /// who use it.
    ///
    /// # Errors
    /// Where the snapshot is not taken, or a member does not start.
    pub async fn put_back_snapshot(&mut self, file: &Path) -> Result<()> {
        for member in 0..self.members.len() {
            self.kill(member)?;
        }
        for member in 0..self.members.len() {
            let data = self.data(member);
            std::fs::remove_dir_all(&data)?;
            let mut restore = std::process::Command::new(Version::utility()?);
            restore.args(["snapshot", "restore"]).arg(file);
            restore.arg(format!("--data-dir={}", data.display()));
            restore.args(self.membership(member));
            let said = restore.output().context("etcdutl")?;
            let problem = String::from_utf8_lossy(&said.stderr);
            ensure!(said.status.success(), "etcdutl snapshot restore: {problem}");
        }
        for member in 0..self.members.len() {
            self.spawn(member)?;
        }
        self.answers().await
    }
}
