//! Killed with -9 in the middle of work: what was answered is there, and nothing is there twice.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cattery_authority::app::ADDRESS_FILE;
use cattery_authority::init::InitUnseal;
use cattery_proto::v1::admin_client::AdminClient;
use cattery_proto::v1::*;
use cattery_sdk::connect::Connector;
use cattery_sdk::tls::Trust;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tonic::Code;
use tonic::transport::Channel;

use crate::harness::{Cluster, now};

/// `CATTERY_ROUNDS` for more.
const ROUNDS: u32 = 5;

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn start(cluster: &Cluster) -> (Killed, Channel) {
    let dir = cluster.authority_dir();
    let address = dir.join(ADDRESS_FILE);
    let _ = fs::remove_file(&address);
    let child = Command::new(env!("CARGO_BIN_EXE_cattery-authority"))
        .arg("run")
        .arg("--dir")
        .arg(&dir)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let child = Killed(child);
    let trust = Trust::Bundle(cluster.bundle.clone());
    let addresses = vec![wait_for(&address).await];
    let connector = Connector::new(addresses, &trust, Some(&cluster.root)).unwrap();
    (child, connector.channel())
}

async fn wait_for(file: &Path) -> String {
    let began = Instant::now();
    loop {
        match fs::read_to_string(file) {
            Ok(text) => return text.trim().to_owned(),
            Err(_) => assert!(
                began.elapsed() < Duration::from_secs(30),
                "it does not start"
            ),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Adds users for as long as anybody answers; each one that was answered. A name whose answer never came may be there or not.
async fn add_users(channel: Channel, round: u32, worker: u32) -> (Vec<String>, Option<String>) {
    let mut admin = AdminClient::new(channel);
    let mut added = Vec::new();
    for number in 0.. {
        let name = format!("r{round}/w{worker}/{number}");
        let request = AddUserRequest { name: name.clone() };
        match admin.add_user(request).await {
            Ok(_) => added.push(name),
            Err(_) => return (added, Some(name)),
        }
    }
    (added, None)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_there_after_kill_9() {
    let rounds = std::env::var("CATTERY_ROUNDS").map_or(ROUNDS, |text| text.parse().unwrap());
    let seed = std::env::var("CATTERY_SEED").map_or_else(|_| now(), |text| text.parse().unwrap());
    println!("CATTERY_SEED={seed} CATTERY_ROUNDS={rounds}");
    let mut random = StdRng::seed_from_u64(seed);
    let cluster = Cluster::made(|dir| InitUnseal::KeyFile(dir.join("k"))).await;
    let (mut added, mut unknown) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let (child, channel) = start(&cluster).await;
        let workers = (0..4).map(|worker| tokio::spawn(add_users(channel.clone(), round, worker)));
        let workers: Vec<_> = workers.collect();
        tokio::time::sleep(Duration::from_millis(random.random_range(20..400))).await;
        drop(child);
        for worker in workers {
            let (done, open) = worker.await.unwrap();
            added.extend(done);
            unknown.extend(open);
        }
    }
    assert!(!added.is_empty());

    let (_child, channel) = start(&cluster).await;
    let mut admin = AdminClient::new(channel);
    let users = admin
        .list_users(ListUsersRequest {})
        .await
        .unwrap()
        .into_inner()
        .users;
    let mut there: Vec<_> = users.into_iter().map(|user| user.name).collect();
    for name in &added {
        assert!(there.contains(name), "{name} was answered and is gone");
    }
    there.retain(|name| !added.contains(name));
    assert!(there.iter().all(|name| unknown.contains(name)), "{there:?}");
    for name in unknown {
        let before = there.contains(&name);
        let result = admin.add_user(AddUserRequest { name }).await;
        let code = result.err().map(|status| status.code());
        assert_eq!(code, before.then_some(Code::AlreadyExists));
    }
    let report = admin
        .verify_audit(VerifyAuditRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(report.intact, "{}", report.problem);
    assert_eq!(report.dangling_intents, 0);
    println!("{} users over {rounds} rounds", added.len());
}
