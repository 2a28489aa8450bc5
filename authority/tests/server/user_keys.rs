use cattery_proto::v1::user_keys_client::UserKeysClient;
use cattery_proto::v1::*;
use cattery_sdk::portable::{ApiKey as ApiKeyText, Portable};
use cattery_sdk::sealing::ReceiverKey;
use tonic::{Code, Request};
use zeroize::Zeroizing;

use crate::harness::{Cluster, now, refused, wait_until};

async fn with_alice() -> Cluster {
    let cluster = Cluster::start().await;
    for name in ["photos", "mail", "files"] {
        cluster.add_service(name).await;
    }
    cluster.add_user("alice").await;
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_what_the_grant_says() {
    let cluster = with_alice().await;
    let (_, api_key) = cluster.api_key("alice").await;
    let caveats = ["scope=photos.read", "path=/albums"];
    cluster
        .grant("user/alice", "photos", &caveats, 600)
        .await
        .unwrap();
    cluster.grant("user/alice", "mail", &[], 0).await.unwrap();

    let before = now();
    let keys = cluster.user_keys(&api_key, &[], 0).await.unwrap();
    let after = now();
    let names: Vec<&str> = keys.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["mail", "photos"]);
    let [Some(mail), Some(photos)] = [&keys[0].1, &keys[1].1] else {
        panic!("both are granted")
    };
    assert_eq!(mail.caveats().count(), 0);
    let said: Vec<String> = photos.caveats().map(|c| c.unwrap().to_string()).collect();
    assert_eq!(said, caveats);
    let id = photos.id();
    assert_eq!((id.epoch, id.generation, id.version), (1, 0, 0));
    assert_eq!((id.service, id.principal), ("photos", "user/alice"));
    assert!((before + 600..=after + 600).contains(&id.expires_at));
    assert!((before + 86_400..=after + 86_400).contains(&mail.id().expires_at));
    assert_ne!(mail.id().lease_id, id.lease_id);

    // Asked for in an order, with one that nobody granted and one that is not there.
    let keys = cluster
        .user_keys(&api_key, &["photos", "files", "nothing", "mail"], 60)
        .await
        .unwrap();
    let got: Vec<_> = keys
        .iter()
        .map(|(n, k)| (n.as_str(), k.is_some()))
        .collect();
    assert_eq!(
        got,
        [
            ("photos", true),
            ("files", false),
            ("nothing", false),
            ("mail", true)
        ]
    );
    let lease = keys[3].1.as_ref().unwrap().id().expires_at;
    assert!((after + 60..=now() + 60).contains(&lease));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_lease_is_in_the_audit_log() {
    let cluster = with_alice().await;
    let (api_key, text) = cluster.api_key("alice").await;
    for service in ["photos", "mail"] {
        cluster.grant("user/alice", service, &[], 0).await.unwrap();
    }
    let keys = cluster.user_keys(&text, &[], 0).await.unwrap();
    let records = cluster.audit();
    let leases: Vec<_> = records
        .iter()
        .filter(|r| r["action"] == "user_keys_issued")
        .collect();
    assert_eq!(leases.len(), 2);
    for (service, key) in keys {
        let lease = hex::encode(key.unwrap().id().lease_id);
        let record = leases
            .iter()
            .find(|r| r["fields"]["lease"] == lease)
            .unwrap();
        assert_eq!(record["actor"], "user/alice");
        assert_eq!(record["subject"], format!("service/{service}"));
        assert_eq!(record["fields"]["proof"], format!("api-key/{}", api_key.id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn services_are_clients_too() {
    let cluster = with_alice().await;
    let agent = cluster.agent("photos").await;
    let keys = cluster.client_keys(&agent.client, &["mail"]).await.unwrap();
    assert!(keys[0].1.is_none());
    cluster
        .grant("service/photos", "mail", &[], 0)
        .await
        .unwrap();
    let keys = cluster.client_keys(&agent.client, &["mail"]).await.unwrap();
    let key = keys[0].1.as_ref().unwrap();
    assert_eq!(key.id().principal, "service/photos");
    assert_eq!(key.id().service, "mail");
    refused(
        cluster.client_keys(&cluster.root, &[]).await.map(drop),
        Code::PermissionDenied,
        "only services may do that",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_ends_at_once_and_only_its_holder_hears_why() {
    let cluster = with_alice().await;
    cluster.grant("user/alice", "photos", &[], 0).await.unwrap();
    let (listed, text) = cluster.api_key("alice").await;
    cluster.user_keys(&text, &[], 0).await.unwrap();
    let request = RevokeApiKeyRequest {
        id: listed.id.clone(),
        wait: false,
    };
    for _ in 0..2 {
        let answer = cluster
            .admin()
            .revoke_api_key(request.clone())
            .await
            .unwrap();
        assert_eq!(answer.into_inner().api_key.unwrap().state, "revoked");
    }
    refused(
        cluster.user_keys(&text, &[], 0).await.map(drop),
        Code::Unauthenticated,
        "this API key was revoked: an operator can make a new one with `cattery user api-key create alice`",
    );

    let forged = |id: [u8; 8]| {
        ApiKeyText::new(Portable {
            id,
            secret: Zeroizing::new([7; 32]),
            addresses: text.addresses.clone(),
            ca_sha256: text.ca_sha256,
        })
    };
    let mut answers = Vec::new();
    for id in [text.id, [9; 8]] {
        let status = cluster
            .user_keys(&forged(id), &[], 0)
            .await
            .map(drop)
            .unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
        answers.push(status.message().to_owned());
    }
    assert_eq!(answers[0], answers[1]);
    assert!(!answers[0].contains("revoked") && !answers[0].contains("alice"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_ends_by_itself() {
    let cluster = with_alice().await;
    let (listed, text) = cluster.api_key_for("alice", 1).await;
    wait_until(listed.expires_at).await;
    refused(
        cluster.user_keys(&text, &[], 0).await.map(drop),
        Code::Unauthenticated,
        "this API key has expired: an operator can make a new one",
    );
    let request = ListApiKeysRequest {
        user: "alice".into(),
    };
    let all = cluster.admin().list_api_keys(request).await.unwrap();
    assert_eq!(all.into_inner().api_keys[0].state, "expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_api_key_is_refused() {
    let cluster = with_alice().await;
    for value in [
        "",
        "Bearer",
        "Bearer x",
        "Basic catapi1_AAAA",
        "bearer catapi1_AAAA",
        "catapi1_AAAA",
    ] {
        let mut request = Request::new(IssueUserKeysRequest {
            services: Vec::new(),
            receiver_public_key: ReceiverKey::generate().unwrap().public_key(),
            lease_seconds: 0,
        });
        request
            .metadata_mut()
            .insert("authorization", value.parse().unwrap());
        let mut calls = UserKeysClient::new(cluster.channel(None));
        refused(
            calls.issue_user_keys(request).await,
            Code::Unauthenticated,
            "an API key (`catapi1_…`)",
        );
    }
    let keys = cluster.channel(None);
    let request = IssueUserKeysRequest::default();
    refused(
        UserKeysClient::new(keys).issue_user_keys(request).await,
        Code::Unauthenticated,
        "an API key or a service's client certificate",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_user_is_out_and_their_name_comes_back_clean() {
    let cluster = with_alice().await;
    let agent = cluster.agent("photos").await;
    cluster.grant("user/alice", "photos", &[], 0).await.unwrap();
    let (_, text) = cluster.api_key("alice").await;
    let request = DisableUserRequest {
        name: "alice".into(),
    };
    for _ in 0..2 {
        let answer = cluster.admin().disable_user(request.clone()).await.unwrap();
        let user = answer.into_inner().user.unwrap();
        assert_eq!((user.state.as_str(), user.version), ("disabled", 1));
    }
    let out = "its user was disabled";
    refused(
        cluster.user_keys(&text, &[], 0).await.map(drop),
        Code::Unauthenticated,
        out,
    );
    // Agents hear of it.
    let (answer, _) = cluster.service_keys(&agent.client).await.unwrap();
    let [least] = &answer.least_versions[..] else {
        panic!("one user was disabled")
    };
    assert_eq!((least.principal.as_str(), least.version), ("user/alice", 1));
    refused(
        cluster.grant("user/alice", "mail", &[], 0).await,
        Code::FailedPrecondition,
        "is disabled",
    );

    let user = cluster.add_user("alice").await;
    assert_eq!(
        (user.state.as_str(), user.version, user.api_keys),
        ("active", 1, 0)
    );
    refused(
        cluster.user_keys(&text, &[], 0).await.map(drop),
        Code::Unauthenticated,
        out,
    );
    let (_, text) = cluster.api_key("alice").await;
    assert!(cluster.user_keys(&text, &[], 0).await.unwrap().is_empty());
    let keys = cluster.user_keys(&text, &["photos"], 0).await.unwrap();
    assert!(keys[0].1.is_none());
    let grants = cluster
        .admin()
        .list_grants(ListGrantsRequest::default())
        .await;
    assert!(grants.unwrap().into_inner().grants.is_empty());
    cluster.grant("user/alice", "photos", &[], 0).await.unwrap();
    let keys = cluster.user_keys(&text, &["photos"], 0).await.unwrap();
    assert_eq!(keys[0].1.as_ref().unwrap().id().version, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_make_no_sense() {
    let cluster = with_alice().await;
    let (_, text) = cluster.api_key("alice").await;
    let ask = async |services: &[&str]| cluster.user_keys(&text, services, 0).await.map(drop);
    refused(
        ask(&["photos", "photos"]).await,
        Code::InvalidArgument,
        "named twice",
    );
    refused(
        ask(&["Photos"]).await,
        Code::InvalidArgument,
        "the service name `Photos` is not valid",
    );
    refused(
        ask(&["a"; 300]).await,
        Code::InvalidArgument,
        "300 services are more",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_api_key_is_narrowed_by_every_key_gets() {
    let cluster = Cluster::start().await;
    cluster.agent("photos").await;
    cluster.agent("mail").await;
    cluster.add_user("alice").await;
    let encoded = |text: &str| {
        let mut bytes = Vec::new();
        let caveat: cattery_core::Caveat<'static> = text.parse().unwrap();
        caveat.encode(&mut bytes).unwrap();
        bytes
    };
    let of_grant = ["path=/a"; 10];
    cluster
        .grant("user/alice", "photos", &of_grant, 0)
        .await
        .unwrap();
    cluster.grant("user/alice", "mail", &[], 0).await.unwrap();
    let narrow = |caveats: &[&str]| {
        let caveats = caveats.iter().map(|text| encoded(text)).collect();
        cluster.narrow_api_key("alice", 0, caveats)
    };
    let narrowing = ["method=GET", "addr=192.0.2.0/24"];
    let (listed, text) = narrow(&narrowing).await.unwrap();
    assert_eq!(listed.caveats, narrowing.map(encoded));
    let keys = cluster
        .user_keys(&text, &["photos", "mail"], 0)
        .await
        .unwrap();
    for ((_, key), before) in keys.into_iter().zip([&of_grant[..], &[]]) {
        let key = key.unwrap();
        let said: Vec<String> = key.caveats().map(|c| c.unwrap().to_string()).collect();
        assert_eq!(said, [before, &narrowing].concat());
    }

    // Together they are too many for a key: that is said, and other services go on.
    let (_, text) = narrow(&["method=GET"; 7]).await.unwrap();
    let both = cluster.user_keys(&text, &["photos"], 0).await;
    refused(
        both.map(drop),
        Code::FailedPrecondition,
        "has 10 caveats and the API key 7",
    );
    cluster.user_keys(&text, &["mail"], 0).await.unwrap();
    for (caveats, words) in [
        (
            vec![encoded("method=GET"); 9],
            "for an API key: 8 is the most",
        ),
        (vec![vec![0xff]], "caveat 1"),
        (
            vec![encoded(&format!("scope={}", "a".repeat(900))); 3],
            "2048 is the most",
        ),
    ] {
        let made = cluster.narrow_api_key("alice", 0, caveats).await;
        refused(made.map(drop), Code::InvalidArgument, words);
    }
    let audit = cluster.audit();
    let created = audit
        .iter()
        .find(|record| record["action"] == "api_key_created");
    assert!(
        created
            .unwrap()
            .to_string()
            .contains("method=GET; addr=192.0.2.0/24")
    );
}
