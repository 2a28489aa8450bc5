//! The program itself: its one line, its signals, its logs, its refusals.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use crate::authority::{Authority, root, until};
use crate::town::{mint, post};

fn program(args: &[&str]) -> Command {
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
        post(addr, "/auth", &headers).await.status == 200
    })
    .await;
    let newer = format!("Bearer {}", mint(9));
    post(addr, "/auth", &[("authorization", &newer)]).await;

    let status = program(&["status", "--dir", dir]).output().await.unwrap();
    let said = String::from_utf8(status.stdout).unwrap();
    assert!(said.contains("service        photos (ready)"), "{said}");
    assert!(
        said.contains("epoch          1 (active), generation 0"),
        "{said}"
    );

    let id = i32::try_from(child.id().unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let mut log = String::new();
    let mut err = child.stderr.take().unwrap();
    err.read_to_string(&mut log).await.unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0), "{log}");

    assert!(
        log.contains("enrolled") && log.contains("unknown_epoch"),
        "{log}"
    );
    let key = root(1).service_key(&"photos".parse().unwrap(), 0);
    let (key, secret) = (hex::encode(key.expose()), hex::encode([2_u8; 32]));
    let body = |text: &str| text.split_once('_').unwrap().1[..40].to_owned();
    for secret in [
        body(&token),
        body(&join_token),
        key,
        secret,
        "2, 2, 2, 2".into(),
    ] {
        assert!(!log.contains(&secret), "{secret} is in the log");
    }
    assert!(!std::path::Path::new(dir).join("agent.sock").exists());
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
        (
            vec!["run", "--join-token", "catjoin1_x"],
            "unexpected argument",
            64,
        ),
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
        .output()
        .await
        .unwrap();
    assert!(good.status.success());
}
