//! What a connection can do by itself, before and beside HTTP/2.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cattery_authority::app::App;
use cattery_authority::init::InitUnseal;
use cattery_sdk::tls::{AUTHORITY_NAME, Trust, client_config};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::harness::{Cluster, passphrase};
use crate::withheld::health;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// TLS, and nothing said. A small window for what comes back, so that it is full soon.
async fn connect(cluster: &Cluster) -> TlsStream<TcpStream> {
    let address: SocketAddr = cluster.address().parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let stream = socket.connect(address).await.unwrap();
    let config = client_config(&Trust::Bundle(cluster.bundle.clone()), None).unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let name = AUTHORITY_NAME.try_into().unwrap();
    connector.connect(name, stream).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_nothing_goes() {
    let cluster = Cluster::start().await;
    let mut silent = connect(&cluster).await;
    let mut half = connect(&cluster).await;
    half.write_all(b"PRI * HTTP").await.unwrap();
    let speaks = cluster.channel(None);
    health(&speaks).await;
    for stream in [&mut silent, &mut half] {
        let mut said = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut said))
            .await
            .expect("the connection is closed");
    }
    health(&speaks).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_stops_though_a_client_does_not_read() {
    let mut cluster = Cluster::start().await;
    let mut deaf = connect(&cluster).await;
    // RFC 9113: the preface, SETTINGS without any, then PINGs, each of which takes an answer.
    deaf.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    let pings = b"\0\0\x08\x06\0\0\0\0\0pingping".repeat(1_000);
    // Until nothing is taken from it any more, since its answers are not taken either.
    while let Ok(written) = timeout(Duration::from_secs(1), deaf.write_all(&pings)).await {
        written.unwrap();
    }
    let running = cluster.running.take().unwrap();
    timeout(PATIENCE, running.shutdown())
        .await
        .expect("it stops");
    cluster.restart().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_authority_has_its_port() {
    let (one, two) = (sealed().await, sealed().await);
    let running = App::start(one.config(), None).await.unwrap();
    assert!(running.is_sealed());
    let mut config = two.config();
    config.listen = running.local_addr().to_string();
    let error = App::start(config, None).await.err().unwrap().to_string();
    assert!(error.contains("another program has this port"), "{error}");
    running.shutdown().await;
}

async fn sealed() -> Cluster {
    Cluster::made(|_| InitUnseal::Passphrase(passphrase())).await
}
