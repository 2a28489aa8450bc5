//! Connecting, keys, minting.

use std::{sync::atomic::Ordering, time::Duration};

use cattery_core::{
    Keyring, NoRevocations, NoSingleUse, Policy, RequestFacts, Scratch, TokenSpec, UserKey,
    Verifier,
};
use cattery_proto::v1::{IssueUserKeysRequest, user_keys_client::UserKeysClient};
use cattery_sdk::{
    Client, ConnectOptions, Credentials, MintOptions, Narrowing,
    connect::Connector,
    keys::{Cluster, ConnectError, MintError, ReplaceIdentityError},
    narrowing::HandOutError,
    portable::{ApiKey, Portable},
    tls::{Identity, Trust},
};
use zeroize::Zeroizing;

use crate::{
    agent::Agent,
    authority::{Authority, now, port, service_key},
};

pub(crate) async fn connect(authority: &Authority) -> Client {
    try_connect(authority.api_key(), &["photos"]).await.unwrap()
}

pub(crate) async fn try_connect(key: ApiKey, services: &[&str]) -> Result<Client, ConnectError> {
    let options = ConnectOptions {
        services: services.iter().map(|&name| name.to_owned()).collect(),
        lease: None,
    };
    Client::connect(Credentials::ApiKey(key), options).await
}

/// The line for people of a connection that has to fail.
async fn refused(key: ApiKey, services: &[&str]) -> String {
    match try_connect(key, services).await {
        Ok(_) => panic!("it connected"),
        Err(error) => error.to_string(),
    }
}

fn verify(token: &str, facts: &RequestFacts<'_>) -> Result<String, String> {
    verify_at(token, facts, now())
}

fn verify_at(token: &str, facts: &RequestFacts<'_>, now: u64) -> Result<String, String> {
    let mut keys = Keyring::new();
    keys.insert(1, 0, Box::new(service_key(1)));
    let verifier = Verifier {
        service: "photos",
        keys,
        revocations: NoRevocations,
        single_use: NoSingleUse,
        policy: Policy::default(),
    };
    verifier
        .verify(token, facts, now, &mut Scratch::new())
        .map(|verified| verified.principal().to_owned())
        .map_err(|denied| denied.to_string())
}

#[tokio::test]
async fn mints_after_the_authority_is_gone() {
    let mut authority = Authority::start().await;
    let client = connect(&authority).await;
    assert_eq!(client.principal(), "user/alice");
    assert_eq!(client.services(), ["photos"]);
    assert_eq!(
        client.cluster().unwrap().trust_bundle,
        [authority.ca.clone()]
    );
    authority.stop().await;

    let first = client.mint("photos", &MintOptions::default()).unwrap();
    let second = client.mint("photos", &MintOptions::default()).unwrap();
    assert_ne!(*first, *second);
    let facts = RequestFacts::default();
    assert_eq!(verify(&first, &facts).as_deref(), Ok("user/alice"));
    assert!(client.health().failing.is_none());

    let narrow = MintOptions {
        caveats: vec!["path=/albums".parse().unwrap()],
        ..MintOptions::default()
    };
    let narrow = client.mint("photos", &narrow).unwrap();
    let at = |path| RequestFacts {
        path_and_query: Some(path),
        ..RequestFacts::default()
    };
    assert!(verify(&narrow, &at("/albums/7")).is_ok());
    assert!(verify(&narrow, &at("/admin")).is_err());
    assert!(matches!(
        client.mint("mail", &MintOptions::default()).err(),
        Some(MintError::NoKey(_))
    ));
}

#[tokio::test]
async fn renews_over_the_bundle_that_the_authority_gave() {
    let authority = Authority::start().await;
    authority.knobs.lease_seconds.store(2, Ordering::SeqCst);
    let client = connect(&authority).await;
    authority.knobs.lease_seconds.store(3600, Ordering::SeqCst);
    let renewed = async {
        while client.health().keys_end.unwrap() < now() + 3000 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), renewed)
        .await
        .unwrap();
    assert_eq!(authority.knobs.calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_lost_authority_is_reported_and_keys_end() {
    let mut authority = Authority::start().await;
    authority.knobs.lease_seconds.store(2, Ordering::SeqCst);
    let client = connect(&authority).await;
    authority.stop().await;
    // Which comes first, the end of a lease of two seconds or the first attempt to renew it, is up to the clock.
    let reported = async {
        loop {
            let mint = client.mint("photos", &MintOptions::default());
            match (mint, client.health().failing) {
                (Err(error), Some(failing)) => break (error, failing),
                _ => tokio::task::yield_now().await,
            }
        }
    };
    let (error, failing) = tokio::time::timeout(Duration::from_secs(60), reported)
        .await
        .unwrap();
    assert!(failing.why.contains("connection refused"), "{failing:?}");
    assert!(matches!(error, MintError::KeyExpired { .. }), "{error}");
    let error = client.mint("photos", &MintOptions::default()).unwrap_err();
    assert!(error.to_string().contains("connection refused"), "{error}");
}

#[tokio::test]
async fn wrong_credentials_are_one_clear_line() {
    let authority = Authority::start().await;
    let mut portable = Portable {
        id: [1; 8],
        secret: Zeroizing::new([8; 32]),
        addresses: vec![authority.address.to_string()],
        ca_sha256: authority.api_key().ca_sha256,
    };
    let line = refused(ApiKey::new(portable), &["photos"]).await;
    assert_eq!(line, "this API key is not known");

    portable = Portable {
        id: [1; 8],
        secret: Zeroizing::new([2; 32]),
        addresses: vec![authority.address.to_string()],
        ca_sha256: [0; 32],
    };
    let line = refused(ApiKey::new(portable), &["photos"]).await;
    assert!(line.contains("is not the one meant"), "{line}");

    let line = refused(authority.api_key(), &["mail"]).await;
    assert!(line.contains("mail: no grant allows it"), "{line}");
}

#[tokio::test]
async fn only_a_certificate_of_the_role_is_an_authority() {
    let impostor = Authority::with_name("photos.cattery.internal").await;
    let line = refused(impostor.api_key(), &["photos"]).await;
    assert!(line.contains("is not trusted"), "{line}");
    assert_eq!(impostor.knobs.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_service_gets_keys_by_its_certificate() {
    let authority = Authority::start().await;
    let credentials = |authority: &Authority| Credentials::Certificate {
        identity: authority.identity(),
        cluster: Cluster {
            trust_bundle: vec![authority.ca.clone()],
            addresses: vec![authority.address.to_string()],
            ..Cluster::default()
        },
    };
    let client = Client::connect(credentials(&authority), ConnectOptions::default())
        .await
        .unwrap();
    assert_eq!(client.principal(), "service/web");
    client.replace_identity(authority.identity()).unwrap();
    let token = client.mint("photos", &MintOptions::default()).unwrap();
    assert!(client.key_refused(&token).await); // fetched anew, with the new certificate

    let elsewhere = Authority::start().await;
    let Credentials::Certificate { identity, .. } = credentials(&elsewhere) else {
        panic!("it is one");
    };
    let Credentials::Certificate { cluster, .. } = credentials(&authority) else {
        panic!("it is one");
    };
    let stranger = Credentials::Certificate { identity, cluster };
    let refused = Client::connect(stranger, ConnectOptions::default()).await;
    let line = refused.err().unwrap().to_string();
    assert!(line.contains("refused this client's certificate"), "{line}");
}

#[tokio::test]
async fn a_certificate_that_an_authority_does_not_take_is_told_from_other_failures() {
    let (authority, elsewhere) = (Authority::start().await, Authority::start().await);
    let trust = Trust::Bundle(vec![authority.ca.clone()]);
    let is_refused = async |address: String, identity: Option<&Identity>| {
        let connector = Connector::new(vec![address], &trust, identity).unwrap();
        let mut calls = UserKeysClient::new(connector.channel());
        let answer = calls.issue_user_keys(IssueUserKeysRequest::default());
        let _ = answer.await;
        connector.is_identity_refused()
    };
    let address = authority.address.to_string();
    let (own, others) = (authority.identity(), elsewhere.identity());
    assert!(is_refused(address.clone(), Some(&others)).await);
    assert!(!is_refused(address.clone(), Some(&own)).await);
    assert!(!is_refused(address, None).await);
    let (_port, nobody) = port();
    assert!(!is_refused(nobody.to_string(), Some(&own)).await);
}

#[tokio::test]
async fn nobody_there_is_one_clear_line() {
    let authority = Authority::start().await;
    let (_port, nobody) = port();
    let nobody = nobody.to_string();
    let line = refused(authority.api_key_at(vec![nobody.clone()]), &["photos"]).await;
    assert!(line.contains("connection refused"), "{line}");

    let both = vec![nobody, authority.address.to_string()];
    let client = try_connect(authority.api_key_at(both), &["photos"]).await;
    assert_eq!(client.unwrap().principal(), "user/alice");
}

#[tokio::test]
async fn a_refusal_asks_for_newer_keys_than_the_tokens_own() {
    let authority = Authority::start().await;
    let client = connect(&authority).await;
    let token = client.mint("photos", &MintOptions::default()).unwrap();
    assert!(client.key_refused(&token).await);
    assert!(client.key_refused(&token).await); // those that came meanwhile are newer
    assert_eq!(authority.knobs.calls.load(Ordering::SeqCst), 2);
    let refused = client.replace_identity(authority.identity());
    assert!(matches!(refused, Err(ReplaceIdentityError::NoCertificate)));
}

#[tokio::test]
async fn tokens_are_dated_by_the_authoritys_clock() {
    for ahead in [7200, -7200] {
        let authority = Authority::start().await;
        authority.knobs.ahead.store(ahead, Ordering::SeqCst);
        let client = connect(&authority).await;
        let token = client.mint("photos", &MintOptions::default()).unwrap();
        let there = now().saturating_add_signed(ahead);
        let facts = RequestFacts::default();
        assert_eq!(
            verify_at(&token, &facts, there).as_deref(),
            Ok("user/alice")
        );
        assert!(verify(&token, &facts).is_err());
    }
}

#[tokio::test]
async fn a_narrower_key_is_handed_out_by_the_authoritys_clock() {
    let authority = Authority::start().await;
    authority.knobs.ahead.store(7200, Ordering::SeqCst);
    let client = connect(&authority).await;
    let narrowing = Narrowing::new()
        .path("/app")
        .lasting(Duration::from_secs(600))
        .revocable();
    let handed_out = client.hand_out("photos", &narrowing).unwrap();
    assert!(handed_out.revocation_id.is_some());
    let there = now() + 7200;
    assert!((there + 599..=there + 601).contains(&handed_out.expires_at));
    let key = UserKey::parse_text(handed_out.text()).unwrap();
    let spec = TokenSpec {
        not_before: there,
        not_after: there + 60,
        token_id: [1; 16],
        ..TokenSpec::default()
    };
    let mut token = String::new();
    key.mint(&spec, &mut token).unwrap();
    let facts = |path| RequestFacts {
        path_and_query: Some(path),
        ..RequestFacts::default()
    };
    let verify = |path| verify_at(&token, &facts(path), there);
    assert_eq!(verify("/app/1").as_deref(), Ok("user/alice"));
    assert!(verify("/other").is_err());
    // Its own keys are as wide as they were.
    let own = client.mint("photos", &MintOptions::default()).unwrap();
    assert!(verify_at(&own, &facts("/other"), there).is_ok());
    assert!(matches!(
        client.hand_out("music", &narrowing),
        Err(HandOutError::NoKey(_))
    ));
}

#[tokio::test]
async fn one_service_that_an_agent_cannot_sign_for_holds_up_no_other() {
    let agent = Agent::start();
    let socket = agent.socket.clone();
    let options = |services: &[&str]| ConnectOptions {
        services: services.iter().map(|&name| name.to_owned()).collect(),
        lease: None,
    };
    let credentials = Credentials::Agent {
        socket: socket.clone(),
    };
    let client = Client::connect(credentials, options(&["photos", "music"])).await;
    let client = client.unwrap();
    assert!(client.mint("photos", &MintOptions::default()).is_ok());
    let error = client.mint("music", &MintOptions::default()).unwrap_err();
    assert!(matches!(error, MintError::NotYet { .. }));
    let why = client.health().failing.unwrap().why;
    assert!(
        why.contains("cannot do it now: no authority answers"),
        "{why}"
    );

    let credentials = Credentials::Agent { socket };
    let refused = Client::connect(credentials, options(&["music"])).await;
    let line = refused.err().unwrap().to_string();
    assert!(!line.contains("no agent answers"), "{line}");
}

#[tokio::test]
async fn an_agent_signs_what_is_then_narrowed() {
    let mut agent = Agent::start();
    let options = ConnectOptions {
        services: vec!["photos".into(), "mail".into()],
        lease: None,
    };
    let credentials = Credentials::Agent {
        socket: agent.socket.clone(),
    };
    let client = Client::connect(credentials, options).await.unwrap();
    assert_eq!(client.principal(), "service/web");
    agent.stop().await;
    let token = client.mint("photos", &MintOptions::default()).unwrap();
    assert!(token.not_after() <= now() + 60);
    let facts = RequestFacts::default();
    assert_eq!(verify(&token, &facts).as_deref(), Ok("service/web"));
    assert!(verify_at(&token, &facts, now() + 100).is_err());
    let claims = MintOptions {
        claims: vec![1],
        ..MintOptions::default()
    };
    assert_eq!(
        client.mint("photos", &claims).err(),
        Some(MintError::ClaimsThroughAgent)
    );
    // The agent keeps the key, but a token can be narrowed.
    let narrowing = Narrowing::new().path("/app");
    assert!(matches!(
        client.hand_out("photos", &narrowing),
        Err(HandOutError::ThroughAgent)
    ));
    assert!(narrowing.narrow_token(&token).is_ok());
    assert!(matches!(
        client.mint("mail", &MintOptions::default()).err(),
        Some(MintError::Refused { .. })
    ));
}
