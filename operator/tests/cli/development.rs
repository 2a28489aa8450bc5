//! `cattery dev`, for real.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use crate::{dev::Dev, support::Cattery};

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).unwrap().next().is_none()
}

#[test]
fn the_whole_path_works_once() {
    let cattery = Cattery::new();
    let tmp = Cattery::new();
    let output = cattery
        .command()
        .args(["dev", "--once", "--home", "/nowhere"])
        .env("TMPDIR", tmp.home.path())
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let note = String::from_utf8_lossy(&output.stderr);
    assert!(note.contains("home of its own"), "{output:?}");
    for words in ["Hello user/alice", "bad_tag", "The whole path works"] {
        assert!(out.contains(words), "{words}: {out}");
    }
    assert!(is_empty(tmp.home.path()), "something was left behind");
}

#[test]
fn every_suggestion_works_and_nothing_is_left_behind() {
    let cattery = Cattery::new();
    let tmp = Cattery::new();
    let dev = Dev::start(&cattery, &[], tmp.home.path());
    for field in [
        "home",
        "authority",
        "agent_socket",
        "forward_auth",
        "upstream",
    ] {
        assert!(dev.path(field).as_os_str().len() > 1, "{}", dev.shown);
    }
    assert!(dev.path("home").starts_with(tmp.home.path()));
    let dir = fs::metadata(dev.path("dir")).unwrap().permissions();
    assert_eq!(dir.mode() & 0o777, 0o700);
    let suggested = dev.shown["try"].as_array().unwrap();
    assert!(suggested.len() > 5);
    for suggestion in suggested {
        let command = suggestion["command"].as_str().unwrap();
        let output = Command::new("sh").args(["-c", command]).output().unwrap();
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{command}: {output:?}"
        );
        assert!(!output.stdout.is_empty(), "{command}");
    }
    assert_eq!(dev.stop("-INT"), Some(0));
    assert!(is_empty(tmp.home.path()), "something was left behind");
}

#[test]
fn a_kept_directory_is_used_again_even_a_deep_one() {
    let cattery = Cattery::new();
    let tmp = Cattery::new();
    let dir = tmp.home.path().join("x".repeat(100));
    let dir = dir.to_str().unwrap();
    let first = Dev::start(&cattery, &["--dir", dir], tmp.home.path());
    let (home, authority) = (first.path("home"), first.path("authority"));
    assert_eq!(first.stop("-TERM"), Some(0));
    let second = Dev::start(&cattery, &["--dir", dir], tmp.home.path());
    assert_eq!(
        (second.path("home"), second.path("authority")),
        (home, authority)
    );
    assert_eq!(second.stop("-INT"), Some(0));
    assert!(Path::new(dir).join("authority/authority.toml").exists());
}

#[test]
fn a_port_that_is_taken_is_named() {
    let cattery = Cattery::new();
    let tmp = Cattery::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in ["--authority-port", "--http-port", "--upstream-port"] {
        let mut command = cattery.command();
        command
            .args(["dev", "--once", flag, &port])
            .env("TMPDIR", tmp.home.path());
        let output = command.output().unwrap();
        let line = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{flag}: {output:?}");
        assert!(
            line.lines().count() == 1
                && line.matches("in use").count() == 1
                && line.contains(&port)
                && line.contains(&format!("another {flag}")),
            "{flag}: {line}"
        );
        assert!(
            is_empty(tmp.home.path()),
            "{flag}: something was left behind"
        );
    }
}

#[test]
fn operators_and_users_come_and_go() {
    let (root, tmp) = (Cattery::new(), Cattery::new());
    let dev = Dev::start(&root, &[], tmp.home.path());
    let home = dev.path("home");
    let home = home.to_str().unwrap();
    let admin = |args: &[&str], stdin: &str| root.ok(&[&["--home", home], args].concat(), stdin);

    let invitation = admin(&["operator", "add", "carol", "--role", "auditor"], "");
    let line = root.fails(1, &["--home", home, "login"], &invitation);
    assert!(line.contains("operator/root is at home"), "{line}");
    let carol = Cattery::new();
    carol.ok(&["login"], &invitation);
    assert!(carol.ok(&["user", "list"], "").contains("alice"));
    let line = carol.fails(1, &["user", "add", "bob"], "");
    assert!(line.contains("auditor"), "{line}");
    let line = Cattery::new().fails(1, &["login"], &invitation);
    assert!(line.contains("join token"), "{line}");
    admin(&["operator", "revoke", "carol"], "");
    carol.fails(1, &["user", "list"], "");

    let api_key = admin(
        &["user", "add", "bob", "--grant", "photos", "--api-key"],
        "",
    );
    assert!(api_key.starts_with("catapi1_") && api_key.lines().count() == 1);
    let bob = Cattery::new();
    let shown = bob.json(&["login"], &api_key);
    assert_eq!(
        (&shown["subject"], &shown["services"][0]["service"]),
        (&"user/bob".into(), &"photos".into())
    );
    let socket = dev.path("agent_socket");
    let token = bob.ok(&["mint", "photos"], "");
    let verify = ["verify", "--socket", socket.to_str().unwrap()];
    assert_eq!(bob.json(&verify, &token)["principal"], "user/bob");
    let refused = bob.run(
        &[&["--output", "json"], &verify[..]].concat(),
        &format!(" {token}"),
    );
    assert_eq!(refused.code, Some(1));
    assert!(
        refused
            .out
            .contains(r#""code":"malformed","http_status":401"#),
        "{refused:?}"
    );
    let line = bob.fails(1, &["mint", "mail"], "");
    assert!(line.contains("cattery grant add user/bob mail"), "{line}");

    let keys = root.json(&["--home", home, "user", "api-key", "list", "bob"], "");
    admin(
        &["user", "api-key", "revoke", keys[0]["id"].as_str().unwrap()],
        "",
    );
    let line = Cattery::new().fails(1, &["login"], &api_key);
    assert!(line.contains("revoked"), "{line}");
    // A key that is kept lives on until its lease ends.
    bob.ok(&["mint", "photos"], "");
    assert_eq!(dev.stop("-INT"), Some(0));
    bob.ok(&["mint", "photos"], "");
    let line = bob.fails(1, &["mint", "mail"], "");
    // Or somebody else has the port by now: another test, say.
    let is_gone = line.contains("no authority answers") || line.contains("does not speak TLS");
    assert!(is_gone, "{line}");
}
