//! A service that vouches with its own certificate.

use std::sync::atomic::Ordering;

use cattery_core::{
    Caveat, Code, KeyId, Keyring, NoRevocations, NoSingleUse, Policy, RequestFacts, Scratch,
    TokenSpec, UserKey, Verifier,
};
use cattery_sdk::{
    Client, ConnectOptions, Credentials,
    keys::{Cluster, DischargeError, DischargeOptions},
    third_party::needed,
};

use crate::authority::{Authority, now, service_key};

const TICKET: [u8; 32] = [7; 32];

/// The third party: `service/web`, as the authority says of whoever has a certificate.
async fn web(authority: &Authority) -> Client {
    let credentials = Credentials::Certificate {
        identity: authority.identity(),
        cluster: Cluster {
            addresses: vec![authority.address.to_string()],
            trust_bundle: vec![authority.ca.clone()],
            ..Cluster::default()
        },
    };
    let services = vec!["photos".to_owned()];
    let options = ConnectOptions {
        services,
        ..ConnectOptions::default()
    };
    Client::connect(credentials, options).await.unwrap()
}

/// A token that asks for its word, and what a discharge for it alone is bound to.
fn token() -> (String, [u8; 32]) {
    let id = KeyId {
        epoch: 1,
        service: "photos",
        generation: 0,
        principal: "user/alice",
        version: 0,
        expires_at: now() + 3600,
        lease_id: [3; 8],
    };
    let key = UserKey::issue(&service_key(1), &id, &[]).unwrap();
    let caveats = [Caveat::ThirdParty {
        principal: "service/web".into(),
        ticket: TICKET.to_vec().into(),
    }];
    let spec = TokenSpec {
        not_before: now(),
        not_after: now() + 60,
        token_id: rand::random(),
        caveats: &caveats,
        ..TokenSpec::default()
    };
    let mut token = String::new();
    let binding = key.mint(&spec, &mut token).unwrap().binding();
    (token, binding)
}

fn verify(presentation: &str) -> Result<(), Code> {
    let mut keys = Keyring::new();
    for epoch in 1..=2 {
        keys.insert(epoch, 0, Box::new(service_key(epoch)));
    }
    let verifier = Verifier {
        service: "photos",
        keys,
        revocations: NoRevocations,
        single_use: NoSingleUse,
        policy: Policy::default(),
    };
    let facts = RequestFacts {
        path_and_query: Some("/albums"),
        ..RequestFacts::default()
    };
    let mut scratch = Scratch::new();
    let verified = verifier.verify(presentation, &facts, now(), &mut scratch);
    verified.map(drop).map_err(|denied| denied.code)
}

#[tokio::test]
async fn its_word_holds_for_what_it_says_and_no_more() {
    let authority = Authority::start().await;
    let web = web(&authority).await;
    let (token, binding) = token();
    assert_eq!(verify(&token), Err(Code::CaveatFailed));
    let with = async |change: fn(&mut DischargeOptions), bound_to| {
        let mut options = DischargeOptions::new(TICKET);
        options.bound_to = bound_to;
        change(&mut options);
        web.discharge("photos", &options).await
    };
    let good = with(|_| {}, None).await.unwrap();
    assert!(good.not_after() <= now() + 60);
    let presentation = format!("{token},{}", &*good);
    assert_eq!(verify(&presentation), Ok(()));
    assert_eq!(needed(&presentation, now()).unwrap(), []);
    assert_eq!(needed(&presentation, good.not_after()).unwrap().len(), 1);

    let bound = with(|_| {}, Some(binding)).await.unwrap();
    assert_eq!(verify(&format!("{token},{}", &*bound)), Ok(()));
    let (other, _) = self::token();
    assert_eq!(
        verify(&format!("{other},{}", &*bound)),
        Err(Code::CaveatFailed)
    );

    let narrow = |path: &str| vec![format!("path={path}").parse().unwrap()];
    for (path, result) in [("/albums", Ok(())), ("/other", Err(Code::CaveatFailed))] {
        let mut options = DischargeOptions::new(TICKET);
        options.caveats = narrow(path);
        let discharge = web.discharge("photos", &options).await.unwrap();
        assert_eq!(verify(&format!("{token},{}", &*discharge)), result);
    }

    let short = with(|options| options.ticket.truncate(15), None).await;
    assert!(matches!(short.err(), Some(DischargeError::Spec(_))));
    let within = with(
        |options| {
            options.caveats = vec![Caveat::SingleUse { id: [1; 16] }];
        },
        None,
    );
    assert!(matches!(within.await.err(), Some(DischargeError::Spec(_))));
    let nowhere = web.discharge("mail", &DischargeOptions::new(TICKET)).await;
    assert!(matches!(nowhere.err(), Some(DischargeError::Key(_))));
}

#[tokio::test]
async fn a_token_of_a_newer_epoch_makes_it_look_for_a_newer_key() {
    let authority = Authority::start().await;
    let web = web(&authority).await;
    authority.knobs.epoch.store(2, Ordering::SeqCst);
    let epoch = async |since| {
        let mut options = DischargeOptions::new(TICKET);
        options.since = since;
        let discharge = web.discharge("photos", &options).await.unwrap();
        let mut scratch = Scratch::new();
        match cattery_core::inspect::parse(&discharge, &mut scratch).unwrap() {
            cattery_core::inspect::Inspected::Discharge(said) => said.unverified_key_id().epoch,
            _ => 0,
        }
    };
    assert_eq!(epoch((1, 0)).await, 1);
    assert_eq!(epoch((2, 0)).await, 2);
    // What somebody claims to have seen and nobody gives leads nowhere.
    assert_eq!(epoch((3, 0)).await, 2);
}
