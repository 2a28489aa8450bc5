use cattery_proto::v1::enrollment_client::EnrollmentClient;
use cattery_proto::v1::*;
use cattery_sdk::identity::KeyPair;
use cattery_sdk::tls::Identity as Client;
use tonic::Code;

use crate::harness::{Cluster, now, refused, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn a_join_token_works_once_and_again_for_the_same_key() {
    let cluster = Cluster::start().await;
    cluster.add_service("photos").await;
    let token = cluster.join_token("photos").await;
    let key = KeyPair::generate().unwrap();

    let first = cluster.enroll(&token, &key).await.unwrap();
    assert_eq!(first.identity.subject, "service/photos");
    assert_eq!(first.identity.device_id.len(), 32);
    let described = first.identity.cluster.clone().unwrap();
    assert_eq!(described.addresses, [cluster.address()]);
    assert_eq!(described.trust_bundle, cluster.bundle);
    assert_eq!(described.trust_domain, "example.org");

    // The answer may have been lost.
    let again = cluster.enroll(&token, &key).await.unwrap();
    assert_eq!(again.identity.device_id, first.identity.device_id);
    for enrolled in [&first, &again] {
        cluster.service_keys(&enrolled.client).await.unwrap();
    }

    // Somebody else found it.
    let other = KeyPair::generate().unwrap();
    let denied = "this join token is not valid";
    let result = cluster.enroll(&token, &other).await;
    refused(result, Code::Unauthenticated, denied);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_useless_join_token_gets_one_answer() {
    let cluster = Cluster::start().await;
    cluster.add_service("photos").await;
    let key = KeyPair::generate().unwrap();
    let channel = cluster.channel(None);
    let enroll = async |id: &[u8], secret: &[u8]| {
        let request = EnrollRequest {
            join_token_id: id.to_vec(),
            join_token_secret: secret.to_vec(),
            csr: key.csr().unwrap(),
        };
        let result = EnrollmentClient::new(channel.clone()).enroll(request).await;
        let status = result.unwrap_err();
        (status.code(), status.message().to_owned())
    };

    let good = cluster.join_token("photos").await;
    let wrong_secret = enroll(&good.id, &[7; 32]).await;
    let unknown = enroll(&[7; 8], &*good.secret).await;
    let short = cluster.join_token_for("photos", 1).await.unwrap();
    wait_until(now() + 2).await;
    let expired = enroll(&short.id, &*short.secret).await;
    assert_eq!(wrong_secret.0, Code::Unauthenticated);
    assert_eq!(unknown, wrong_secret);
    assert_eq!(expired, wrong_secret);

    // None of that used it up.
    cluster.enroll(&good, &key).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_renews_and_the_old_one_serves_until_the_new_one_is_used() {
    let cluster = Cluster::start().await;
    let agent = cluster.agent("photos").await;
    let renew = async |client: &Client| {
        let key = KeyPair::generate().unwrap();
        let mut calls = EnrollmentClient::new(cluster.channel(Some(client)));
        let csr = key.csr().unwrap();
        let answer = calls
            .renew_certificate(RenewCertificateRequest { csr })
            .await;
        answer.map(|answer| {
            let identity = answer.into_inner().identity.unwrap();
            assert_eq!(identity.device_id, agent.identity.device_id);
            assert_eq!(identity.subject, "service/photos");
            assert!(identity.not_after > now() + 2 * 24 * 3600);
            Client::new(identity.certificate, key.pkcs8())
        })
    };
    let lost = renew(&agent.client).await.unwrap();
    let second = renew(&agent.client).await.unwrap();
    cluster.service_keys(&agent.client).await.unwrap();
    cluster.service_keys(&second).await.unwrap();
    let gone = "gives no access any more";
    refused(
        cluster.service_keys(&lost).await,
        Code::PermissionDenied,
        gone,
    );
    let third = renew(&second).await.unwrap();
    cluster.service_keys(&third).await.unwrap();
    refused(
        cluster.service_keys(&agent.client).await,
        Code::PermissionDenied,
        gone,
    );
    refused(renew(&agent.client).await, Code::PermissionDenied, gone);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_told_what_is_wrong() {
    let cluster = Cluster::start().await;
    let mut calls = EnrollmentClient::new(cluster.channel(None));
    let request = |id: &[u8], csr: &[u8]| EnrollRequest {
        join_token_id: id.to_vec(),
        join_token_secret: vec![1; 32],
        csr: csr.to_vec(),
    };
    let result = calls.enroll(request(&[1; 7], &[])).await;
    refused(result, Code::InvalidArgument, "8 bytes");
    let result = calls.enroll(request(&[1; 8], b"not a csr")).await;
    refused(result, Code::InvalidArgument, "PKCS #10");
    let result = calls.enroll(request(&[1; 8], &vec![0; 100_000])).await;
    refused(result, Code::OutOfRange, "");
    let csr = KeyPair::generate().unwrap().csr().unwrap();
    let result = calls
        .renew_certificate(RenewCertificateRequest { csr })
        .await;
    refused(result, Code::Unauthenticated, "takes a client certificate");
    refused(
        cluster.join_token_for("photos", 0).await,
        Code::NotFound,
        "there is no service `photos`: add it with `cattery service add photos`",
    );
    cluster.add_service("photos").await;
    refused(
        cluster.join_token_for("photos", 8 * 24 * 3600).await,
        Code::InvalidArgument,
        "7d is the most",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_join_token_in_many_hands_makes_one_agent() {
    let cluster = Cluster::start().await;
    cluster.add_service("photos").await;
    let token = cluster.join_token("photos").await;
    let keys: Vec<KeyPair> = (0..8).map(|_| KeyPair::generate().unwrap()).collect();
    let (a, b, c, d) = tokio::join!(
        cluster.enroll(&token, &keys[0]),
        cluster.enroll(&token, &keys[1]),
        cluster.enroll(&token, &keys[2]),
        cluster.enroll(&token, &keys[3]),
    );
    let won = [a, b, c, d].into_iter().filter(Result::is_ok).count();
    assert_eq!(won, 1);
    let request = GetServiceRequest {
        name: "photos".into(),
    };
    let answer = cluster
        .admin()
        .get_service(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(answer.agents.len(), 1);
}
