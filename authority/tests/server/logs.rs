//! The most verbose log holds no secret, in any form that it could take.

use std::io;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use cattery_authority::app::App;
use cattery_authority::config::{Log, LogFormat};
use cattery_authority::init::InitUnseal;
use cattery_authority::logging;
use cattery_proto::v1::unseal_client::UnsealClient;
use cattery_proto::v1::{ListServicesRequest, RevokeApiKeyRequest, UnsealRequest};
use cattery_sdk::identity::KeyPair;

use crate::harness::{Cluster, PASSPHRASE, passphrase};
use crate::unsealing::local;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Captured {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// Every form in which a secret could be written down.
fn forms(secret: &[u8]) -> Vec<String> {
    let list = format!("{secret:?}");
    vec![
        String::from_utf8_lossy(secret).into_owned(),
        hex::encode(secret),
        hex::encode_upper(secret),
        STANDARD.encode(secret),
        STANDARD_NO_PAD.encode(secret),
        URL_SAFE.encode(secret),
        URL_SAFE_NO_PAD.encode(secret),
        list.trim_matches(['[', ']']).to_owned(),
    ]
}

fn found(log: &str, secret: &[u8]) -> bool {
    forms(secret).iter().any(|form| log.contains(form.as_str()))
}

/// Runs a test in a process of its own: what other tests do at the same time decides which events tracing asks for at all.
/// Answers whether this is that process.
fn alone(test: &str) -> bool {
    const ALONE: &str = "CATTERY_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let program = std::env::current_exe().unwrap();
    let output = std::process::Command::new(program)
        .args([test, "--exact", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

#[test]
fn the_most_verbose_log_holds_no_secret() {
    if alone("logs::the_most_verbose_log_holds_no_secret") {
        search(LogFormat::Human);
    }
}

#[test]
fn the_most_verbose_log_for_programs_holds_no_secret() {
    if alone("logs::the_most_verbose_log_for_programs_holds_no_secret") {
        search(LogFormat::Json);
    }
}

fn search(format: LogFormat) {
    let captured = Captured::default();
    let log = Log {
        format,
        filter: "trace,h2=trace,hyper=trace,tonic=trace,rustls=trace,tower=trace".into(),
    };
    let writer = {
        let captured = captured.clone();
        move || captured.clone()
    };
    let subscriber = logging::subscriber(&log, writer, false).unwrap();
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let secrets = runtime.block_on(async {
        let mut secrets = everything().await;
        secrets.extend(sealed().await);
        secrets
    });

    let log = captured.text();
    for line in [
        "listening on",
        "a call was refused",
        "answered",
        "the authority stays sealed",
    ] {
        assert!(log.contains(line), "no `{line}` in the log");
    }
    // Other people's code does not get to say more than INFO.
    assert!(!log.contains("h2::") && !log.contains("tower::"));
    for planted in [&b"planted \x01"[..], b"0123456789abcdef0123456789abcdef"] {
        for form in forms(planted) {
            assert!(
                found(&format!("{log} {form}"), planted),
                "the search misses {form}"
            );
        }
        assert!(!found(&log, planted));
    }
    for (name, secret) in secrets {
        assert!(!found(&log, &secret), "{name} is in the log");
    }
}

/// A day in the life of an authority, with every secret of it.
async fn everything() -> Vec<(&'static str, Vec<u8>)> {
    let mut secrets = Vec::new();
    let mut cluster = Cluster::start().await;
    cluster.add_service("photos").await;
    let token = cluster.join_token("photos").await;
    secrets.push(("the join token", token.to_text().as_bytes().to_vec()));
    secrets.push(("the join token's secret", token.secret.to_vec()));
    let key = KeyPair::generate().unwrap();
    secrets.push(("the agent's key", key.pkcs8().to_vec()));
    let agent = cluster.enroll(&token, &key).await.unwrap();
    let other = KeyPair::generate().unwrap();
    assert!(cluster.enroll(&token, &other).await.is_err());
    for (_, _, key) in cluster.service_keys(&agent.client).await.unwrap().1 {
        secrets.push(("a service key", key));
    }
    cluster.add_user("alice").await;
    cluster.grant("user/alice", "photos", &[], 0).await.unwrap();
    let (listed, api_key) = cluster.api_key("alice").await;
    secrets.push(("the API key", api_key.to_text().as_bytes().to_vec()));
    secrets.push(("the API key's secret", api_key.secret.to_vec()));
    for (_, key) in cluster.user_keys(&api_key, &[], 0).await.unwrap() {
        let key = key.unwrap();
        secrets.push(("a user key", key.token_key().expose().to_vec()));
        secrets.push(("a user key's text", key.to_text().as_bytes().to_vec()));
    }
    let request = RevokeApiKeyRequest {
        id: listed.id,
        wait: false,
    };
    cluster.admin().revoke_api_key(request).await.unwrap();
    assert!(cluster.user_keys(&api_key, &[], 0).await.is_err());
    cluster.running.take().unwrap().shutdown().await;
    let key_file = std::fs::read(cluster.dir.path().join("unseal.key")).unwrap();
    secrets.push(("the key file", key_file.trim_ascii().to_vec()));
    secrets
}

/// The same for one that is opened with a passphrase, and for an operator.
async fn sealed() -> Vec<(&'static str, Vec<u8>)> {
    const WRONG: &str = "a passphrase that somebody mistyped";
    let mut cluster = Cluster::made(|_| InitUnseal::Passphrase(passphrase())).await;
    let running = App::start(cluster.config(), None).await.unwrap();
    let mut unseal = UnsealClient::new(local(&cluster.authority_dir()).await);
    let mut with = async |passphrase: &str| {
        let passphrase = passphrase.to_owned();
        unseal.unseal(UnsealRequest { passphrase }).await
    };
    assert!(with(WRONG).await.is_err());
    with(PASSPHRASE).await.unwrap();
    running.opened().await;
    cluster.running = Some(running);
    let token = cluster.invite("ada", "admin").await.unwrap();
    let key = KeyPair::generate().unwrap();
    let ada = cluster.enroll(&token, &key).await.unwrap();
    cluster
        .admin_as(&ada.client)
        .list_services(ListServicesRequest {})
        .await
        .unwrap();
    let secrets = vec![
        ("the passphrase", PASSPHRASE.as_bytes().to_vec()),
        ("a wrong passphrase", WRONG.as_bytes().to_vec()),
        (
            "an operator's join token",
            token.to_text().as_bytes().to_vec(),
        ),
        ("an operator's join token's secret", token.secret.to_vec()),
        ("an operator's key", key.pkcs8().to_vec()),
    ];
    cluster.stop().await;
    secrets
}
