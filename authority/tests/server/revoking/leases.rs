//! The leases of a principal, and those of an API key that is revoked.

use std::sync::Arc;

use cattery_authority::init::STORE_FILE;
use cattery_authority::store::{Embedded, Store as _, Transaction};
use cattery_core::{RevocableId, RevocationKey};
use cattery_proto::v1::*;
use cattery_sdk::portable::ApiKey as ApiKeyText;
use tokio::task::JoinSet;
use tonic::Code;

use super::{ids, with_alice};
use crate::harness::{Cluster, now, refused};

impl Cluster {
    pub(crate) async fn leases(&self, principal: &str) -> Vec<Lease> {
        let principal = principal.to_owned();
        let request = ListLeasesRequest { principal };
        let answer = self.admin().list_leases(request).await.unwrap();
        answer.into_inner().leases
    }

    async fn revoke_api_key(&self, id: &str, wait: bool) -> RevokeApiKeyResponse {
        let id = id.to_owned();
        let request = RevokeApiKeyRequest { id, wait };
        let answer = self.admin().revoke_api_key(request).await.unwrap();
        answer.into_inner()
    }

    /// The ids of leases that were issued.
    async fn lease_of(&self, text: &ApiKeyText, services: &[&str], seconds: u64) -> Vec<[u8; 8]> {
        let keys = self.user_keys(text, services, seconds).await.unwrap();
        keys.into_iter()
            .filter_map(|(_, key)| Some(key?.id().lease_id))
            .collect()
    }
}

async fn with_grants() -> Cluster {
    let cluster = with_alice().await;
    for service in ["photos", "mail"] {
        cluster.grant("user/alice", service, &[], 0).await.unwrap();
    }
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_are_listed_until_they_end() {
    let mut cluster = with_grants().await;
    let (api_key, text) = cluster.api_key("alice").await;
    let before = now();
    let first = cluster.lease_of(&text, &["photos", "mail"], 600).await;
    let second = cluster.lease_of(&text, &["mail"], 600).await;
    let short = cluster.lease_of(&text, &["mail"], 1).await;
    // A principal whose name goes on is another one.
    cluster.add_user("alice/phone").await;
    crate::harness::wait_until(now() + 2).await;
    let leases = cluster.leases("user/alice").await;
    let listed: Vec<_> = leases
        .iter()
        .map(|l| (&l.lease_id[..], &*l.service))
        .collect();
    assert_eq!(
        listed,
        [
            (&second[0][..], "mail"),
            (&first[1][..], "mail"),
            (&first[0][..], "photos"),
        ],
        "the newest first, without {short:?}"
    );
    for lease in &leases {
        assert_eq!(lease.proof, format!("api-key/{}", api_key.id));
        assert!((before..=now()).contains(&lease.issued_at));
        assert_eq!(lease.expires_at, lease.issued_at + 600);
        assert!(!lease.revoked);
    }
    assert!(cluster.leases("user/alice/phone").await.is_empty());
    assert!(cluster.leases("service/photos").await.is_empty());

    let revocation = Revocation {
        kind: RevocationKind::Lease.into(),
        principal: "user/alice".into(),
        id: first[1].to_vec(),
        not_after: 0,
    };
    cluster.revoke(vec![revocation], false).await.unwrap();
    cluster.restart().await;
    let leases = cluster.leases("user/alice").await;
    let revoked: Vec<bool> = leases.iter().map(|lease| lease.revoked).collect();
    assert_eq!(revoked, [false, true, false]);
    for (principal, code) in [
        ("alice", Code::InvalidArgument),
        ("user/bob", Code::NotFound),
        ("service/music", Code::NotFound),
    ] {
        let principal = principal.to_owned();
        let mut calls = cluster.admin();
        let result = calls.list_leases(ListLeasesRequest { principal }).await;
        refused(result, code, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn services_have_leases_too() {
    let cluster = with_alice().await;
    let agent = cluster.agent("photos").await;
    cluster
        .grant("service/photos", "mail", &[], 0)
        .await
        .unwrap();
    cluster.client_keys(&agent.client, &["mail"]).await.unwrap();
    let leases = cluster.leases("service/photos").await;
    assert_eq!(leases.len(), 1);
    assert_eq!(
        leases[0].proof,
        format!("agent/{}", agent.identity.device_id)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_takes_its_leases_along_and_no_others() {
    let cluster = with_grants().await;
    let agent = cluster.agent("photos").await;
    let (mut follower, first) = super::follower(&cluster, &agent.client).await;
    let (api_key, text) = cluster.api_key("alice").await;
    let (_, other) = cluster.api_key("alice").await;
    let mut mine = cluster.lease_of(&text, &["photos", "mail"], 600).await;
    mine.extend(cluster.lease_of(&text, &["photos"], 0).await);
    cluster.lease_of(&other, &["photos"], 0).await;

    let answer = cluster.revoke_api_key(&api_key.id, false).await;
    assert_eq!(answer.api_key.unwrap().state, "revoked");
    assert_eq!(answer.leases, 3);
    let news = follower.news().await.unwrap();
    assert_eq!(news.position, answer.position);
    let key = super::key(&first);
    let mut told = ids(&news);
    let mut expected: Vec<_> = mine
        .iter()
        .map(|id| key.fingerprint("user/alice", &RevocableId::Lease(*id)))
        .collect();
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
    // Those of ten minutes are told for no longer than that.
    let short = news
        .revoked_ids
        .iter()
        .filter(|id| id.ends_at < now() + 900);
    assert_eq!(short.count(), 2);
    let revoked = cluster.leases("user/alice").await;
    assert_eq!(revoked.iter().filter(|lease| !lease.revoked).count(), 1);

    // Once more changes nothing and says the same.
    let again = cluster.revoke_api_key(&api_key.id, true).await;
    assert_eq!((again.leases, again.position), (3, answer.position));
    assert_eq!(cluster.audited("ids_revoked"), 1);
    assert_eq!(cluster.audited("api_key_revoked"), 1);
    let (unused, _) = cluster.api_key("alice").await;
    let answer = cluster.revoke_api_key(&unused.id, true).await;
    assert_eq!((answer.leases, answer.position), (0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crash_left_of_an_api_key_a_second_call_revokes() {
    let mut cluster = with_grants().await;
    let (api_key, text) = cluster.api_key("alice").await;
    cluster.lease_of(&text, &["photos", "mail"], 0).await;
    // As it is between the two steps.
    cluster.stop().await;
    let store = Embedded::open(cluster.authority_dir().join(STORE_FILE)).unwrap();
    let key = format!("api-key/{}", api_key.id);
    let entry = store.get(&key).await.unwrap().unwrap();
    let mut record: serde_json::Value = serde_json::from_slice(&entry.value).unwrap();
    record["revoked_at"] = now().into();
    let put = Transaction::new().put(&key, record.to_string());
    store.commit(put).await.unwrap();
    drop(store);
    cluster.restart().await;
    let answer = cluster.revoke_api_key(&api_key.id, false).await;
    assert_eq!(answer.leases, 2);
    let leases = cluster.leases("user/alice").await;
    assert!(leases.iter().all(|lease| lease.revoked));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_great_many_leases_the_newest_are_listed() {
    let mut cluster = with_alice().await;
    cluster.stop().await;
    let store = Embedded::open(cluster.authority_dir().join(STORE_FILE)).unwrap();
    let now = now();
    for call in 0..=40_u64 {
        let lease = |number: u64| {
            serde_json::json!({
                "id": format!("{:016x}", call * 1000 + number),
                "service": format!("service-{number}"),
                "expires_at": now + 3600,
            })
        };
        let record = serde_json::json!({
            "principal": "user/alice",
            "proof": "api-key/1",
            "issued_at": now - 100 + call,
            "leases": (0..250).map(lease).collect::<Vec<_>>(),
        });
        let key = format!("lease/user/alice//{call:020}-1");
        let put = Transaction::new().put(key, record.to_string());
        store.commit(put).await.unwrap();
    }
    drop(store);
    cluster.restart().await;
    let principal = "user/alice".to_owned();
    let mut calls = cluster.admin();
    let answer = calls.list_leases(ListLeasesRequest { principal }).await;
    let answer = answer.unwrap().into_inner();
    assert_eq!((answer.leases.len(), answer.more), (10_000, true));
    let times = answer.leases.iter().map(|lease| lease.issued_at);
    assert!(times.clone().rev().is_sorted());
    assert_eq!(
        (times.clone().max(), times.min()),
        (Some(now - 60), Some(now - 99))
    );
}

/// The point of resting each lease on the API key: whatever left is found.
#[tokio::test(flavor = "multi_thread")]
async fn no_lease_slips_past_the_end_of_its_api_key() {
    let cluster = Arc::new(with_grants().await);
    let agent = cluster.agent("photos").await;
    for _ in 0..3 {
        let (api_key, text) = cluster.api_key("alice").await;
        let mut issues = JoinSet::new();
        for _ in 0..24 {
            let (cluster, text) = (cluster.clone(), text.to_text());
            issues.spawn(async move {
                let text = ApiKeyText::parse(&text).unwrap();
                let mut left = Vec::new();
                loop {
                    match cluster.user_keys(&text, &["photos", "mail"], 0).await {
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
        // In the middle of it.
        let proof = format!("api-key/{}", api_key.id);
        let is_its_own = |lease: &Lease| lease.proof == proof;
        while !cluster.leases("user/alice").await.iter().any(is_its_own) {}
        let answer = cluster.revoke_api_key(&api_key.id, false).await;
        let left: Vec<_> = issues.join_all().await.into_iter().flatten().collect();
        assert!(left.len() as u64 <= answer.leases && answer.leases > 0);
        let (news, _) = cluster.service_keys(&agent.client).await.unwrap();
        let key: RevocationKey = super::key(&news);
        let told = ids(&news);
        for (_, user_key) in left {
            let id = RevocableId::Lease(user_key.unwrap().id().lease_id);
            assert!(told.contains(&key.fingerprint("user/alice", &id)));
        }
    }
}
