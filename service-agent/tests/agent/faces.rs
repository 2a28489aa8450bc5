//! What callers see: gRPC, forward-auth, health.

use cattery_proto::v1;
use tokio::task::JoinSet;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::town::{Town, mint, mint_as, request, verify};

#[tokio::test]
async fn grpc_names_the_caller_or_says_why_not() {
    let town = Town::new(|_, _| {}).await;
    let caller = town.verify(&mint(1)).await.unwrap();
    assert_eq!((&caller.principal[..], caller.epoch), ("user/alice", 1));
    assert_eq!(
        (&caller.claims_type[..], &caller.claims[..]),
        ("shop.Cart", &b"\x08\x01"[..])
    );
    assert_eq!(
        (&caller.token_id[..], &caller.lease_id[..]),
        (&[6; 16][..], &[5; 8][..])
    );
    assert!(!caller.scoped);
    assert_eq!(town.verify("cat1_AAAA").await.unwrap_err(), "malformed");
    let revoked = mint_as("user/mallory", 1, &[]);
    assert_eq!(town.verify(&revoked).await.unwrap_err(), "revoked");

    let scoped = v1::VerifyRequest {
        presentation: mint_as("user/alice", 1, &["scope=read,write"]),
        facts: Some(v1::RequestFacts {
            scope: Some("read".into()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let answer = town.client().verify(scoped).await.unwrap().into_inner();
    let Some(v1::verify_response::Result::Caller(caller)) = answer.result else {
        panic!("refused");
    };
    assert!(caller.scoped);
    assert_eq!(caller.scopes, ["read", "write"]);

    let bad = v1::VerifyRequest {
        presentation: mint(1),
        facts: Some(v1::RequestFacts {
            source_addr: Some("here".into()),
            ..Default::default()
        }),
        ..Default::default()
    };
    let refused = town.client().verify(bad).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
}

#[tokio::test]
async fn forward_auth_speaks_rfc_6750() {
    let town = Town::new(|_, _| {}).await;
    let good = town.auth(&mint(1)).await;
    assert_eq!(good.status, 200, "{good:?}");
    for (name, value) in [
        ("x-cat-principal", "user/alice"),
        ("x-cat-token-id", "06060606060606060606060606060606"),
        ("x-cat-scopes", ""),
        ("x-cat-epoch", "1"),
        ("x-cat-claims-type", "shop.Cart"),
        ("x-cat-claims", "CAE"),
    ] {
        assert_eq!(good.header(name), Some(value), "{name}");
    }
    let decision = good.header("x-cat-decision-id").unwrap();
    assert_eq!(hex::decode(decision).unwrap().len(), 8);

    let challenge = |answer: &crate::town::Answer| {
        (
            answer.status,
            answer.header("www-authenticate").map(str::to_owned),
        )
    };
    let expected = |status, text: &str| (status, Some(format!("Bearer realm=\"photos\"{text}")));
    let invalid = |code| format!(", error=\"invalid_token\", error_description=\"{code}\"");
    let none = town.get("/auth", &[]).await;
    assert_eq!(challenge(&none), expected(401, ""));
    assert_ne!(none.header("x-cat-decision-id").unwrap(), decision);
    let basic = town.get("/auth", &[("authorization", "Basic eA==")]).await;
    assert_eq!(challenge(&basic), expected(401, ""));
    let bearer = format!("Bearer {}", mint(1));
    let twice = [("authorization", &bearer[..]), ("authorization", &bearer)];
    let doubled = town.get("/auth", &twice).await;
    assert_eq!(challenge(&doubled), expected(401, &invalid("malformed")));
    let newer = town.auth(&mint(9)).await;
    assert_eq!(challenge(&newer), expected(401, &invalid("unknown_epoch")));

    for method in ["HEAD", "POST"] {
        let headers = [("authorization", &bearer[..])];
        let good = request(town.addr(), method, "/auth", &headers).await;
        assert_eq!((good.status, good.header("x-cat-epoch")), (200, Some("1")));
        let none = request(town.addr(), method, "/auth", &[]).await;
        assert_eq!(challenge(&none), expected(401, ""), "{method}");
        assert_eq!(none.body().is_empty(), method == "HEAD");
    }

    let narrowed = format!("Bearer {}", mint_as("user/alice", 1, &["path=/albums"]));
    let at = |path: &'static str| {
        [
            ("authorization", narrowed.clone()),
            ("x-forwarded-uri", path.into()),
        ]
    };
    for (path, status) in [("/albums/7?x", 200), ("/admin", 403)] {
        let headers = at(path);
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, &value[..]))
            .collect();
        let answer = town.get("/auth", &headers).await;
        assert_eq!(answer.status, status, "{path}");
        if status == 403 {
            let text = ", error=\"insufficient_scope\", error_description=\"caveat_failed\"";
            assert_eq!(challenge(&answer), expected(403, text));
        }
    }
}

fn single_use(id: u8) -> String {
    let caveat = format!("once={}", hex::encode([id; 16]));
    mint_as("user/alice", 1, &[&caveat])
}

/// Spends single-use tokens until one is accepted: the first ones may be from the second in which the memory began.
async fn spend(town: &Town) -> String {
    for id in 100.. {
        let token = single_use(id);
        let answer = town.auth(&token).await;
        if answer.status == 200 {
            return token;
        }
        assert_eq!(answer.status, 401);
        crate::authority::nap().await;
    }
    panic!("never");
}

#[tokio::test]
async fn a_single_use_token_is_accepted_once_by_all_faces_together() {
    let early = single_use(1);
    let town = Town::new(|config, _| config.leeway_seconds = 0).await;
    assert_eq!(
        town.verify(&early).await.unwrap_err(),
        "replayed",
        "it is from before the memory began"
    );
    let token = spend(&town).await;
    assert_eq!(town.verify(&token).await.unwrap_err(), "replayed");
    assert_eq!(town.auth(&token).await.status, 401);
    let status = town.status().await;
    assert_eq!(status.single_use_entries, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_race_for_one_use_over_both_faces_one_wins() {
    let town = Town::new(|config, _| config.leeway_seconds = 0).await;
    spend(&town).await;
    let token = single_use(1);
    let mut racers = JoinSet::new();
    for _ in 0..32 {
        let (client, addr, token) = (town.client(), town.addr(), token.clone());
        let bearer = format!("Bearer {token}");
        racers.spawn(async move { verify(client, &token).await.is_ok() });
        racers.spawn(async move {
            let headers = [("authorization", &bearer[..])];
            request(addr, "GET", "/auth", &headers).await.status == 200
        });
    }
    let wins = racers.join_all().await.into_iter().filter(|won| *won);
    assert_eq!(wins.count(), 1);
}

#[tokio::test]
async fn health_and_reflection_answer() {
    let town = Town::new(|_, _| {}).await;
    assert_eq!(town.get("/healthz", &[]).await.status, 200);
    let ready = town.get("/readyz", &[]).await;
    let body = ready.body();
    let budget = body.strip_prefix("ready\noutage budget left: ");
    assert!(
        budget.is_some_and(|rest| rest.ends_with(" of 12 h 0 min\n")),
        "{body}"
    );
    let channel = town.channel();
    for service in [
        "",
        "cattery.v1.Agent",
        "envoy.service.auth.v3.Authorization",
    ] {
        // At once: Envoy would take the agent for away until it asks again, a second later.
        let service = service.into();
        let request = HealthCheckRequest { service };
        let answer = HealthClient::new(channel.clone()).check(request).await;
        let status = answer.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving);
    }
    let files = std::fs::read_to_string(town.config.dir.join("agent.addr")).unwrap();
    assert_eq!(files.trim(), town.addr().to_string());
}

#[tokio::test]
async fn who_watches_its_health_hears_that_it_ends() {
    let mut town = Town::new(|_, _| {}).await;
    let request = HealthCheckRequest::default();
    let mut client = HealthClient::new(town.channel());
    let mut watched = client.watch(request).await.unwrap().into_inner();
    while watched.message().await.unwrap().unwrap().status() != ServingStatus::Serving {}
    town.stop().await;
    let last = watched.message().await.unwrap().unwrap();
    assert_eq!(last.status(), ServingStatus::NotServing);
    assert!(!matches!(watched.message().await, Ok(Some(_))));
}
