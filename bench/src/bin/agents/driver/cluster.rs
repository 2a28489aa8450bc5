//! One authority, its store, and services without agents.

use anyhow::{Context as _, Result};
use cattery_tests::{
    api::Operator,
    authority::Authority,
    cli::Cli,
    etcd::{Etcd, Version},
    ports,
    town::Folder,
};

use super::{Store, authority::Admin, progress::say};

/// All of it, in a folder that goes when it does.
pub(super) struct Cluster {
    pub(super) admin: Admin,
    pub(super) services: Vec<String>,
    authority: Authority,
    _etcd: Option<Etcd>,
    _folder: Folder,
}

impl Cluster {
    /// Starts it. Only an operator rotates: nothing happens that is not measured.
    ///
    /// # Errors
    /// Where a step fails.
    pub(super) async fn start(store: Store, services: u16) -> Result<Self> {
        let folder = Folder::new()?;
        let home = Cli::new(folder.path(), "admin");
        let etcd = match store {
            Store::Embedded => None,
            Store::Etcd => Some(Etcd::start(Version::V3_5, folder.path()).await?),
        };
        let endpoints = etcd.as_ref().map(|etcd| etcd.endpoints().join(","));
        let args = match &endpoints {
            None => vec![],
            Some(endpoints) => vec!["--store-etcd", endpoints, "--store-prefix", "/bench/"],
        };
        let mut authority = Authority::init_at(folder.path(), &home, ports::free()?, &args, "")?;
        authority.edit(|text| {
            text.replace("filter = \"trace\"", "filter = \"info\"")
                .replace("rotation_period = \"30d\"", "rotation_period = \"off\"")
        })?;
        authority.start()?;
        let mut admin = Admin(Operator::of_home(&home.home)?);
        admin.settled().await?;
        let services: Vec<_> = (0..services)
            .map(|number| format!("service-{number}"))
            .collect();
        for service in &services {
            admin.add_service(service.clone()).await?;
        }
        say(&format!(
            "the authority's log is in {}",
            authority.logs.display()
        ));
        Ok(Self {
            admin,
            services,
            authority,
            _etcd: etcd,
            _folder: folder,
        })
    }

    /// The authority's process id.
    ///
    /// # Errors
    /// Where it does not run.
    pub(super) fn id(&self) -> Result<u32> {
        let process = self.authority.process.as_ref();
        Ok(process.context("the authority runs")?.id())
    }

    /// kill -9, and a start, until it listens again.
    ///
    /// # Errors
    /// Where it does not.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.authority.kill()?;
        self.authority.start()
    }
}
