//! The commands, one file each.

pub(crate) mod agent;
pub(crate) mod api_key;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod ca;
pub(crate) mod completions;
pub(crate) mod discharge;
mod ending;
pub(crate) mod epoch;
pub(crate) mod grant;
pub(crate) mod group;
pub(crate) mod handed_out;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod key;
pub(crate) mod lease;
pub(crate) mod login;
pub(crate) mod mint;
pub(crate) mod operator;
pub(crate) mod own_api_key;
pub(crate) mod restore;
pub(crate) mod revoke;
pub(crate) mod service;
pub(crate) mod status;
pub(crate) mod take_back;
pub(crate) mod third_party;
pub(crate) mod token;
pub(crate) mod user;
pub(crate) mod verify;

use std::path::PathBuf;

use crate::{home::Home, out::Format};

/// What every command gets.
pub(crate) struct Context {
    /// What `--home` says.
    pub(crate) home_flag: Option<PathBuf>,
    /// How to print.
    pub(crate) out: Format,
}

impl Context {
    /// Where credentials and keys are kept. Looked for by those commands alone that need it.
    pub(crate) fn home(&self) -> anyhow::Result<Home> {
        Home::locate(self.home_flag.clone())
    }
}
