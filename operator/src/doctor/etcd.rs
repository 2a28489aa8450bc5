//! etcd, as an authority's configuration reaches it.

use std::time::Duration;

use cattery_authority::{
    config::EtcdSettings,
    store::{Etcd, StoreError},
};
use tokio::{net::TcpStream, time::timeout};

use super::finding::Finding;

/// For one member's connection.
const CONNECT: Duration = Duration::from_secs(3);
/// For a read that a majority confirms.
const READ: Duration = Duration::from_secs(8);

/// Each member's port, and then a read with the files and the login of the settings.
pub(super) async fn check(settings: &EtcdSettings) -> Vec<Finding> {
    let mut findings = Vec::new();
    for endpoint in &settings.endpoints {
        findings.push(member(endpoint).await);
    }
    findings.push(read(settings).await);
    findings
}

async fn member(endpoint: &str) -> Finding {
    let subject = format!("etcd at {endpoint}");
    let address = endpoint.split_once("://").map_or(endpoint, |(_, at)| at);
    let remedy = "start that member; look at `systemctl status etcd` there, and at routes and firewalls from here";
    match timeout(CONNECT, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Finding::ok("etcd", subject, "takes connections"),
        Ok(Err(why)) => {
            Finding::error("etcd", subject, format!("cannot be reached: {why}"), remedy)
        }
        Err(_) => Finding::error(
            "etcd",
            subject,
            "cannot be reached: no answer in time",
            remedy,
        ),
    }
}

async fn read(settings: &EtcdSettings) -> Finding {
    let subject = format!("etcd below {}", settings.prefix);
    let options = match settings.options() {
        Ok(options) => options,
        Err(why) => return unread(&subject, &why),
    };
    match timeout(READ, Etcd::connect(options)).await {
        Ok(Ok(_)) => Finding::ok("etcd", subject, "can be read with these settings"),
        Ok(Err(why)) => unread(&subject, &why),
        Err(_) => Finding::error(
            "etcd",
            subject,
            "did not answer in time: has it a majority of its members?",
            "`etcdctl endpoint status --cluster` says who is alive: bring back a majority (docs/etcd.md)",
        ),
    }
}

fn unread(subject: &str, why: &StoreError) -> Finding {
    let remedy = match why {
        StoreError::Settings { .. } => {
            "correct that setting of [store] in authority.toml, or the file that it names"
        }
        StoreError::Refused { .. } => {
            "correct `user` and `password_file`, or the rights of that user in etcd (docs/etcd.md)"
        }
        _ => {
            "bring back a majority of etcd's members, and look at `ca_file`, `cert_file` and `key_file` (docs/etcd.md)"
        }
    };
    Finding::error("etcd", subject, why, remedy)
}
