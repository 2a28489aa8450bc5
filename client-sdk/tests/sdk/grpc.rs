//! The layers round a real tonic server and client.

use std::{net::SocketAddr, sync::atomic::Ordering};

use cattery_sdk::{
    MintOptions,
    sign::{SignInterceptor, SignLayer, Signer},
    verify::{Verifier, VerifyLayer},
};
use tokio::net::TcpListener;
use tonic::{
    Code,
    service::Interceptor as _,
    transport::{Channel, Endpoint, Server},
};
use tonic_health::{
    pb::{HealthCheckRequest, health_client::HealthClient},
    server::health_reporter,
};
use tower::Layer as _;

use crate::{agent::Agent, authority::Authority, client::connect};

async fn serve(agent: &Agent) -> SocketAddr {
    let verifier = Verifier::through_agent("photos", &agent.socket).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_, health) = health_reporter();
    let serving = Server::builder()
        .layer(VerifyLayer::new(verifier))
        .add_service(health)
        .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener));
    tokio::spawn(serving);
    address
}

fn channel(address: SocketAddr) -> Channel {
    Endpoint::from_shared(format!("http://{address}"))
        .unwrap()
        .connect_lazy()
}

#[tokio::test]
async fn calls_are_signed_and_refusals_are_statuses() {
    let authority = Authority::start().await;
    let mut agent = Agent::start();
    let client = connect(&authority).await;
    let address = serve(&agent).await;
    let signer = Signer::new(client, "photos");
    let check = HealthCheckRequest::default();

    let interceptor = SignInterceptor::new(signer.clone());
    let mut bearer = HealthClient::with_interceptor(channel(address), interceptor);
    bearer.check(check.clone()).await.unwrap();

    let bound = signer.clone().bound_to_request();
    let there = bound.clone().authority(address.to_string());
    let mut there = HealthClient::new(SignLayer::new(there).layer(channel(address)));
    there.check(check.clone()).await.unwrap();
    let elsewhere = SignLayer::new(bound.authority("elsewhere")).layer(channel(address));
    let status = HealthClient::new(elsewhere).check(check.clone()).await;
    let status = status.err().unwrap();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(status.message(), "caveat_failed");

    let narrow = signer.options(MintOptions {
        caveats: vec!["method=/grpc.health.v1.Health/Check".parse().unwrap()],
        ..MintOptions::default()
    });
    let mut narrow = HealthClient::new(SignLayer::new(narrow).layer(channel(address)));
    narrow.check(check.clone()).await.unwrap();
    let watched = narrow.watch(check.clone()).await;
    assert_eq!(watched.err().unwrap().code(), Code::PermissionDenied);

    let mut anonymous = HealthClient::new(channel(address));
    let status = anonymous.check(check.clone()).await.err().unwrap();
    assert_eq!(status.code(), Code::Unauthenticated);

    agent.stop().await;
    let status = bearer.check(check).await.err().unwrap();
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_unary_call_is_tried_once_more_with_newer_keys() {
    let authority = Authority::start().await;
    let agent = Agent::start();
    let client = connect(&authority).await;
    let address = serve(&agent).await;
    agent.knobs.epoch.store(2, Ordering::SeqCst);
    authority.knobs.epoch.store(2, Ordering::SeqCst);

    let layer = SignLayer::new(Signer::new(client, "photos"));
    let again = layer.clone().replay_buffered(4096).layer(channel(address));
    let check = HealthCheckRequest {
        service: String::new(),
    };
    HealthClient::new(again).check(check.clone()).await.unwrap();
    assert_eq!(authority.knobs.calls.load(Ordering::SeqCst), 2);

    agent.knobs.epoch.store(3, Ordering::SeqCst);
    let once = layer.layer(channel(address));
    let status = HealthClient::new(once).check(check).await.err().unwrap();
    assert_eq!(status.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn what_an_interceptor_cannot_sign_says_whose_fault_it_is() {
    let authority = Authority::start().await;
    authority.knobs.lease_seconds.store(0, Ordering::SeqCst);
    let ended = Signer::new(connect(&authority).await, "photos");
    let other = Authority::start().await;
    let client = connect(&other).await;
    let signer = Signer::new(client.clone(), "photos");
    let bad = MintOptions {
        claims: vec![0; 10_000],
        ..MintOptions::default()
    };
    for (signer, code) in [
        (ended, Code::Unavailable),
        (Signer::new(client, "mail"), Code::Unauthenticated),
        (signer.clone().options(bad), Code::Internal),
        (signer.bound_to_request(), Code::Internal),
    ] {
        let refused = SignInterceptor::new(signer).call(tonic::Request::new(()));
        let status = refused.err().unwrap();
        assert_eq!(status.code(), code, "{status}");
    }
}
