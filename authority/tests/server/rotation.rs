//! The life of keys, seen from an agent's stream and from an operator's commands.

use cattery_proto::v1::*;
use tonic::Code;

use crate::follower::Follower;
use crate::harness::{Cluster, refused, settled};

fn shown(news: &ServiceNews) -> Vec<(u32, u32, EpochState)> {
    let keys = news.keys.iter();
    keys.map(|key| (key.epoch, key.generation, key.state()))
        .collect()
}

fn why(answer: &ChangeKeyScheduleResponse) -> (bool, StepRefusal) {
    (answer.done, answer.refusal())
}

/// An agent that holds everything, epoch 2 being prepared.
async fn agent(cluster: &Cluster, service: &str) -> (Follower, ServiceNews) {
    let agent = cluster.agent(service).await;
    settled(cluster, "", |schedule| {
        schedule.keys[0].state() == EpochState::Prepared
    })
    .await;
    let mut follower = cluster.follow(&agent.client, None).await.unwrap();
    let news = follower.news().await.unwrap();
    follower.beat(news.position).await.unwrap();
    (follower, news)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_epoch_is_prepared_told_confirmed_activated_and_drains() {
    use EpochState::{Active, Draining, Prepared};
    let cluster = Cluster::start().await;
    let (mut follower, first) = agent(&cluster, "photos").await;
    assert_eq!(shown(&first), [(1, 0, Active), (2, 0, Prepared)]);
    assert!(first.since.is_none() && first.cluster.is_some());
    assert_eq!(follower.open(&first).len(), 2);

    let activated = cluster.step("", KeyCommand::Activate, false).await;
    assert_eq!(why(&activated), (true, StepRefusal::Unspecified));
    let news = follower.news().await.unwrap();
    assert_eq!(shown(&news)[..2], [(1, 0, Draining), (2, 0, Active)]);
    assert_eq!(news.since, first.position);
    assert!(news.cluster.is_none(), "nothing new");
    assert!(news.keys[0].not_after > crate::harness::now());
    // The one that is held is not sent again.
    let sent: Vec<_> = follower.open(&news).iter().map(|key| key.0).collect();
    assert!(!sent.contains(&1) && !sent.contains(&2), "{sent:?}");

    // The next one is prepared by itself.
    settled(&cluster, "", |schedule| {
        schedule.keys[0].number == 3 && schedule.keys[0].state() == Prepared
    })
    .await;
    let early = cluster.step("", KeyCommand::Retire, false).await;
    assert_eq!(why(&early), (false, StepRefusal::LeasesOut));
    assert_eq!(early.until, early.schedule.unwrap().retires_at);
    let second = cluster.step("", KeyCommand::Activate, false).await;
    assert_eq!(why(&second), (false, StepRefusal::StillDraining));
    let forced = cluster.step("", KeyCommand::Retire, true).await;
    assert_eq!(why(&forced), (true, StepRefusal::Unspecified));
    let news = loop {
        let news = follower.news().await.unwrap();
        if !shown(&news).iter().any(|(epoch, _, _)| *epoch == 1) {
            break news;
        }
    };
    assert_eq!(shown(&news), [(2, 0, Active), (3, 0, Prepared)]);
    assert_eq!(cluster.audited("key_activated"), 1);
    assert_eq!(cluster.audited("key_retired"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn activation_waits_for_agents_that_are_alive_and_names_them() {
    let cluster = Cluster::start().await;
    settled(&cluster, "", |schedule| {
        schedule.keys[0].state() == EpochState::Prepared
    })
    .await;
    let enrolled = cluster.agent("photos").await;
    let mut follower = cluster.follow(&enrolled.client, None).await.unwrap();
    // It was told, and has not said that it holds anything.
    let news = follower.news().await.unwrap();
    let refused = cluster.step("", KeyCommand::Activate, false).await;
    assert_eq!(why(&refused), (false, StepRefusal::AgentsMissing));
    assert_eq!(refused.agent_count, 1);
    let missing = &refused.agents[0];
    assert_eq!(
        (&missing.agent_id, missing.service.as_str()),
        (&enrolled.identity.device_id, "photos")
    );
    assert!(missing.until >= missing.last_contact + crate::follower::BUDGET);
    let schedule = cluster.schedule("").await;
    assert_eq!((schedule.live_agents, schedule.holding), (1, 0));
    // A dry run says the same of force, and changes nothing.
    let request = ChangeKeyScheduleRequest {
        command: KeyCommand::Activate.into(),
        force: true,
        dry_run: true,
        ..Default::default()
    };
    let dry = cluster.admin().change_key_schedule(request).await.unwrap();
    let dry = dry.into_inner();
    assert_eq!(why(&dry), (false, StepRefusal::Unspecified));
    assert_eq!(dry.agent_count, 1);
    assert_eq!(cluster.schedule("").await.keys[1].number, 1);
    // Somebody else's rotation came first.
    let request = ChangeKeyScheduleRequest {
        command: KeyCommand::Activate.into(),
        force: true,
        expect_active: Some(7),
        ..Default::default()
    };
    let changed = cluster.admin().change_key_schedule(request).await.unwrap();
    assert_eq!(why(&changed.into_inner()), (false, StepRefusal::Changed));

    follower.beat(news.position).await.unwrap();
    let schedule = cluster.schedule("").await;
    assert_eq!((schedule.live_agents, schedule.holding), (1, 1));
    let activated = cluster.step("", KeyCommand::Activate, false).await;
    assert_eq!(why(&activated), (true, StepRefusal::Unspecified));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_comes_back_gets_only_what_it_lacks() {
    let cluster = Cluster::start().await;
    let enrolled = cluster.agent("photos").await;
    settled(&cluster, "", |schedule| {
        schedule.keys[0].state() == EpochState::Prepared
    })
    .await;
    let mut follower = cluster.follow(&enrolled.client, None).await.unwrap();
    let holds = follower.news().await.unwrap().position;
    drop(follower);
    let mut again = cluster.follow(&enrolled.client, holds).await.unwrap();
    assert!(again.next().await.unwrap().news.is_none(), "it has it all");
    drop(again);
    cluster.add_user("alice").await;
    let name = "alice".to_owned();
    let revoked = cluster
        .admin()
        .revoke_user(RevokeUserRequest { name })
        .await;
    assert_eq!(revoked.unwrap().into_inner().user.unwrap().version, 1);
    let mut again = cluster.follow(&enrolled.client, holds).await.unwrap();
    let news = again.news().await.unwrap();
    assert_eq!(news.since, holds);
    assert!(again.open(&news).is_empty(), "no key is new");
    assert_eq!(news.keys.len(), 2);
    let [least] = &news.least_versions[..] else {
        panic!("one revocation: {news:?}")
    };
    assert_eq!((least.principal.as_str(), least.version), ("user/alice", 1));

    // Whoever has seen more than the store has is told nothing.
    let ahead = Position {
        incarnation: 1,
        sequence: 1_000_000,
    };
    let told = cluster.follow(&enrolled.client, Some(ahead)).await;
    refused(told.map(drop), Code::Unavailable, "try again");
    let status = cluster
        .admin()
        .get_cluster_status(GetClusterStatusRequest {})
        .await;
    let warnings = status.unwrap().into_inner().warnings;
    let warned = |warning: &&String| warning.contains("`cattery restore`");
    let warning = warnings.iter().find(warned).expect("the operator is told");
    assert!(warning.contains(&enrolled.identity.device_id), "{warning}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_services_key_is_rotated_in_good_order_or_at_once() {
    use EpochState::{Active, Draining, Prepared};
    let cluster = Cluster::start().await;
    let (mut photos, _) = agent(&cluster, "photos").await;
    let (mut mail, _) = agent(&cluster, "mail").await;
    let prepared = cluster.step("photos", KeyCommand::Prepare, false).await;
    assert_eq!(why(&prepared), (true, StepRefusal::Unspecified));
    let news = photos.news().await.unwrap();
    assert_eq!(
        shown(&news),
        [
            (1, 0, Active),
            (1, 1, Prepared),
            (2, 0, Prepared),
            (2, 1, Prepared)
        ]
    );
    assert_eq!(photos.open(&news).len(), 2, "those of generation 1");
    photos.beat(news.position).await.unwrap();
    // The leader goes on by itself.
    settled(&cluster, "photos", |schedule| {
        schedule.keys[0].number == 1 && schedule.keys[0].state() == Active
    })
    .await;
    let news = photos.news().await.unwrap();
    assert_eq!(shown(&news)[0], (1, 0, Draining));

    let replaced = cluster.step("photos", KeyCommand::Replace, false).await;
    assert_eq!(why(&replaced), (true, StepRefusal::Unspecified));
    assert_eq!(replaced.agent_count, 1);
    let news = photos.news().await.unwrap();
    assert_eq!(shown(&news), [(1, 2, Active), (2, 2, Prepared)]);
    // Nobody else hears of it.
    assert!(mail.beat(None).await.unwrap().news.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_evicted_agent_is_told_nothing_and_its_service_gets_a_new_key() {
    let cluster = Cluster::start().await;
    let (mut good, _) = agent(&cluster, "photos").await;
    let leaked = cluster.agent("photos").await;
    let mut bad = cluster.follow(&leaked.client, None).await.unwrap();
    bad.news().await.unwrap();
    let request = EvictAgentRequest {
        agent_id: leaked.identity.device_id.clone(),
        planned: false,
    };
    let answer = cluster.admin().evict_agent(request.clone()).await.unwrap();
    let answer = answer.into_inner();
    assert_eq!((answer.service.as_str(), answer.generation), ("photos", 1));
    assert_eq!(answer.agents.len(), 2, "they have yet to hear of it");
    let ended = loop {
        match bad.next().await {
            Ok(answer) => assert!(answer.news.is_none()),
            Err(status) => break status,
        }
    };
    assert_eq!(ended.code(), Code::PermissionDenied);
    let news = good.news().await.unwrap();
    assert!(shown(&news).iter().all(|key| key.1 == 1));
    refused(
        cluster.service_keys(&leaked.client).await,
        Code::PermissionDenied,
        "was evicted",
    );
    refused(
        cluster.admin().evict_agent(request).await,
        Code::NotFound,
        "cattery agent list",
    );
    let service = String::new();
    let agents = cluster
        .admin()
        .list_agents(ListAgentsRequest { service })
        .await;
    let agents = agents.unwrap().into_inner().agents;
    let of = |id: &str| agents.iter().find(|agent| agent.agent_id == id).unwrap();
    assert_eq!(of(&leaked.identity.device_id).state, "evicted");
    assert_eq!(cluster.audited("agent_evicted"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_service_comes_back_as_another_one() {
    let cluster = Cluster::start().await;
    let (mut follower, _) = agent(&cluster, "photos").await;
    let old = cluster.agent("photos").await;
    let name = || "photos".to_owned();
    let disabled = cluster
        .admin()
        .disable_service(DisableServiceRequest { name: name() })
        .await;
    assert_eq!(disabled.unwrap().into_inner().agents, 2);
    let ended = loop {
        if let Err(status) = follower.next().await {
            break status;
        }
    };
    assert_eq!(ended.code(), Code::PermissionDenied);
    let back = cluster.add_service("photos").await;
    assert_eq!(back.generation, 1);
    refused(
        cluster.service_keys(&old.client).await,
        Code::PermissionDenied,
        "its service disabled",
    );
    let new = cluster.agent("photos").await;
    let (news, _) = cluster.service_keys(&new.client).await.unwrap();
    assert!(shown(&news).iter().all(|key| key.1 == 1));
    assert_eq!(cluster.schedule("photos").await.live_agents, 1);
    // What it signed as a client is revoked.
    let principal = |least: &LeastVersion| least.principal == "service/photos";
    assert!(news.least_versions.iter().any(principal));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_ends_everything_at_once() {
    let cluster = Cluster::start().await;
    let (mut follower, _) = agent(&cluster, "photos").await;
    let replaced = cluster.step("", KeyCommand::Replace, false).await;
    assert_eq!(why(&replaced), (true, StepRefusal::Unspecified));
    assert_eq!(replaced.agent_count, 1);
    let news = follower.news().await.unwrap();
    assert_eq!(shown(&news)[0], (3, 0, EpochState::Active));
    assert!(shown(&news).iter().all(|key| key.0 >= 3), "{news:?}");
    let keys = cluster.schedule("").await.keys;
    let retired = keys.iter().filter(|key| key.retired_at != 0).count();
    assert_eq!(retired, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_evicted_agent_fetched_as_a_client_is_revoked_and_no_others() {
    let cluster = Cluster::start().await;
    let (mut mail, first) = agent(&cluster, "mail").await;
    let leaked = cluster.agent("photos").await;
    let other = cluster.agent("photos").await;
    cluster
        .grant("service/photos", "mail", &[], 0)
        .await
        .unwrap();
    let mut leases = Vec::new();
    for client in [&leaked, &other, &leaked] {
        let keys = cluster.client_keys(&client.client, &["mail"]).await;
        let key = keys.unwrap().remove(0).1.unwrap();
        leases.push(key.id().lease_id.to_vec());
    }
    let request = EvictAgentRequest {
        agent_id: leaked.identity.device_id.clone(),
        planned: false,
    };
    let answer = cluster.admin().evict_agent(request.clone()).await.unwrap();
    assert_eq!(answer.into_inner().leases, 2);
    let request_leases = ListLeasesRequest {
        principal: "service/photos".into(),
    };
    let listed = cluster.admin().list_leases(request_leases).await.unwrap();
    for lease in listed.into_inner().leases {
        assert_eq!(lease.revoked, lease.lease_id != leases[1], "{lease:?}");
    }
    // Agents of the service that it called hear of both.
    let mut told = first.revoked_ids.len();
    while told < 2 {
        told += mail.news().await.unwrap().revoked_ids.len();
    }
    // There is nothing left for a second call to do.
    refused(
        cluster.admin().evict_agent(request).await,
        Code::NotFound,
        "cattery agent list",
    );
}
