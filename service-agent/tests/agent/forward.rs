//! Tokens that a caller presents for others.

use cattery_agent::HeaderFacts;
use cattery_core::{Demands, KeyId, RootKey, TokenSpec, UserKey};
use cattery_proto::v1::{self, forwarded_verdict::Result as Verdict, verify_response};

use crate::authority::until;
use crate::town::{Answer, Town, mint, mint_as, now};

const WEB: &str = "service/web";
const THROUGH: &str = "context:presenter=service/web";

async fn town() -> Town {
    Town::new(|config, _| config.forward_from = vec![WEB.parse().unwrap()]).await
}

fn through_web(user: &str, caveats: &[&str]) -> String {
    let caveats: Vec<_> = caveats.iter().copied().chain([THROUGH]).collect();
    mint_as(user, 1, &caveats)
}

/// What the agent says of a caller, and of each line that the caller brought along: who, or the code.
async fn ask(town: &Town, caller: &str, lines: &[&str]) -> (String, Vec<String>) {
    let request = v1::VerifyRequest {
        presentation: caller.to_owned(),
        forwarded: lines.iter().map(|&line| line.to_owned()).collect(),
        ..Default::default()
    };
    let answer = town.client().verify(request).await.unwrap().into_inner();
    let caller = match answer.result.unwrap() {
        verify_response::Result::Caller(caller) => caller.principal,
        verify_response::Result::Denial(denial) => denial.code,
        verify_response::Result::Invalid(why) => why,
    };
    let verdict = |verdict: v1::ForwardedVerdict| match verdict.result.unwrap() {
        Verdict::Caller(caller) => caller.principal,
        Verdict::Denial(denial) => format!("{} {}", denial.code, denial.http_status),
    };
    (caller, answer.forwarded.into_iter().map(verdict).collect())
}

fn for_another_service() -> String {
    let service_key = RootKey::from_bytes([9; 32]).service_key(&"mail".parse().unwrap(), 0);
    let id = KeyId {
        epoch: 1,
        service: "mail",
        generation: 0,
        principal: "user/alice",
        version: 0,
        expires_at: now() + 60,
        lease_id: [5; 8],
    };
    let key = UserKey::issue(&service_key, &id, &[THROUGH.parse().unwrap()]).unwrap();
    let spec = TokenSpec {
        not_before: now(),
        not_after: now() + 60,
        ..TokenSpec::default()
    };
    let mut token = String::new();
    key.mint(&spec, &mut token).unwrap();
    token
}

#[tokio::test]
async fn each_forwarded_token_has_a_verdict_of_its_own() {
    let town = town().await;
    let web = mint_as(WEB, 1, &[]);
    let alices = through_web("user/alice", &["scope=read"]);
    let several = format!("{alices},cat1_broken , {}", through_web("user/bob", &[]));
    let mail = for_another_service();
    let others = mint_as("user/alice", 1, &["context:presenter=service/mail"]);
    let bare = mint(1);
    let revoked = through_web("user/mallory", &[]);
    let tampered = format!("{}AAAA", &alices[..alices.len() - 4]);
    let lines = [&several[..], &mail, &others, &bare, &revoked, &tampered];
    // The request's scope is not known.
    let expected = [
        "caveat_failed 403",
        "malformed 401",
        "user/bob",
        "wrong_service 401",
        "caveat_failed 403",
        "caveat_failed 403",
        "revoked 401",
        "bad_tag 401",
    ];
    let (caller, verdicts) = ask(&town, &web, &lines).await;
    assert_eq!(
        (&caller[..], &verdicts[..]),
        (WEB, &expected.map(str::to_owned)[..])
    );

    let nine = vec![&alices[..]; 9];
    for malformed in [&[""][..], &["Bearer x"], &nine] {
        let (caller, verdicts) = ask(&town, &web, malformed).await;
        assert_eq!(
            (&caller[..], &verdicts[..]),
            (WEB, &["malformed 401".to_owned()][..])
        );
    }
}

#[tokio::test]
async fn nobody_forwards_who_is_not_named_and_nobody_who_is_not_verified() {
    let town = town().await;
    let bobs = through_web("user/bob", &[]);
    let for_mail = mint_as("user/bob", 1, &["context:presenter=service/mail"]);
    let mail = mint_as("service/mail", 1, &[]);
    let (caller, verdicts) = ask(&town, &mail, &[&for_mail, "junk"]).await;
    assert_eq!(caller, "service/mail");
    assert_eq!(verdicts, ["presenter_not_trusted 403"; 2]);
    let refused = ask(&town, "cat1_AAAA", &[&bobs]).await;
    assert_eq!(refused, ("malformed".to_owned(), vec![]));
    // As a token of its bearer it is good nowhere, whatever it brings along.
    let refused = ask(&town, &bobs, &[&bobs]).await;
    assert_eq!(refused, ("caveat_failed".to_owned(), vec![]));
}

#[tokio::test]
async fn what_is_demanded_of_callers_is_not_demanded_of_those_they_call_for() {
    let town = Town::new(|config, _| {
        config.forward_from = vec![WEB.parse().unwrap()];
        config.leeway_seconds = 0;
        config.demands = Demands {
            single_use: true,
            ..Demands::default()
        };
    })
    .await;
    let once = |byte: u8| format!("once={}", hex::encode([byte; 16]));
    let bobs = through_web("user/bob", &[]);
    // Tokens from the second in which the memory began are refused.
    until("the memory is older than the tokens", async || {
        let web = mint_as(WEB, 1, &[&once(rand::random())]);
        ask(&town, &web, &[]).await.0 == WEB
    })
    .await;
    let alices = through_web("user/alice", &[&once(1)]);
    for expected in ["user/alice", "replayed 401"] {
        let web = mint_as(WEB, 1, &[&once(rand::random())]);
        let (caller, verdicts) = ask(&town, &web, &[&alices, &bobs]).await;
        assert_eq!(caller, WEB);
        assert_eq!(verdicts, [expected, "user/bob"]);
    }
}

#[tokio::test]
async fn nobody_else_says_who_presents() {
    let town = town().await;
    let request = v1::VerifyRequest {
        presentation: through_web("user/alice", &[]),
        facts: Some(v1::RequestFacts {
            context: [("presenter".to_owned(), WEB.to_owned())].into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let refused = town.client().verify(request).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    assert!(refused.message().contains("presenter"), "{refused}");
}

#[tokio::test]
async fn forward_auth_tells_of_all_of_them_always() {
    const TOLD: [&str; 4] = [
        "x-cat-forwarded-verdicts",
        "x-cat-forwarded-principal",
        "x-cat-forwarded-token-id",
        "x-cat-forwarded-scopes",
    ];
    let town = Town::new(|config, _| {
        config.forward_from = vec![WEB.parse().unwrap()];
        config.header_facts = HeaderFacts::XForwarded;
    })
    .await;
    let bearer = format!("Bearer {}", mint_as(WEB, 1, &[]));
    let alices = through_web("user/alice", &["path=/app"]);
    let two = format!(
        "{}, {}",
        through_web("user/bob", &[]),
        for_another_service()
    );
    let mut headers = vec![
        ("authorization", &bearer[..]),
        ("x-forwarded-uri", "/app/1"),
        ("x-cat-forwarded-principal", "user/root"),
    ];
    let answer = town.get("/auth", &headers).await;
    let told = |answer: &Answer| TOLD.map(|name| answer.header(name).map(str::to_owned));
    assert_eq!(told(&answer), [(); 4].map(|()| Some(String::new())));

    headers.push(("x-cat-forward", &alices));
    headers.push(("x-cat-forward", &two));
    let answer = town.get("/auth", &headers).await;
    let id = hex::encode([6; 16]);
    let expected = [
        "ok,ok,wrong_service",
        "user/alice,user/bob",
        &format!("{id},{id}"),
        ",",
    ];
    assert_eq!(told(&answer), expected.map(|value| Some(value.to_owned())));
    assert_eq!(answer.header("x-cat-principal"), Some(WEB));

    headers[1].1 = "/other";
    let answer = town.get("/auth", &headers).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header(TOLD[0]),
        Some("caveat_failed,ok,wrong_service")
    );
    assert_eq!(answer.header(TOLD[1]), Some("user/bob"));
}
