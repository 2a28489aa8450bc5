//! Starting, losing answers, starting again, ending.

use std::time::Duration;

use cattery_agent::CacheConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

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
async fn a_certificate_is_renewed_before_it_ends() {
    let mut town = Town::empty(|_, _| {}).await;
    town.authority.script().certificate_seconds = 3;
    let token = town.authority.join_token();
    town.start(Some(&token)).await.unwrap();
    town.wait_ready().await;
    until("it is renewed twice", async || {
        town.authority.script().renewals >= 2
    })
    .await;
    assert!(town.verify(&mint(1)).await.is_ok());
}

#[tokio::test]
async fn a_lost_key_is_said_and_not_made_anew() {
    let mut town = Town::new(|_, _| {}).await;
    town.stop().await;
    std::fs::remove_file(town.config.dir.join("identity.key")).unwrap();
    let refused = town.start(None).await.unwrap_err();
    assert!(
        refused.contains("identity.key is missing: restore it"),
        "{refused}"
    );
    assert!(!town.config.dir.join("identity.key").exists());
}

#[tokio::test]
async fn an_agent_that_is_dropped_ends_its_connections() {
    let mut town = Town::new(|_, _| {}).await;
    let mut stream = TcpStream::connect(town.addr()).await.unwrap();
    let request = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    drop(town.agent.take());
    let mut rest = Vec::new();
    let ended = timeout(Duration::from_secs(60), stream.read_to_end(&mut rest));
    ended.await.unwrap().unwrap();
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
