//! Patterns, groups, which grant applies, and what becomes of keys when a grant changes.

mod ending;

use cattery_core::UserKey;
use cattery_proto::v1::*;
use cattery_sdk::portable::ApiKey as ApiKeyText;
use tonic::{Code, Status};

use crate::harness::{Cluster, refused};

impl Cluster {
    pub(crate) async fn add_group(&self, name: &str) {
        let name = name.to_owned();
        let request = AddGroupRequest { name };
        self.admin().add_group(request).await.unwrap();
    }

    pub(crate) async fn join_group(
        &self,
        group: &str,
        user: &str,
    ) -> Result<Vec<TiedGrant>, Status> {
        let (group, user) = (group.to_owned(), user.to_owned());
        let request = AddGroupMemberRequest { group, user };
        let answer = self.admin().add_group_member(request).await?;
        Ok(answer.into_inner().tied)
    }

    /// Whose grant for what, and what it is good for: the closest first.
    async fn explained(&self, principal: &str, service: &str) -> Vec<(String, GrantStanding)> {
        let (principal, service) = (principal.to_owned(), service.to_owned());
        let request = ExplainGrantRequest { principal, service };
        let answer = self.admin().explain_grant(request).await.unwrap();
        let considered = answer.into_inner().considered.into_iter();
        considered
            .map(|one| {
                let standing = one.standing();
                let grant = one.grant.unwrap();
                (format!("{} {}", grant.principal, grant.service), standing)
            })
            .collect()
    }

    /// The key for a service, where there is one.
    async fn key(&self, api_key: &ApiKeyText, service: &str) -> Option<UserKey> {
        let keys = self.user_keys(api_key, &[service], 0).await.unwrap();
        keys.into_iter().next().unwrap().1
    }

    /// The conditions of the key for a service, where there is one.
    pub(crate) async fn conditions(
        &self,
        api_key: &ApiKeyText,
        service: &str,
    ) -> Option<Vec<String>> {
        let key = self.key(api_key, service).await?;
        let caveats = key.caveats().map(|caveat| caveat.unwrap().to_string());
        Some(caveats.collect())
    }

    /// The services that somebody gets keys for who names none.
    pub(crate) async fn all(&self, api_key: &ApiKeyText) -> Vec<String> {
        let keys = self.user_keys(api_key, &[], 0).await.unwrap();
        keys.into_iter()
            .map(|(service, key)| {
                assert!(key.is_some(), "{service}");
                service
            })
            .collect()
    }

    async fn disable_service(&self, name: &str) {
        let name = name.to_owned();
        let request = DisableServiceRequest { name };
        self.admin().disable_service(request).await.unwrap();
    }
}

/// alice and bob, who are in `ops`, with some services.
async fn with_ops() -> (Cluster, ApiKeyText, ApiKeyText) {
    let cluster = Cluster::start().await;
    for name in ["mail", "photos", "photos-eu"] {
        cluster.add_service(name).await;
    }
    cluster.add_group("ops").await;
    for user in ["alice", "bob"] {
        cluster.add_user(user).await;
        assert_eq!(cluster.join_group("ops", user).await.unwrap(), []);
    }
    let (_, alice) = cluster.api_key("alice").await;
    let (_, bob) = cluster.api_key("bob").await;
    (cluster, alice, bob)
}

fn texts(texts: &[&str]) -> Option<Vec<String>> {
    Some(texts.iter().map(|text| (*text).to_owned()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pattern_names_whoever_comes_under_it() {
    let (cluster, alice, bob) = with_ops().await;
    assert_eq!(cluster.all(&alice).await, [""; 0]);
    cluster
        .grant("group/ops", "photos-*", &["method=GET"], 600)
        .await
        .unwrap();
    for user in [&alice, &bob] {
        assert_eq!(cluster.all(user).await, ["photos-eu"]);
        assert_eq!(
            cluster.conditions(user, "photos-eu").await,
            texts(&["method=GET"])
        );
        for other in ["photos", "mail", "photos-us"] {
            assert_eq!(cluster.conditions(user, other).await, None, "{other}");
        }
    }
    let key = cluster.key(&alice, "photos-eu").await.unwrap();
    assert!(key.id().expires_at <= crate::harness::now() + 600);
    cluster.add_service("photos-us").await;
    assert_eq!(cluster.all(&bob).await, ["photos-eu", "photos-us"]);

    // An own grant for the service itself goes before it, and is tied to who had the name.
    cluster
        .grant("user/alice", "photos-eu", &["path=/a"], 0)
        .await
        .unwrap();
    assert_eq!(
        cluster.conditions(&alice, "photos-eu").await,
        texts(&["path=/a"])
    );
    cluster.disable_service("photos-eu").await;
    assert_eq!(cluster.all(&alice).await, ["photos-us"]);
    cluster.add_service("photos-eu").await;
    assert_eq!(
        cluster.conditions(&alice, "photos-eu").await,
        texts(&["method=GET"])
    );

    // Services can be granted patterns, too, and are in no group.
    let agent = cluster.agent("mail").await;
    cluster.grant("service/mail", "*", &[], 0).await.unwrap();
    let keys = cluster.client_keys(&agent.client, &[]).await.unwrap();
    let names: Vec<_> = keys.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["mail", "photos", "photos-eu", "photos-us"]);

    let leases = cluster.leases("user/alice").await;
    let under = |lease: &Lease| format!("{} {}", lease.grant_principal, lease.grant_service);
    let mut grants: Vec<_> = leases.iter().map(under).collect();
    grants.dedup();
    assert_eq!(
        grants,
        [
            "group/ops photos-*",
            "user/alice photos-eu",
            "group/ops photos-*"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_one_grant_applies_and_can_be_asked_for() {
    use GrantStanding::{Applies, ExactFirst, LongerFirst, OwnFirst, Same, Tied};
    let (cluster, alice, bob) = with_ops().await;
    cluster.add_group("dev").await;
    cluster.join_group("dev", "alice").await.unwrap();
    for (grantee, services, caveats) in [
        ("group/ops", "*", "method=GET"),
        ("group/dev", "*", "method=GET"),
        ("group/ops", "photos*", "path=/ops"),
        ("group/dev", "photos-eu", "path=/dev"),
    ] {
        let added = cluster.grant(grantee, services, &[caveats], 0).await;
        added.unwrap();
    }
    let conditions = async |who, service| cluster.conditions(who, service).await;
    assert_eq!(conditions(&alice, "mail").await, texts(&["method=GET"]));
    assert_eq!(conditions(&alice, "photos").await, texts(&["path=/ops"]));
    assert_eq!(conditions(&alice, "photos-eu").await, texts(&["path=/dev"]));
    assert_eq!(conditions(&bob, "photos-eu").await, texts(&["path=/ops"]));
    let expected = [
        ("group/dev photos-eu", Applies),
        ("group/ops photos*", ExactFirst),
        ("group/dev *", ExactFirst),
        ("group/ops *", ExactFirst),
    ];
    let owned = |all: &[(&str, GrantStanding)]| {
        let all = all.iter().map(|(name, one)| ((*name).to_owned(), *one));
        all.collect::<Vec<_>>()
    };
    let explained = async |service| cluster.explained("user/alice", service).await;
    assert_eq!(explained("photos-eu").await, owned(&expected));
    let expected = [("group/dev *", Applies), ("group/ops *", Same)];
    assert_eq!(explained("mail").await, owned(&expected));

    // Two that differ: nobody but an operator knows which is meant, and an own one says it.
    let request = AddGrantRequest {
        principal: "group/dev".into(),
        service: "photos*".into(),
        ..Default::default()
    };
    let answer = cluster.admin().add_grant(request).await.unwrap();
    let tied = TiedGrant {
        service: "photos*".into(),
        group: "ops".into(),
        users: 1,
    };
    assert_eq!(answer.into_inner().tied, std::slice::from_ref(&tied));
    assert_eq!(conditions(&alice, "photos").await, None);
    assert_eq!(cluster.all(&alice).await, ["mail", "photos-eu"]);
    let expected = [
        ("group/dev photos*", Tied),
        ("group/ops photos*", Tied),
        ("group/dev *", LongerFirst),
        ("group/ops *", LongerFirst),
    ];
    assert_eq!(explained("photos").await, owned(&expected));
    cluster.add_user("carol").await;
    cluster.join_group("ops", "carol").await.unwrap();
    assert_eq!(cluster.join_group("dev", "carol").await.unwrap(), [tied]);
    cluster
        .grant("user/alice", "*", &["scope=own"], 0)
        .await
        .unwrap();
    assert_eq!(conditions(&alice, "photos").await, texts(&["scope=own"]));
    let explained = explained("photos").await;
    assert_eq!(explained[0], ("user/alice *".to_owned(), Applies));
    assert!(explained[1..].iter().all(|(_, one)| *one == OwnFirst));
    assert_eq!(explained.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn membership_belongs_to_the_user_and_to_the_group() {
    let (cluster, alice, bob) = with_ops().await;
    cluster.grant("group/ops", "*", &[], 0).await.unwrap();
    refused(
        cluster.join_group("ops", "alice").await,
        Code::AlreadyExists,
        "is in the group `ops` already",
    );
    for (group, user, words) in [
        ("ops", "carol", "there is no user `carol`"),
        ("dev", "alice", "cattery group add dev"),
    ] {
        let result = cluster.join_group(group, user).await;
        refused(result, Code::NotFound, words);
    }
    // Somebody new gets the name: they are in no group.
    let name = || "bob".to_owned();
    let disable = DisableUserRequest { name: name() };
    cluster.admin().disable_user(disable).await.unwrap();
    cluster.add_user("bob").await;
    let keys = cluster.user_keys(&bob, &["mail"], 0).await;
    refused(keys, Code::Unauthenticated, "was disabled");
    let (_, bob) = cluster.api_key("bob").await;
    assert_eq!(cluster.all(&bob).await, [""; 0]);
    let get = async || {
        let name = "ops".to_owned();
        let answer = cluster.admin().get_group(GetGroupRequest { name }).await;
        answer.map(|answer| {
            let GetGroupResponse {
                members, grants, ..
            } = answer.into_inner();
            let members: Vec<_> = members.into_iter().map(|member| member.user).collect();
            (members, grants.len())
        })
    };
    assert_eq!(get().await.unwrap(), (vec!["alice".to_owned()], 1));
    cluster.join_group("ops", "bob").await.unwrap();
    assert_eq!(cluster.all(&bob).await.len(), 3);
    let list = async |user: &str| {
        let user = user.to_owned();
        let mut calls = cluster.admin();
        let answer = calls.list_groups(ListGroupsRequest { user }).await;
        let groups = answer.unwrap().into_inner().groups;
        let told = groups.into_iter().map(|g| (g.name, g.members, g.grants));
        told.collect::<Vec<_>>()
    };
    cluster.add_group("dev").await;
    let ops = ("ops".to_owned(), 2, 1);
    assert_eq!(
        list("").await,
        [("dev".to_owned(), 0, 0), ops.clone()],
        "all of them"
    );
    assert_eq!(list("bob").await, [ops]);

    // A group that has the name later is another one, too.
    let name = "ops".to_owned();
    let request = RemoveGroupRequest { name, ending: None };
    cluster.admin().remove_group(request).await.unwrap();
    refused(get().await, Code::NotFound, "there is no group `ops`");
    cluster.add_group("ops").await;
    assert_eq!(get().await.unwrap(), (Vec::new(), 0));
    assert_eq!(cluster.all(&alice).await, [""; 0]);
    cluster.join_group("ops", "alice").await.unwrap();
    cluster.grant("group/ops", "*", &[], 0).await.unwrap();
    assert_eq!(cluster.all(&alice).await.len(), 3);
    for action in ["group_added", "group_removed", "group_member_added"] {
        assert!(cluster.audited(action) > 0, "{action}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_grantee_or_no_pattern_is_refused() {
    let (cluster, ..) = with_ops().await;
    for (grantee, services, code, words) in [
        ("ops", "*", Code::InvalidArgument, "`group/NAME`"),
        ("group/a/b", "*", Code::InvalidArgument, "byte 1"),
        ("group/dev", "*", Code::NotFound, "cattery group add dev"),
        ("group/ops", "*-eu", Code::InvalidArgument, "last character"),
        ("group/ops", "Photos*", Code::InvalidArgument, "`Photos*`"),
        ("group/ops", "music", Code::NotFound, "no service `music`"),
    ] {
        let result = cluster.grant(grantee, services, &[], 0).await;
        refused(result, code, words);
    }
    // A group never signs: nothing that names a principal takes one.
    let principal = "group/ops".to_owned();
    let result = cluster
        .admin()
        .list_leases(ListLeasesRequest { principal })
        .await;
    refused(result, Code::InvalidArgument, "`service/NAME`");
    for number in 0..32 {
        let name = format!("group-{number}");
        cluster.add_group(&name).await;
        let result = cluster.join_group(&name, "alice").await;
        match number {
            31 => refused(result, Code::FailedPrecondition, "32 groups"),
            _ => drop(result.unwrap()),
        }
    }
}
