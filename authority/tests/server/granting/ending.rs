//! What was issued before a change: told, or revoked.

use std::sync::Arc;

use cattery_core::{RevocableId, RevocationKey};
use tokio::task::JoinSet;

use super::*;
use crate::harness::{caveat, now};

const REVOKE: Option<Ending> = Some(Ending {
    revoke: true,
    wait: false,
});

impl Cluster {
    pub(crate) async fn set(
        &self,
        grantee: &str,
        services: &str,
        caveats: Option<&[&str]>,
        max_lease_seconds: Option<u64>,
        ending: Option<Ending>,
    ) -> Result<(Grant, LeasesUnder), Status> {
        let request = SetGrantRequest {
            principal: grantee.to_owned(),
            service: services.to_owned(),
            caveats: caveats.map(|texts| GrantCaveats {
                caveats: texts.iter().map(|text| caveat(text)).collect(),
            }),
            max_lease_seconds,
            ending,
        };
        let answer = self.admin().set_grant(request).await?.into_inner();
        Ok((answer.grant.unwrap(), answer.leases.unwrap()))
    }

    pub(crate) async fn remove(
        &self,
        grantee: &str,
        services: &str,
        ending: Option<Ending>,
    ) -> Result<LeasesUnder, Status> {
        let request = RemoveGrantRequest {
            principal: grantee.to_owned(),
            service: services.to_owned(),
            ending,
        };
        let answer = self.admin().remove_grant(request).await?;
        Ok(answer.into_inner().leases.unwrap())
    }

    pub(crate) async fn leave(
        &self,
        group: &str,
        user: &str,
        ending: Option<Ending>,
    ) -> Result<LeasesUnder, Status> {
        let request = RemoveGroupMemberRequest {
            group: group.to_owned(),
            user: user.to_owned(),
            ending,
        };
        let answer = self.admin().remove_group_member(request).await?;
        Ok(answer.into_inner().leases.unwrap())
    }

    /// How many leases somebody has that are good, and that are revoked.
    async fn count(&self, principal: &str) -> (usize, usize) {
        let leases = self.leases(principal).await;
        let revoked = leases.iter().filter(|lease| lease.revoked).count();
        (leases.len() - revoked, revoked)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_change_without_a_moment_without_a_grant() {
    let (cluster, alice, _) = with_ops().await;
    let made = cluster
        .grant("user/alice", "photos", &["path=/a"], 600)
        .await
        .unwrap();
    let old = cluster.key(&alice, "photos").await.unwrap();
    // What is not named stays.
    let (grant, left) = cluster
        .set("user/alice", "photos", None, Some(60), None)
        .await
        .unwrap();
    assert_eq!(
        (grant.caveats, grant.max_lease_seconds),
        (made.caveats, 60),
        "the caveats stay"
    );
    assert_eq!(grant.created_at, made.created_at);
    assert_eq!(
        (left.leases, left.until, left.position),
        (1, old.id().expires_at, None)
    );
    let next = cluster.key(&alice, "photos").await.unwrap();
    assert!(next.id().expires_at <= now() + 60);
    let (grant, _) = cluster
        .set("user/alice", "photos", Some(&["method=GET"]), None, None)
        .await
        .unwrap();
    assert_eq!(grant.max_lease_seconds, 60);
    assert_eq!(
        cluster.conditions(&alice, "photos").await,
        texts(&["method=GET"])
    );
    assert_eq!(cluster.count("user/alice").await, (3, 0));

    // With `revoke`, all that came before ends; once more it says the same.
    let (_, ended) = cluster
        .set("user/alice", "photos", Some(&[]), Some(0), REVOKE)
        .await
        .unwrap();
    assert_eq!((ended.leases, ended.until), (3, 0));
    assert_eq!(cluster.count("user/alice").await, (0, 3));
    let (_, again) = cluster
        .set("user/alice", "photos", Some(&[]), Some(0), REVOKE)
        .await
        .unwrap();
    assert_eq!(again, ended);
    assert_eq!(cluster.audited("grant_changed"), 3);
    assert_eq!(cluster.conditions(&alice, "photos").await, texts(&[]));

    for (grantee, caveats, code, words) in [
        ("user/bob", Some(&[][..]), Code::NotFound, "has no grant"),
        (
            "user/alice",
            None,
            Code::InvalidArgument,
            "nothing to change",
        ),
    ] {
        let result = cluster.set(grantee, "photos", caveats, None, None).await;
        refused(result, code, words);
    }
    // A grant of an earlier holder of a name is none to change.
    cluster.disable_service("photos").await;
    cluster.add_service("photos").await;
    let result = cluster.set("user/alice", "photos", Some(&[]), None, None);
    refused(result.await, Code::NotFound, "has no grant");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_issued_under_it_is_revoked() {
    let (cluster, alice, bob) = with_ops().await;
    for (grantee, services) in [
        ("group/ops", "photos*"),
        ("group/ops", "*"),
        ("user/alice", "photos"),
    ] {
        cluster.grant(grantee, services, &[], 0).await.unwrap();
    }
    for user in [&alice, &bob] {
        assert_eq!(cluster.all(user).await.len(), 3);
    }
    // alice: photos-eu by the group. bob: photos and photos-eu.
    let told = cluster.remove("group/ops", "photos*", None).await.unwrap();
    assert_eq!(told.leases, 3);
    // It is gone, but what was left can be ended still.
    let ended = cluster.remove("group/ops", "photos*", REVOKE).await;
    let ended = ended.unwrap();
    assert_eq!((ended.leases, ended.until), (3, 0));
    assert!(ended.position.is_some());
    assert_eq!(cluster.count("user/alice").await, (2, 1));
    assert_eq!(cluster.count("user/bob").await, (1, 2));
    let none = cluster.remove("group/ops", "pho*", REVOKE).await;
    refused(none, Code::NotFound, "has no grant for `pho*`");

    // Whoever left the group before keeps nothing either.
    assert_eq!(cluster.leave("ops", "bob", None).await.unwrap().leases, 1);
    assert_eq!(cluster.all(&bob).await, [""; 0]);
    let name = "ops".to_owned();
    let request = RemoveGroupRequest {
        name,
        ending: REVOKE,
    };
    let answer = cluster.admin().remove_group(request.clone()).await.unwrap();
    // Those of before, too, that were revoked and have not ended.
    assert_eq!(answer.into_inner().leases.unwrap().leases, 5);
    assert_eq!(cluster.count("user/bob").await, (0, 3));
    assert_eq!(cluster.count("user/alice").await, (1, 2), "her own is good");
    cluster.admin().remove_group(request).await.unwrap();
    assert_eq!(cluster.all(&alice).await, ["photos"]);
    let because =
        |record: &serde_json::Value| record["fields"]["under"].as_str() == Some("group/ops");
    assert!(cluster.audit().iter().any(because));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_a_group_loses_its_keys_alone() {
    let (cluster, alice, bob) = with_ops().await;
    cluster.grant("group/ops", "*", &[], 0).await.unwrap();
    cluster.grant("user/bob", "mail", &[], 0).await.unwrap();
    cluster.all(&alice).await;
    cluster.all(&bob).await;
    let ended = cluster.leave("ops", "bob", REVOKE).await.unwrap();
    assert_eq!(ended.leases, 2);
    assert_eq!(cluster.count("user/bob").await, (1, 2));
    assert_eq!(cluster.count("user/alice").await, (3, 0));
    assert_eq!(cluster.all(&bob).await, ["mail"]);
    assert_eq!(cluster.all(&alice).await.len(), 3);
    // A second time it finds what a call that was cut off would have left.
    let again = cluster.leave("ops", "bob", REVOKE).await.unwrap();
    assert_eq!(again, ended);
    let gone = cluster.leave("ops", "bob", None).await;
    refused(gone, Code::NotFound, "is not in the group `ops`");
    assert_eq!(cluster.audited("group_member_removed"), 1);
}

/// The point of resting each lease on what was taken away: whatever left is found.
#[tokio::test(flavor = "multi_thread")]
async fn no_lease_slips_past_the_end_of_its_grant() {
    let (cluster, alice, bob) = with_ops().await;
    let cluster = Arc::new(cluster);
    let agent = cluster.agent("photos").await;
    for round in 0..3 {
        cluster.grant("group/ops", "pho*", &[], 0).await.unwrap();
        let mut issues = JoinSet::new();
        for number in 0..16 {
            let (user, text) = match number % 2 {
                0 => ("user/alice", alice.to_text()),
                _ => ("user/bob", bob.to_text()),
            };
            let cluster = cluster.clone();
            issues.spawn(async move {
                let text = ApiKeyText::parse(&text).unwrap();
                let mut left = Vec::new();
                while let Some(key) = cluster.key(&text, "photos").await {
                    let id = RevocableId::Lease(key.id().lease_id);
                    left.push((user, id));
                }
                left
            });
        }
        let started = (round + 1) * 8;
        while cluster.leases("user/alice").await.len() < started {}
        let ended = cluster.remove("group/ops", "pho*", REVOKE).await.unwrap();
        let left: Vec<_> = issues.join_all().await.into_iter().flatten().collect();
        assert!(!left.is_empty() && left.len() as u64 <= ended.leases);
        let (news, _) = cluster.service_keys(&agent.client).await.unwrap();
        let key = RevocationKey::from_bytes(news.revocation_key[..].try_into().unwrap());
        let ids = news.revoked_ids.iter();
        let told: Vec<_> = ids.map(|id| id.fingerprint.clone()).collect();
        for (user, id) in left {
            assert!(told.contains(&key.fingerprint(user, &id).0.to_vec()));
        }
    }
}
