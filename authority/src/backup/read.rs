use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use super::file::file_error;
use super::header::{AnyHeader, BACKUP_FORMAT, Header};
use super::line::{Item, MAX_LINE, decode, decode_last};
use super::mac::BackupMac;
use super::{BackupError, is_kept};
use crate::records::key;
use crate::seal::{SealError, Sealer, UnsealMethod};

/// A backup's file, whose header was read. Nothing in it is known to be true before it was [checked](Self::check).
pub struct Backup {
    path: PathBuf,
    file: File,
    header: Header,
}

/// What a backup holds, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Services, those out of use too.
    pub services: u64,
    /// Agents that have enrolled.
    pub agents: u64,
    /// Users, those disabled too.
    pub users: u64,
    /// API keys.
    pub api_keys: u64,
    /// Grants.
    pub grants: u64,
    /// Operators, those revoked too.
    pub operators: u64,
}

impl Backup {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    ///
    /// [`BackupError::File`], [`BackupError::NotOne`] or [`BackupError::Newer`].
    pub fn open(path: &Path) -> Result<Self, BackupError> {
        let failed = |source| file_error("read", path, source);
        let file = File::open(path).map_err(failed)?;
        let mut line = Vec::new();
        BufReader::new((&file).take(MAX_LINE as u64))
            .read_until(b'\n', &mut line)
            .map_err(failed)?;
        let not_one = |_| BackupError::NotOne { path: path.into() };
        let any: AnyHeader = serde_json::from_slice(&line).map_err(not_one)?;
        if any.cattery_backup != BACKUP_FORMAT {
            return Err(BackupError::Newer {
                path: path.into(),
                found: any.cattery_backup,
                version: any
                    .version
                    .chars()
                    .flat_map(char::escape_debug)
                    .take(40)
                    .collect(),
                known: BACKUP_FORMAT,
            });
        }
        let header: Header = serde_json::from_slice(&line).map_err(not_one)?;
        if header.seal.cluster_id() != header.cluster_id.to_string() {
            return Err(BackupError::NotOne { path: path.into() });
        }
        Ok(Self {
            path: path.into(),
            file,
            header,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says that it is of.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Unwraps the master key of its cluster.
    ///
    /// # Errors
    ///
    /// [`BackupError::WrongKey`] or [`BackupError::OtherMethod`] above all.
    pub async fn unseal(&self, method: impl UnsealMethod + 'static) -> Result<Sealer, BackupError> {
        let meta = self.header.seal.clone();
        let work = move || {
            let master = method.unwrap(&meta)?;
            Sealer::new(&master, meta.cluster_id())
        };
        let opened = tokio::task::spawn_blocking(work).await;
        opened
            .unwrap_or(Err(SealError::Interrupted))
            .map_err(|error| match error {
                SealError::Wrong {
                    method, cluster_id, ..
                } => BackupError::WrongKey {
                    path: self.path.clone(),
                    method,
                    cluster_id,
                },
                SealError::OtherMethod {
                    sealed_with, given, ..
                } => BackupError::OtherMethod {
                    path: self.path.clone(),
                    sealed_with,
                    given,
                },
                other => other.into(),
            })
    }

    /// Reads all of it, and that it is as it was made.
    ///
    /// # Errors
    ///
    /// [`BackupError::Changed`] or [`BackupError::File`].
    pub fn check(&self, sealer: &Sealer) -> Result<Contents, BackupError> {
        let mut contents = Contents::default();
        let mut items = self.items(sealer)?;
        while let Some(item) = items.read()? {
            contents.count(&item.key);
        }
        Ok(contents)
    }

    /// What it says that it holds, for whoever has not its key: somebody may have changed it.
    ///
    /// # Errors
    ///
    /// [`BackupError::Changed`]: it is not whole, or not of the form. Or [`BackupError::File`].
    pub fn claims(&self) -> Result<Contents, BackupError> {
        let mut contents = Contents::default();
        let mut items = self.unchecked()?;
        while let Some(item) = items.read()? {
            contents.count(&item.key);
        }
        Ok(contents)
    }

    /// Its entries from the first on. None of them is known to be true before the last one was read.
    ///
    /// # Errors
    ///
    /// [`BackupError::File`], or there is no memory for a key.
    pub fn items(&self, sealer: &Sealer) -> Result<Items<'_>, BackupError> {
        Ok(Items {
            mac: Some(BackupMac::new(sealer)?),
            ..self.unchecked()?
        })
    }

    fn unchecked(&self) -> Result<Items<'_>, BackupError> {
        let mut file = &self.file;
        file.rewind()
            .map_err(|source| file_error("read", &self.path, source))?;
        Ok(Items {
            backup: self,
            lines: BufReader::new(file),
            number: 0,
            mac: None,
            last: String::new(),
        })
    }
}

/// The entries of a backup, one after the other.
pub struct Items<'a> {
    backup: &'a Backup,
    lines: BufReader<&'a File>,
    number: u64,
    /// Of what was read; `None` where it is not to be checked.
    mac: Option<BackupMac>,
    last: String,
}

impl Items<'_> {
    /// The next entry; `None` once all of them were read, and all are as they were written.
    ///
    /// # Errors
    ///
    /// [`BackupError::Changed`]: nothing that was read may be used. Or [`BackupError::File`].
    pub fn read(&mut self) -> Result<Option<Item>, BackupError> {
        if self.number == 0 {
            let header = self.line()?;
            self.note(&header);
        }
        let line = self.line()?;
        if let Some(mac) = decode_last(&line) {
            if self.mac.clone().is_some_and(|own| !own.is(&mac)) {
                return Err(self.changed("its MAC is another one"));
            }
            return match self.rest()? {
                true => Err(self.changed("something follows its last line")),
                false => Ok(None),
            };
        }
        self.note(&line);
        let item = decode(&line).map_err(|why| self.changed(why))?;
        if item.key <= self.last || !is_kept(&item.key) {
            return Err(self.changed("its key does not belong there"));
        }
        self.last.clone_from(&item.key);
        Ok(Some(item))
    }

    fn line(&mut self) -> Result<Vec<u8>, BackupError> {
        let mut line = Vec::new();
        (&mut self.lines)
            .take(MAX_LINE as u64)
            .read_until(b'\n', &mut line)
            .map_err(|source| file_error("read", &self.backup.path, source))?;
        self.number += 1;
        match line.last() {
            Some(b'\n') => Ok(line),
            Some(_) => Err(self.changed("it was cut off, or is longer than any line")),
            None => Err(self.changed("it is missing: the file was cut off")),
        }
    }

    fn note(&mut self, line: &[u8]) {
        if let Some(mac) = &mut self.mac {
            mac.update(line);
        }
    }

    fn rest(&mut self) -> Result<bool, BackupError> {
        let rest = self.lines.fill_buf();
        let rest = rest.map_err(|source| file_error("read", &self.backup.path, source))?;
        Ok(!rest.is_empty())
    }

    fn changed(&self, why: &str) -> BackupError {
        BackupError::Changed {
            path: self.backup.path.clone(),
            why: format!("line {}: {why}", self.number),
        }
    }
}

impl Contents {
    pub(crate) fn count(&mut self, key: &str) {
        let place = [
            (key::SERVICES, &mut self.services),
            (key::AGENTS, &mut self.agents),
            (key::USERS, &mut self.users),
            (key::API_KEYS, &mut self.api_keys),
            (key::GRANTS, &mut self.grants),
            (key::OPERATORS, &mut self.operators),
        ];
        if let Some((_, count)) = place
            .into_iter()
            .find(|(prefix, _)| key.starts_with(prefix))
        {
            *count += 1;
        }
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [
            (self.services, "service"),
            (self.agents, "agent"),
            (self.users, "user"),
            (self.api_keys, "API key"),
            (self.grants, "grant"),
            (self.operators, "operator"),
        ];
        for (index, (count, what)) in all.into_iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let plural = if count == 1 { "" } else { "s" };
            write!(f, "{comma}{count} {what}{plural}")?;
        }
        Ok(())
    }
}
