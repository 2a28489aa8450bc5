//! What there is at an authority whose users lease: a service, and who may call it.

use std::sync::Arc;

use anyhow::Result;
use cattery_bench::{Cluster, Store};
use cattery_proto::v1::{AddGrantRequest, AddServiceRequest, AddUserRequest};
use cattery_tests::{api::Operator, etcd::Etcd};
use tokio::{sync::Semaphore, task::JoinSet};

use super::slice::Programs;

/// What all users may call.
pub(super) const SERVICE: &str = "photos";
/// Calls at the same time: fewer than an authority takes of one connection.
const AT_ONCE: usize = 32;

/// Starts an authority with one service.
///
/// # Errors
/// Where a step fails.
pub(super) async fn start(store: Store) -> Result<Cluster> {
    let mut cluster = Cluster::start(store).await?;
    let request = AddServiceRequest {
        name: SERVICE.to_owned(),
    };
    cluster.operator.admin.add_service(request).await?;
    Ok(cluster)
}

/// Registers users who may call the service: an API key of each.
///
/// # Errors
/// Where a call fails.
pub(super) async fn welcome(cluster: &Cluster, users: u32) -> Result<Vec<String>> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut making = JoinSet::new();
    for number in 0..users {
        let (places, operator) = (places.clone(), cluster.operator.clone());
        making.spawn(async move {
            let _place = places.acquire().await?;
            welcome_one(operator, format!("caller-{number}")).await
        });
    }
    making.join_all().await.into_iter().collect()
}

/// The programs whose time is counted, this one as the client.
///
/// # Errors
/// Where the authority does not run.
pub(super) fn programs(cluster: &Cluster) -> Result<Programs> {
    Ok(Programs {
        server: vec![cluster.id()?],
        ..without_authority(cluster)
    })
}

/// The same where the authority does not run.
pub(super) fn without_authority(cluster: &Cluster) -> Programs {
    Programs {
        server: Vec::new(),
        store: cluster.etcd.as_ref().map_or_else(Vec::new, Etcd::ids),
        clients: vec![std::process::id()],
    }
}

async fn welcome_one(mut operator: Operator, name: String) -> Result<String> {
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
