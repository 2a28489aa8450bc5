//! What callers can do to others by being slow, many or unwelcome.

use cattery_proto::v1::*;
use cattery_sdk::identity::KeyPair;
use cattery_sdk::sealing::ReceiverKey;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

use crate::harness::{Cluster, refused};
use crate::withheld::{Withheld, health, withhold};

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_who_is_revoked_in_the_middle_of_a_call_does_nothing() {
    let cluster = Cluster::start().await;
    let oscar = cluster.operator("oscar", "operator").await;
    let channel = cluster.channel(Some(&oscar.client));
    let held: Withheld<AddServiceRequest, AddServiceResponse> =
        withhold(&channel, "/cattery.v1.Admin/AddService", None).await;
    let request = RevokeOperatorRequest {
        name: "oscar".into(),
    };
    cluster.admin().revoke_operator(request).await.unwrap();
    let request = AddServiceRequest {
        name: "photos".into(),
    };
    refused(
        held.send(request).await,
        Code::PermissionDenied,
        "gives no access any more",
    );
    let services = cluster.admin().list_services(ListServicesRequest {}).await;
    assert!(services.unwrap().into_inner().services.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_key_that_is_revoked_in_the_middle_of_a_call_gets_nothing() {
    let cluster = Cluster::start().await;
    cluster.add_service("photos").await;
    cluster.add_user("alice").await;
    cluster.grant("user/alice", "photos", &[], 0).await.unwrap();
    let channel = cluster.channel(None);
    let (revoked, text) = cluster.api_key("alice").await;
    let (_, other) = cluster.api_key("alice").await;
    let mut held: Vec<Withheld<IssueUserKeysRequest, IssueUserKeysResponse>> = Vec::new();
    for text in [&text, &other] {
        let bearer = format!("Bearer {}", *text.to_text());
        let path = "/cattery.v1.UserKeys/IssueUserKeys";
        held.push(withhold(&channel, path, Some(&bearer)).await);
    }
    let mut admin = cluster.admin();
    let request = RevokeApiKeyRequest {
        id: revoked.id,
        wait: false,
    };
    admin.revoke_api_key(request).await.unwrap();
    let request = DisableUserRequest {
        name: "alice".into(),
    };
    let mut held = held.into_iter().zip(["was revoked", "was disabled"]);
    let mut send = async || {
        let (held, words) = held.next().unwrap();
        let request = IssueUserKeysRequest {
            services: vec!["photos".into()],
            receiver_public_key: ReceiverKey::generate().unwrap().public_key(),
            lease_seconds: 0,
        };
        refused(held.send(request).await, Code::Unauthenticated, words);
    };
    send().await;
    // Whoever has the name next is somebody else.
    admin.disable_user(request).await.unwrap();
    cluster.add_user("alice").await;
    cluster.grant("user/alice", "photos", &[], 0).await.unwrap();
    send().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_senders_hold_nobody_up() {
    let cluster = Cluster::start().await;
    cluster.add_service("photos").await;
    let token = cluster.join_token("photos").await;
    let mut held: Vec<Withheld<EnrollRequest, EnrollResponse>> = Vec::new();
    for _ in 0..3 {
        let channel = cluster.channel(None);
        for _ in 0..44 {
            held.push(withhold(&channel, "/cattery.v1.Enrollment/Enroll", None).await);
        }
    }
    health(&cluster.channel(None)).await;
    let key = KeyPair::generate().unwrap();
    let agent = cluster.enroll(&token, &key).await.unwrap();
    cluster.service_keys(&agent.client).await.unwrap();
    // They are still there, and get their answer.
    let request = EnrollRequest {
        csr: key.csr().unwrap(),
        join_token_id: vec![7; 8],
        join_token_secret: vec![7; 32],
    };
    let last = held.pop().unwrap().send(request).await;
    refused(last.map(drop), Code::Unauthenticated, "not valid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_takes_too_long_is_told_so() {
    let cluster = Cluster::start().await;
    let channel = cluster.channel(None);
    let held: Withheld<EnrollRequest, EnrollResponse> =
        withhold(&channel, "/cattery.v1.Enrollment/Enroll", None).await;
    let status = held.never_send().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let id = status.metadata().get("x-request-id").unwrap();
    let id = id.to_str().unwrap();
    assert!(status.message().contains(id), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_anybody_may_ask_are_short() {
    let cluster = Cluster::start().await;
    let request = HealthCheckRequest {
        service: "x".repeat(5_000),
    };
    let mut calls = HealthClient::new(cluster.channel(None));
    refused(calls.check(request).await, Code::OutOfRange, "");
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::FileByFilename("x".repeat(5_000))),
    };
    let mut calls = ServerReflectionClient::new(cluster.channel(None));
    let answers = calls
        .server_reflection_info(tokio_stream::once(request))
        .await;
    let answer = answers.unwrap().into_inner().message().await;
    assert!(!matches!(answer, Ok(Some(_))), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_fills_the_audit_log_by_being_refused() {
    let cluster = Cluster::start().await;
    let audrey = cluster.operator("audrey", "auditor").await;
    let mut calls = cluster.admin_as(&audrey.client);
    for number in 0..30 {
        let name = format!("service-{number}");
        let result = calls.add_service(AddServiceRequest { name }).await;
        refused(result, Code::PermissionDenied, "has the role `auditor`");
    }
    assert_eq!(cluster.audited("access_denied"), 1);
    let records = cluster.audit();
    let denied = records.iter().find(|r| r["action"] == "access_denied");
    let denied = denied.unwrap();
    assert_eq!(denied["actor"], "operator/audrey");
    let from = denied["fields"]["from"].as_str().unwrap();
    assert!(from.starts_with("127.0.0.1:"), "{from}");
}
