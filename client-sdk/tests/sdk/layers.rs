//! What one side signs, the other side verifies.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use cattery_sdk::{
    Client, ConnectOptions, Credentials, MintOptions,
    body::BodySha256,
    sign::{DigestBodyLayer as SignDigest, SignError, SignLayer, Signer},
    verify::{
        Caller, CallerRef, ClientCertSha256, DigestBodyLayer as VerifyDigest, RequestFacts,
        SourceAddr, Verifier, VerifyLayer,
    },
};
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::Full;
use tower::{Layer as _, ServiceExt as _, util::BoxCloneService};

use crate::{agent::Agent, authority::Authority, client::connect};

type Body = Full<Bytes>;
type Upstream = BoxCloneService<Request<Body>, Response<Body>, Infallible>;

/// Says who called, and shows the headers that got through.
fn upstream(layer: &VerifyLayer) -> Upstream {
    let hello = tower::service_fn(|request: Request<Body>| async move {
        let caller = request.extensions().get::<Caller>().unwrap().clone();
        let mut response = Response::new(Body::default());
        response
            .headers_mut()
            .insert("who", caller.principal.parse().unwrap());
        for (name, value) in request.headers() {
            if name != AUTHORIZATION {
                response.headers_mut().append(name, value.clone());
            }
        }
        response.extensions_mut().insert(caller);
        Ok::<_, Infallible>(response)
    });
    BoxCloneService::new(layer.layer(hello))
}

fn get(path: &str) -> Request<Body> {
    Request::get(path)
        .header("host", "photos.test")
        .body(Body::default())
        .unwrap()
}

fn bearer(token: &str) -> Request<Body> {
    let mut request = get("/albums");
    let value = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert(AUTHORIZATION, value);
    request
}

fn grpc(token: &str) -> Request<Body> {
    let mut request = bearer(token);
    let kind = "application/grpc+proto".parse().unwrap();
    request.headers_mut().insert("content-type", kind);
    request
}

async fn answer(upstream: &Upstream, request: Request<Body>) -> (u16, String) {
    let response = upstream.clone().oneshot(request).await.unwrap();
    let challenge = response.headers().get("www-authenticate");
    let challenge = challenge.map_or("", |value| value.to_str().unwrap());
    (response.status().as_u16(), challenge.to_owned())
}

fn with_caveat(text: &str) -> MintOptions {
    MintOptions {
        caveats: vec![text.parse().unwrap()],
        ..MintOptions::default()
    }
}

struct World {
    _authority: Authority,
    agent: Agent,
    client: Client,
}

impl World {
    async fn start() -> Self {
        let authority = Authority::start().await;
        let client = connect(&authority).await;
        Self {
            client,
            _authority: authority,
            agent: Agent::start(),
        }
    }

    /// Both ways of verifying.
    async fn upstreams(&self) -> [Upstream; 2] {
        let through = Verifier::through_agent("photos", &self.agent.socket).unwrap();
        let inside = Verifier::in_process("photos", &self.agent.socket)
            .await
            .unwrap();
        [through, inside].map(|verifier| {
            let layer = VerifyLayer::new(verifier).scope(|parts| {
                parts
                    .uri
                    .path()
                    .starts_with("/albums")
                    .then(|| "photos.read".to_owned())
            });
            upstream(&layer)
        })
    }

    fn signer(&self) -> Signer {
        Signer::new(self.client.clone(), "photos")
    }
}

#[tokio::test]
async fn what_is_signed_is_accepted_and_says_who_it_is() {
    let world = World::start().await;
    for upstream in world.upstreams().await {
        let signed = SignLayer::new(world.signer()).layer(upstream);
        let mut request = get("/albums?x=1");
        for (name, value) in [
            ("x-cat-principal", "user/root"),
            ("X_CAT_scopes", "all"),
            ("x-cat-", "1"),
            ("x-cattery", "stays"),
        ] {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, value.parse().unwrap());
        }
        let response = signed.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["who"], "user/alice");
        assert_eq!(response.headers()["x-cattery"], "stays");
        for gone in ["x-cat-principal", "x_cat_scopes", "x-cat-"] {
            assert!(!response.headers().contains_key(gone), "{gone}");
        }
        let caller = response.extensions().get::<Caller>().unwrap();
        assert_eq!((caller.epoch, caller.lease_id), (1, [1; 8]));
        assert_eq!(caller.scopes, None);
    }
    assert_eq!(world.agent.knobs.verified.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn refusals_say_the_code_and_no_more() {
    let world = World::start().await;
    let good = world
        .client
        .mint("photos", &MintOptions::default())
        .unwrap();
    let elsewhere = world
        .client
        .mint("photos", &with_caveat("path=/admin"))
        .unwrap();
    let scoped = world
        .client
        .mint("photos", &with_caveat("scope=photos.read"))
        .unwrap();
    let mut tampered = good.to_string();
    let last = tampered.len() - 10;
    let other = if &tampered[last..=last] == "A" {
        "B"
    } else {
        "A"
    };
    tampered.replace_range(last..=last, other);
    for upstream in world.upstreams().await {
        assert_eq!(answer(&upstream, bearer(&scoped)).await.0, 200);
        let (status, challenge) = answer(&upstream, bearer(&tampered)).await;
        assert_eq!(status, 401);
        assert_eq!(
            challenge,
            r#"Bearer realm="photos", error="invalid_token", error_description="bad_tag""#
        );
        let (status, challenge) = answer(&upstream, bearer(&elsewhere)).await;
        assert_eq!(status, 403);
        assert!(challenge.contains("caveat_failed"), "{challenge}");
        let (status, challenge) = answer(&upstream, get("/albums")).await;
        assert_eq!(
            (status, challenge.as_str()),
            (401, r#"Bearer realm="photos""#)
        );
        let mut twice = bearer(&good);
        let value = twice.headers()[AUTHORIZATION].clone();
        twice.headers_mut().append(AUTHORIZATION, value);
        let (status, challenge) = answer(&upstream, twice).await;
        assert!(status == 401 && challenge.contains("malformed"));

        let response = upstream.clone().oneshot(grpc(&tampered)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["grpc-status"], "16");
        assert_eq!(response.headers()["grpc-message"], "bad_tag");
    }
}

#[tokio::test]
async fn a_bound_token_is_good_for_its_request_alone() {
    let world = World::start().await;
    let nameless = || Request::get("/albums").body(Body::default()).unwrap();
    for upstream in world.upstreams().await {
        for (signer, elsewhere) in [(world.signer(), 403), (world.signer().bearer(), 200)] {
            let mut request = get("/albums?x=1");
            signer.sign(&mut request).unwrap();
            let mut moved = get("/albums?x=2");
            *moved.headers_mut() = request.headers().clone();
            assert_eq!(answer(&upstream, request).await.0, 200);
            assert_eq!(answer(&upstream, moved).await.0, elsewhere);
        }
        // There is no authority to bind to.
        let mut bearer = nameless();
        world.signer().sign(&mut bearer).unwrap();
        assert_eq!(answer(&upstream, bearer).await.0, 200);
    }
    let signer = world.signer().bound_to_request();
    assert!(signer.sign(&mut nameless()).is_err());
    let named = signer.authority("photos.test");
    assert!(named.sign(&mut nameless()).is_ok());
}

#[tokio::test]
async fn what_the_service_demands_is_demanded_both_ways() {
    let world = World::start().await;
    world
        .agent
        .knobs
        .demands_binding
        .store(true, Ordering::SeqCst);
    for upstream in world.upstreams().await {
        for (signer, status) in [(world.signer(), 200), (world.signer().bearer(), 403)] {
            let mut request = get("/albums");
            signer.sign(&mut request).unwrap();
            assert_eq!(answer(&upstream, request).await.0, status);
        }
    }
}

#[tokio::test]
async fn a_body_is_bound_to_on_request_and_held_up_to_a_bound() {
    let world = World::start().await;
    let post = |body: &'static str| {
        let mut request = get("/albums");
        *request.body_mut() = Body::from(body);
        request
    };
    for upstream in world.upstreams().await {
        let digested = BoxCloneService::new(VerifyDigest::new(10).layer(upstream.clone()));
        let sign = |service: Upstream| {
            // What a request has beside its bytes is not sent.
            let sent = service.map_request(|mut request: Request<Body>| {
                *request.extensions_mut() = http::Extensions::new();
                request
            });
            let signed = SignLayer::new(world.signer()).replay_cloned().layer(sent);
            SignDigest::new(10).layer(signed)
        };
        let response = sign(digested).oneshot(post("cat.jpg")).await.unwrap();
        assert_eq!(response.status(), 200);
        let unknown = sign(upstream.clone()).oneshot(post("cat.jpg")).await;
        assert_eq!(unknown.unwrap().status(), 403); // nobody there knows the body
        let long = sign(upstream).oneshot(post("12345678901")).await;
        let refused = long.unwrap_err().downcast::<SignError>().unwrap();
        assert!(matches!(*refused, SignError::BodyTooLong { limit: 10 }));
    }
}

/// A body that goes on for ever, eight bytes at a time, and counts them.
struct Endless(Arc<AtomicUsize>);

impl From<Bytes> for Endless {
    fn from(_: Bytes) -> Self {
        unreachable!("it never ends")
    }
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        self.0.fetch_add(8, Ordering::SeqCst);
        let data = Bytes::from_static(b"12345678");
        Poll::Ready(Some(Ok(http_body::Frame::data(data))))
    }
}

#[tokio::test]
async fn of_a_stream_no_more_is_read_than_may_be_held() {
    let world = World::start().await;
    let never = tower::service_fn(|_: Request<Endless>| {
        std::future::ready(Ok::<_, Infallible>(Response::new(Body::default())))
    });
    let signed = SignLayer::new(world.signer()).send_once().layer(never);
    let read = Arc::new(AtomicUsize::new(0));
    let request = Request::post("http://photos.test/").body(Endless(read.clone()));
    let refused = SignDigest::new(100)
        .layer(signed)
        .oneshot(request.unwrap())
        .await;
    let refused = refused.unwrap_err().downcast::<SignError>().unwrap();
    assert!(matches!(*refused, SignError::BodyTooLong { limit: 100 }));
    assert_eq!(read.load(Ordering::SeqCst), 104);
}

#[tokio::test]
async fn a_token_can_be_bound_to_a_body() {
    let world = World::start().await;
    let signer = world.signer().bound_to_request();
    let post = |body: &'static str| {
        let mut request = get("/albums");
        *request.body_mut() = Body::from(body);
        request
    };
    let mut signed = post("cat.jpg");
    signed.extensions_mut().insert(BodySha256::of(b"cat.jpg"));
    signer.sign(&mut signed).unwrap();
    *signed.extensions_mut() = http::Extensions::new();
    for upstream in world.upstreams().await {
        assert_eq!(answer(&upstream, signed.clone()).await.0, 403); // nobody knows the body
        let upstream = BoxCloneService::new(VerifyDigest::new(10).layer(upstream));
        assert_eq!(answer(&upstream, signed.clone()).await.0, 200);
        let mut other = post("dog.jpg");
        *other.headers_mut() = signed.headers().clone();
        assert_eq!(answer(&upstream, other).await.0, 403);
        let mut long = post("a body that is too long");
        assert_eq!(answer(&upstream, long.clone()).await.0, 401); // nobody reads it
        *long.headers_mut() = signed.headers().clone();
        assert_eq!(answer(&upstream, long).await.0, 413);
    }
}

#[tokio::test]
async fn a_single_use_is_the_agents_to_grant() {
    let mut world = World::start().await;
    let once = |id: u8| with_caveat(&format!("once={}", format!("{id:02x}").repeat(16)));
    let upstreams = world.upstreams().await;
    for (id, upstream) in (1..).zip(&upstreams) {
        let token = world.client.mint("photos", &once(id)).unwrap();
        assert_eq!(answer(upstream, bearer(&token)).await.0, 200);
        for other in &upstreams {
            let (status, challenge) = answer(other, bearer(&token)).await;
            assert!(
                status == 401 && challenge.contains("replayed"),
                "{challenge}"
            );
        }
    }
    world.agent.stop().await;
    let token = world.client.mint("photos", &once(7)).unwrap();
    for upstream in &upstreams {
        assert_eq!(answer(upstream, bearer(&token)).await.0, 503);
    }
}

#[tokio::test]
async fn without_an_agent_nobody_can_tell() {
    let mut world = World::start().await;
    let [through, inside] = world.upstreams().await;
    let token = world
        .client
        .mint("photos", &MintOptions::default())
        .unwrap();
    world
        .agent
        .knobs
        .good_for_nothing
        .store(true, Ordering::SeqCst);
    let [_, stale] = world.upstreams().await;
    assert_eq!(answer(&through, bearer(&token)).await.0, 200);
    world.agent.stop().await;
    assert_eq!(answer(&through, bearer(&token)).await.0, 503);
    assert_eq!(answer(&inside, bearer(&token)).await.0, 200); // within what the agent allowed
    assert_eq!(answer(&stale, bearer(&token)).await.0, 503);
}

#[tokio::test]
async fn single_use_is_an_option_of_minting() {
    let world = World::start().await;
    let once = MintOptions {
        single_use: true,
        ..MintOptions::default()
    };
    let options = ConnectOptions {
        services: vec!["photos".into()],
        lease: None,
    };
    let credentials = Credentials::Agent {
        socket: world.agent.socket.clone(),
    };
    let of_agent = Client::connect(credentials, options).await.unwrap();
    for client in [&world.client, &of_agent] {
        for upstream in world.upstreams().await {
            for _ in 0..2 {
                let token = client.mint("photos", &once).unwrap();
                assert_eq!(answer(&upstream, bearer(&token)).await.0, 200);
                assert_eq!(answer(&upstream, bearer(&token)).await.0, 401);
            }
        }
    }
    world.agent.knobs.used.full.store(true, Ordering::SeqCst);
    let token = world.client.mint("photos", &once).unwrap();
    for upstream in world.upstreams().await {
        let (status, challenge) = answer(&upstream, bearer(&token)).await;
        assert!(
            status == 503 && challenge.contains("replay_full"),
            "{challenge}"
        );
        let response = upstream.oneshot(grpc(&token)).await.unwrap();
        assert_eq!(response.headers()["grpc-status"], "14");
        assert_eq!(response.headers()["grpc-message"], "replay_full");
        assert_eq!(response.headers()["cache-control"], "no-store");
    }
}

#[tokio::test]
async fn no_agent_is_asked_about_what_is_too_long_to_be_a_token() {
    let world = World::start().await;
    let [through, _] = world.upstreams().await;
    let endless = format!("cat1_{}", "A".repeat(60_000));
    let (status, challenge) = answer(&through, bearer(&endless)).await;
    assert!(status == 401 && challenge.contains("malformed"));
    assert_eq!(world.agent.knobs.verified.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn address_and_certificate_are_what_the_server_says() {
    let world = World::start().await;
    let by_address = world
        .client
        .mint("photos", &with_caveat("addr=192.0.2.0/24"))
        .unwrap();
    let cert = format!("cert={}", "07".repeat(32));
    let by_cert = world.client.mint("photos", &with_caveat(&cert)).unwrap();
    let through = Verifier::through_agent("photos", &world.agent.socket).unwrap();
    let inside = Verifier::in_process("photos", &world.agent.socket).await;
    for verifier in [through, inside.unwrap()] {
        let silent = upstream(&VerifyLayer::new(verifier.clone()));
        let told = upstream(
            &VerifyLayer::new(verifier)
                .source_addr(|parts| parts.headers.get("from-test")?.to_str().ok()?.parse().ok())
                .client_cert(|_| Some([7; 32])),
        );
        let near = "192.0.2.7";
        let mut request = bearer(&by_address);
        assert_eq!(answer(&silent, request.clone()).await.0, 403);
        let address = SourceAddr(near.parse().unwrap());
        request.extensions_mut().insert(address);
        assert_eq!(answer(&silent, request.clone()).await.0, 200);
        // What the layer is told counts alone.
        assert_eq!(answer(&told, request.clone()).await.0, 403);
        request
            .headers_mut()
            .insert("from-test", near.parse().unwrap());
        assert_eq!(answer(&told, request).await.0, 200);

        let mut request = bearer(&by_cert);
        assert_eq!(answer(&silent, request.clone()).await.0, 403);
        assert_eq!(answer(&told, request.clone()).await.0, 200);
        request.extensions_mut().insert(ClientCertSha256([7; 32]));
        assert_eq!(answer(&silent, request).await.0, 200);
    }
}

#[tokio::test]
async fn a_verifier_can_be_asked_without_a_layer() {
    let world = World::start().await;
    let token = world
        .client
        .mint("photos", &with_caveat("scope=photos.read"))
        .unwrap();
    let verifier = Verifier::in_process("photos", &world.agent.socket).await;
    let verifier = verifier.unwrap();
    let facts = RequestFacts {
        scope: Some("photos.read"),
        ..RequestFacts::default()
    };
    let caller = verifier.verify(&token, &facts).await.unwrap();
    assert_eq!(caller.scopes.as_deref(), Some(&["photos.read".into()][..]));
    let refusal = verifier.verify(&token, &RequestFacts::default()).await;
    let refusal = refusal.unwrap_err();
    assert_eq!(refusal.code(), "caveat_failed");
    assert_eq!(refusal.http_status(), 403);
}

#[tokio::test]
async fn who_is_calling_is_lent_once_nothing_can_be_refused_any_more() {
    let world = World::start().await;
    let options = MintOptions {
        single_use: true,
        claims_type: "test.Claims".to_owned(),
        claims: vec![1, 2],
        ..with_caveat("scope=photos.read")
    };
    let facts = RequestFacts {
        scope: Some("photos.read"),
        ..RequestFacts::default()
    };
    let through = Verifier::through_agent("photos", &world.agent.socket).unwrap();
    let inside = Verifier::in_process("photos", &world.agent.socket).await;
    for verifier in [through, inside.unwrap()] {
        let plain = world.client.mint("photos", &MintOptions::default());
        let owned = verifier.verify(&plain.unwrap(), &facts).await.unwrap();
        let once = world.client.mint("photos", &options).unwrap();
        let look = |caller: CallerRef<'_>| Caller::from(caller);
        let lent = verifier.verify_with(&once, &facts, look).await.unwrap();
        assert_eq!(lent.principal, owned.principal);
        assert_eq!(lent.lease_id, owned.lease_id);
        assert_eq!(lent.scopes.as_deref(), Some(&["photos.read".into()][..]));
        assert_eq!(lent.claims, [1, 2]);
        let mut looked = false;
        let again = verifier.verify_with(&once, &facts, |_| looked = true).await;
        assert_eq!(again.unwrap_err().http_status(), 401);
        assert!(!looked);
    }
}
