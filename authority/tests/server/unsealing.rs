use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use cattery_authority::app::{App, socket_path};
use cattery_authority::init::InitUnseal;
use cattery_proto::v1::unseal_client::UnsealClient;
use cattery_proto::v1::*;
use cattery_sdk::connect::Connector;
use cattery_sdk::tls::Trust;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpStream, UnixStream};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::harness::{Cluster, PASSPHRASE, passphrase, refused};

async fn made() -> Cluster {
    Cluster::made(|_| InitUnseal::Passphrase(passphrase())).await
}

/// The authority's own socket.
pub(crate) async fn local(dir: &Path) -> Channel {
    let path = socket_path(dir);
    let connect = tower::service_fn(move |_| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let endpoint = Endpoint::from_static("http://local");
    endpoint.connect_with_connector(connect).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_sealed_and_opens_with_its_passphrase() {
    let mut cluster = made().await;
    let dir = cluster.authority_dir();
    let running = App::start(cluster.config(), None).await.unwrap();
    assert!(running.is_sealed());
    // The port is ours, and nobody can mistake it for an open one.
    let mut stream = TcpStream::connect(running.local_addr()).await.unwrap();
    assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    let address = running.local_addr().to_string();
    let trust = Trust::Bundle(cluster.bundle.clone());
    let anybody = Connector::new(vec![address], &trust, None).unwrap();
    let mut closed = HealthClient::new(anybody.channel());
    let status = closed.check(HealthCheckRequest::default()).await;
    let said = anybody.explain(&status.unwrap_err());
    assert!(said.contains("is it sealed"), "{said}");
    let mode = std::fs::metadata(socket_path(&dir))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let channel = local(&dir).await;
    let mut health = HealthClient::new(channel.clone());
    let mut status = async || {
        let answer = health.check(HealthCheckRequest::default()).await.unwrap();
        answer.into_inner().status().as_str_name()
    };
    assert_eq!(status().await, "NOT_SERVING");
    let long = HealthCheckRequest {
        service: "x".repeat(5_000),
    };
    let result = HealthClient::new(channel.clone()).check(long).await;
    refused(result, Code::OutOfRange, "");

    let mut unseal = UnsealClient::new(channel);
    let with = |passphrase: &str| UnsealRequest {
        passphrase: passphrase.into(),
    };
    for wrong in ["", "wrong horse battery staple"] {
        let result = unseal.unseal(with(wrong)).await;
        refused(
            result,
            Code::FailedPrecondition,
            "the passphrase does not open this store",
        );
    }
    assert!(running.is_sealed());
    unseal.unseal(with(PASSPHRASE)).await.unwrap();
    running.opened().await;
    assert_eq!(status().await, "SERVING");
    // It is open, and that is all that was asked for.
    unseal.unseal(with("again")).await.unwrap();

    cluster.running = Some(running);
    cluster.add_service("photos").await;
    cluster.running.take().unwrap().shutdown().await;
    assert!(!socket_path(&dir).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_at_the_start_opens_it_at_once() {
    let mut cluster = made().await;
    for _ in 0..2 {
        let running = App::start(cluster.config(), Some(passphrase()))
            .await
            .unwrap();
        assert!(!running.is_sealed());
        cluster.running = Some(running);
        cluster
            .admin()
            .list_services(ListServicesRequest {})
            .await
            .unwrap();
        cluster.running.take().unwrap().shutdown().await;
    }
    let wrong = Some("wrong horse battery staple".to_owned().into());
    let error = App::start(cluster.config(), wrong).await.err().unwrap();
    assert!(
        error.to_string().contains("does not open this store"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passphrase_for_a_key_file_is_a_mistake() {
    let cluster = Cluster::made(|dir| InitUnseal::KeyFile(dir.join("k"))).await;
    let error = App::start(cluster.config(), Some(passphrase()))
        .await
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("opens with a key file"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_too_long_for_a_socket_is_named() {
    let cluster = made().await;
    let long = cluster.dir.path().join("d".repeat(100));
    std::fs::rename(cluster.authority_dir(), &long).unwrap();
    let config = cattery_authority::config::Config::load(&long).unwrap();
    let log = long
        .join("audit")
        .join(format!("{}.log", config.authority_id));
    let before = std::fs::read(&log).unwrap();
    for passphrase in [None, Some(passphrase())] {
        let error = App::start(config.clone(), passphrase).await.err().unwrap();
        assert!(error.to_string().contains("a shorter path"), "{error}");
    }
    // It never began.
    assert_eq!(std::fs::read(&log).unwrap(), before);
}

/// Of an authority that was killed while it made its files.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_half_made_is_in_nobodys_way() {
    let cluster = made().await;
    let dir = cluster.authority_dir();
    for name in ["authority.new", "authority.addr.new"] {
        drop(std::os::unix::net::UnixListener::bind(dir.join(name)).unwrap());
    }
    let running = App::start(cluster.config(), Some(passphrase()))
        .await
        .unwrap();
    assert!(!running.is_sealed());
    running.shutdown().await;
}
