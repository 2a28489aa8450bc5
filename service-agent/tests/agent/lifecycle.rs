//! Starting, losing answers, being cut off, starting again.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use cattery_agent::CacheConfig;

use crate::authority::until;
use crate::town::{Town, mint};

#[tokio::test]
async fn a_join_token_is_needed_once_and_a_lost_answer_costs_nothing() {
    let mut town = Town::empty(|_, _| {}).await;
    let missing = town.start(None).await.unwrap_err();
    assert!(missing.contains("cattery service join-token"), "{missing}");

    town.authority.script().lose_answers = true;
    let token = town.authority.join_token();
    let lost = town.start(Some(&token)).await.unwrap_err();
    assert!(lost.starts_with("cannot enrol: "), "{lost}");
    town.authority.script().lose_answers = false;
    town.start(Some(&token)).await.unwrap();
    town.wait_ready().await;
    {
        let script = town.authority.script();
        assert_eq!(script.enrolled_keys.len(), 2);
        assert_eq!(
            script.enrolled_keys[0], script.enrolled_keys[1],
            "the same key"
        );
    }
    for token in [None, Some("not even a join token")] {
        town.stop().await;
        town.start(token).await.unwrap();
        town.wait_ready().await;
    }
    assert_eq!(town.authority.script().enrolled_keys.len(), 2);
}

#[tokio::test]
async fn what_is_wrong_is_said_in_one_line() {
    let mut town = Town::empty(|_, _| {}).await;
    let token = town.authority.join_token();
    let damaged = town
        .start(Some(&token[..token.len() - 4]))
        .await
        .unwrap_err();
    assert!(damaged.contains("damaged"), "{damaged}");
    town.authority.stop().await;
    let nobody = town.start(Some(&token)).await.unwrap_err();
    assert!(
        nobody.contains("is it running") && !nobody.contains('\n'),
        "{nobody}"
    );

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    town.config.http = taken.local_addr().unwrap();
    let refused = town.start(Some(&token)).await.unwrap_err();
    assert!(
        refused.contains("in use") && refused.contains(&town.config.http.to_string()),
        "{refused}"
    );
}

#[tokio::test]
async fn a_bad_key_file_does_not_cost_the_join_token() {
    let mut town = Town::empty(|config, folder| {
        config.cache = Some(CacheConfig {
            file: folder.join("cache"),
            key_file: folder.join("missing"),
        });
    })
    .await;
    let token = town.authority.join_token();
    let refused = town.start(Some(&token)).await.unwrap_err();
    assert!(refused.contains("missing"), "{refused}");
    assert!(town.authority.script().enrolled_keys.is_empty());
}

#[tokio::test]
async fn the_outage_budget_is_spent_and_refilled() {
    let mut town = Town::new(|config, _| config.outage_budget = Duration::from_secs(4)).await;
    town.authority.stop().await;
    assert!(town.verify(&mint(1)).await.is_ok());
    assert_eq!(town.auth(&mint(1)).await.status, 200);
    until("a newer epoch cannot be told from a good one", || async {
        town.verify(&mint(7)).await.unwrap_err() == "unavailable"
    })
    .await;
    until("the budget is spent", || async {
        town.verify(&mint(1)).await.is_err()
    })
    .await;
    assert_eq!(town.verify(&mint(1)).await.unwrap_err(), "unavailable");
    let answer = town.auth(&mint(1)).await;
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (503, None)
    );
    assert_eq!(answer.header("retry-after"), Some("1"));
    let ready = town.get("/readyz", &[]).await;
    assert_eq!(ready.status, 503);
    assert!(
        ready.body().contains("outage budget is used up"),
        "{}",
        ready.body()
    );
    assert_eq!(town.get("/healthz", &[]).await.status, 200);

    town.authority.restart();
    until("it verifies again", || async {
        town.verify(&mint(1)).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn cached_keys_bridge_a_restart_and_refill_nothing() {
    let mut town = Town::new(|config, folder| {
        let key_file = folder.join("cache.key");
        std::fs::write(&key_file, [3; 32]).unwrap();
        std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o400)).unwrap();
        config.cache = Some(CacheConfig {
            file: folder.join("cache"),
            key_file,
        });
        config.outage_budget = Duration::from_secs(600);
    })
    .await;
    assert!(town.path("cache").exists());
    town.authority.stop().await;
    until("a part of the budget is gone", || async {
        town.status().await.last_contact_seconds >= 2
    })
    .await;
    town.stop().await;
    town.start(None).await.unwrap();
    town.wait_ready().await;
    assert!(town.verify(&mint(1)).await.is_ok());
    let status = town.status().await;
    assert!(
        status.last_contact_seconds >= 2,
        "{}",
        status.last_contact_seconds
    );
    assert!(
        status.outage_budget_left_seconds <= 598,
        "{}",
        status.outage_budget_left_seconds
    );

    // Without the cache there is nothing.
    town.stop().await;
    std::fs::remove_file(town.path("cache")).unwrap();
    town.start(None).await.unwrap();
    assert_eq!(town.verify(&mint(1)).await.unwrap_err(), "unavailable");
    assert_eq!(town.get("/readyz", &[]).await.status, 503);
}

#[tokio::test]
async fn a_certificate_is_renewed_before_it_ends() {
    let mut town = Town::empty(|_, _| {}).await;
    town.authority.script().certificate_seconds = 3;
    let token = town.authority.join_token();
    town.start(Some(&token)).await.unwrap();
    town.wait_ready().await;
    until("it is renewed twice", || async {
        town.authority.script().renewals >= 2
    })
    .await;
    assert!(town.verify(&mint(1)).await.is_ok());
}

#[tokio::test]
async fn two_agents_do_not_share_a_directory_or_a_socket() {
    let mut town = Town::new(|_, _| {}).await;
    let first = town.agent.take();
    let refused = town.start(None).await.unwrap_err();
    assert!(refused.contains("in use by another agent"), "{refused}");
    let socket = town.config.socket.clone();
    town.config = cattery_agent::Config::new(&town.path("other"));
    town.config.socket = socket;
    let token = town.authority.join_token();
    let refused = town.start(Some(&token)).await.unwrap_err();
    assert!(refused.contains("another process answers"), "{refused}");
    drop(first);
}
