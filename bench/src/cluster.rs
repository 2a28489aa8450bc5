//! One real authority on one store, and its operator.

use std::{net::SocketAddr, path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use cattery_authority::{
    init::STORE_FILE,
    store::{self, Embedded},
};
use cattery_tests::{
    api::Operator,
    authority::Authority,
    cli::Cli,
    etcd::{Etcd, Version},
    ports,
    town::Folder,
};
use clap::ValueEnum;
use serde::Serialize;

/// Below this everything lies in etcd.
const PREFIX: &str = "/bench/";

/// What an authority keeps its state in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Store {
    /// A file
    #[default]
    Embedded,
    /// An etcd of one member
    Etcd,
}

impl Store {
    /// All that there are.
    pub const BOTH: [Self; 2] = [Self::Embedded, Self::Etcd];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded store",
            Self::Etcd => "etcd 3.5",
        }
    }

    /// For programs.
    pub fn key(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Etcd => "etcd",
        }
    }
}

/// All of it, in a folder that goes when it does.
pub struct Cluster {
    /// The authority, running.
    pub authority: Authority,
    /// Where it says whether it is ready.
    pub metrics: SocketAddr,
    /// The home of the first operator.
    pub admin: Cli,
    /// The first operator's calls.
    pub operator: Operator,
    /// What it keeps its state in, where that is a program of its own.
    pub etcd: Option<Etcd>,
    folder: Folder,
}

impl Cluster {
    /// Starts it. It logs what it logs unless told otherwise, and nobody rotates by the clock: nothing happens that is not measured.
    ///
    /// # Errors
    /// Where a step fails.
    pub async fn start(store: Store) -> Result<Self> {
        let folder = Folder::new()?;
        let admin = Cli::new(folder.path(), "admin");
        let etcd = match store {
            Store::Embedded => None,
            Store::Etcd => Some(Etcd::start(Version::V3_5, folder.path()).await?),
        };
        let endpoints = etcd.as_ref().map(|etcd| etcd.endpoints().join(","));
        let args = match &endpoints {
            None => vec![],
            Some(endpoints) => vec!["--store-etcd", endpoints, "--store-prefix", PREFIX],
        };
        let mut authority = Authority::init_at(folder.path(), &admin, ports::free()?, &args, "")?;
        let metrics = ports::free()?;
        authority.edit(|text| {
            text.replace("filter = \"trace\"", "filter = \"info\"")
                .replace("rotation_period = \"30d\"", "rotation_period = \"off\"")
                .replace("metrics = \"off\"", &format!("metrics = \"{metrics}\""))
        })?;
        authority.start()?;
        Ok(Self {
            operator: Operator::of_home(&admin.home)?,
            authority,
            metrics,
            admin,
            etcd,
            folder,
        })
    }

    /// The folder of it all.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The authority's process id.
    ///
    /// # Errors
    /// Where it does not run.
    pub fn id(&self) -> Result<u32> {
        let process = self.authority.process.as_ref();
        Ok(process.context("the authority runs")?.id())
    }

    /// The store, opened by the authority's own code. The embedded one has to be free: the authority does not run.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn open_store(&self) -> Result<Arc<dyn store::Store>> {
        Ok(match &self.etcd {
            None => Arc::new(Embedded::open(self.authority.dir.join(STORE_FILE))?),
            Some(etcd) => Arc::new(store::Etcd::connect(etcd.options(PREFIX)?).await?),
        })
    }
}
