use std::time::Duration;

use cattery_proto::v1::admin_client::AdminClient;
use cattery_proto::v1::*;
use cattery_sdk::identity::KeyPair;
use tonic::Code;
use tonic::transport::Channel;

use crate::harness::{Cluster, refused, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_a_ladder() {
    let cluster = Cluster::start().await;
    let auditor = cluster.operator("audrey", "auditor").await;
    let operator = cluster.operator("oscar", "operator").await;
    let admin = cluster.operator("ada", "admin").await;
    let agent = cluster.agent("photos").await;

    let list = |mut calls: AdminClient<Channel>| async move {
        calls.list_services(ListServicesRequest {}).await.map(drop)
    };
    let add = |mut calls: AdminClient<Channel>, name: &str| {
        let request = AddServiceRequest { name: name.into() };
        async move { calls.add_service(request).await.map(drop) }
    };
    let people = |mut calls: AdminClient<Channel>| async move {
        let request = RevokeOperatorRequest {
            name: "nobody".into(),
        };
        calls.revoke_operator(request).await.map(drop)
    };
    for reader in [&auditor, &operator, &admin] {
        list(cluster.admin_as(&reader.client)).await.unwrap();
    }
    for (writer, name) in [(&operator, "one"), (&admin, "two")] {
        add(cluster.admin_as(&writer.client), name).await.unwrap();
    }
    refused(
        people(cluster.admin_as(&admin.client)).await,
        Code::NotFound,
        "no operator `nobody`",
    );

    let low = "this takes the role `operator`, and `operator/audrey` has the role `auditor`";
    let result = add(cluster.admin_as(&auditor.client), "three").await;
    refused(result, Code::PermissionDenied, low);
    let low = "this takes the role `admin`, and `operator/oscar` has the role `operator`";
    let result = people(cluster.admin_as(&operator.client)).await;
    refused(result, Code::PermissionDenied, low);
    let stranger = "only operators may do that, and this is `service/photos`";
    let result = list(cluster.admin_as(&agent.client)).await;
    refused(result, Code::PermissionDenied, stranger);
    let nobody = AdminClient::new(cluster.channel(None));
    let result = list(nobody).await;
    refused(result, Code::Unauthenticated, "takes a client certificate");
    // Those who are known and tried are on record.
    assert_eq!(cluster.audited("access_denied"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_come_and_go() {
    let cluster = Cluster::start().await;
    let unused = cluster.invite("ada", "admin").await.unwrap();
    let token = cluster.invite("ada", "auditor").await.unwrap();
    let key = KeyPair::generate().unwrap();
    refused(
        cluster.enroll(&unused, &key).await.map(drop),
        Code::Unauthenticated,
        "not valid",
    );
    let ada = cluster.enroll(&token, &key).await.unwrap();
    assert_eq!(ada.identity.subject, "operator/ada");
    let again = cluster.enroll(&token, &key).await.unwrap();
    assert_eq!(again.identity.device_id, ada.identity.device_id);
    refused(
        cluster.invite("ada", "admin").await.map(drop),
        Code::AlreadyExists,
        "revoke them first",
    );
    refused(
        cluster.invite("Ada", "admin").await.map(drop),
        Code::InvalidArgument,
        "the operator name `Ada` is not valid",
    );
    refused(
        cluster.invite("eve", "root").await.map(drop),
        Code::InvalidArgument,
        "`root`: a role is `admin`, `operator` or `auditor`",
    );
    let revoke = async |name: &str| {
        let request = RevokeOperatorRequest { name: name.into() };
        cluster.admin().revoke_operator(request).await.map(drop)
    };
    // She is no admin.
    refused(
        revoke("root").await,
        Code::FailedPrecondition,
        "`root` is the last admin",
    );
    revoke("ada").await.unwrap();
    revoke("ada").await.unwrap();
    for gone in [&ada, &again] {
        let mut calls = cluster.admin_as(&gone.client);
        let result = calls.list_services(ListServicesRequest {}).await;
        refused(result, Code::PermissionDenied, "gives no access any more");
    }
    refused(
        cluster.enroll(&token, &key).await.map(drop),
        Code::Unauthenticated,
        "not valid",
    );

    let ada = cluster.operator("ada", "admin").await;
    revoke("root").await.unwrap();
    let mut calls = cluster.admin_as(&ada.client);
    let all = calls.list_operators(ListOperatorsRequest {}).await.unwrap();
    let all = all.into_inner().operators;
    let states: Vec<_> = all
        .iter()
        .map(|o| (o.name.as_str(), o.state.as_str()))
        .collect();
    assert_eq!(states, [("ada", "active"), ("root", "revoked")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_admins_cannot_revoke_each_other() {
    for _ in 0..5 {
        let cluster = Cluster::start().await;
        let ada = cluster.operator("ada", "admin").await;
        let (mut one, mut two) = (cluster.admin(), cluster.admin_as(&ada.client));
        let revoke = |name: &str| RevokeOperatorRequest { name: name.into() };
        let (first, second) = tokio::join!(
            one.revoke_operator(revoke("ada")),
            two.revoke_operator(revoke("root")),
        );
        assert!(
            first.is_ok() != second.is_ok(),
            "one of them stays: {first:?} {second:?}"
        );
        let (mut stays, mut goes, name) = match first {
            Ok(_) => (one, two, "root"),
            Err(_) => (two, one, "ada"),
        };
        let all = stays.list_operators(ListOperatorsRequest {}).await.unwrap();
        let all = all.into_inner().operators;
        let active = all.iter().filter(|operator| operator.state == "active");
        assert_eq!(active.map(|o| o.name.as_str()).collect::<Vec<_>>(), [name]);
        let request = |name: &str| AddServiceRequest { name: name.into() };
        stays.add_service(request("photos")).await.unwrap();
        let result = goes.add_service(request("mail")).await;
        refused(result, Code::PermissionDenied, "gives no access any more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admin_whose_certificate_ended_is_no_other_admin() {
    let mut cluster = Cluster::start().await;
    let mut config = cluster.config();
    config.operator_certificate_lifetime = Duration::from_secs(2);
    cluster.restart_with(config).await.unwrap();
    let ada = cluster.operator("ada", "admin").await;
    wait_until(ada.identity.not_after).await;
    let request = RevokeOperatorRequest {
        name: "root".into(),
    };
    let result = cluster.admin().revoke_operator(request).await;
    refused(result, Code::FailedPrecondition, "`root` is the last admin");
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_rest_on_names_that_are_there() {
    let cluster = Cluster::start().await;
    cluster.add_service("photos").await;
    refused(
        cluster.grant("user/alice", "photos", &[], 0).await,
        Code::NotFound,
        "there is no user `alice`: add them with `cattery user add alice`",
    );
    cluster.add_user("alice").await;
    refused(
        cluster.grant("user/alice", "foo", &[], 0).await,
        Code::NotFound,
        "there is no service `foo`: add it with `cattery service add foo`",
    );
    refused(
        cluster.grant("service/bar", "photos", &[], 0).await,
        Code::NotFound,
        "there is no service `bar`",
    );
    refused(
        cluster.grant("alice", "photos", &[], 0).await,
        Code::InvalidArgument,
        "the principal `alice` is not valid",
    );
    refused(
        cluster.grant("user/alice", "photos", &[], 1 << 40).await,
        Code::InvalidArgument,
        "1d is the most",
    );
    let too_many = ["path=/a"; 17];
    refused(
        cluster.grant("user/alice", "photos", &too_many, 0).await,
        Code::InvalidArgument,
        "17 caveats are too many",
    );
    let request = AddGrantRequest {
        principal: "user/alice".into(),
        service: "photos".into(),
        caveats: vec![vec![0xff]],
        max_lease_seconds: 0,
    };
    let result = cluster.admin().add_grant(request).await;
    refused(result, Code::InvalidArgument, "caveat 1 can never hold");

    cluster.grant("user/alice", "photos", &[], 0).await.unwrap();
    refused(
        cluster.grant("user/alice", "photos", &[], 0).await,
        Code::AlreadyExists,
        "cattery grant set user/alice photos",
    );
    let request = RemoveGrantRequest {
        principal: "user/alice".into(),
        service: "photos".into(),
        ending: None,
    };
    cluster.admin().remove_grant(request.clone()).await.unwrap();
    let result = cluster.admin().remove_grant(request).await;
    refused(result, Code::NotFound, "has no grant for `photos`");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_already_is_said_so() {
    let cluster = Cluster::start().await;
    cluster.add_service("photos").await;
    cluster.add_user("team/alice@example.org").await;
    let request = AddServiceRequest {
        name: "photos".into(),
    };
    let result = cluster.admin().add_service(request).await;
    refused(
        result,
        Code::AlreadyExists,
        "there is a service `photos` already",
    );
    let request = AddUserRequest {
        name: "team/alice@example.org".into(),
    };
    let result = cluster.admin().add_user(request).await;
    refused(
        result,
        Code::AlreadyExists,
        "there is a user `team/alice@example.org`",
    );
    for name in ["", "-a", "A", "a/b", &"a".repeat(64)] {
        let request = AddServiceRequest { name: name.into() };
        let result = cluster.admin().add_service(request).await;
        refused(result, Code::InvalidArgument, "the service name `");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_status_tell_what_there_is() {
    let cluster = Cluster::start().await;
    let agent = cluster.agent("photos").await;
    cluster.add_service("mail").await;
    cluster.add_user("alice").await;
    cluster.add_user("alice/cron").await;
    let (key, _) = cluster.api_key("alice").await;
    cluster.api_key("alice/cron").await;
    cluster.grant("user/alice", "photos", &[], 0).await.unwrap();
    cluster
        .grant("user/alice/cron", "photos", &["path=/x"], 60)
        .await
        .unwrap();
    cluster
        .grant("user/alice/cron", "mail", &[], 0)
        .await
        .unwrap();
    let mut admin = cluster.admin();

    let services = admin
        .list_services(ListServicesRequest {})
        .await
        .unwrap()
        .into_inner()
        .services;
    let counts: Vec<_> = services
        .iter()
        .map(|s| (s.name.as_str(), s.agents))
        .collect();
    assert_eq!(counts, [("mail", 0), ("photos", 1)]);
    let request = GetServiceRequest {
        name: "photos".into(),
    };
    let photos = admin.get_service(request).await.unwrap().into_inner();
    assert_eq!(photos.agents[0].agent_id, agent.identity.device_id);
    assert_eq!(photos.grants.len(), 2);

    let users = admin
        .list_users(ListUsersRequest {})
        .await
        .unwrap()
        .into_inner()
        .users;
    assert_eq!(users.iter().map(|u| u.api_keys).collect::<Vec<_>>(), [1, 1]);
    let request = ListApiKeysRequest {
        user: "alice".into(),
    };
    let keys = admin
        .list_api_keys(request)
        .await
        .unwrap()
        .into_inner()
        .api_keys;
    assert_eq!(keys, [key]);
    let grants = async |principal: &str, service: &str| {
        let request = ListGrantsRequest {
            principal: principal.into(),
            service: service.into(),
        };
        let answer = cluster.admin().list_grants(request).await.unwrap();
        answer.into_inner().grants.len()
    };
    assert_eq!(grants("", "").await, 3);
    assert_eq!(grants("user/alice", "").await, 1);
    assert_eq!(grants("user/alice/cron", "").await, 2);
    assert_eq!(grants("", "photos").await, 2);
    assert_eq!(grants("user/alice/cron", "mail").await, 1);

    let epochs = cluster.schedule("").await.keys;
    let active = epochs.iter().find(|key| key.activated_at != 0).unwrap();
    assert_eq!(active.number, 1);
    let status = admin
        .get_cluster_status(GetClusterStatusRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!((status.services, status.users, status.agents), (2, 2, 1));
    assert_eq!(status.trust_domain, "example.org");
    assert_eq!(status.addresses, [cluster.address()]);
    assert_eq!((status.active_epoch, status.incarnation), (1, 1));
    assert_eq!(status.max_lease_seconds, 86_400);
    assert!(status.audit_records > 10);
    assert!(status.certificate_not_after > crate::harness::now());

    let report = admin
        .verify_audit(VerifyAuditRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(report.intact, "{}", report.problem);
    assert_eq!(report.dangling_intents, 0);
    assert_eq!(report.head.len(), 32);
}
