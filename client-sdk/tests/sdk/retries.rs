//! A token that is refused for its key.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use cattery_sdk::{
    sign::{Forward, SignLayer, Signer},
    verify::{Verifier, VerifyLayer},
};
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer as _, Service, ServiceExt as _};

use crate::{
    agent::Agent,
    authority::Authority,
    client::{connect, try_connect},
};

type Body = Full<Bytes>;

/// Refuses a number of requests, and panics where it is called before it said that it is ready.
struct Strict {
    is_ready: bool,
    refusals: Arc<AtomicU32>,
    challenge: &'static str,
}

impl Strict {
    fn new(refusals: u32) -> Self {
        Self {
            is_ready: false,
            refusals: Arc::new(refusals.into()),
            challenge: r#"Bearer realm="photos", error="invalid_token", error_description="revoked""#,
        }
    }
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self {
            is_ready: false,
            refusals: Arc::clone(&self.refusals),
            challenge: self.challenge,
        }
    }
}

impl Service<Request<Body>> for Strict {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.is_ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "it was not ready");
        let left = self
            .refusals
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
        let mut response = Response::new(Body::default());
        if left.is_ok() {
            *response.status_mut() = http::StatusCode::UNAUTHORIZED;
            let challenge = self.challenge.parse().unwrap();
            response.headers_mut().insert("www-authenticate", challenge);
        }
        ready(Ok(response))
    }
}

fn get() -> Request<Body> {
    Request::get("http://photos.test/")
        .body(Body::default())
        .unwrap()
}

/// Waits until the authority has been asked so often.
async fn asked(authority: &Authority, times: u32) {
    let asked = async {
        while authority.knobs.calls.load(Ordering::SeqCst) < times {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asked)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_called_is_what_was_ready() {
    let authority = Authority::start().await;
    let agent = Agent::start();
    let signer = Signer::new(connect(&authority).await, "photos");
    let signed = SignLayer::new(signer.clone()).layer(Strict::new(1));
    assert_eq!(signed.oneshot(get()).await.unwrap().status(), 200);

    let verifier = Verifier::through_agent("photos", &agent.socket).unwrap();
    let verified = VerifyLayer::new(verifier).layer(Strict::new(0));
    let signed = SignLayer::new(signer).layer(verified);
    assert_eq!(signed.oneshot(get()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_request_that_is_sent_once_has_newer_keys_fetched_too() {
    let authority = Authority::start().await;
    let client = connect(&authority).await;
    let signer = Signer::new(client.clone(), "photos");
    let signed = SignLayer::new(signer).send_once().layer(Strict::new(1));
    assert_eq!(signed.oneshot(get()).await.unwrap().status(), 401);
    asked(&authority, 2).await; // `client` keeps renewing alive
}

#[tokio::test]
async fn a_request_is_sent_twice_at_most() {
    let authority = Authority::start().await;
    let signer = Signer::new(connect(&authority).await, "photos");
    let strict = Strict::new(5);
    let signed = SignLayer::new(signer).layer(strict.clone());
    assert_eq!(signed.oneshot(get()).await.unwrap().status(), 401);
    assert_eq!(strict.refusals.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn anothers_refusal_is_the_callers_to_read() {
    let authority = Authority::start().await;
    let signer = Signer::new(connect(&authority).await, "photos");
    let mut strict = Strict::new(5);
    strict.challenge = r#"Bearer realm="mail", error="invalid_token", error_description="revoked""#;
    let signed = SignLayer::new(signer).layer(strict.clone());
    assert_eq!(signed.oneshot(get()).await.unwrap().status(), 401);
    assert_eq!(strict.refusals.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_refusal_further_on_has_newer_keys_fetched_and_nothing_sent_again() {
    let authority = Authority::start().await;
    let client = try_connect(authority.api_key(), &["photos", "archive"]).await;
    let client = client.unwrap();
    let signer = Signer::new(client.clone(), "photos").forward(Forward::new("archive"));
    let mut strict = Strict::new(5);
    strict.challenge =
        r#"Bearer realm="archive", error="invalid_token", error_description="revoked""#;
    let signed = SignLayer::new(signer).layer(strict.clone());
    assert_eq!(signed.oneshot(get()).await.unwrap().status(), 401);
    assert_eq!(strict.refusals.load(Ordering::SeqCst), 4);
    asked(&authority, 2).await;
}

#[tokio::test]
async fn keys_that_ended_unnoticed_are_renewed_before_a_request_fails() {
    let authority = Authority::start().await;
    authority.knobs.lease_seconds.store(0, Ordering::SeqCst);
    let client = connect(&authority).await;
    authority.knobs.lease_seconds.store(3600, Ordering::SeqCst);
    let signed = SignLayer::new(Signer::new(client, "photos")).layer(Strict::new(0));
    assert_eq!(signed.oneshot(get()).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_retired_epoch_is_fetched_anew_and_tried_once_more() {
    let authority = Authority::start().await;
    let agent = Agent::start();
    let signer = Signer::new(connect(&authority).await, "photos");
    let verifier = Verifier::through_agent("photos", &agent.socket).unwrap();
    let upstream = VerifyLayer::new(verifier).layer(Strict::new(0));
    agent.knobs.epoch.store(2, Ordering::SeqCst);
    authority.knobs.epoch.store(2, Ordering::SeqCst);

    let again = SignLayer::new(signer).replay_cloned().layer(upstream);
    let post = || {
        let mut request = get();
        *request.body_mut() = Body::from("cat.jpg");
        request
    };
    let calls: Vec<_> = (0..20)
        .map(|_| tokio::spawn(again.clone().oneshot(post())))
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(authority.knobs.calls.load(Ordering::SeqCst), 2);
}
