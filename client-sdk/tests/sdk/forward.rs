//! Calls for somebody else: alice signs for `photos` through `service/web`, which presents it.

use std::{convert::Infallible, sync::atomic::Ordering};

use bytes::Bytes;
use cattery_sdk::{
    Client, ConnectOptions, Credentials, MintOptions,
    sign::{CarryForwardLayer, Forward, SignError, SignInterceptor, SignLayer, Signer},
    verify::{Caller, Forwarded, RequestFacts, Verifier, VerifyLayer},
};
use http::{HeaderMap, HeaderValue, Request, Response, header::AUTHORIZATION};
use http_body_util::Empty;
use tonic::service::Interceptor as _;
use tower::{Layer as _, ServiceExt as _};

use crate::{agent::Agent, authority::Authority, client::connect};

const FORWARD: &str = "x-cat-forward";

type Body = Empty<Bytes>;

struct World {
    _authority: Authority,
    agent: Agent,
    alice: Client,
    web: Client,
}

impl World {
    async fn start() -> Self {
        let authority = Authority::start().await;
        let agent = Agent::start();
        let options = ConnectOptions {
            services: vec!["photos".into()],
            lease: None,
        };
        let credentials = Credentials::Agent {
            socket: agent.socket.clone(),
        };
        Self {
            alice: connect(&authority).await,
            web: Client::connect(credentials, options).await.unwrap(),
            _authority: authority,
            agent,
        }
    }

    async fn verifiers(&self) -> [Verifier; 2] {
        let inside = Verifier::in_process("photos", &self.agent.socket).await;
        [
            Verifier::through_agent("photos", &self.agent.socket).unwrap(),
            inside.unwrap(),
        ]
    }

    /// What alice adds to her requests to `web`.
    fn alices(&self, forward: Forward) -> HeaderValue {
        let signer = Signer::new(self.alice.clone(), "web").forward(forward);
        signer.forwarded().unwrap().remove(0)
    }

    /// A request of this client's, which brings these along.
    fn request(&self, client: &Client, lines: &[HeaderValue]) -> Request<Body> {
        let mut request = Request::get("/albums").body(Body::new()).unwrap();
        Signer::new(client.clone(), "photos")
            .sign(&mut request)
            .unwrap();
        for line in lines {
            request.headers_mut().append(FORWARD, line.clone());
        }
        request
    }
}

fn narrowed(caveat: &str) -> MintOptions {
    MintOptions {
        caveats: vec![caveat.parse().unwrap()],
        ..MintOptions::default()
    }
}

/// What `photos` makes of a request: its status, who called, and what came along.
async fn ask(layer: &VerifyLayer, request: Request<Body>) -> (u16, Option<Seen>) {
    let service = layer.layer(tower::service_fn(|request: Request<Body>| async move {
        assert!(!request.headers().contains_key(FORWARD));
        let mut response = Response::new(Body::new());
        response.extensions_mut().insert(Seen {
            caller: request
                .extensions()
                .get::<Caller>()
                .unwrap()
                .principal
                .clone(),
            forwarded: request.extensions().get::<Forwarded>().cloned(),
        });
        Ok::<_, Infallible>(response)
    }));
    let mut response = service.oneshot(request).await.unwrap();
    (response.status().into(), response.extensions_mut().remove())
}

#[derive(Clone)]
struct Seen {
    caller: String,
    forwarded: Option<Forwarded>,
}

impl Seen {
    /// Who, or the code; in words.
    fn verdicts(&self) -> Vec<String> {
        let verdicts = self.forwarded.as_ref().unwrap().verdicts().iter();
        let word = |verdict: &Result<Caller, _>| match verdict {
            Ok(caller) => caller.principal.clone(),
            Err(refusal) => cattery_sdk::verify::Refusal::code(refusal).to_owned(),
        };
        verdicts.map(word).collect()
    }
}

#[tokio::test]
async fn caller_and_user_are_both_told() {
    let world = World::start().await;
    let once = MintOptions {
        single_use: true,
        ..narrowed("path=/albums")
    };
    for verifier in world.verifiers().await {
        let photos = VerifyLayer::new(verifier);
        let alices = world.alices(Forward::new("photos").options(once.clone()));
        assert!(alices.is_sensitive());
        let request = world.request(&world.web, std::slice::from_ref(&alices));
        let (status, seen) = ask(&photos, request).await;
        let seen = seen.unwrap();
        assert_eq!((status, &seen.caller[..]), (200, "service/web"));
        assert_eq!(seen.verdicts(), ["user/alice"]);
        let again = world.request(&world.web, &[alices]);
        let seen = ask(&photos, again).await.1.unwrap();
        assert_eq!(seen.verdicts(), ["replayed"]);
        let alone = ask(&photos, world.request(&world.web, &[])).await.1;
        assert!(alone.unwrap().forwarded.is_none());
    }
}

#[tokio::test]
async fn a_forwarded_token_is_good_in_no_other_hands() {
    let world = World::start().await;
    let alices = world.alices(Forward::new("photos"));
    let others = world.alices(Forward::new("photos").through("service/mail"));
    let bare = world.alice.mint("photos", &MintOptions::default()).unwrap();
    let bare = HeaderValue::from_str(&bare).unwrap();
    for verifier in world.verifiers().await {
        let photos = VerifyLayer::new(verifier);
        let mut stolen = world.request(&world.web, &[]);
        let text = format!("Bearer {}", alices.to_str().unwrap());
        stolen
            .headers_mut()
            .insert(AUTHORIZATION, text.parse().unwrap());
        assert_eq!(ask(&photos, stolen).await.0, 403);

        let request = world.request(&world.alice, std::slice::from_ref(&alices));
        let seen = ask(&photos, request).await.1.unwrap();
        assert_eq!(seen.verdicts(), ["presenter_not_trusted"]);

        let lines = [bare.clone(), others.clone()];
        let seen = ask(&photos, world.request(&world.web, &lines)).await.1;
        assert_eq!(seen.unwrap().verdicts(), ["caveat_failed"; 2]);
    }
}

#[tokio::test]
async fn each_has_a_verdict_of_its_own_and_malformed_is_not_absent() {
    let world = World::start().await;
    let alices = world.alices(Forward::new("photos"));
    let text = alices.to_str().unwrap();
    let line = |text: String| HeaderValue::from_str(&text).unwrap();
    for verifier in world.verifiers().await {
        let photos = VerifyLayer::new(verifier);
        let mixed = [
            line(format!("cat1_broken, {text},{text}x")),
            HeaderValue::from_bytes(b"\xff").unwrap(),
            alices.clone(),
        ];
        let (status, seen) = ask(&photos, world.request(&world.web, &mixed)).await;
        assert_eq!(status, 200);
        let expected = [
            "malformed",
            "user/alice",
            "malformed",
            "malformed",
            "user/alice",
        ];
        assert_eq!(seen.unwrap().verdicts(), expected);

        for too_much in ["".to_owned(), ["cat1_"; 9].join(","), "A".repeat(70_000)] {
            let request = world.request(&world.web, &[line(too_much)]);
            let (status, seen) = ask(&photos, request).await;
            assert_eq!(status, 200);
            assert_eq!(seen.unwrap().verdicts(), ["malformed"]);
        }
        let mut bad = world.request(&world.web, std::slice::from_ref(&alices));
        bad.headers_mut()
            .insert(AUTHORIZATION, "Bearer cat1_A".parse().unwrap());
        assert_eq!(ask(&photos, bad).await.0, 401);
    }
}

#[tokio::test]
async fn an_agent_that_says_nothing_of_them_is_not_taken_to_agree() {
    let world = World::start().await;
    world.agent.knobs.is_old.store(true, Ordering::SeqCst);
    let photos = Verifier::through_agent("photos", &world.agent.socket);
    let photos = VerifyLayer::new(photos.unwrap());
    let request = world.request(&world.web, &[world.alices(Forward::new("photos"))]);
    let seen = ask(&photos, request).await.1.unwrap();
    assert_eq!(seen.verdicts(), ["unavailable"]);
}

#[tokio::test]
async fn nobody_but_the_verifier_says_who_presents() {
    let world = World::start().await;
    let alices = world.alices(Forward::new("photos"));
    let facts = RequestFacts {
        context: &[("presenter", "service/web")],
        ..RequestFacts::default()
    };
    for verifier in world.verifiers().await {
        let said = VerifyLayer::new(verifier.clone()).context("presenter", "service/web");
        assert_eq!(ask(&said, world.request(&world.web, &[])).await.0, 503);
        let refusal = verifier.verify(alices.to_str().unwrap(), &facts).await;
        assert_eq!(refusal.unwrap_err().code(), "unavailable");
    }
}

/// What another service would get of what came along with this client's request.
async fn carried(world: &World, client: &Client, lines: &[HeaderValue]) -> HeaderMap {
    let [through, _] = world.verifiers().await;
    let request = world.request(client, lines);
    let seen = ask(&VerifyLayer::new(through), request).await.1;
    let mut headers = HeaderMap::new();
    seen.unwrap().forwarded.unwrap().carry_on(&mut headers);
    headers
}

#[tokio::test]
async fn what_came_is_carried_on() {
    let world = World::start().await;
    let first = world.alices(Forward::new("photos"));
    let second = world.alices(Forward::new("photos").through("service/mail"));
    let both = format!("{},{}", first.to_str().unwrap(), second.to_str().unwrap());
    let lines = [first, second];
    // alice's own at the first service; at the next one, those of whom the caller calls for.
    for client in [&world.alice, &world.web] {
        let headers = carried(&world, client, &lines).await;
        assert_eq!(headers[FORWARD], both);
        assert!(headers[FORWARD].is_sensitive());
    }
}

#[tokio::test]
async fn nobody_has_a_service_carry_on_what_they_took_from_somebody_else() {
    let world = World::start().await;
    let alices = world.alices(Forward::new("photos").through("service/mail"));
    let own = Signer::new(world.web.clone(), "mail").forward(Forward::new("photos"));
    let own = own.forwarded().unwrap().remove(0);
    let junk = HeaderValue::from_bytes(b"cat1_\xff").unwrap();
    let headers = carried(&world, &world.web, &[alices, own.clone(), junk]).await;
    let expected = format!("withheld,{},withheld", own.to_str().unwrap());
    assert_eq!(headers[FORWARD], expected);
    let empty = carried(&world, &world.web, &[HeaderValue::from_static("")]).await;
    assert_eq!(empty[FORWARD], "withheld");
}

#[tokio::test]
async fn layers_carry_on_and_sign_in_either_order() {
    let world = World::start().await;
    let [through, _] = world.verifiers().await;
    let line = world.alices(Forward::new("photos"));
    let request = world.request(&world.web, std::slice::from_ref(&line));
    let seen = ask(&VerifyLayer::new(through), request).await.1;
    let mut request = Request::new(Body::new());
    let forwarded = seen.unwrap().forwarded.unwrap();
    request.extensions_mut().insert(forwarded);

    let (sent, mut outgoing) = tokio::sync::mpsc::unbounded_channel::<HeaderMap>();
    let upstream = tower::service_fn(move |request: Request<Body>| {
        sent.send(request.headers().clone()).unwrap();
        std::future::ready(Ok::<_, Infallible>(Response::new(Body::new())))
    });
    let sign = Signer::new(world.web.clone(), "photos").forward(Forward::new("photos"));
    let sign = SignLayer::new(sign);
    let outside = CarryForwardLayer.layer(sign.layer(upstream.clone()));
    let inside = sign.layer(CarryForwardLayer.layer(upstream));
    outside.oneshot(request.clone()).await.unwrap();
    inside.oneshot(request).await.unwrap();
    for _ in 0..2 {
        let headers = outgoing.recv().await.unwrap();
        let values: Vec<_> = headers.get_all(FORWARD).iter().collect();
        assert_eq!(values.len(), 2); // and its own
        assert!(values.contains(&&line));
        assert!(values.iter().all(|value| value.is_sensitive()));
        assert!(headers[AUTHORIZATION].is_sensitive());
    }
}

#[tokio::test]
async fn the_presenter_is_the_called_service_unless_said_otherwise() {
    let world = World::start().await;
    let signer = Signer::new(world.alice.clone(), "photos").forward(Forward::new("photos"));
    let mut request = Request::new(());
    let two = signer
        .clone()
        .forward(Forward::new("photos").through("user/bob"));
    two.sign(&mut request).unwrap();
    let values: Vec<_> = request.headers().get_all(FORWARD).iter().collect();
    let presenters = values.iter().map(|value| {
        let mut scratch = cattery_core::Scratch::new();
        match cattery_core::inspect::parse(value.to_str().unwrap(), &mut scratch) {
            Ok(cattery_core::inspect::Inspected::Token(token)) => {
                let caveats = token.unverified_caveats().map(|caveat| caveat.unwrap());
                caveats.map(|caveat| caveat.to_string()).collect::<String>()
            }
            _ => panic!("a token"),
        }
    });
    let expected = [
        "context:presenter=service/photos",
        "context:presenter=user/bob",
    ];
    assert!(presenters.eq(expected));

    let mut interceptor = SignInterceptor::new(two);
    let signed = interceptor.call(tonic::Request::new(())).unwrap();
    assert_eq!(signed.metadata().get_all(FORWARD).iter().count(), 2);

    let bad = signer.forward(Forward::new("photos").through("web"));
    let mut request = Request::new(());
    let error = bad.sign(&mut request).unwrap_err();
    assert!(matches!(error, SignError::Presenter { .. }));
    assert!(error.to_string().contains("`web`"), "{error}");
    assert!(request.headers().is_empty());
}
