//! MIT Kerberos: what else hands out keys by who somebody is.

mod clients;
mod kdc;

use std::{process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};

use super::slice::{Programs, Slice};
pub(super) use clients::CLIENTS;
use clients::Clients;
use kdc::Kdc;
pub(super) use kdc::Notes;

/// What is asked of a KDC.
#[derive(Clone, Copy)]
pub(super) enum Exchange {
    /// A ticket-granting ticket.
    As,
    /// A ticket for a service.
    Tgs,
}

impl Exchange {
    fn order(self) -> &'static str {
        match self {
            Self::As => "as",
            Self::Tgs => "tgs",
        }
    }
}

/// A KDC and its clients.
pub(super) struct Kerberos {
    clients: Clients,
    kdc: Kdc,
}

impl Kerberos {
    /// Starts them: as many users as those of an authority.
    ///
    /// # Errors
    /// Where a program is missing or fails.
    pub(super) fn start(notes: Notes, users: u32) -> Result<Self> {
        let users: Vec<_> = (0..users)
            .map(|number| format!("caller-{number}"))
            .collect();
        let kdc = Kdc::start(notes, &users)?;
        let clients = Clients::start(&kdc, &users)?;
        Ok(Self { clients, kdc })
    }

    /// Asks for so long.
    ///
    /// # Errors
    /// An exchange fails.
    pub(super) fn run(&mut self, exchange: Exchange, length: Duration) -> Result<Slice> {
        let programs = Programs {
            server: self.kdc.ids()?,
            store: Vec::new(),
            clients: self.clients.ids(),
        };
        // The tickets that the others are got with.
        self.clients.obey(exchange.order(), Duration::ZERO)?;
        let before = programs.spent()?;
        let (done, took) = self.clients.obey(exchange.order(), length)?;
        Ok(Slice {
            done,
            took,
            waits: Vec::new(),
            spent: programs.spent()?.since(before),
        })
    }
}

/// The version, in its own words.
///
/// # Errors
/// `libkrb5-dev` is missing.
pub(super) fn version() -> Result<String> {
    let said = Command::new("krb5-config").arg("--version").output();
    let said = said.context("starting krb5-config, which Debian's libkrb5-dev has")?;
    ensure!(said.status.success(), "krb5-config --version failed");
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}
