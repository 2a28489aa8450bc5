//! `cattery backup`: all that a cluster has to keep, in a file.

mod offline;
mod online;

use std::path::PathBuf;

use cattery_authority::{
    backup::{Backup, BackupFile, Contents},
    config::Config,
    seal::Wrapping,
};
use clap::Args as ClapArgs;
use serde::Serialize;

use super::Context;
use crate::{clock, exit::Done, shell::quoted};

#[derive(ClapArgs)]
#[command(after_help = "\
The file is for its owner alone. What is secret in it stays sealed with the cluster's key file or
passphrase, so keep those somewhere else; root keys are not in it at all. Whoever has not the key
file or passphrase can change nothing in it unnoticed.

An authority takes it, and only an admin may ask for it. With --dir it is read from the store of
an authority that does not run.

Examples:
  cattery backup cattery.backup
  cattery backup cattery.backup --dir /var/lib/cattery
  cattery restore --check cattery.backup --key-file master.key")]
pub(crate) struct Args {
    /// The new file
    file: PathBuf,
    /// Ask no authority: read the store of the one in this directory, which must not run where its store is a file
    #[arg(long)]
    dir: Option<PathBuf>,
    /// With --dir, a file with the passphrase that seals the store, or `-` for standard input
    #[arg(long, value_name = "FILE", requires = "dir")]
    passphrase_file: Option<PathBuf>,
}

/// What a backup is of, as commands show it.
#[derive(Serialize)]
pub(super) struct Shown {
    pub(super) file: PathBuf,
    pub(super) cluster_id: String,
    pub(super) trust_domain: String,
    pub(super) incarnation: u64,
    pub(super) last_epoch: u32,
    pub(super) made_at: u64,
    pub(super) services: u64,
    pub(super) agents: u64,
    pub(super) users: u64,
    pub(super) api_keys: u64,
    pub(super) grants: u64,
    pub(super) operators: u64,
    /// The authorities whose audit logs a restore wants.
    pub(super) authorities: Vec<String>,
    /// `key-file` or `passphrase`.
    pub(super) sealed_with: &'static str,
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Done> {
    let mut file = BackupFile::create(&args.file)?;
    match args.dir {
        Some(dir) => {
            let config = Config::load(&dir)?;
            offline::write(&config, args.passphrase_file.as_deref(), &mut file).await?;
        }
        None => online::write(&context.home()?, &mut file).await?,
    }
    file.finish()?;
    let backup = Backup::open(&args.file)?;
    let shown = Shown::new(&backup, backup.claims()?);
    context.out.show(&shown, describe)?;
    Ok(Done::Well)
}

impl Shown {
    pub(super) fn new(backup: &Backup, contents: Contents) -> Self {
        let header = backup.header();
        Self {
            file: backup.path().to_owned(),
            cluster_id: header.cluster_id.to_string(),
            trust_domain: header.trust_domain.clone(),
            incarnation: header.incarnation,
            last_epoch: header.last_epoch,
            made_at: header.made_at,
            services: contents.services,
            agents: contents.agents,
            users: contents.users,
            api_keys: contents.api_keys,
            grants: contents.grants,
            operators: contents.operators,
            authorities: header.audit.keys().cloned().collect(),
            sealed_with: match header.seal.wrapping() {
                Wrapping::KeyFile { .. } => "key-file",
                Wrapping::Passphrase { .. } => "passphrase",
            },
        }
    }

    /// In one sentence.
    pub(super) fn sentence(&self) -> String {
        let contents = Contents {
            services: self.services,
            agents: self.agents,
            users: self.users,
            api_keys: self.api_keys,
            grants: self.grants,
            operators: self.operators,
        };
        format!(
            "cluster {} (incarnation {}, epoch {}) as it was {}: {contents}",
            self.cluster_id,
            self.incarnation,
            self.last_epoch,
            clock::both(self.made_at, clock::now()),
        )
    }
}

fn describe(shown: &Shown) -> String {
    let (secret, option) = match shown.sealed_with {
        "key-file" => ("key file", "--key-file FILE"),
        _ => ("passphrase", "--passphrase-file -"),
    };
    let file = quoted(&shown.file.to_string_lossy());
    let logs: Vec<String> = shown
        .authorities
        .iter()
        .map(|id| format!("--audit-log {id}.log"))
        .collect();
    format!(
        "{} holds {}.\n\
         What is secret in it opens with the cluster's {secret} alone: keep that elsewhere, and copies of the audit logs, too.\n\
         \n\
         Next:\n  \
         cattery restore --check {file} {option}   look whether it is whole\n  \
         cattery restore {file} --dir DIR {option} {}   begin anew from it",
        shown.file.display(),
        shown.sentence(),
        logs.join(" "),
    )
}
