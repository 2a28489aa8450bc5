//! The most verbose logs hold no secret.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cattery_sdk::{
    MintOptions,
    sign::{SignLayer, Signer},
    verify::{Verifier, VerifyLayer},
};
use http::{Request, Response};
use http_body_util::Empty;
use tower::{Layer as _, ServiceExt as _};

use crate::{
    agent::Agent,
    authority::{Authority, SECRET},
    client::connect,
};

type Body = Empty<bytes::Bytes>;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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

#[tokio::test]
async fn no_token_and_no_key_is_logged() {
    if !alone("logs::no_token_and_no_key_is_logged") {
        return;
    }
    let log = Log::default();
    let into = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || into.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber); // one thread runs all of this test

    let authority = Authority::start().await;
    let agent = Agent::start();
    let client = connect(&authority).await;
    let upstream = tower::service_fn(|request: Request<Body>| async move {
        tracing::debug!(headers = ?request.headers(), "an upstream that logs too much");
        Ok::<_, std::convert::Infallible>(Response::new(Body::new()))
    });
    for verifier in [
        Verifier::through_agent("photos", &agent.socket).unwrap(),
        Verifier::in_process("photos", &agent.socket).await.unwrap(),
    ] {
        let upstream = VerifyLayer::new(verifier).layer(upstream);
        let signed = SignLayer::new(Signer::new(client.clone(), "photos")).layer(upstream);
        let response = signed.oneshot(Request::new(Body::new())).await.unwrap();
        assert_eq!(response.status(), 200);
    }
    let token = client.mint("photos", &MintOptions::default()).unwrap();
    tracing::debug!(?token, "a token in a log");

    let text = log.text();
    assert!(text.contains("an upstream that logs too much") && text.contains("h2::"));
    let tail = &token[token.len() - 20..]; // of the tag, whatever stands before it
    let api_key = authority.api_key().to_text();
    let middle = api_key.len() / 2;
    let secret = URL_SAFE_NO_PAD.encode(SECRET);
    let secrets = [
        "cat1_",
        "catapi1_",
        "catkey1_",
        &secret[1..40], // as it is encoded by itself, and inside of the key's text
        &api_key[middle - 10..middle + 10],
        tail,
    ];
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
    tracing::debug!("planted: {}", &*token);
    assert!(log.text().contains("cat1_") && log.text().contains(tail));
}
