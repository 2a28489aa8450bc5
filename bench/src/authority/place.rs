//! One real authority on one store.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result};
use cattery_proto::v1::{AddGrantRequest, AddServiceRequest, AddUserRequest};
use cattery_tests::{
    api::Operator,
    authority::Authority,
    cli::Cli,
    etcd::{Etcd, Version},
    ports,
    town::Folder,
};
use tokio::{sync::Semaphore, task::JoinSet};

use super::slice::Programs;

/// What all users may call.
pub(super) const SERVICE: &str = "photos";
/// Below this everything lies in etcd.
pub(super) const PREFIX: &str = "/bench/";
/// Calls at the same time: fewer than an authority takes of one connection.
const AT_ONCE: usize = 32;

/// What an authority keeps its state in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    Embedded,
    Etcd,
}

impl Store {
    pub(super) const BOTH: [Self; 2] = [Self::Embedded, Self::Etcd];

    /// For people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded store",
            Self::Etcd => "etcd 3.5",
        }
    }

    /// For programs.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Etcd => "etcd",
        }
    }
}

/// All of it, in a folder that goes when it does.
pub(super) struct Place {
    pub(super) authority: Authority,
    pub(super) operator: Operator,
    /// Where it says whether it is ready.
    pub(super) metrics: SocketAddr,
    pub(super) etcd: Option<Etcd>,
    _folder: Folder,
}

impl Place {
    /// Starts it, with one service. It logs what it logs unless told otherwise, and nobody rotates by the clock.
    ///
    /// # Errors
    /// Where a step fails.
    pub(super) async fn start(store: Store) -> Result<Self> {
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
        let mut operator = Operator::of_home(&admin.home)?;
        let request = AddServiceRequest {
            name: SERVICE.to_owned(),
        };
        operator.admin.add_service(request).await?;
        Ok(Self {
            authority,
            operator,
            metrics,
            etcd,
            _folder: folder,
        })
    }

    /// Registers users who may call the service: an API key of each.
    ///
    /// # Errors
    /// Where a call fails.
    pub(super) async fn welcome(&self, users: u32) -> Result<Vec<String>> {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut making = JoinSet::new();
        for number in 0..users {
            let (places, operator) = (places.clone(), self.operator.clone());
            making.spawn(async move {
                let _place = places.acquire().await?;
                welcome(operator, format!("caller-{number}")).await
            });
        }
        making.join_all().await.into_iter().collect()
    }

    /// The programs whose time is counted, this one as the client.
    ///
    /// # Errors
    /// Where the authority does not run.
    pub(super) fn programs(&self) -> Result<Programs> {
        let process = self.authority.process.as_ref();
        Ok(Programs {
            server: vec![process.context("the authority runs")?.id()],
            store: self.etcd.as_ref().map_or_else(Vec::new, Etcd::ids),
            clients: vec![std::process::id()],
        })
    }
}

async fn welcome(mut operator: Operator, name: String) -> Result<String> {
    let request = AddUserRequest { name: name.clone() };
    operator.admin.add_user(request).await?;
    let request = AddGrantRequest {
        principal: format!("user/{name}"),
        service: SERVICE.to_owned(),
        ..AddGrantRequest::default()
    };
    operator.admin.add_grant(request).await?;
    Ok(operator.api_key(&name).await?.1)
}
