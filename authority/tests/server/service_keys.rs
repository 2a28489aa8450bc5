use cattery_core::{RequestFacts, ServiceKey, UserName};
use cattery_proto::v1::*;
use tonic::Code;

use crate::follower::open;
use crate::harness::{Cluster, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_service_gets_its_own_keys_and_no_others() {
    let cluster = Cluster::start().await;
    let photos = cluster.agent("photos").await;
    let mail = cluster.agent("mail").await;
    let photos_two = cluster.agent("photos").await;

    let (answer, keys) = cluster.service_keys(&photos.client).await.unwrap();
    assert_eq!(answer.service, "photos");
    assert_eq!(answer.position.unwrap().incarnation, 1);
    assert_eq!(answer.keys[0].state, i32::from(EpochState::Active));
    let [(1, 0, key)] = &keys[..] else {
        panic!("one epoch, one generation")
    };
    let (_, same) = cluster.service_keys(&photos_two.client).await.unwrap();
    assert_eq!(same, keys);
    let (answer, others) = cluster.service_keys(&mail.client).await.unwrap();
    assert_eq!(answer.service, "mail");
    assert_ne!(&others[0].2, key);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_agents_get_service_keys() {
    let cluster = Cluster::start().await;
    refused(
        cluster.service_keys(&cluster.root).await,
        Code::PermissionDenied,
        "only services may do that, and this is `operator/root`",
    );
    let first = |receiver_public_key, outage_budget_seconds| FollowServiceKeysRequest {
        beat: 1,
        receiver_public_key,
        outage_budget_seconds,
        ..Default::default()
    };
    refused(
        open(cluster.channel(None), first(vec![9; 32], 60)).await,
        Code::Unauthenticated,
        "takes the client certificate",
    );
    let agent = cluster.agent("photos").await;
    let channel = cluster.channel(Some(&agent.client));
    for bad in [vec![], vec![9; 31], vec![0; 32]] {
        refused(
            open(channel.clone(), first(bad, 60)).await,
            Code::InvalidArgument,
            "X25519",
        );
    }
    for bad in [0, u64::MAX] {
        refused(
            open(channel.clone(), first(vec![9; 32], bad)).await,
            Code::InvalidArgument,
            "outage_budget_seconds",
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_out_is_audited_once() {
    let cluster = Cluster::start().await;
    let agent = cluster.agent("photos").await;
    assert_eq!(cluster.audited("service_keys_issued"), 0);
    for _ in 0..3 {
        cluster.service_keys(&agent.client).await.unwrap();
    }
    assert_eq!(cluster.audited("service_keys_issued"), 1);
    let records = cluster.audit();
    let record = records
        .iter()
        .find(|r| r["action"] == "service_keys_issued")
        .unwrap();
    assert_eq!(record["actor"], "service/photos");
    assert_eq!(record["fields"]["keys"], "1/1.0");
}

/// The whole point: what the service holds checks what the user signs.
#[tokio::test(flavor = "multi_thread")]
async fn a_users_token_passes_at_the_service() {
    let cluster = Cluster::start().await;
    let agent = cluster.agent("photos").await;
    let alice: UserName = "alice".parse().unwrap();
    cluster.add_user(alice.as_str()).await;
    cluster
        .grant("user/alice", "photos", &["scope=read"], 0)
        .await
        .unwrap();
    let (_, api_key) = cluster.api_key("alice").await;
    let mut keys = cluster.user_keys(&api_key, &["photos"], 0).await.unwrap();
    let user_key = keys.remove(0).1.unwrap();
    let now = crate::harness::now();
    let mut token = String::new();
    let spec = cattery_core::TokenSpec {
        not_before: now,
        not_after: now + 60,
        token_id: [1; 16],
        ..Default::default()
    };
    user_key.mint(&spec, &mut token).unwrap();

    let (_, held) = cluster.service_keys(&agent.client).await.unwrap();
    let mut keys = cattery_core::Keyring::new();
    for (epoch, generation, key) in held {
        let key: [u8; 32] = key.try_into().unwrap();
        keys.insert(epoch, generation, Box::new(ServiceKey::from_bytes(&key)));
    }
    let verifier = cattery_core::Verifier {
        service: "photos",
        keys,
        revocations: cattery_core::NoRevocations,
        single_use: cattery_core::NoSingleUse,
        policy: cattery_core::Policy::default(),
    };
    let mut scratch = cattery_core::Scratch::new();
    let facts = |scope| RequestFacts {
        scope: Some(scope),
        ..Default::default()
    };
    let verified = verifier.verify(&token, &facts("read"), now, &mut scratch);
    assert_eq!(
        verified.map_err(|d| d.code).unwrap().principal(),
        "user/alice"
    );
    let denied = verifier.verify(&token, &facts("write"), now, &mut scratch);
    assert_eq!(denied.err().unwrap().code, cattery_core::Code::CaveatFailed);
}
