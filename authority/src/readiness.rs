//! Whether the authority can do what it is there for, and why not: for `/readyz`, the health service and systemd.

use std::path::Path;
use std::sync::Arc;

use crate::act::now_ms;
use crate::cluster::Authority;
use crate::config::{Config, Unseal};
use crate::failure::chain;
use crate::metrics::Opened;

/// Looks at what is known anyway: the store is not asked, and nobody waits.
#[derive(Clone)]
pub(crate) struct Readiness {
    opened: Opened,
    not_open: Arc<str>,
}

impl Readiness {
    pub(crate) fn new(config: &Config, opened: Opened) -> Self {
        Self {
            opened,
            not_open: not_open(&config.unseal, &config.dir).into(),
        }
    }

    /// It is open from now on.
    pub(crate) fn opened(&self, authority: Arc<Authority>) {
        // It is opened once.
        let _ = self.opened.set(authority);
    }

    /// Why it is not ready; nothing when it is. None holds a secret.
    pub(crate) fn lacks(&self) -> Vec<String> {
        match self.opened.get() {
            None => vec![self.not_open.to_string()],
            Some(authority) => lacks(authority),
        }
    }

    /// In one line.
    pub(crate) fn summary(&self) -> String {
        match self.lacks() {
            lacks if lacks.is_empty() => "ready".to_owned(),
            lacks => format!("not ready: {}", lacks.join("; ")),
        }
    }
}

fn not_open(unseal: &Unseal, dir: &Path) -> String {
    match unseal {
        Unseal::KeyFile(_) => "it is starting: it reads its store and its audit log".to_owned(),
        Unseal::Passphrase => format!(
            "it is sealed: unseal it with `cattery-authority unseal --dir {}`",
            dir.display()
        ),
    }
}

fn lacks(authority: &Authority) -> Vec<String> {
    let mut lacks = Vec::new();
    if let Some(trouble) = &*authority.trouble.borrow() {
        lacks.push(format!("the store or the audit log fails: {trouble}"));
    }
    if let Err(failure) = authority.bulletin.latest() {
        let why = chain(&failure);
        lacks.push(format!(
            "what it knows of the store is not confirmed: {why}"
        ));
    }
    if *authority.certificate_not_after.borrow() <= now_ms() / 1_000 {
        lacks.push(
            "its own certificate has ended, and no CA issued another one: the log says why; `cattery ca show` shows the CAs"
                .to_owned(),
        );
    }
    lacks
}
