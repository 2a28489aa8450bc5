//! A memory of single-use tokens that all agents of a service share.

use std::os::unix::fs::MetadataExt as _;

use cattery_proto::v1;

use crate::town::{Town, mint_as, now};

fn single_use(id: u8) -> String {
    let caveat = format!("once={}", hex::encode([id; 16]));
    mint_as("user/alice", 1, &[&caveat])
}

async fn shared() -> Town {
    Town::new(|config, folder| {
        config.single_use_shared = true;
        config.in_process.uids = vec![std::fs::metadata(folder).unwrap().uid()];
    })
    .await
}

#[tokio::test]
async fn a_use_is_spent_with_the_authority_and_outlives_a_restart() {
    let early = single_use(1);
    let mut town = shared().await;
    // It is from before the agent began, and nobody has used it.
    town.verify(&early).await.unwrap();
    assert_eq!(town.verify(&early).await.unwrap_err(), "replayed");
    assert_eq!(town.authority.script().spent.len(), 1);
    town.stop().await;
    town.start(None).await.unwrap();
    town.wait_ready().await;
    assert_eq!(town.verify(&early).await.unwrap_err(), "replayed");
    town.verify(&single_use(2)).await.unwrap();
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_again() {
    let town = shared().await;
    town.authority.script().loses_spends = 1;
    let token = single_use(1);
    town.verify(&token).await.unwrap();
    assert_eq!(town.verify(&token).await.unwrap_err(), "replayed");
}

#[tokio::test]
async fn what_cannot_be_spent_is_not_accepted() {
    let town = shared().await;
    town.authority.script().loses_spends = u32::MAX;
    let token = single_use(1);
    assert_eq!(town.verify(&token).await.unwrap_err(), "unavailable");
    assert_eq!(town.auth(&single_use(2)).await.status, 503);
    // Others are not concerned.
    town.verify(&mint_as("user/alice", 1, &[])).await.unwrap();
    town.authority.script().loses_spends = 0;
    // It may have been spent.
    assert_eq!(town.verify(&token).await.unwrap_err(), "replayed");
    town.verify(&single_use(3)).await.unwrap();
    town.authority.script().is_full = true;
    assert_eq!(
        town.verify(&single_use(4)).await.unwrap_err(),
        "replay_full"
    );
}

#[tokio::test]
async fn a_process_that_verifies_by_itself_spends_with_the_authority_too() {
    let town = shared().await;
    let request = v1::UseOnceRequest {
        mark: vec![1; 32],
        token: vec![2; 32],
        lease_id: vec![3; 8],
        principal: "user/alice".into(),
        not_before: now() - 60,
        not_after: now() + 60,
    };
    let spend = async || {
        let answer = town.client().use_once(request.clone()).await;
        answer.unwrap().into_inner().code
    };
    assert_eq!(spend().await, "");
    assert_eq!(spend().await, "replayed");
    assert!(town.authority.script().spent.contains_key(&vec![1; 32]));
}
