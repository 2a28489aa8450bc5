use std::{fs::File, path::Path};

use anyhow::Context as _;
use cattery_core::ServiceName;
use serde::Serialize;

use super::{
    AGENT, AgentFile, ENROLLING, EnrollingFile, HANDED_OUT, HandedOut, Home, LeaseFile, OPERATOR,
    OperatorFile, USER, UserFile, files, lease_name, secret,
};

/// The right to change what is kept in a home, until it is dropped.
pub(crate) struct Change<'h> {
    home: &'h Home,
    _lock: File,
}

impl<'h> Change<'h> {
    pub(super) fn begin(home: &'h Home) -> anyhow::Result<Self> {
        let lock = files::lock(&home.dir)
            .with_context(|| format!("nothing can be kept in {}", home.dir.display()))?;
        Ok(Self { home, _lock: lock })
    }

    /// Keeps who one is as an operator.
    pub(crate) fn keep_operator(&self, file: &OperatorFile) -> anyhow::Result<()> {
        self.write(Path::new(OPERATOR), file)
    }

    /// Forgets who one was as an operator.
    pub(crate) fn drop_operator(&self) -> anyhow::Result<()> {
        files::remove(&self.home.dir.join(OPERATOR))
    }

    /// Keeps an enrolment that begins: its answer may get lost.
    pub(crate) fn keep_enrolling(&self, file: &EnrollingFile) -> anyhow::Result<()> {
        self.write(Path::new(ENROLLING), file)
    }

    /// Forgets an enrolment that came to its end.
    pub(crate) fn drop_enrolling(&self) -> anyhow::Result<()> {
        files::remove(&self.home.dir.join(ENROLLING))
    }

    /// Keeps who one is as a user.
    pub(crate) fn keep_user(&self, file: &UserFile) -> anyhow::Result<()> {
        self.write(Path::new(USER), file)
    }

    /// Keeps which agent to ask.
    pub(crate) fn keep_agent(&self, file: &AgentFile) -> anyhow::Result<()> {
        self.write(Path::new(AGENT), file)
    }

    /// Keeps what was handed out.
    pub(crate) fn keep_handed_out(&self, all: &[HandedOut]) -> anyhow::Result<()> {
        self.write(Path::new(HANDED_OUT), &all)
    }

    /// Keeps the key for a service.
    pub(crate) fn keep_lease(&self, service: &str, file: &LeaseFile) -> anyhow::Result<()> {
        self.write(&lease_name(service), file)
    }

    /// Forgets the key for a service.
    pub(crate) fn drop_lease(&self, service: &ServiceName) -> anyhow::Result<()> {
        files::remove(&self.home.dir.join(lease_name(service.as_str())))
    }

    fn write(&self, name: &Path, value: &impl Serialize) -> anyhow::Result<()> {
        let path = self.home.dir.join(name);
        files::write_private(&path, &secret::json(value)?)
            .with_context(|| format!("{} cannot be written", path.display()))
    }
}
