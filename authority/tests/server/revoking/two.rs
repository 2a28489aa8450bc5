//! Two authorities on one etcd: what one revokes, the other tells.

use std::sync::Arc;

use cattery_authority::app::{App, Running};
use cattery_authority::config::{EtcdSettings, StoreSettings};
use cattery_authority::init::InitUnseal;
use cattery_core::RevocableId;
use cattery_proto::v1::admin_client::AdminClient;
use cattery_proto::v1::*;
use cattery_sdk::connect::Connector;
use cattery_sdk::portable::ApiKey as ApiKeyText;
use cattery_sdk::tls::{Identity as Client, Trust};
use cattery_tests::etcd::{Etcd, Version};
use tokio::task::JoinSet;
use tonic::Code;
use tonic::transport::Channel;

use super::{fingerprint, ids, key, token};
use crate::follower::Follower;
use crate::harness::{Cluster, settled};

/// The second authority of a cluster, whose first one runs.
async fn second(cluster: &Cluster) -> Running {
    let mut config = cluster.config();
    config.authority_id = "authority-2".into();
    config.dir = cluster.dir.path().join("second");
    std::fs::create_dir(&config.dir).unwrap();
    App::start(config, None).await.unwrap()
}

fn channel(cluster: &Cluster, running: &Running, client: &Client) -> Channel {
    let trust = Trust::Bundle(cluster.bundle.clone());
    Connector::new(vec![running.local_addr().to_string()], &trust, Some(client))
        .unwrap()
        .channel()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_authority_revokes_the_other_tells_and_issues_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let etcd = Etcd::start(Version::V3_4, folder.path()).await.unwrap();
    let store = StoreSettings::Etcd(EtcdSettings {
        endpoints: etcd.endpoints(),
        prefix: "/cattery/two/".into(),
        ca_file: None,
        certificate: None,
        login: None,
    });
    let key_file = |dir: &std::path::Path| InitUnseal::KeyFile(dir.join("unseal.key"));
    let mut cluster = Cluster::made_in(store, key_file).await;
    cluster.restart().await;
    let other = second(&cluster).await;
    cluster.add_service("photos").await;
    cluster.add_user("alice").await;
    cluster.grant("user/alice", "photos", &[], 0).await.unwrap();
    settled(&cluster, "", |schedule| {
        schedule.keys[0].state() == EpochState::Prepared
    })
    .await;
    let agent = cluster.agent("photos").await;
    let there = channel(&cluster, &other, &agent.client);
    let mut follower = Follower::start(there.clone(), None).await.unwrap();
    let first = follower.news().await.unwrap();
    let (here, _) = cluster.service_keys(&agent.client).await.unwrap();
    assert_eq!(here.revocation_key, first.revocation_key);
    let key = key(&first);

    let revocation = token("user/alice", 1);
    let position = cluster
        .revoke(vec![revocation.clone()], true)
        .await
        .unwrap();
    let news = loop {
        let news = follower.news().await.unwrap();
        if news.position == Some(position) {
            break news;
        }
    };
    assert_eq!(ids(&news), [fingerprint(&key, &revocation)]);
    assert_eq!(cluster.reach(position).await.unwrap().holding, 0);
    follower.beat(news.position).await.unwrap();
    assert_eq!(cluster.reach(position).await.unwrap().holding, 1);

    // Many at once, at both: none loses.
    let mut calls = JoinSet::new();
    for number in 0..60_u128 {
        let at = match number % 2 {
            0 => cluster.channel(Some(&cluster.root)),
            _ => channel(&cluster, &other, &cluster.root),
        };
        calls.spawn(async move {
            let mut admin = AdminClient::new(at);
            let request = RevokeRequest {
                revocations: vec![token("user/alice", 1000 + number)],
                wait: false,
            };
            admin.revoke(request).await.map(drop)
        });
    }
    for revoked in calls.join_all().await {
        revoked.unwrap();
    }

    // Issued at one, revoked at the other, at the same time.
    let (api_key, text) = cluster.api_key("alice").await;
    let (cluster, address) = (Arc::new(cluster), other.local_addr().to_string());
    let mut issues = JoinSet::new();
    for _ in 0..8 {
        let (cluster, text, address) = (cluster.clone(), text.to_text(), address.clone());
        issues.spawn(async move {
            let text = ApiKeyText::parse(&text).unwrap();
            let mut left = Vec::new();
            loop {
                match cluster.user_keys_at(&address, &text, &["photos"], 0).await {
                    Ok(keys) => left.extend(keys),
                    Err(status) if status.code() == Code::Aborted => {}
                    Err(status) => {
                        assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
                        return left;
                    }
                }
            }
        });
    }
    while cluster.leases("user/alice").await.is_empty() {}
    let request = RevokeApiKeyRequest {
        id: api_key.id,
        wait: false,
    };
    let answer = cluster.admin().revoke_api_key(request).await.unwrap();
    assert!(answer.into_inner().leases > 0);
    let left: Vec<_> = issues.join_all().await.into_iter().flatten().collect();
    // The other one looks at the store before it answers a newcomer.
    let mut newcomer = Follower::start(there, None).await.unwrap();
    let told = ids(&newcomer.news().await.unwrap());
    for (_, user_key) in left {
        let id = RevocableId::Lease(user_key.unwrap().id().lease_id);
        assert!(told.contains(&key.fingerprint("user/alice", &id)));
    }
    other.shutdown().await;
}
