//! Signing as the service, for peers that are named.

use cattery_agent::Config;
use cattery_core::{Keyring, NoRevocations, NoSingleUse, Policy, RequestFacts, Scratch, Verifier};
use cattery_proto::v1;
use tokio::task::JoinSet;
use tonic::Code;

use crate::authority::{root, until};
use crate::town::{Town, now};

fn request(audience: &str) -> v1::MintRequest {
    v1::MintRequest {
        audience: audience.into(),
        ..Default::default()
    }
}

fn refused(answer: tonic::Result<tonic::Response<v1::MintResponse>>) -> tonic::Status {
    answer.map(|_| "a token").unwrap_err()
}

/// Who `mail` takes the token to be of.
fn as_mail(token: &str) -> String {
    let mut keys = Keyring::new();
    keys.insert(
        1,
        0,
        Box::new(root(1).service_key(&"mail".parse().unwrap(), 0)),
    );
    let verifier = Verifier {
        service: "mail",
        keys,
        revocations: NoRevocations,
        single_use: NoSingleUse,
        policy: Policy::default(),
    };
    let mut scratch = Scratch::new();
    let verified = verifier.verify(token, &RequestFacts::default(), now(), &mut scratch);
    verified
        .map_err(|denied| denied.code)
        .unwrap()
        .principal()
        .to_owned()
}

#[tokio::test]
async fn nobody_mints_by_default() {
    let town = Town::new(|_, _| {}).await;
    let status = refused(town.client().mint(request("mail")).await);
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(
        status.message().contains("[mint] allow_uids"),
        "{}",
        status.message()
    );
    let keys = v1::GetVerificationKeysRequest::default();
    let status = town.client().get_verification_keys(keys).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
}

fn allow_us(config: &mut Config) {
    config.mint.uids = vec![rustix::process::getuid().as_raw()];
}

#[tokio::test]
async fn named_peers_sign_as_the_service() {
    let town = Town::new(|config, _| allow_us(config)).await;
    let mut client = town.client();
    let mut long = request("mail");
    long.ttl_seconds = 900;
    let token = client.mint(long).await.unwrap().into_inner();
    assert_eq!(as_mail(&token.token), "service/photos");
    assert!(token.not_after <= now() + 600, "no longer than the lease");

    let status = refused(client.mint(request("bank")).await);
    assert_eq!(status.code(), Code::PermissionDenied);
    let status = refused(client.mint(request("Not A Name")).await);
    assert_eq!(status.code(), Code::InvalidArgument);
    let mut bad = request("mail");
    bad.caveats = vec![vec![9, 9]];
    assert_eq!(
        refused(client.mint(bad).await).code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn leases_renew_themselves() {
    let town = Town::new(|config, _| allow_us(config)).await;
    town.authority.script().lease_seconds = 4;
    town.client().mint(request("mail")).await.unwrap();
    until("it was renewed twice, and nobody asked", async || {
        town.authority.script().leases >= 3
    })
    .await;
}

#[tokio::test]
async fn the_first_calls_of_a_service_fetch_one_key_together() {
    let town = Town::new(|config, _| allow_us(config)).await;
    let mut calls = JoinSet::new();
    for _ in 0..50 {
        let mut client = town.client();
        calls.spawn(async move { client.mint(request("mail")).await.is_ok() });
    }
    assert!(calls.join_all().await.into_iter().all(|minted| minted));
    assert_eq!(town.authority.script().leases, 1);
}

#[tokio::test]
async fn named_peers_vouch_as_the_service() {
    let town = Town::new(|config, _| allow_us(config)).await;
    let mut client = town.client();
    let request = v1::SignDischargeRequest {
        audience: "mail".into(),
        ticket: vec![7; 32],
        ..Default::default()
    };
    let answer = client.sign_discharge(request.clone()).await.unwrap();
    let answer = answer.into_inner();
    assert!((now() + 50..=now() + 60).contains(&answer.not_after));
    let mut scratch = Scratch::new();
    let said = match cattery_core::inspect::parse(&answer.discharge, &mut scratch).unwrap() {
        cattery_core::inspect::Inspected::Discharge(said) => said,
        _ => panic!("a discharge"),
    };
    let key = said.unverified_key_id();
    assert_eq!((key.principal, key.service), ("service/photos", "mail"));
    assert_eq!(said.unverified_discharge().unwrap().ticket, [7; 32]);

    type Change = fn(&mut v1::SignDischargeRequest);
    let bad: [(Change, Code); 5] = [
        (|r| r.ticket.truncate(15), Code::InvalidArgument),
        (|r| r.bound_to = vec![1; 31], Code::InvalidArgument),
        (|r| r.caveats = vec![vec![9, 9]], Code::InvalidArgument),
        (|r| r.audience = "Not A Name".into(), Code::InvalidArgument),
        (|r| r.audience = "bank".into(), Code::PermissionDenied),
    ];
    for (change, code) in bad {
        let mut request = request.clone();
        change(&mut request);
        let status = client.sign_discharge(request).await.map(|_| "a discharge");
        assert_eq!(status.unwrap_err().code(), code);
    }

    // Somebody who claims to have seen newer keys has them looked for once, not at each call.
    let leases = town.authority.script().leases;
    let newer = v1::SignDischargeRequest {
        epoch: 9,
        ..request
    };
    for _ in 0..5 {
        client.sign_discharge(newer.clone()).await.unwrap();
    }
    assert_eq!(town.authority.script().leases, leases + 1);

    let town = Town::new(|_, _| {}).await;
    let status = town
        .client()
        .sign_discharge(newer)
        .await
        .map(|_| "a discharge");
    assert_eq!(status.unwrap_err().code(), Code::PermissionDenied);
}
