//! Being cut off from the authorities.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use cattery_agent::CacheConfig;

use crate::authority::until;
use crate::town::{Town, mint};

#[tokio::test]
async fn cut_off_it_goes_on_and_says_what_it_cannot_tell() {
    let mut town = Town::new(|_, _| {}).await;
    town.authority.stop().await;
    until("a newer epoch cannot be told from a good one", async || {
        town.verify(&mint(7)).await.unwrap_err() == "unavailable"
    })
    .await;
    let newer = town.auth(&mint(7)).await;
    assert_eq!((newer.status, newer.body()), (503, "unavailable\n"));
    assert!(town.verify(&mint(1)).await.is_ok());
    assert_eq!(town.auth(&mint(1)).await.status, 200);
    assert_eq!(town.get("/readyz", &[]).await.status, 200);
}

#[tokio::test]
async fn the_outage_budget_is_spent_and_refilled() {
    let mut town = Town::new(|config, _| config.outage_budget = Duration::from_secs(2)).await;
    town.authority.stop().await;
    until("the budget is spent", async || {
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

    town.authority.restart().await;
    until("it verifies again", async || {
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
    town.authority.lose_answers();
    until("a part of the budget is gone", async || {
        let status = town.status().await;
        status.last_contact_seconds.is_some_and(|gone| gone >= 2)
    })
    .await;
    town.stop().await;
    town.start(None).await.unwrap();
    town.wait_ready().await;
    assert!(town.verify(&mint(1)).await.is_ok());
    let status = town.status().await;
    let gone = status.last_contact_seconds.unwrap();
    assert!(gone >= 2, "{gone}");
    let left = status.outage_budget_left_seconds;
    assert!(left <= 598, "{left}");

    // An authority that keeps one waiting does not keep the cache.
    town.stop().await;
    town.authority.script().lose_answers = false;
    town.authority.script().ignores_beats = true;
    let streams = town.authority.script().streams;
    town.start(None).await.unwrap();
    town.wait_ready().await;
    let asked = town.authority.last_beat().unwrap();
    assert_eq!((asked.stream, asked.holds()), (streams + 1, None));
    assert!(town.verify(&mint(1)).await.is_ok());

    // The next authority is told what the cache has.
    town.authority.script().ignores_beats = false;
    town.authority.end_streams();
    until("another stream is open", async || {
        let beat = town.authority.last_beat();
        beat.is_some_and(|beat| beat.stream > streams + 1 && beat.holds() == Some(1))
    })
    .await;

    // Without the cache there is nothing.
    town.stop().await;
    town.authority.lose_answers();
    std::fs::remove_file(town.path("cache")).unwrap();
    town.start(None).await.unwrap();
    town.authority.refuses().await;
    assert_eq!(town.verify(&mint(1)).await.unwrap_err(), "unavailable");
    assert_eq!(town.get("/readyz", &[]).await.status, 503);
    assert_eq!(town.status().await.last_contact_seconds, None);
}
