//! The life of CAs, seen by those who know the old one, the new one, or both.

use std::time::Duration;

use cattery_proto::v1::enrollment_client::EnrollmentClient;
use cattery_proto::v1::*;
use cattery_sdk::connect::Connector;
use cattery_sdk::identity::KeyPair;
use cattery_sdk::tls::{Identity as Client, Trust};
use tonic::Code;

use crate::harness::{Cluster, Enrolled, refused};

use EpochState::{Active, Draining, Prepared};

fn states(schedule: &CaSchedule) -> Vec<(u32, EpochState)> {
    let cas = schedule.cas.iter();
    cas.map(|ca| (ca.number, ca.state())).collect()
}

async fn prepare(cluster: &mut Cluster) {
    let answer = cluster.step_ca(KeyCommand::Prepare, false).await;
    assert!(answer.done, "{answer:?}");
    let request = GetClusterStatusRequest {};
    let status = cluster.admin().get_cluster_status(request).await.unwrap();
    cluster.bundle = status.into_inner().trust_bundle;
}

/// Lets the prepared CA sign, and waits until the authority shows a certificate of it.
async fn activate(cluster: &Cluster) {
    let answer = cluster.step_ca(KeyCommand::Activate, true).await;
    assert!(answer.done, "{answer:?}");
    let newest = cluster.bundle.last().unwrap().clone();
    while !trusts(cluster, &Trust::Bundle(vec![newest.clone()])).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether a client with this trust takes the authority for one.
async fn trusts(cluster: &Cluster, trust: &Trust) -> bool {
    let connector = Connector::new(vec![cluster.address()], trust, None).unwrap();
    let mut calls = EnrollmentClient::new(connector.channel());
    let answer = calls.enroll(EnrollRequest::default()).await;
    let code = answer.unwrap_err().code();
    code == Code::InvalidArgument
}

async fn renew(cluster: &Cluster, agent: &Client, key: &KeyPair) -> Enrolled {
    let csr = key.csr().unwrap();
    let mut calls = EnrollmentClient::new(cluster.channel(Some(agent)));
    let request = RenewCertificateRequest { csr };
    let answer = calls.renew_certificate(request).await.unwrap();
    let identity = answer.into_inner().identity.unwrap();
    Enrolled {
        client: Client::new(identity.certificate.clone(), key.pkcs8()),
        identity,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ca_comes_and_signs_and_the_one_before_goes() {
    let mut cluster = Cluster::start().await;
    let old = cluster.bundle.clone();
    let agent = cluster.agent("photos").await;
    let mut follower = cluster.follow(&agent.client, None).await.unwrap();
    let first = follower.news().await.unwrap();
    assert_eq!(first.cluster.unwrap().trust_bundle, old);
    assert_eq!(states(&cluster.cas().await), [(1, Active)]);

    // Agents hear of it at once, and it signs nothing yet.
    prepare(&mut cluster).await;
    let news = follower.news().await.unwrap();
    let bundle = news.cluster.unwrap().trust_bundle;
    assert_eq!(bundle, cluster.bundle);
    assert_eq!((bundle.len(), &bundle[0]), (2, &old[0]));
    let schedule = cluster.cas().await;
    assert_eq!(states(&schedule), [(2, Prepared), (1, Active)]);
    assert_eq!((schedule.live_agents, schedule.knowing), (1, 0));
    assert_eq!(schedule.behind[0].agent_id, agent.identity.device_id);
    follower.beat(news.position).await.unwrap();
    assert_eq!(cluster.cas().await.knowing, 1);
    let newcomer = cluster.agent("mail").await;
    assert_eq!(newcomer.identity.cluster.unwrap().trust_bundle, bundle);
    assert!(!trusts(&cluster, &Trust::Bundle(bundle[1..].to_vec())).await);
    // Users may not have heard of it.
    let early = cluster.step_ca(KeyCommand::Activate, false).await;
    assert_eq!((early.done, early.refusal()), (false, CaRefusal::TooSoon));
    assert!(early.why.contains("wait until"), "{}", early.why);
    let again = cluster.step_ca(KeyCommand::Prepare, false).await;
    assert_eq!(again.refusal(), CaRefusal::AlreadyPrepared);

    activate(&cluster).await;
    assert_eq!(states(&cluster.cas().await), [(2, Active), (1, Draining)]);
    // Whoever knows the old one, the new one or both is at home, whichever signed their own certificate.
    let key = KeyPair::generate().unwrap();
    let renewed = renew(&cluster, &agent.client, &key).await;
    for bundle in [&old[..], &bundle[1..], &bundle[..]] {
        cluster.bundle = bundle.to_vec();
        cluster.cas().await;
        cluster.service_keys(&renewed.client).await.unwrap();
    }
    assert_eq!(renewed.identity.cluster.unwrap().trust_bundle, bundle);
    let needs = cluster.cas().await.needs.unwrap();
    assert_eq!((needs.agents, needs.operators), (1, 1), "mail and root");
    let early = cluster.step_ca(KeyCommand::Retire, false).await;
    assert_eq!(early.refusal(), CaRefusal::StillNeeded);
    assert!(early.why.contains("1 operators"), "{}", early.why);

    // Nobody could let anybody in.
    let locks_out = cluster.step_ca(KeyCommand::Retire, true).await;
    assert_eq!(locks_out.refusal(), CaRefusal::AllAdmins);
    let ada = cluster.operator("ada", "admin").await;
    let gone = cluster.step_ca(KeyCommand::Retire, true).await;
    assert!(gone.done);
    assert_eq!(states(gone.schedule.as_ref().unwrap()), [(2, Active)]);
    while trusts(&cluster, &Trust::Bundle(old.clone())).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Those whom it signed have lost.
    let request = GetCasRequest {};
    assert!(cluster.admin().get_cas(request).await.is_err());
    cluster.root = ada.client;
    assert_eq!(states(&cluster.cas().await), [(2, Active)]);
    for action in ["ca_prepared", "ca_activated", "ca_retired"] {
        assert_eq!(cluster.audited(action), 1, "{action}");
    }
    let records = cluster.audit();
    let retired = records.iter().find(|r| r["action"] == "ca_retired");
    assert_eq!(retired.unwrap()["fields"]["number"], "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_that_name_a_ca_work_for_as_long_as_it_is_trusted() {
    let mut cluster = Cluster::start().await;
    cluster.add_service("photos").await;
    cluster.add_user("alice").await;
    let (_, old_key) = cluster.api_key("alice").await;
    let old_token = cluster.join_token("photos").await;
    let spare = cluster.join_token("photos").await;
    prepare(&mut cluster).await;
    let (_, still_old) = cluster.api_key("alice").await;
    assert_eq!(still_old.ca_sha256, old_key.ca_sha256, "the one that signs");
    cluster.user_keys(&old_key, &[], 0).await.unwrap();

    activate(&cluster).await;
    let (_, new_key) = cluster.api_key("alice").await;
    let new_token = cluster.join_token("photos").await;
    assert_ne!(new_key.ca_sha256, old_key.ca_sha256);
    for api_key in [&old_key, &new_key] {
        cluster.user_keys(api_key, &[], 0).await.unwrap();
    }
    for token in [&old_token, &new_token] {
        let key = KeyPair::generate().unwrap();
        let enrolled = cluster.enroll(token, &key).await.unwrap();
        cluster.service_keys(&enrolled.client).await.unwrap();
    }
    let needs = cluster.cas().await.needs.unwrap();
    assert!(needs.api_keys >= 2 && needs.join_tokens >= 2, "{needs:?}");
    let end = cluster.cas().await.cas[1].not_after;
    assert_eq!(needs.until, end, "API keys have no end, but the CA has");

    let ada = cluster.operator("ada", "admin").await;
    assert!(cluster.step_ca(KeyCommand::Retire, true).await.done);
    cluster.root = ada.client;
    while trusts(&cluster, &Trust::Fingerprint(old_key.ca_sha256)).await {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    cluster.user_keys(&new_key, &[], 0).await.unwrap();
    let trust = Trust::Fingerprint(spare.ca_sha256);
    let connector = Connector::new(vec![cluster.address()], &trust, None).unwrap();
    let mut calls = EnrollmentClient::new(connector.channel());
    let status = calls.enroll(EnrollRequest::default()).await.unwrap_err();
    let line = connector.explain(&status);
    assert!(line.contains("is not the one meant"), "{line}");
    assert!(line.contains("ask for a new one"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_whose_ca_is_gone_comes_back_by_its_key() {
    let mut cluster = Cluster::start().await;
    cluster.add_service("photos").await;
    let token = cluster.join_token("photos").await;
    let key = KeyPair::generate().unwrap();
    let agent = cluster.enroll(&token, &key).await.unwrap();
    prepare(&mut cluster).await;
    activate(&cluster).await;
    let ada = cluster.operator("ada", "admin").await;
    assert!(cluster.step_ca(KeyCommand::Retire, true).await.done);
    cluster.root = ada.client;
    while cluster.service_keys(&agent.client).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let request = RecoverCertificateRequest {
        agent_id: agent.identity.device_id.clone(),
        csr: key.csr().unwrap(),
    };
    let mut calls = EnrollmentClient::new(cluster.channel(None));
    let answer = calls.recover_certificate(request).await.unwrap();
    let identity = answer.into_inner().identity.unwrap();
    let client = Client::new(identity.certificate, key.pkcs8());
    cluster.service_keys(&client).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_phase_outlives_a_restart() {
    let mut cluster = Cluster::start().await;
    let old = Trust::Bundle(cluster.bundle.clone());
    let agent = cluster.agent("photos").await;
    prepare(&mut cluster).await;
    cluster.restart().await;
    assert_eq!(states(&cluster.cas().await), [(2, Prepared), (1, Active)]);
    cluster.service_keys(&agent.client).await.unwrap();
    let newcomer = cluster.agent("photos").await;
    cluster.service_keys(&newcomer.client).await.unwrap();

    activate(&cluster).await;
    cluster.restart().await;
    assert_eq!(states(&cluster.cas().await), [(2, Active), (1, Draining)]);
    let newest = cluster.bundle[1..].to_vec();
    assert!(trusts(&cluster, &Trust::Bundle(newest)).await);
    assert!(trusts(&cluster, &old).await);
    for client in [&agent.client, &newcomer.client] {
        cluster.service_keys(client).await.unwrap();
    }
    let ada = cluster.operator("ada", "admin").await;
    assert!(cluster.step_ca(KeyCommand::Retire, true).await.done);
    cluster.root = ada.client;
    cluster.restart().await;
    assert_eq!(states(&cluster.cas().await), [(2, Active)]);
    assert!(!trusts(&cluster, &old).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_are_wanted_meanwhile_are_all_given() {
    let mut cluster = Cluster::start().await;
    let mut agents = Vec::new();
    for _ in 0..4 {
        agents.push(cluster.agent("photos").await.client);
    }
    prepare(&mut cluster).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let busy = agents.iter().map(|first| {
        let (cluster, stopped) = (&cluster, stopped.clone());
        async move {
            let key = KeyPair::generate().unwrap();
            let mut last = renew(cluster, first, &key).await;
            while !*stopped.borrow() {
                last = renew(cluster, &last.client, &key).await;
            }
            renew(cluster, &last.client, &key).await
        }
    });
    let busy: Vec<_> = busy.collect();
    let turn = async {
        activate(&cluster).await;
        stop.send_replace(true);
    };
    let [a, b, c, d] = busy.try_into().ok().unwrap();
    let ((), a, b, c, d) = tokio::join!(turn, a, b, c, d);
    let needs = cluster.cas().await.needs.unwrap();
    assert_eq!(needs.agents, 0, "the last of each is the new one's");
    for agent in [a, b, c, d] {
        cluster.service_keys(&agent.client).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_one_comes_by_itself_when_a_ca_is_old() {
    let mut cluster = Cluster::start().await;
    let mut config = cluster.config();
    // With the five minutes that certificates begin before they are made, less than a third of its life is left from the start.
    config.ca_lifetime = Duration::from_secs(120);
    cluster.restart_with(config).await.unwrap();
    prepare(&mut cluster).await;
    activate(&cluster).await;
    let schedule = loop {
        let schedule = cluster.cas().await;
        if schedule.cas.len() == 3 {
            break schedule;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let expected = [(3, Prepared), (2, Active), (1, Draining)];
    assert_eq!(states(&schedule), expected);
    let records = cluster.audit();
    let prepared = records
        .iter()
        .filter(|record| record["action"] == "ca_prepared");
    let by: Vec<_> = prepared.map(|record| record["actor"].clone()).collect();
    assert_eq!(by, ["operator/root", "authority/authority-1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn turning_cas_over_is_for_admins() {
    let cluster = Cluster::start().await;
    let eve = cluster.operator("eve", "operator").await;
    let command = KeyCommand::Prepare.into();
    let request = ChangeCasRequest {
        command,
        force: false,
    };
    let mut calls = cluster.admin_as(&eve.client);
    let result = calls.change_cas(request).await;
    refused(result, Code::PermissionDenied, "takes the role `admin`");
    calls.get_cas(GetCasRequest {}).await.unwrap();
    let request = ChangeCasRequest {
        command: KeyCommand::Replace.into(),
        force: true,
    };
    let result = cluster.admin().change_cas(request).await;
    refused(result, Code::InvalidArgument, "names no step");
}
