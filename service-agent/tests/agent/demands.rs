//! What a service demands of its callers' tokens.

use cattery_core::{Demands, request_digest};
use cattery_proto::v1;

use crate::town::{Town, mint, mint_as};

fn bound(path: &str, body: Option<&[u8; 32]>) -> String {
    let digest = hex::encode(request_digest("GET", "photos.test", path, body));
    let covers = body.map_or("", |_| "+body");
    format!("request={digest}{covers}")
}

async fn auth(town: &Town, caveats: &[&str], path: &str) -> (u16, String) {
    let bearer = format!("Bearer {}", mint_as("user/alice", 1, caveats));
    let headers = [
        ("authorization", &bearer[..]),
        ("x-forwarded-method", "GET"),
        ("x-forwarded-host", "photos.test"),
        ("x-forwarded-uri", path),
    ];
    let answer = town.get("/auth", &headers).await;
    (answer.status, answer.body().trim().to_owned())
}

#[tokio::test]
async fn an_unbound_token_is_refused_by_a_service_that_demands_binding() {
    let town = Town::new(|config, _| {
        config.demands = Demands {
            request: true,
            ..Demands::default()
        };
    })
    .await;
    let refused = (403, "caveat_failed".to_owned());
    assert_eq!(auth(&town, &[], "/a").await, refused);
    assert_eq!(auth(&town, &["path=/a"], "/a").await, refused);
    let good = bound("/a", None);
    assert_eq!(auth(&town, &[&good], "/a").await.0, 200);
    assert_eq!(auth(&town, &[&good], "/b").await, refused);
    assert_eq!(town.verify(&mint(1)).await.unwrap_err(), "caveat_failed");
}

#[tokio::test]
async fn the_body_and_a_single_use_can_be_demanded_as_well() {
    let town = Town::new(|config, _| {
        config.leeway_seconds = 0;
        config.demands = Demands {
            request: true,
            body: true,
            single_use: true,
        };
    })
    .await;
    let body = [7; 32];
    let facts = |sha256: [u8; 32]| v1::RequestFacts {
        method: Some("GET".into()),
        authority: Some("photos.test".into()),
        path_and_query: Some("/a".into()),
        body_sha256: Some(sha256.to_vec()),
        ..v1::RequestFacts::default()
    };
    let verify = async |caveats: &[&str], facts: v1::RequestFacts| {
        let request = v1::VerifyRequest {
            presentation: mint_as("user/alice", 1, caveats),
            facts: Some(facts),
            ..Default::default()
        };
        let answer = town.client().verify(request).await.unwrap().into_inner();
        match answer.result.unwrap() {
            v1::verify_response::Result::Caller(_) => "ok".to_owned(),
            v1::verify_response::Result::Denial(denial) => denial.code,
            v1::verify_response::Result::Invalid(why) => why,
        }
    };
    let covered = bound("/a", Some(&body));
    let once = format!("once={}", hex::encode([1; 16]));
    let uncovered = bound("/a", None);
    let lacking: [&[&str]; 4] = [&[], &[&once], &[&covered], &[&once, &uncovered]];
    for caveats in lacking {
        assert_eq!(verify(caveats, facts(body)).await, "caveat_failed");
    }
    assert_eq!(
        verify(&[&once, &covered], facts([8; 32])).await,
        "caveat_failed"
    );
    // Nothing of that was a use. Tokens from the second in which the memory began are refused.
    crate::authority::until("it is accepted", async || {
        verify(&[&once, &covered], facts(body)).await == "ok"
    })
    .await;
    assert_eq!(verify(&[&once, &covered], facts(body)).await, "replayed");
}
