//! Signing as the service, for peers that are named.

use std::collections::HashSet;

use cattery_core::inspect::{self, Inspected};
use cattery_core::{Keyring, NoRevocations, NoSingleUse, Policy, RequestFacts, Scratch, Verifier};
use cattery_proto::v1;
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

#[tokio::test]
async fn named_peers_sign_as_the_service_and_leases_renew_themselves() {
    let uid = rustix::process::getuid().as_raw();
    let town = Town::new(|config, _| config.mint.uids = vec![uid]).await;
    let mut client = town.client();
    let token = client.mint(request("mail")).await.unwrap().into_inner();
    assert_eq!(as_mail(&token.token), "service/photos");
    assert!(token.not_after <= now() + 4, "no longer than the lease");

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

    let mut leases = HashSet::new();
    until("three leases have signed", async || {
        let token = town.client().mint(request("mail")).await;
        let token = token.unwrap().into_inner().token;
        as_mail(&token);
        let mut scratch = Scratch::new();
        let Ok(Inspected::Token(token)) = inspect::parse(&token, &mut scratch) else {
            panic!("it is a token");
        };
        leases.insert(token.unverified_key_id().lease_id);
        leases.len() == 3
    })
    .await;
}
