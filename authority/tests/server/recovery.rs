//! Agents whose certificate ended while they were cut off.

use std::time::Duration;

use cattery_proto::v1::enrollment_client::EnrollmentClient;
use cattery_proto::v1::*;
use cattery_sdk::identity::KeyPair;
use cattery_sdk::tls::Identity as Client;
use tonic::{Code, Status};

use crate::harness::{Cluster, Enrolled, now, refused, wait_until};

const NO_WAY_BACK: &str = "gets no certificate for the key that it has";

/// A cluster whose agents get certificates of this length, and may come back for so long after their end.
async fn cluster(certificate: u64, window: Option<u64>) -> Cluster {
    let mut cluster = Cluster::start().await;
    reconfigure(&mut cluster, certificate, window).await;
    cluster
}

async fn reconfigure(cluster: &mut Cluster, certificate: u64, window: Option<u64>) {
    let mut config = cluster.config();
    config.agent_certificate_lifetime = Duration::from_secs(certificate);
    config.agent_recovery_window = window.map(Duration::from_secs);
    cluster.restart_with(config).await.unwrap();
}

/// An agent, with its key.
async fn agent(cluster: &Cluster, service: &str) -> (KeyPair, Enrolled) {
    let token = cluster.join_token(service).await;
    let key = KeyPair::generate().unwrap();
    let enrolled = cluster.enroll(&token, &key).await.unwrap();
    (key, enrolled)
}

async fn recover(cluster: &Cluster, agent_id: &str, key: &KeyPair) -> Result<Identity, Status> {
    let request = RecoverCertificateRequest {
        agent_id: agent_id.into(),
        csr: key.csr().unwrap(),
    };
    let mut calls = EnrollmentClient::new(cluster.channel(None));
    let answer = calls.recover_certificate(request).await?.into_inner();
    Ok(answer.identity.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_certificate_ended_comes_back_as_itself() {
    let mut cluster = cluster(1, Some(3600)).await;
    cluster.add_service("photos").await;
    let (key, enrolled) = agent(&cluster, "photos").await;
    let id = &enrolled.identity.device_id;
    wait_until(enrolled.identity.not_after + 2).await;
    assert!(cluster.service_keys(&enrolled.client).await.is_err());
    let csr = key.csr().unwrap();
    let renewed = EnrollmentClient::new(cluster.channel(Some(&enrolled.client)))
        .renew_certificate(RenewCertificateRequest { csr })
        .await;
    assert!(renewed.is_err(), "the way back is another one");

    reconfigure(&mut cluster, 3600, Some(3600)).await;
    // The first answer may have been lost.
    for _ in 0..2 {
        let back = recover(&cluster, id, &key).await.unwrap();
        assert_eq!(back.device_id, *id);
        assert_eq!(back.subject, "service/photos");
        assert!(back.not_after > now() + 3000);
        let described = back.cluster.unwrap();
        assert_eq!(described.trust_bundle, cluster.bundle);
        assert_eq!(described.addresses, [cluster.address()]);
        let client = Client::new(back.certificate, key.pkcs8());
        cluster.service_keys(&client).await.unwrap();
    }
    let records = cluster.audit();
    let recovered = records
        .iter()
        .find(|record| record["action"] == "certificate_recovered")
        .unwrap();
    assert_eq!(recovered["actor"], "service/photos");
    assert_eq!(recovered["fields"]["agent"], id.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn everyone_else_gets_one_answer() {
    let mut cluster = cluster(3600, Some(3600)).await;
    for service in ["photos", "mail"] {
        cluster.add_service(service).await;
    }
    let (key, good) = agent(&cluster, "photos").await;
    let id = good.identity.device_id.as_str();
    let (evicted_key, evicted) = agent(&cluster, "photos").await;
    let evicted = evicted.identity.device_id;
    let request = EvictAgentRequest {
        agent_id: evicted.clone(),
        planned: false,
    };
    cluster.admin().evict_agent(request).await.unwrap();
    let (former_key, former) = agent(&cluster, "mail").await;
    let former = former.identity.device_id;
    let name = "mail".to_owned();
    let disable = DisableServiceRequest { name };
    cluster.admin().disable_service(disable).await.unwrap();

    let other = KeyPair::generate().unwrap();
    let shouted = id.to_uppercase() + "x";
    let long = "a".repeat(10_000);
    let mut answers = Vec::new();
    for (id, key) in [
        (id, &other),
        (&*evicted, &evicted_key),
        (&*former, &former_key),
        (&"0".repeat(32), &key),
        (&shouted, &key),
        (&long, &key),
        ("", &key),
    ] {
        answers.push(recover(&cluster, id, key).await.unwrap_err());
    }
    // The name comes back for somebody else.
    cluster.add_service("mail").await;
    answers.push(recover(&cluster, &former, &former_key).await.unwrap_err());
    for answer in &answers {
        assert_eq!(answer.code(), Code::Unauthenticated);
        assert_eq!(answer.message(), answers[0].message());
        assert!(answer.message().contains(NO_WAY_BACK), "{answer:?}");
    }
    recover(&cluster, id, &key).await.unwrap();

    // Where nobody comes back.
    reconfigure(&mut cluster, 3600, None).await;
    let off = recover(&cluster, id, &key).await.unwrap_err();
    assert_eq!(off.message(), answers[0].message());
    assert_eq!(cluster.audited("certificate_recovered"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_ends() {
    let cluster = cluster(1, Some(1)).await;
    cluster.add_service("photos").await;
    let (key, enrolled) = agent(&cluster, "photos").await;
    wait_until(enrolled.identity.not_after + 1).await;
    let result = recover(&cluster, &enrolled.identity.device_id, &key).await;
    refused(result, Code::Unauthenticated, NO_WAY_BACK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_none_is_told_what_is_wrong() {
    let cluster = Cluster::start().await;
    let request = RecoverCertificateRequest {
        agent_id: "0".repeat(32),
        csr: b"not a csr".to_vec(),
    };
    let mut calls = EnrollmentClient::new(cluster.channel(None));
    let result = calls.recover_certificate(request).await;
    refused(result, Code::InvalidArgument, "PKCS #10");
}
