//! Single uses that agents of a service spend together.

use cattery_proto::v1::service_keys_client::ServiceKeysClient;
use cattery_proto::v1::{SpendOutcome, SpendSingleUseRequest};
use cattery_sdk::tls::Identity as Client;
use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::harness::{Cluster, now, refused};

fn request(mark: u8, attempt: u8) -> SpendSingleUseRequest {
    SpendSingleUseRequest {
        mark: vec![mark; 32],
        not_after: now() + 120,
        attempt: vec![attempt; 16],
    }
}

async fn spend(
    cluster: &Cluster,
    client: &Client,
    request: SpendSingleUseRequest,
) -> Result<SpendOutcome, Status> {
    let mut keys = ServiceKeysClient::new(cluster.channel(Some(client)));
    let answer = keys.spend_single_use(request).await?;
    Ok(answer.into_inner().outcome())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_use_is_one_of_all_agents_of_a_service_and_of_no_others() {
    let mut cluster = Cluster::start().await;
    let photos = cluster.agent("photos").await.client;
    let photos_two = cluster.agent("photos").await.client;
    let mail = cluster.agent("mail").await.client;
    let once = request(1, 1);
    let other = SpendSingleUseRequest {
        attempt: vec![2; 16],
        ..once.clone()
    };
    let spent = spend(&cluster, &photos, once.clone()).await.unwrap();
    assert_eq!(spent, SpendOutcome::Spent);
    let made_again = spend(&cluster, &photos_two, once.clone()).await.unwrap();
    assert_eq!(made_again, SpendOutcome::Spent);
    let replayed = spend(&cluster, &photos_two, other.clone()).await.unwrap();
    assert_eq!(replayed, SpendOutcome::Replayed);
    let elsewhere = spend(&cluster, &mail, other.clone()).await.unwrap();
    assert_eq!(elsewhere, SpendOutcome::Spent);
    cluster.restart().await;
    let replayed = spend(&cluster, &photos, other).await.unwrap();
    assert_eq!(replayed, SpendOutcome::Replayed);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_attempts_at_once_one_spends_it() {
    let cluster = Cluster::start().await;
    let photos = cluster.agent("photos").await.client;
    let mut racers = JoinSet::new();
    let once = request(1, 0);
    for attempt in 0..32 {
        let mut keys = ServiceKeysClient::new(cluster.channel(Some(&photos)));
        let request = SpendSingleUseRequest {
            attempt: vec![attempt; 16],
            ..once.clone()
        };
        racers.spawn(async move {
            let answer = keys.spend_single_use(request).await.unwrap();
            answer.into_inner().outcome()
        });
    }
    let outcomes = racers.join_all().await;
    let of = |wanted| {
        outcomes
            .iter()
            .filter(|outcome| **outcome == wanted)
            .count()
    };
    assert_eq!(of(SpendOutcome::Spent), 1);
    assert_eq!(of(SpendOutcome::Replayed), 31);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_agents_spend_and_only_what_makes_sense() {
    let cluster = Cluster::start().await;
    refused(
        spend(&cluster, &cluster.root, request(1, 1)).await,
        Code::PermissionDenied,
        "only services may do that",
    );
    let photos = cluster.agent("photos").await.client;
    let good = request(1, 1);
    for (bad, words) in [
        (
            SpendSingleUseRequest {
                mark: vec![1; 31],
                ..good.clone()
            },
            "mark: 31 bytes, not 32",
        ),
        (
            SpendSingleUseRequest {
                attempt: Vec::new(),
                ..good.clone()
            },
            "attempt: 0 bytes, not 16",
        ),
        (
            SpendSingleUseRequest {
                not_after: u64::MAX,
                ..good.clone()
            },
            "not_after",
        ),
    ] {
        refused(
            spend(&cluster, &photos, bad).await,
            Code::InvalidArgument,
            words,
        );
    }
}
