//! HTTP/2, gRPC services, and clients with certificates.

use std::{fs, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use cattery_core::{Caveat, request_digest};
use cattery_tests::{envoy, http, shipped, upstream::BODY};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use sha2::{Digest as _, Sha256};
use std::sync::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tonic::{Code, Request, metadata::MetadataMap, transport::Server};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::{Place, is, mint};
use crate::block_on;

#[test]
fn http_2_is_checked_like_http_1() -> Result<()> {
    let place = Place::new(&[])?;
    let key = place.town.key()?;
    let digest = request_digest("GET", "photos.example", "/albums/7?size=l", None);
    let token = mint(
        &key,
        &[Caveat::Request {
            digest,
            body: false,
        }],
    )?;
    let addr = place.envoy.addr;
    block_on(async move {
        let stream = TcpStream::connect(addr).await?;
        let io = TokioIo::new(stream);
        let (mut client, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        for (path, status, body) in [
            ("/albums/7?size=l", 200, BODY),
            ("/albums/8?size=l", 403, "caveat_failed\n"),
        ] {
            let request = hyper::Request::get(format!("http://photos.example{path}"))
                .header("authorization", format!("Bearer {token}"))
                .header("x-cat-principal", "user/root")
                .body(Empty::<Bytes>::new())?;
            let answer = client.send_request(request).await?;
            ensure!(answer.status() == status, "{path}: {answer:?}");
            let said = answer.into_body().collect().await?.to_bytes();
            ensure!(said == body.as_bytes(), "{path}: {said:?}");
        }
        Ok(())
    })?;
    let seen = place.upstream.one()?;
    ensure!(seen.all("x-cat-principal") == ["user/alice"], "{seen:?}");
    Ok(())
}

/// What a gRPC service was sent.
type Sent = Arc<Mutex<Vec<MetadataMap>>>;

/// A gRPC service: that of health, which everybody knows.
async fn grpc_service(listener: TcpListener, sent: Sent) -> Result<()> {
    let (reporter, _) = tonic_health::server::health_reporter();
    let service = tonic_health::server::HealthService::from_health_reporter(reporter);
    let note = move |request: Request<()>| {
        let mut sent = sent
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        sent.push(request.metadata().clone());
        Ok(request)
    };
    let service = tonic_health::pb::health_server::HealthServer::with_interceptor(service, note);
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    Server::builder()
        .add_service(service)
        .serve_with_incoming(incoming)
        .await?;
    Ok(())
}

#[test]
fn a_grpc_service_is_behind_it_like_any_other() -> Result<()> {
    let place = Place::new(&[])?;
    let key = place.town.key()?;
    let token = mint(&key, &[Caveat::PathPrefix("/grpc.health.v1.Health".into())])?;
    let elsewhere = mint(&key, &[Caveat::PathPrefix("/albums".into())])?;
    block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let sent = Sent::default();
        let upstream = listener.local_addr()?;
        tokio::spawn(grpc_service(listener, Arc::clone(&sent)));
        let pipe = envoy::pipe(&place.town.agent.socket);
        let http2 = "typed_extension_protocol_options: *http2";
        let grpc = [(&format!("# {http2}")[..], http2)];
        let envoy = envoy::Envoy::start(place.town.folder(), &pipe, upstream, &grpc)?;
        let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", envoy.addr))?
            .connect()
            .await?;
        let mut client = HealthClient::new(channel);
        let ask = |token: Option<&str>| -> Result<Request<HealthCheckRequest>> {
            let mut request = Request::new(HealthCheckRequest::default());
            let metadata = request.metadata_mut();
            metadata.insert("x-cat-principal", "user/root".parse()?);
            if let Some(token) = token {
                metadata.insert("authorization", format!("Bearer {token}").parse()?);
            }
            Ok(request)
        };
        let answer = client.check(ask(Some(&token))?).await?;
        ensure!(answer.into_inner().status == 1);
        for (token, code, message) in [
            (None, Code::Unauthenticated, "no_token\n"),
            (
                Some(&elsewhere[..]),
                Code::PermissionDenied,
                "caveat_failed\n",
            ),
        ] {
            let refused = client.check(ask(token)?).await;
            let refused = refused.err().context("it is refused")?;
            ensure!(refused.code() == code, "{refused:?}");
            ensure!(refused.message().trim() == message.trim(), "{refused:?}");
            ensure!(
                refused.metadata().contains_key("x-cat-decision-id"),
                "{refused:?}"
            );
            ensure!(refused.metadata().contains_key("www-authenticate"));
        }
        let sent = sent.lock().map_err(|error| anyhow::anyhow!("{error}"))?;
        ensure!(sent.len() == 1, "{sent:?}");
        let principals: Vec<_> = sent[0].get_all("x-cat-principal").iter().collect();
        ensure!(principals == ["user/alice"] && !sent[0].contains_key("authorization"));
        Ok(())
    })
}

#[test]
fn a_token_is_bound_to_its_clients_certificate() -> Result<()> {
    let files = cattery_tests::town::Folder::new()?;
    let path = |name: &str| files.path().join(name).display().to_string();
    let server = rcgen::generate_simple_self_signed(["photos.example".to_owned()])?;
    let client = rcgen::generate_simple_self_signed(["client.example".to_owned()])?;
    fs::write(path("server.pem"), server.cert.pem())?;
    fs::write(path("server.key"), server.signing_key.serialize_pem())?;
    fs::write(path("clients-ca.pem"), client.cert.pem())?;
    let paths = ["server.pem", "server.key", "clients-ca.pem"]
        .map(|name| (format!("/etc/envoy/tls/{name}"), path(name)));
    let paths = paths.iter().map(|(from, to)| (&from[..], &to[..]));
    let tls = shipped::changed("envoy/downstream_tls.yaml", paths)?;
    let place = Place::new(&[("          # HTTPS: downstream_tls.yaml goes here.\n", &tls)])?;
    let key = place.town.key()?;
    let certificate = Sha256::digest(client.cert.der()).into();
    let token = mint(&key, &[Caveat::ClientCert(certificate)])?;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(server.cert.der().clone())?;
    let config = rustls::ClientConfig::builder().with_root_certificates(roots);
    let with = config.clone().with_client_auth_cert(
        vec![CertificateDer::from(client.cert.der().to_vec())],
        PrivatePkcs8KeyDer::from(client.signing_key.serialize_der()).into(),
    )?;
    let without = config.with_no_client_auth();
    for (config, status) in [(with, 200), (without, 403)] {
        let answer = over_tls(config, place.envoy.addr, &token)?;
        ensure!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    ensure!(place.upstream.count() == 1);
    // Envoy does not speak plain HTTP there any more.
    ensure!(http::get(place.envoy.addr, "/", &[]).is_err());
    is(&http::get(place.upstream.addr, "/", &[])?, 200, BODY)
}

fn over_tls(
    config: rustls::ClientConfig,
    addr: std::net::SocketAddr,
    token: &str,
) -> Result<String> {
    use std::io::{Read as _, Write as _};
    let name = ServerName::try_from("photos.example")?;
    let connection = rustls::ClientConnection::new(Arc::new(config), name)?;
    let mut stream = rustls::StreamOwned::new(connection, std::net::TcpStream::connect(addr)?);
    let request = format!(
        "GET / HTTP/1.1\r\nhost: photos.example\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    // Envoy may close without saying so in TLS.
    let _ = stream.read_to_end(&mut answer);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
