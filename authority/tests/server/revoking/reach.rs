//! How far a revocation has come, and what it costs to know.

use cattery_authority::init::STORE_FILE;
use cattery_authority::store::{Embedded, Entry, list_all};
use cattery_proto::v1::*;
use tonic::{Code, Status};

use super::{follower, token, with_alice};
use crate::harness::{Cluster, refused};

impl Cluster {
    pub(super) async fn reach(&self, position: Position) -> Result<GetReachResponse, Status> {
        let position = Some(position);
        let answer = self.admin().get_reach(GetReachRequest { position }).await?;
        Ok(answer.into_inner())
    }

    /// What the store knows of agents; the authority does not run meanwhile.
    async fn contacts(&mut self) -> Vec<Entry> {
        self.stop().await;
        let store = Embedded::open(self.authority_dir().join(STORE_FILE)).unwrap();
        let contacts = list_all(&store, "contact/").await.unwrap();
        drop(store);
        self.restart().await;
        contacts
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_have_not_got_it_are_named() {
    let cluster = with_alice().await;
    let (one, two) = (cluster.agent("photos").await, cluster.agent("mail").await);
    let (mut photos, _) = follower(&cluster, &one.client).await;
    let (mut mail, _) = follower(&cluster, &two.client).await;
    let position = cluster
        .revoke(vec![token("user/alice", 1)], true)
        .await
        .unwrap();
    let reach = cluster.reach(position).await.unwrap();
    assert_eq!((reach.live_agents, reach.holding), (2, 0));
    assert_eq!(reach.missing.len(), 2);

    let news = photos.news().await.unwrap();
    photos.beat(news.position).await.unwrap();
    let reach = cluster.reach(position).await.unwrap();
    assert_eq!((reach.live_agents, reach.holding), (2, 1));
    let [behind] = &reach.missing[..] else {
        panic!("one is missing: {reach:?}")
    };
    assert_eq!(
        (&behind.agent_id, behind.service.as_str()),
        (&two.identity.device_id, "mail")
    );
    let news = mail.news().await.unwrap();
    mail.beat(news.position).await.unwrap();
    let reach = cluster.reach(position).await.unwrap();
    assert_eq!((reach.holding, reach.missing.len()), (2, 0));
    // What came before has come as far.
    let before = Position {
        sequence: position.sequence - 1,
        ..position
    };
    assert_eq!(cluster.reach(before).await.unwrap().holding, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_of_what_somebody_waits_for_it_is_known() {
    let cluster = with_alice().await;
    let position = cluster
        .revoke(vec![token("user/alice", 1)], false)
        .await
        .unwrap();
    let words = "nobody waits for sequence";
    refused(
        cluster.reach(position).await,
        Code::FailedPrecondition,
        words,
    );
    let elsewhere = Position {
        incarnation: 2,
        ..position
    };
    refused(
        cluster.reach(elsewhere).await,
        Code::FailedPrecondition,
        "the cluster is in incarnation 1",
    );
    refused(
        cluster.admin().get_reach(GetReachRequest::default()).await,
        Code::InvalidArgument,
        "names no position",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_confirmed_before_counts_for_whoever_waits_later() {
    let cluster = with_alice().await;
    cluster.grant("user/alice", "mail", &[], 0).await.unwrap();
    let agent = cluster.agent("photos").await;
    let (mut photos, _) = follower(&cluster, &agent.client).await;
    let (api_key, text) = cluster.api_key("alice").await;
    cluster.user_keys(&text, &["mail"], 0).await.unwrap();
    let revoke = async |wait| {
        let id = api_key.id.clone();
        let request = RevokeApiKeyRequest { id, wait };
        let answer = cluster.admin().revoke_api_key(request).await;
        answer.unwrap().into_inner().position.unwrap()
    };
    let position = revoke(false).await;
    let news = photos.news().await.unwrap();
    assert_eq!(news.position, Some(position));
    photos.beat(news.position).await.unwrap();
    // It says nothing from here on, and waits for nothing.
    assert_eq!(revoke(true).await, position);
    while cluster.reach(position).await.unwrap().holding == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_costs_a_write_only_where_somebody_waits() {
    let mut cluster = with_alice().await;
    let agent = cluster.agent("photos").await;
    let (mut photos, first) = follower(&cluster, &agent.client).await;
    // Where it serves from now on is news too, and nobody waits for that either.
    let mut held = first.position;
    let before = cluster.contacts().await;
    assert_eq!(before.len(), 1);
    for (wait, is_same) in [(false, true), (true, false)] {
        photos = cluster.follow(&agent.client, held).await.unwrap();
        for number in 0..3 {
            let position = cluster
                .revoke(vec![token("user/alice", number)], wait)
                .await
                .unwrap();
            let news = loop {
                let news = photos.news().await.unwrap();
                if news.position == Some(position) {
                    break news;
                }
            };
            photos.beat(news.position).await.unwrap();
            held = news.position;
        }
        assert_eq!(cluster.contacts().await == before, is_same);
    }
    drop(photos);
}
