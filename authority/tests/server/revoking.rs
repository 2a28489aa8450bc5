//! Taking back what was issued, by its id: from the call to what agents are told.

mod leases;
mod reach;
mod two;

use std::collections::HashSet;

use cattery_core::{Fingerprint, RevocableId, RevocationKey};
use cattery_proto::v1::*;
use tonic::{Code, Status};

use crate::follower::Follower;
use crate::harness::{Cluster, now, refused, settled};

const KINDS: [RevocationKind; 3] = [
    RevocationKind::Lease,
    RevocationKind::Token,
    RevocationKind::HandedOut,
];

impl Cluster {
    async fn revoke(&self, revocations: Vec<Revocation>, wait: bool) -> Result<Position, Status> {
        let request = RevokeRequest { revocations, wait };
        let answer = self.admin().revoke(request).await?;
        Ok(answer.into_inner().position.unwrap())
    }
}

fn token(principal: &str, number: u128) -> Revocation {
    Revocation {
        kind: RevocationKind::Token.into(),
        principal: principal.to_owned(),
        id: number.to_be_bytes().to_vec(),
        not_after: 0,
    }
}

/// What stands for it.
fn fingerprint(key: &RevocationKey, revocation: &Revocation) -> Fingerprint {
    let id = &revocation.id[..];
    let id = match revocation.kind() {
        RevocationKind::Lease => RevocableId::Lease(id.try_into().unwrap()),
        RevocationKind::Token => RevocableId::Token(id.try_into().unwrap()),
        RevocationKind::HandedOut => RevocableId::HandedOut(id.try_into().unwrap()),
        RevocationKind::Unspecified => panic!("no kind"),
    };
    key.fingerprint(&revocation.principal, &id)
}

pub(crate) fn key(news: &ServiceNews) -> RevocationKey {
    RevocationKey::from_bytes(news.revocation_key[..].try_into().unwrap())
}

pub(crate) fn ids(news: &ServiceNews) -> Vec<Fingerprint> {
    let ids = news.revoked_ids.iter();
    ids.map(|id| Fingerprint(id.fingerprint[..].try_into().unwrap()))
        .collect()
}

async fn with_alice() -> Cluster {
    let cluster = Cluster::start().await;
    for name in ["photos", "mail"] {
        cluster.add_service(name).await;
    }
    cluster.add_user("alice").await;
    settled(&cluster, "", |schedule| {
        schedule.keys[0].state() == EpochState::Prepared
    })
    .await;
    cluster
}

/// An agent that holds everything, and what it was told first.
pub(crate) async fn follower(
    cluster: &Cluster,
    client: &cattery_sdk::tls::Identity,
) -> (Follower, ServiceNews) {
    let mut follower = cluster.follow(client, None).await.unwrap();
    let news = follower.news().await.unwrap();
    follower.beat(news.position).await.unwrap();
    (follower, news)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_hears_of_each_id_once() {
    let cluster = with_alice().await;
    let agent = cluster.agent("photos").await;
    let (mut follower, first) = follower(&cluster, &agent.client).await;
    assert!(first.revoked_ids.is_empty() && !first.more);
    assert_eq!(first.as_of, first.position);
    let mut held = first.position;
    for (kind, len) in KINDS.into_iter().zip([8, 16, 16]) {
        let revocation = Revocation {
            kind: kind.into(),
            principal: "user/alice".into(),
            id: vec![7; len],
            not_after: 0,
        };
        let before = now();
        let position = cluster
            .revoke(vec![revocation.clone()], false)
            .await
            .unwrap();
        let news = follower.news().await.unwrap();
        assert_eq!(ids(&news), [fingerprint(&key(&first), &revocation)]);
        assert_eq!((news.since, news.position), (held, Some(position)));
        assert!(news.revocation_key.is_empty() && news.cluster.is_none() && !news.more);
        assert!(follower.open(&news).is_empty(), "it has the keys");
        // The greatest lease is a day.
        let ends_at = news.revoked_ids[0].ends_at;
        assert!((86_400..86_400 + 300).contains(&(ends_at - before)));
        held = news.position;
    }
    // Another agent is told all of it at first.
    let mail = cluster.agent("mail").await;
    let news = cluster.service_keys(&mail.client).await.unwrap().0;
    assert_eq!(news.revoked_ids.len(), 3);
    assert_eq!(news.revocation_key, first.revocation_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_told_until_it_ends() {
    let cluster = with_alice().await;
    let agent = cluster.agent("photos").await;
    let (mut follower, _) = follower(&cluster, &agent.client).await;
    let until = |number, not_after| Revocation {
        not_after,
        ..token("user/alice", number)
    };
    let now = now();
    let all = vec![until(1, now + 60), until(2, u64::MAX), until(3, 1)];
    cluster.revoke(all, false).await.unwrap();
    let news = follower.news().await.unwrap();
    let ends: Vec<u64> = news.revoked_ids.iter().map(|id| id.ends_at).collect();
    let [one, other] = ends[..] else {
        panic!("the third one has ended long ago: {ends:?}")
    };
    assert_eq!(one, now + 60 + 2 * 30);
    assert!((now + 86_400..now + 86_400 + 300).contains(&other));
    // Nothing is left to be told of that, but the place, to whoever waits.
    let position = cluster.revoke(vec![until(3, 1)], true).await.unwrap();
    let news = follower.news().await.unwrap();
    assert_eq!(news.position, Some(position));
    assert!(news.revoked_ids.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_revokes_nothing() {
    let cluster = with_alice().await;
    let good = token("user/alice", 1);
    let with = |change: &dyn Fn(&mut Revocation)| {
        let mut bad = good.clone();
        change(&mut bad);
        vec![good.clone(), bad]
    };
    let invalid = Code::InvalidArgument;
    let cases = [
        (vec![], invalid, "from 1 to 500"),
        (vec![good.clone(); 501], invalid, "501 revocations"),
        (with(&|bad| bad.kind = 0), invalid, "revocation 2: its kind"),
        (with(&|bad| bad.kind = 9), invalid, "revocation 2: its kind"),
        (
            with(&|bad| bad.id = vec![1; 8]),
            invalid,
            "revocation 2: the id has 8 bytes, and a token's has 16",
        ),
        (
            with(&|bad| bad.set_kind(RevocationKind::Lease)),
            invalid,
            "the id has 16 bytes, and a lease's has 8",
        ),
        (
            with(&|bad| bad.principal = "alice".into()),
            invalid,
            "the principal `alice` is not valid",
        ),
        (
            with(&|bad| {
                bad.set_kind(RevocationKind::HandedOut);
                bad.not_after = 5;
            }),
            invalid,
            "not_after is for tokens",
        ),
        (
            with(&|bad| bad.principal = "user/alise".into()),
            Code::NotFound,
            "there is no user `alise`",
        ),
        (
            with(&|bad| bad.principal = "service/music".into()),
            Code::NotFound,
            "there is no service `music`",
        ),
    ];
    for (revocations, code, words) in cases {
        refused(cluster.revoke(revocations, false).await, code, words);
    }
    assert_eq!(cluster.audited("ids_revoked"), 0);
    let agent = cluster.agent("photos").await;
    let (news, _) = cluster.service_keys(&agent.client).await.unwrap();
    assert!(news.revoked_ids.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn auditors_look_and_operators_revoke() {
    let cluster = with_alice().await;
    let auditor = cluster.operator("audrey", "auditor").await;
    let operator = cluster.operator("oscar", "operator").await;
    let request = RevokeRequest {
        revocations: vec![token("user/alice", 1)],
        wait: true,
    };
    refused(
        cluster
            .admin_as(&auditor.client)
            .revoke(request.clone())
            .await,
        Code::PermissionDenied,
        "this takes the role `operator`",
    );
    let answer = cluster.admin_as(&operator.client).revoke(request).await;
    let position = answer.unwrap().into_inner().position;
    let mut calls = cluster.admin_as(&auditor.client);
    calls.get_reach(GetReachRequest { position }).await.unwrap();
    let request = ListLeasesRequest {
        principal: "user/alice".into(),
    };
    calls.list_leases(request).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_id_is_in_the_audit_log() {
    let cluster = with_alice().await;
    let long: Vec<String> = ["a", "b"].map(|letter| letter.repeat(200)).into();
    for name in &long {
        cluster.add_user(name).await;
    }
    let revocations = (0..500).map(|number| {
        let name = &long[usize::from(number % 2 == 0)];
        token(&format!("user/{name}"), number)
    });
    cluster.revoke(revocations.collect(), false).await.unwrap();
    cluster
        .revoke(vec![token("user/alice", 500)], false)
        .await
        .unwrap();
    let records = cluster.audit();
    let named = |action: &str| {
        let of = records.iter().filter(|record| record["action"] == action);
        of.cloned().collect::<Vec<_>>()
    };
    let (listed, revoked) = (named("ids_listed"), named("ids_revoked"));
    assert_eq!((listed.len(), revoked.len()), (4, 2));
    assert_eq!(listed[0]["request_id"], revoked[0]["request_id"]);
    assert_eq!(revoked[1]["subject"], "user/alice");
    assert_eq!(
        revoked[1]["fields"]["ids"],
        format!("token {:032x} of user/alice", 500)
    );
    let text: String = [listed, revoked]
        .concat()
        .iter()
        .map(|record| record["fields"]["ids"].as_str().unwrap().to_owned())
        .collect();
    assert!((0..=500).all(|number| text.contains(&format!("{number:032x}"))));
}

/// Revokes so many tokens of alice's.
async fn revoke_many(cluster: &Cluster, count: u128) -> Position {
    let all: Vec<Revocation> = (0..count).map(|n| token("user/alice", n)).collect();
    let mut last = None;
    for some in all.chunks(500) {
        last = Some(cluster.revoke(some.to_vec(), false).await.unwrap());
    }
    last.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_is_told_everything_in_pieces_and_whoever_comes_back_only_the_rest() {
    let mut cluster = with_alice().await;
    let agent = cluster.agent("photos").await;
    let last = revoke_many(&cluster, 20_500).await;

    let mut newcomer = cluster.follow(&agent.client, None).await.unwrap();
    let first = newcomer.news().await.unwrap();
    assert_eq!((first.revoked_ids.len(), first.more), (10_000, true));
    assert!(first.since.is_none() && first.position != first.as_of);
    assert!(!newcomer.open(&first).is_empty() && first.cluster.is_some());
    // Nobody has to ask for the rest.
    let second = newcomer.news().await.unwrap();
    let third = newcomer.news().await.unwrap();
    assert_eq!((second.revoked_ids.len(), second.more), (10_000, true));
    assert_eq!((third.revoked_ids.len(), third.more), (500, false));
    assert_eq!(
        (second.since, third.since),
        (first.position, second.position)
    );
    assert_eq!((third.position, third.as_of), (Some(last), Some(last)));
    for piece in [&second, &third] {
        assert!(piece.revocation_key.is_empty() && piece.cluster.is_none());
        assert!(newcomer.open(piece).is_empty());
        assert_eq!(piece.keys.len(), first.keys.len());
    }
    let told: HashSet<Fingerprint> = [&first, &second, &third]
        .into_iter()
        .flat_map(ids)
        .collect();
    let key = key(&first);
    let expected = (0..20_500).map(|n| fingerprint(&key, &token("user/alice", n)));
    assert_eq!(told, expected.collect());

    // It goes on elsewhere where it was cut off.
    cluster.restart().await;
    let mut back = cluster
        .follow(&agent.client, second.position)
        .await
        .unwrap();
    let rest = back.news().await.unwrap();
    assert_eq!(rest.since, second.position);
    assert_eq!(ids(&rest), ids(&third));
    assert!(rest.revocation_key.is_empty() && !rest.more);
    let (again, _) = cluster.service_keys(&agent.client).await.unwrap();
    assert_eq!(again.revocation_key, first.revocation_key);
    assert_eq!(ids(&again), ids(&first));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_else_is_new_comes_along_with_the_next_piece() {
    let cluster = with_alice().await;
    let agent = cluster.agent("photos").await;
    revoke_many(&cluster, 60_000).await;
    let mut newcomer = cluster.follow(&agent.client, None).await.unwrap();
    let first = newcomer.news().await.unwrap();
    // It has not read more than that, and the rest waits for it.
    cluster.step("photos", KeyCommand::Prepare, false).await;
    let late = token("user/alice", 60_000);
    let last = cluster.revoke(vec![late.clone()], true).await.unwrap();
    let mut keys = newcomer.open(&first);
    let mut told = ids(&first);
    let mut news = first.clone();
    while news.position != Some(last) {
        let next = newcomer.news().await.unwrap();
        assert_eq!(next.since, news.position);
        let place = |position: Option<Position>| position.unwrap().sequence;
        assert!(place(next.as_of) >= place(news.as_of));
        assert_eq!(next.more, next.position != next.as_of);
        keys.extend(newcomer.open(&next));
        told.extend(ids(&next));
        news = next;
    }
    assert_eq!(told.len(), 60_001);
    assert_eq!(told.last(), Some(&fingerprint(&key(&first), &late)));
    // Each key was sent once.
    let numbers: HashSet<_> = keys.iter().map(|key| (key.0, key.1)).collect();
    assert_eq!(numbers.len(), keys.len());
    assert!(numbers.contains(&(1, 1)));
    // Whoever has it all is waited for no more.
    assert_eq!(cluster.reach(last).await.unwrap().holding, 0);
    newcomer.beat(Some(last)).await.unwrap();
    assert_eq!(cluster.reach(last).await.unwrap().holding, 1);
}
