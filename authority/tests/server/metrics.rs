//! `/metrics`, as a collector sees it.

use std::net::SocketAddr;

use cattery_authority::app::App;
use cattery_authority::config::Config;
use cattery_authority::init::InitUnseal;
use cattery_proto::v1::unseal_client::UnsealClient;
use cattery_proto::v1::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Cluster, PASSPHRASE, now, passphrase, settled};
use crate::unsealing::local;

const SEALED: &str = "cattery_authority_sealed";
const LEADER: &str = "cattery_authority_leader";
const OVERDUE: &str = "cattery_authority_rotation_overdue";
const INCARNATION: &str = "cattery_authority_incarnation";
const EPOCH: &str = "cattery_authority_active_epoch";
const AGE: &str = "cattery_authority_store_view_age_seconds";

const DAY: u64 = 24 * 3_600;

/// Head and body of an answer.
async fn ask(address: SocketAddr, method: &str, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

async fn scrape(address: SocketAddr) -> String {
    let (head, body) = ask(address, "GET", "/metrics").await;
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    body
}

fn value(page: &str, name: &str) -> Option<f64> {
    let mut lines = page.lines();
    lines.find_map(|line| line.strip_prefix(name)?.trim_start().parse().ok())
}

/// A page on which everything is as it should be.
async fn shows(address: SocketAddr, wanted: &[(&str, f64)]) -> String {
    loop {
        let page = scrape(address).await;
        if wanted
            .iter()
            .all(|(name, wanted)| value(&page, name) == Some(*wanted))
        {
            return page;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn with_metrics(cluster: &Cluster) -> Config {
    Config {
        metrics: Some("127.0.0.1:0".parse().unwrap()),
        ..cluster.config()
    }
}

fn address(cluster: &Cluster) -> SocketAddr {
    cluster.running.as_ref().unwrap().metrics_addr().unwrap()
}

async fn started() -> Cluster {
    let mut cluster = Cluster::made(|dir| InitUnseal::KeyFile(dir.join("unseal.key"))).await;
    let config = with_metrics(&cluster);
    cluster.restart_with(config).await.unwrap();
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_none_unless_asked_for() {
    let cluster = Cluster::start().await;
    assert_eq!(cluster.running.as_ref().unwrap().metrics_addr(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_shows_how_it_is() {
    let cluster = started().await;
    let page = shows(address(&cluster), &[(OVERDUE, 0.0), (LEADER, 1.0)]).await;
    let version = env!("CARGO_PKG_VERSION");
    let info = format!("cattery_authority_build_info{{version=\"{version}\"}} 1\n");
    assert!(page.contains(&info), "{page}");
    assert_eq!(value(&page, SEALED), Some(0.0));
    assert_eq!(value(&page, INCARNATION), Some(1.0));
    assert_eq!(value(&page, EPOCH), Some(1.0));
    assert!(value(&page, AGE).unwrap() >= 0.0);
}

/// Numbers, and labels of known values: there is no room for a secret or a name.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_named_that_came_over_the_network() {
    let cluster = started().await;
    cluster.agent("photos").await;
    cluster.add_user("alice").await;
    let page = scrape(address(&cluster)).await;
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (series, number) = line.rsplit_once(' ').unwrap();
        assert!(number.parse::<f64>().is_ok(), "{line}");
        let word = |c: char| c.is_ascii_alphanumeric() || "_{}=\",.+-".contains(c);
        assert!(series.chars().all(word), "{line}");
    }
    assert!(
        !page.contains("photos") && !page.contains("alice"),
        "{page}"
    );
}

/// What was asked, what was issued, and what the store and the audit log did for it.
#[tokio::test(flavor = "multi_thread")]
async fn calls_and_what_they_need_are_counted() {
    let cluster = started().await;
    cluster.agent("photos").await;
    cluster.add_user("alice").await;
    let page = scrape(address(&cluster)).await;
    let count = |series: &str| value(&page, &format!("cattery_authority_{series}")).unwrap();
    let enrolled = count("requests_total{method=\"Enroll\",code=\"OK\"}");
    assert_eq!(enrolled, 1.0);
    assert_eq!(
        count("request_duration_seconds_count{method=\"Enroll\"}"),
        enrolled
    );
    assert_eq!(
        count("issuance_total{kind=\"join_token\",result=\"issued\"}"),
        1.0
    );
    assert!(count("issuance_total{kind=\"certificate\",result=\"issued\"}") >= 1.0);
    assert_eq!(
        count("requests_total{method=\"Enroll\",code=\"Unauthenticated\"}"),
        0.0
    );
    assert!(count("store_operations_total{operation=\"commit\",result=\"ok\"}") > 0.0);
    let written = count("audit_records_total{result=\"written\"}");
    assert!(written > 0.0);
    assert_eq!(count("audit_write_duration_seconds_count"), written);
    assert_eq!(count("audit_records_waiting"), 0.0);
    assert!(count("audit_log_bytes") > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_sealed_says_so_and_that_it_knows_nothing() {
    let mut cluster = Cluster::made(|_| InitUnseal::Passphrase(passphrase())).await;
    let running = App::start(with_metrics(&cluster), None).await.unwrap();
    cluster.running = Some(running);
    let address = address(&cluster);
    let page = scrape(address).await;
    assert_eq!(value(&page, SEALED), Some(1.0));
    assert_eq!(value(&page, OVERDUE), Some(1.0));
    assert_eq!(value(&page, LEADER), Some(0.0));
    assert_eq!(value(&page, INCARNATION), Some(1.0));
    assert_eq!((value(&page, EPOCH), value(&page, AGE)), (None, None));

    let request = UnsealRequest {
        passphrase: PASSPHRASE.into(),
    };
    let mut unseal = UnsealClient::new(local(&cluster.authority_dir()).await);
    unseal.unseal(request).await.unwrap();
    shows(
        address,
        &[(SEALED, 0.0), (OVERDUE, 0.0), (LEADER, 1.0), (EPOCH, 1.0)],
    )
    .await;
}

/// An agent that is alive and does not take the next key holds the rotation up.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_is_overdue_is_seen_until_it_is_done() {
    let unseal = |dir: &std::path::Path| InitUnseal::KeyFile(dir.join("unseal.key"));
    let mut cluster = Cluster::made_at(now() - 40 * DAY, unseal).await;
    let config = with_metrics(&cluster);
    let patient = Config {
        rotation_period: None,
        ..config.clone()
    };
    cluster.restart_with(patient).await.unwrap();
    shows(address(&cluster), &[(OVERDUE, 0.0), (EPOCH, 1.0)]).await;
    let agent = cluster.agent("photos").await;

    cluster.restart_with(config).await.unwrap();
    let found = [(OVERDUE, 1.0), (EPOCH, 1.0), (SEALED, 0.0), (LEADER, 1.0)];
    shows(address(&cluster), &found).await;

    settled(&cluster, "", |schedule| {
        schedule.keys[0].state() == EpochState::Prepared
    })
    .await;
    let mut follower = cluster.follow(&agent.client, None).await.unwrap();
    let news = follower.news().await.unwrap();
    follower.beat(news.position).await.unwrap();
    shows(address(&cluster), &[(OVERDUE, 0.0), (EPOCH, 2.0)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_answered() {
    let cluster = started().await;
    let address = address(&cluster);
    let (head, _) = ask(address, "GET", "/metrics").await;
    let kind = "content-type: text/plain; version=0.0.4; charset=utf-8";
    assert!(head.contains(kind), "{head}");
    for path in ["/", "/metrics/", "/metrics/x", "/healthz/", "//metrics"] {
        let (head, _) = ask(address, "GET", path).await;
        assert!(head.starts_with("http/1.1 404 "), "{path}: {head}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let (head, _) = ask(address, method, "/metrics").await;
        assert!(head.starts_with("http/1.1 405 "), "{method}: {head}");
        assert!(head.contains("allow: get,head"), "{method}: {head}");
    }
}

/// More of them than there are places hold up neither a collector for ever nor the end.
#[tokio::test(flavor = "multi_thread")]
async fn those_who_say_nothing_are_let_go() {
    let mut cluster = started().await;
    let address = address(&cluster);
    let mut silent = Vec::new();
    for _ in 0..9 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    scrape(address).await;
    let mut last = TcpStream::connect(address).await.unwrap();
    cluster.stop().await;
    assert_eq!(last.read(&mut [0]).await.unwrap_or(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_in_use_is_named() {
    let cluster = Cluster::made(|dir| InitUnseal::KeyFile(dir.join("unseal.key"))).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let config = Config {
        metrics: Some(address),
        ..cluster.config()
    };
    let error = App::start(config, None).await.err().unwrap();
    let said = error.to_string();
    for words in [
        format!("cannot serve metrics on {address}: "),
        "has this port".into(),
        "`metrics` in authority.toml".into(),
    ] {
        assert!(said.contains(&words), "{said}");
    }
    assert!(!said.contains('\n'), "{said}");
}
