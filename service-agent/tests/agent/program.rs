//! The program itself: its one line, its signals, its logs, its refusals.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use crate::authority::{Authority, root, until};
use crate::town::{mint, mint_at, now, request};

pub(crate) fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cattery-agent"));
    command
        .args(args)
        .env("RUST_LOG", "trace")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

#[tokio::test]
async fn it_runs_until_it_is_asked_to_end_and_logs_no_secret() {
    let authority = Authority::start().await;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("agent");
    let dir = dir.to_str().unwrap();
    let join_token = authority.join_token();
    let mut child = program(&["run", "--dir", dir, "--join-token-file", "-"])
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(join_token.as_bytes()).await.unwrap();
    drop(stdin);
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = out.next_line().await.unwrap().unwrap();
    let addr = line
        .strip_prefix(&format!("listening: socket {dir}/agent.sock, http "))
        .unwrap()
        .parse()
        .unwrap();

    let token = mint(1);
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", &bearer[..])];
    until("it verifies", || async {
        request(addr, "POST", "/auth", &headers).await.status == 200
    })
    .await;
    let newer = format!("Bearer {}", mint(9));
    request(addr, "POST", "/auth", &[("authorization", &newer)]).await;

    let status = program(&["status", "--dir", dir]).output().await.unwrap();
    let said = String::from_utf8(status.stdout).unwrap();
    assert!(said.contains("service        photos (ready)"), "{said}");
    assert!(
        said.contains("epoch          1 (active), generation 0"),
        "{said}"
    );
    let revoked = "revoked        0 ids, digest 0000000000000000\n";
    assert!(said.contains(revoked), "{said}");

    let id = i32::try_from(child.id().unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    let mut log = String::new();
    let mut err = child.stderr.take().unwrap();
    err.read_to_string(&mut log).await.unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0), "{log}");

    assert!(
        log.contains("enrolled") && log.contains("unknown_epoch"),
        "{log}"
    );
    let key = root(1).service_key(&"photos".parse().unwrap(), 0);
    let text = |text: &str| text.split_once('_').unwrap().1.as_bytes()[..40].to_vec();
    let secrets = [
        ("the token", text(&token)),
        ("the join token", text(&join_token)),
        ("the service key", key.expose().to_vec()),
        ("the join token's secret", [2; 32].to_vec()),
    ];
    for (name, secret) in secrets {
        for form in forms(&secret) {
            let mut places = log.as_bytes().windows(form.len());
            assert!(!places.any(|place| place == form), "{name} is in the log");
        }
    }
    assert!(!std::path::Path::new(dir).join("agent.sock").exists());
}

#[tokio::test]
async fn it_says_once_that_clocks_make_it_refuse_tokens() {
    let authority = Authority::start().await;
    authority.script().ahead_seconds = 100;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("agent");
    let dir = dir.to_str().unwrap();
    let mut child = program(&["run", "--dir", dir, "--join-token-file", "-"])
        .env("RUST_LOG", "info")
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let join_token = authority.join_token();
    stdin.write_all(join_token.as_bytes()).await.unwrap();
    drop(stdin);
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = out.next_line().await.unwrap().unwrap();
    let addr = line.rsplit(' ').next().unwrap().parse().unwrap();
    let ask = async |token: String| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", &bearer[..])];
        request(addr, "GET", "/auth", &headers).await.status
    };
    until("it verifies", async || ask(mint(1)).await == 200).await;
    for _ in 0..3 {
        let theirs = mint_at(now() + 100, "user/alice", 1, &[]);
        assert_eq!(ask(theirs).await, 401);
    }
    let id = i32::try_from(child.id().unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    let output = child.wait_with_output().await.unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    let said = log.lines().filter(|line| line.contains("check NTP"));
    let said: Vec<_> = said.collect();
    assert_eq!(said.len(), 1, "{log}");
    let line = said[0];
    assert!(
        line.contains("not_yet_valid") && line.contains("difference_ms="),
        "{line}"
    );
}

/// A secret as it could be in a log: raw, in hexadecimal, as a list of numbers, in base64 at any alignment.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let list = format!("{secret:?}").trim_matches(['[', ']']).to_owned();
    let mut forms = vec![
        secret.to_vec(),
        hex::encode(secret).into(),
        hex::encode_upper(secret).into(),
        list.into(),
    ];
    for skip in 0..3 {
        let shifted = [&[0; 2][..skip], secret].concat();
        // What the secret alone decides.
        let range = (skip * 8).div_ceil(6)..shifted.len() * 8 / 6;
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            forms.push(engine.encode(&shifted).as_bytes()[range.clone()].to_vec());
        }
    }
    forms
}

#[tokio::test]
async fn an_interrupt_ends_it_and_its_join_token_may_be_named_for_ever() {
    let authority = Authority::start().await;
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("agent");
    let file = folder.path().join("join-token");
    std::fs::write(&file, authority.join_token()).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    for _ in 0..2 {
        let file = file.to_str().unwrap();
        let args = [
            "run",
            "--dir",
            dir.to_str().unwrap(),
            "--join-token-file",
            file,
        ];
        let mut child = program(&args).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = out.next_line().await.unwrap().unwrap();
        assert!(line.starts_with("listening: "), "{line}");
        let id = i32::try_from(child.id().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(pid, Signal::INT).unwrap();
        let output = child.wait_with_output().await.unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{log}");
        let _ = std::fs::remove_file(file); // it is not read a second time
    }
    assert_eq!(authority.script().enrolled_keys.len(), 1);
}

#[tokio::test]
async fn a_secret_on_the_command_line_is_not_repeated() {
    for args in [
        &["run", "catjoin1_SECRET"][..],
        &["run", "--join-token-file", "catjoin1_SECRET"],
        &["run", "--join-token=catjoin1_SECRET"],
        &["status", "catkey1_SECRET"],
        &["catapi1_SECRET"],
    ] {
        let output = program(args).output().await.unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{args:?}: {err}");
        assert!(
            err.contains("everybody on this machine can read arguments") && !err.contains("SECRET"),
            "{args:?}: {err}"
        );
        assert_eq!(err.lines().count(), 1, "{err}");
    }
}

#[tokio::test]
async fn it_says_what_is_wrong_with_standard_input() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("agent");
    let dir = dir.to_str().unwrap();
    for (input, words) in [
        (vec![b'x'; 20_000], "it is too long"),
        (vec![0xff; 10], "the join token is not text"),
    ] {
        let args = ["run", "--dir", dir, "--join-token-file", "-"];
        let mut child = program(&args).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let _ = stdin.write_all(&input).await; // it stops reading where it has had enough
        drop(stdin);
        let output = child.wait_with_output().await.unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{err}");
        assert!(err.contains(words), "{err}");
    }
}

#[tokio::test]
async fn it_refuses_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("agent");
    let dir = dir.to_str().unwrap();
    let long = format!("/tmp/{}", "x".repeat(120));
    for (args, words, code) in [
        (vec!["run", "--dir", dir], "cattery service join-token", 1),
        (
            vec!["run", "--dir", dir, "--join-token-file", "/nowhere"],
            "/nowhere",
            1,
        ),
        (
            vec!["run", "--dir", dir, "--socket", &long],
            "at most 107",
            1,
        ),
        (
            vec!["run", "--dir", dir, "--http", "0.0.0.0:0"],
            "not a loopback address",
            1,
        ),
        (vec!["run"], "dir: it is missing", 1),
        (vec!["status", "--dir", dir], "no agent answers", 1),
        (
            vec!["config", "check", "--config", "/nowhere.toml"],
            "cannot read /nowhere.toml",
            1,
        ),
        (vec!["run", "--join-token", "x"], "unexpected argument", 64),
    ] {
        let output = program(&args).stdin(Stdio::null()).output().await.unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {err}");
        assert!(err.contains(words), "{args:?}: {err}");
        let ours: Vec<_> = err
            .lines()
            .filter(|line| line.starts_with("cattery-agent: "))
            .collect();
        assert_eq!(ours.len(), usize::from(code == 1), "{err}");
    }
    let good = program(&["config", "check", "--dir", dir])
        .env("RUST_LOG", "")
        .output()
        .await
        .unwrap();
    assert!(good.status.success());
    let file = folder.path().join("agent.toml");
    std::fs::write(
        &file,
        "cache = { file = \"/tmp/c\", key_file = \"/nowhere\" }",
    )
    .unwrap();
    let args = ["config", "check", "--dir", dir, "--config"];
    let bad = program(&args).arg(&file).output().await.unwrap();
    let err = String::from_utf8(bad.stderr).unwrap();
    assert!(
        err.contains("cache.key_file: cannot read /nowhere"),
        "{err}"
    );
}
