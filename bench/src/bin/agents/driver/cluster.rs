//! One authority, its store, and services without agents.

use anyhow::Result;
use cattery_bench::{Cluster as Running, Store};

use super::{authority::Admin, progress::say};

/// All of it, in a folder that goes when it does.
pub(super) struct Cluster {
    pub(super) admin: Admin,
    pub(super) services: Vec<String>,
    running: Running,
}

impl Cluster {
    /// Starts it.
    ///
    /// # Errors
    /// Where a step fails.
    pub(super) async fn start(store: Store, services: u16) -> Result<Self> {
        let running = Running::start(store).await?;
        let mut admin = Admin(running.operator.clone());
        admin.settled().await?;
        let services: Vec<_> = (0..services)
            .map(|number| format!("service-{number}"))
            .collect();
        for service in &services {
            admin.add_service(service.clone()).await?;
        }
        say(&format!(
            "the authority's log is in {}",
            running.authority.logs.display()
        ));
        Ok(Self {
            admin,
            services,
            running,
        })
    }

    /// The authority's process id.
    ///
    /// # Errors
    /// Where it does not run.
    pub(super) fn id(&self) -> Result<u32> {
        self.running.id()
    }

    /// kill -9, and a start, until it listens again.
    ///
    /// # Errors
    /// Where it does not.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.running.authority.kill()?;
        self.running.authority.start()
    }
}
