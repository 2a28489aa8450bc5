//! `/metrics`, as a collector sees it.

use cattery_proto::v1::EpochState::{Active, Draining, Prepared};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::authority::until;
use crate::town::{Town, mint, now, request};

const READY: &str = "cattery_agent_ready";
const BUDGET: &str = "cattery_agent_outage_budget_seconds";
const LEFT: &str = "cattery_agent_outage_budget_left_seconds";
const CONTACT: &str = "cattery_agent_last_contact_age_seconds";
const CLOCK: &str = "cattery_agent_clock_difference_seconds";
const GREAT: &str = "cattery_agent_clock_difference_great";
const EPOCHS: &str = "cattery_agent_epochs";
const ACTIVE: &str = "cattery_agent_active_epoch";
const CERTIFICATE: &str = "cattery_agent_certificate_not_after_timestamp_seconds";

async fn scrape(town: &Town) -> String {
    let answer = town.get("/metrics", &[]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body().to_owned()
}

fn value(page: &str, name: &str) -> Option<f64> {
    let mut lines = page.lines();
    lines.find_map(|line| line.strip_prefix(name)?.trim_start().parse().ok())
}

/// A page on which everything that is wanted is known.
async fn knows(town: &Town, wanted: &[&str]) -> String {
    let mut page = String::new();
    until("everything is known", async || {
        page = scrape(town).await;
        wanted.iter().all(|name| value(&page, name).is_some())
    })
    .await;
    page
}

#[tokio::test]
async fn it_shows_how_it_is() {
    let town = Town::new(|_, _| {}).await;
    let page = knows(&town, &[CLOCK]).await;
    let version = env!("CARGO_PKG_VERSION");
    let info = format!("cattery_agent_build_info{{service=\"photos\",version=\"{version}\"}} 1\n");
    assert!(page.contains(&info), "{page}");
    assert_eq!(value(&page, READY), Some(1.0));
    assert_eq!(value(&page, GREAT), Some(0.0));
    assert_eq!(value(&page, BUDGET), Some(43_200.0));
    let (left, age) = (value(&page, LEFT).unwrap(), value(&page, CONTACT).unwrap());
    assert!(left > 0.0 && left <= 43_200.0 && age >= 0.0, "{page}");
    assert!(value(&page, CERTIFICATE).unwrap() > now() as f64, "{page}");
}

/// Numbers, and labels of known values: there is no room for a secret, nor for a name but the agent's own service.
#[tokio::test]
async fn nothing_is_named_that_came_over_the_network() {
    let town = Town::new(|_, _| {}).await;
    assert!(town.verify(&mint(1)).await.is_ok());
    let page = knows(&town, &[CLOCK]).await;
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (series, number) = line.rsplit_once(' ').unwrap();
        assert!(number.parse::<f64>().is_ok(), "{line}");
        let word = |c: char| c.is_ascii_alphanumeric() || "_{}=\",.+-".contains(c);
        assert!(series.chars().all(word), "{line}");
    }
    let with_names: Vec<_> = page
        .lines()
        .filter(|line| line.contains("photos"))
        .collect();
    assert_eq!(with_names.len(), 1, "{with_names:?}");
    assert!(!page.contains("alice"), "{page}");
}

/// What came of each question is counted once, at its face, and what did not come stays 0.
#[tokio::test]
async fn verdicts_are_counted() {
    let town = Town::new(|_, _| {}).await;
    for _ in 0..3 {
        assert!(town.verify(&mint(1)).await.is_ok());
    }
    assert!(town.verify("cat1_nonsense").await.is_err());
    assert_eq!(town.get("/auth", &[]).await.status, 401);
    let page = scrape(&town).await;
    let count = |face: &str, verdict: &str| {
        let labels = format!("{{face=\"{face}\",verdict=\"{verdict}\"}}");
        value(&page, &format!("cattery_agent_verifications_total{labels}"))
    };
    assert_eq!(count("grpc", "ok"), Some(3.0));
    assert_eq!(count("grpc", "malformed"), Some(1.0));
    assert_eq!(count("forward_auth", "no_token"), Some(1.0));
    assert_eq!(count("ext_authz", "ok"), Some(0.0));
    let total = |face: &str| {
        let name = "cattery_agent_verification_duration_seconds_count";
        value(&page, &format!("{name}{{face=\"{face}\"}}"))
    };
    assert_eq!(
        (total("grpc"), total("forward_auth")),
        (Some(4.0), Some(1.0))
    );
}

#[tokio::test]
async fn what_is_not_known_is_left_out() {
    let mut town = Town::empty(|_, _| {}).await;
    town.authority.script().ignores_beats = true;
    let token = town.authority.join_token();
    town.start(Some(&token)).await.unwrap();
    let page = scrape(&town).await;
    assert_eq!(
        (value(&page, READY), value(&page, LEFT)),
        (Some(0.0), Some(0.0))
    );
    for name in [CONTACT, CLOCK, GREAT, EPOCHS, ACTIVE] {
        assert!(!page.contains(name), "{name}: {page}");
    }
    assert!(value(&page, CERTIFICATE).is_some());
}

#[tokio::test]
async fn clocks_that_differ_are_shown_with_their_sign() {
    for (ahead, expected) in [(100, 98.0..102.0), (-100, -102.0..-98.0)] {
        let mut town = Town::empty(|_, _| {}).await;
        town.authority.script().ahead_seconds = ahead;
        let token = town.authority.join_token();
        town.start(Some(&token)).await.unwrap();
        let page = knows(&town, &[CLOCK]).await;
        let difference = value(&page, CLOCK).unwrap();
        assert!(expected.contains(&difference), "{difference}");
        assert_eq!(value(&page, GREAT), Some(1.0));
    }
}

#[tokio::test]
async fn epochs_are_counted_and_the_active_one_named() {
    let town = Town::new(|_, _| {}).await;
    let page = scrape(&town).await;
    let shown = |page: &str| (value(page, EPOCHS), value(page, ACTIVE));
    assert_eq!(shown(&page), (Some(1.0), Some(1.0)));
    let until_then = now() + 600;
    town.authority.change(|script| {
        script.epochs = vec![(1, Draining, until_then), (2, Active, 0), (3, Prepared, 0)];
    });
    until("the others are shown", async || {
        shown(&scrape(&town).await) == (Some(3.0), Some(2.0))
    })
    .await;
}

#[tokio::test]
async fn cut_off_it_shows_how_the_budget_goes() {
    let mut town = Town::new(|config, _| {
        config.outage_budget = std::time::Duration::from_secs(2);
    })
    .await;
    town.authority.stop().await;
    let mut page = String::new();
    until("the budget is spent", async || {
        page = scrape(&town).await;
        value(&page, LEFT) == Some(0.0)
    })
    .await;
    assert_eq!(value(&page, BUDGET), Some(2.0));
    assert!(value(&page, CONTACT).unwrap() >= 2.0, "{page}");
    assert_eq!(value(&page, READY), Some(0.0));
    // What it knew, it still knows.
    assert_eq!(value(&page, ACTIVE), Some(1.0));
}

#[tokio::test]
async fn it_is_answered_at_its_own_path_to_a_get_alone() {
    let town = Town::new(|_, _| {}).await;
    let answer = town.get("/metrics", &[]).await;
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("text/plain; version=0.0.4; charset=utf-8"));
    for path in ["/metrics/", "/metrics/auth", "/auth/metrics", "//metrics"] {
        assert_eq!(town.get(path, &[]).await.status, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = request(town.addr(), method, "/metrics", &[]).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), Some("GET,HEAD"));
    }
}

/// A proxy that asks at the wrong path must not hear a yes.
#[tokio::test]
async fn it_is_no_answer_about_another_request() {
    let town = Town::new(|_, _| {}).await;
    let bearer = format!("Bearer {}", mint(1));
    for (name, value) in [
        ("X-Forwarded-Method", "GET"),
        ("X-Forwarded-Uri", "/metrics"),
        ("X-Original-Method", "GET"),
        ("X-Original-URL", "https://photos.example/metrics"),
        ("x-original-uri", "/metrics"),
    ] {
        let headers = [("authorization", &bearer[..]), (name, value)];
        let answer = town.get("/metrics", &headers).await;
        assert_eq!(answer.status, 403, "{name}");
        assert!(answer.body().contains("/auth"), "{answer:?}");
        assert_eq!(answer.header("x-cat-principal"), None);
    }
    // Nor does a token make it one, or forward-auth say what it does.
    let answer = town.get("/metrics", &[("authorization", &bearer)]).await;
    assert_eq!(
        (answer.status, answer.header("x-cat-principal")),
        (200, None)
    );
    let asked = [("x-forwarded-uri", "/metrics")];
    let answer = town.get("/auth", &asked).await;
    assert_eq!((answer.status, answer.body()), (401, "no_token\n"));
}

#[tokio::test]
async fn it_is_on_the_unix_socket_as_well() {
    let town =
        Town::new(|config, folder| config.http_socket = Some(folder.join("http.sock"))).await;
    let mut stream = UnixStream::connect(town.path("http.sock")).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(value(&answer, READY), Some(1.0));
}
