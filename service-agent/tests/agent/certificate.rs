//! Certificates that end, and the way back.

use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::authority::until;
use crate::program::program;
use crate::town::{Town, mint};

const ASKING: &str = "the certificate ended: asking the authorities for another one";
const ADVICE: &str = "get a new join token with `cattery service join-token photos`";

async fn says(town: &Town, words: &str) {
    until(words, async || {
        town.get("/readyz", &[]).await.body().contains(words)
    })
    .await;
}

/// An agent that was cut off until its certificate had ended, and is still.
async fn cut_off() -> Town {
    let mut town = Town::empty(|_, _| {}).await;
    town.authority.script().certificate_seconds = 1;
    let token = town.authority.join_token();
    town.start(Some(&token)).await.unwrap();
    town.wait_ready().await;
    town.authority.lose_answers();
    says(&town, "the certificate ended").await;
    let mut script = town.authority.script();
    script.certificate_seconds = 3_600;
    script.recoveries = 0;
    drop(script);
    town
}

#[tokio::test]
async fn once_the_certificate_has_ended_its_key_gets_another_one() {
    let town = cut_off().await;
    says(&town, ASKING).await;
    assert!(town.verify(&mint(1)).await.is_ok(), "it has its budget");
    town.authority.script().lose_answers = false;
    until("it is back", async || {
        let status = town.status().await;
        status.notes.is_empty() && status.ready
    })
    .await;
    assert_eq!(town.authority.script().recoveries, 1);
    assert!(!town.config.needs_join_token());
}

#[tokio::test]
async fn an_agent_that_starts_with_a_certificate_that_ended_needs_no_join_token() {
    let mut town = cut_off().await;
    let used = town.authority.join_token();
    for token in [None, Some(&*used)] {
        town.stop().await;
        assert!(town.config.has_enrolled() && town.config.needs_join_token());
        town.start(token).await.unwrap();
        says(&town, ASKING).await;
    }
    town.stop().await;
    town.authority.script().lose_answers = false;
    town.start(Some("not even a join token")).await.unwrap();
    town.wait_ready().await;
    assert_eq!(town.authority.script().recoveries, 1);
    assert_eq!(town.authority.script().enrolled_keys.len(), 1);
}

#[tokio::test]
async fn a_join_token_file_that_is_gone_is_no_reason_not_to_start() {
    let mut town = cut_off().await;
    town.stop().await;
    town.authority.script().lose_answers = false;
    let dir = town.config.dir.to_str().unwrap().to_owned();
    let gone = town.path("gone");
    let args = ["run", "--dir", &dir, "--join-token-file"];
    let mut child = program(&args).arg(gone).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = out.next_line().await.unwrap().unwrap();
    assert!(line.starts_with("listening: "), "{line}");
    until("it is back", async || {
        town.authority.script().recoveries == 1
    })
    .await;
}

#[tokio::test]
async fn an_authority_may_say_sooner_that_it_has_ended() {
    let mut town = Town::empty(|_, _| {}).await;
    town.authority.script().certificate_seconds = 6;
    town.authority.script().takes_no_certificate = true;
    let token = town.authority.join_token();
    town.start(Some(&token)).await.unwrap();
    until("it has another one", async || {
        town.authority.script().recoveries >= 1
    })
    .await;
    assert_eq!(town.authority.script().renewals, 0);
}

#[tokio::test]
async fn where_there_is_no_way_back_a_new_join_token_helps() {
    let mut town = cut_off().await;
    town.authority.script().recovers_nobody = true;
    town.authority.script().lose_answers = false;
    says(&town, ADVICE).await;
    town.stop().await;

    let token = town.authority.join_token();
    town.authority.script().subject = "service/mail";
    let other = town.start(Some(&token)).await.unwrap_err();
    assert!(other.contains("of an agent of `photos`"), "{other}");
    town.authority.script().subject = "service/photos";
    town.start(Some(&token)).await.unwrap();
    town.wait_ready().await;
    assert!(!town.config.needs_join_token());
    assert!(town.status().await.notes.is_empty());
    let keys = town.authority.script().enrolled_keys.clone();
    assert!(keys.len() == 3 && keys.iter().all(|key| *key == keys[0]));
}
