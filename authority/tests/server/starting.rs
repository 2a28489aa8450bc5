use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use cattery_authority::app::{ADDRESS_FILE, App};
use cattery_authority::config::Config;
use cattery_authority::init::InitUnseal;
use cattery_proto::v1::*;
use cattery_sdk::connect::Connector;
use cattery_sdk::tls::Trust;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::harness::{Cluster, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_everything() {
    let mut cluster = Cluster::start().await;
    let agent = cluster.agent("photos").await;
    cluster.add_user("alice").await;
    let (_, api_key) = cluster.api_key("alice").await;
    cluster
        .grant("user/alice", "photos", &["path=/a"], 0)
        .await
        .unwrap();
    let before = cluster.service_keys(&agent.client).await.unwrap().1;
    cluster.restart().await;
    assert_eq!(cluster.service_keys(&agent.client).await.unwrap().1, before);
    let keys = cluster.user_keys(&api_key, &[], 0).await.unwrap();
    assert_eq!(keys[0].1.as_ref().unwrap().caveats().count(), 1);
    let mut admin = cluster.admin();
    let report = admin
        .verify_audit(VerifyAuditRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(report.intact, "{}", report.problem);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_reflection_are_open_to_all() {
    let cluster = Cluster::start().await;
    let mut health = HealthClient::new(cluster.channel(None));
    for service in [
        "",
        "cattery.v1.Admin",
        "cattery.v1.ServiceKeys",
        "cattery.v1.UserKeys",
        "cattery.v1.Enrollment",
    ] {
        let request = HealthCheckRequest {
            service: service.into(),
        };
        let answer = health.check(request).await.unwrap().into_inner();
        assert_eq!(answer.status().as_str_name(), "SERVING", "{service}");
    }
    let mut reflection = ServerReflectionClient::new(cluster.channel(None));
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = reflection
        .server_reflection_info(tokio_stream::once(request))
        .await
        .unwrap()
        .into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(list)) = answer.message_response else {
        panic!("{answer:?}")
    };
    let names: Vec<_> = list
        .service
        .iter()
        .map(|service| service.name.as_str())
        .collect();
    assert!(names.contains(&"cattery.v1.Admin"), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_carry_the_request_id_of_the_log() {
    let cluster = Cluster::start().await;
    let answer = cluster
        .admin()
        .list_services(ListServicesRequest {})
        .await
        .unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap().len(), 16);
    let request = AddServiceRequest {
        name: "photos".into(),
    };
    let answer = cluster.admin().add_service(request).await.unwrap();
    let id = answer
        .metadata()
        .get("x-request-id")
        .unwrap()
        .to_str()
        .unwrap();
    let records = cluster.audit();
    let added = records.iter().find(|r| r["action"] == "service_added");
    assert_eq!(added.unwrap()["request_id"], id);
    let request = AddServiceRequest { name: "Bad".into() };
    let status = cluster.admin().add_service(request).await.unwrap_err();
    assert_eq!(status.metadata().get("x-request-id").unwrap().len(), 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_this_clusters_authority_is_trusted_and_only_its_clients() {
    let cluster = Cluster::start().await;
    let other = Cluster::start().await;
    let wrong = Trust::Fingerprint([9; 32]);
    let connector = Connector::new(vec![cluster.address()], &wrong, None).unwrap();
    let mut health = HealthClient::new(connector.channel());
    let status = health
        .check(HealthCheckRequest::default())
        .await
        .unwrap_err();
    let said = connector.explain(&status);
    assert!(said.contains("is not the one meant"), "{said}");

    let trust = Trust::Bundle(cluster.bundle.clone());
    let stranger = Connector::new(vec![cluster.address()], &trust, Some(&other.root)).unwrap();
    let mut admin = admin_client::AdminClient::new(stranger.channel());
    let status = admin
        .list_services(ListServicesRequest {})
        .await
        .unwrap_err();
    let said = format!("{} {status:?}", stranger.explain(&status));
    assert!(
        said.contains("UnknownCA") || said.contains("DecryptError"),
        "{said}"
    );
}

/// Streams that are open do not keep it from stopping.
#[tokio::test(flavor = "multi_thread")]
async fn it_stops_with_clients_connected() {
    let mut cluster = Cluster::start().await;
    let mut health = HealthClient::new(cluster.channel(None));
    let mut watch = health
        .watch(HealthCheckRequest::default())
        .await
        .unwrap()
        .into_inner();
    watch.message().await.unwrap().unwrap();
    let address = cluster.config().dir.join(ADDRESS_FILE);
    assert_eq!(
        fs::read_to_string(&address).unwrap().trim(),
        cluster.address()
    );
    let running = cluster.running.take().unwrap();
    let stopping = tokio::spawn(running.shutdown());
    // Said at once, for whoever would send more.
    let status = watch.message().await.unwrap().unwrap().status();
    assert_eq!(status.as_str_name(), "NOT_SERVING");
    tokio::time::timeout(std::time::Duration::from_secs(60), stopping)
        .await
        .unwrap()
        .unwrap();
    assert!(!address.exists());
    cluster.restart().await;
}

async fn start_error(config: Config) -> String {
    match App::start(config, None).await {
        Ok(_) => panic!("it started"),
        Err(error) => {
            let said = error.to_string();
            assert!(!said.contains('\n'), "{said}");
            said
        }
    }
}

async fn made() -> Cluster {
    Cluster::made(|dir| InitUnseal::KeyFile(dir.join("unseal.key"))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_named() {
    let cluster = made().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut config = cluster.config();
    config.listen = taken.local_addr().unwrap().to_string();
    let said = start_error(config).await;
    assert!(said.contains("another program has this port"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_known_is_named() {
    let cluster = made().await;
    let mut config = cluster.config();
    config.listen = "no such host:7443".into();
    let said = start_error(config).await;
    assert!(
        said.contains("`no such host:7443`: correct `listen`"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn everywhere_is_no_address_to_tell_clients() {
    let cluster = made().await;
    let mut config = cluster.config();
    config.listen = "0.0.0.0:0".into();
    let said = start_error(config.clone()).await;
    assert!(said.contains("list in `addresses`"), "{said}");
    config.addresses = vec!["authority.example.org:7443".into()];
    let running = App::start(config, None).await.unwrap();
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_store_serves_one_authority() {
    let cluster = Cluster::start().await;
    let said = start_error(cluster.config()).await;
    assert!(
        said.contains("another process is using the store"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_another_cluster_is_refused() {
    let (one, two) = (made().await, made().await);
    let (from, to) = (one.authority_dir(), two.authority_dir());
    fs::copy(from.join("store.redb"), to.join("store.redb")).unwrap();
    let said = start_error(two.config()).await;
    let ids = [one.config().cluster_id, two.config().cluster_id];
    assert!(said.contains("is of cluster"), "{said}");
    for id in ids {
        assert!(said.contains(&id.to_string()), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_key_file_is_named() {
    let cluster = made().await;
    let key = cluster.dir.path().join("unseal.key");
    let with_mode = |mode| fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
    with_mode(0o644);
    let said = start_error(cluster.config()).await;
    assert!(said.contains("can be read by others (mode 0644)"), "{said}");
    with_mode(0o600);
    fs::rename(&key, cluster.dir.path().join("moved")).unwrap();
    let said = start_error(cluster.config()).await;
    assert!(
        said.contains("key file") && said.contains("unseal.key"),
        "{said}"
    );
    let other = made().await;
    fs::copy(other.dir.path().join("unseal.key"), &key).unwrap();
    let said = start_error(cluster.config()).await;
    assert!(said.contains("does not open this store"), "{said}");
}

#[test]
fn a_directory_without_an_authority_says_what_to_do() {
    let said = Config::load(Path::new("/nonexistent"))
        .unwrap_err()
        .to_string();
    assert!(said.contains("run `cattery init` first"), "{said}");
}

/// What is not in the table cannot be called.
#[tokio::test(flavor = "multi_thread")]
async fn methods_that_are_not_there() {
    let cluster = Cluster::start().await;
    let mut grpc = tonic::client::Grpc::new(cluster.channel(Some(&cluster.root)));
    grpc.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/cattery.v1.Admin/DropEverything");
    let codec = tonic_prost::ProstCodec::<AddUserRequest, AddUserResponse>::default();
    let request = tonic::Request::new(AddUserRequest::default());
    let result = grpc.unary(request, path, codec).await;
    refused(result, Code::Unimplemented, "there is no such method");
}

/// User keys are issued without a change of the store; their records are missed all the same once the authority has stopped.
#[tokio::test(flavor = "multi_thread")]
async fn an_audit_log_that_was_cut_short_is_refused_until_its_loss_is_accepted() {
    let mut cluster = Cluster::start().await;
    cluster.add_service("photos").await;
    cluster.add_user("alice").await;
    let (_, api_key) = cluster.api_key("alice").await;
    cluster.grant("user/alice", "photos", &[], 0).await.unwrap();
    cluster.user_keys(&api_key, &[], 0).await.unwrap();
    cluster.stop().await;

    let log = cluster.authority_dir().join("audit/authority-1.log");
    let text = fs::read_to_string(&log).unwrap();
    let cut = text[..text.len() - 1].rfind('\n').unwrap() + 1;
    assert!(text[cut..].contains("user_keys_issued"), "{}", &text[cut..]);
    fs::write(&log, &text[..cut]).unwrap();

    let config = cluster.config();
    let refused = cluster.restart_with(config.clone()).await.err().unwrap();
    let said = refused.to_string();
    assert!(said.contains("--accept-audit-loss"), "{said}");

    let accepting = Config {
        accept_audit_loss: true,
        ..config
    };
    cluster.restart_with(accepting).await.unwrap();
    assert_eq!(cluster.audited("audit_loss_accepted"), 1);
    cluster.restart().await;
    let request = VerifyAuditRequest {};
    let report = cluster.admin().verify_audit(request).await.unwrap();
    assert!(report.into_inner().intact);
}
