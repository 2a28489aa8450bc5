//! Exit codes, and lines that say what to do.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Stdio};

use crate::support::{Cattery, key};

#[test]
fn help_and_version_succeed() {
    let cattery = Cattery::new();
    for args in [
        &["--help"][..],
        &["help", "mint"],
        &["user", "api-key", "create", "--help"],
        &["--version"],
    ] {
        let output = cattery.run(args, "");
        assert_eq!(
            (output.code, output.err.as_str()),
            (Some(0), ""),
            "{args:?}"
        );
        assert!(!output.out.is_empty(), "{args:?}");
    }
}

#[test]
fn every_command_has_an_example() {
    let cattery = Cattery::new();
    for command in [
        "dev",
        "init",
        "backup",
        "restore",
        "operator",
        "service",
        "user",
        "user api-key",
        "grant",
        "epoch",
        "key",
        "token",
        "audit",
        "operator add",
        "operator list",
        "operator revoke",
        "service add",
        "service list",
        "service show",
        "service join-token",
        "service rotate-key",
        "service disable",
        "agent",
        "agent list",
        "agent evict",
        "user add",
        "user list",
        "user disable",
        "user revoke",
        "api-key",
        "api-key create",
        "api-key list",
        "api-key revoke",
        "user api-key create",
        "user api-key list",
        "user api-key revoke",
        "grant add",
        "grant list",
        "grant remove",
        "epoch list",
        "epoch rotate",
        "epoch prepare",
        "epoch activate",
        "epoch retire",
        "login",
        "mint",
        "key export",
        "key attenuate",
        "key handed-out",
        "key take-back",
        "lease list",
        "lease revoke",
        "revoke",
        "token attenuate",
        "verify",
        "inspect",
        "status",
        "audit verify",
        "completions",
    ] {
        let mut args: Vec<_> = command.split(' ').collect();
        args.push("--help");
        let help = cattery.ok(&args, "");
        assert!(help.contains("Example"), "{command}: {help}");
    }
}

#[test]
fn shells_learn_every_command() {
    let cattery = Cattery::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = cattery.ok(&["completions", shell], "");
        for word in ["rotate-key", "--emergency", "evict"] {
            let bare = word.trim_start_matches("--");
            assert!(script.contains(bare), "{shell}: {word}");
        }
    }
}

#[test]
fn a_line_that_makes_no_sense_exits_with_64() {
    let cattery = Cattery::new();
    for (args, word) in [
        (&["purr"][..], "purr"),
        (&["mint"], "SERVICE"),
        (&["mint", "Photos!"], "cattery mint --help"),
        (&["mint", "photos", "--ttl", "soon"], "15m"),
        (&["mint", "photos", "--ttl", "-5m"], "15m"),
        (&["mint", "photos", "--caveat", "color=red"], "scope="),
        (&["operator", "add", "Bad Name"], "a-z"),
        (&["verify", "--body-sha256", "00"], "64 hexadecimal"),
        (&["grant", "add", "alice", "photos"], "user/NAME"),
        (
            &["verify", "--socket", "/nowhere", "--body-sha256", "00"],
            "64 hexadecimal",
        ),
        (
            &["verify", "--socket", "/nowhere", "--context", "a"],
            "KEY=VALUE",
        ),
        (&["--output", "yaml", "inspect"], "json"),
        (&["epoch", "rotate", "--yes"], "--emergency"),
        (&["epoch", "rotate", "--emergency", "--force"], "--force"),
        (&["epoch", "retire", "--wait", "--force"], "--force"),
        (&["epoch", "prepare", "--force"], "--force"),
        (&["service", "rotate-key"], "NAME"),
        (
            &["service", "rotate-key", "photos", "--yes"],
            "--compromised",
        ),
        (&["agent", "list", "Photos!"], "a-z"),
        (&["agent", "evict"], "ID"),
    ] {
        let line = cattery.fails(64, args, "");
        assert!(line.contains(word), "{args:?}: {line}");
    }
    assert_eq!(cattery.run(&[], "").code, Some(64));
    assert_eq!(cattery.run(&["user"], "").code, Some(64));
}

#[test]
fn secrets_on_the_command_line_are_refused_unseen() {
    let cattery = Cattery::new();
    for secret in [
        "catapi1_AAAA",
        "catjoin1_AAAA",
        "catkey1_AAAA",
        "catmaster1_AAAA",
        "bearer  cat1_AAAA",
        "cat1_AAAA",
        "--token=cat1_AAAA",
        "Bearer cat1_AAAA",
    ] {
        let line = cattery.fails(64, &["verify", secret], "");
        assert!(
            line.contains("standard input") && !line.contains("AAAA"),
            "{line}"
        );
    }
}

#[test]
fn what_is_missing_is_said() {
    let cattery = Cattery::new();
    for (args, stdin, words) in [
        (&["mint", "photos"][..], "", "cattery login"),
        (&["key", "export", "photos"], "", "cattery login"),
        (&["user", "list"], "", "cattery login"),
        (&["api-key", "list"], "", "cattery login"),
        (&["key", "take-back"], "hello", "nothing was revoked"),
        (&["login"], "hello", "catapi1_"),
        (&["login"], "", "empty"),
        (&["login"], "catapi1_AAAA", "damaged"),
        (&["verify"], "cat1_AAAA", "--socket"),
        (
            &["verify", "--socket", "/nowhere/agent.sock"],
            "cat1_AAAA",
            "no agent answers",
        ),
        (&["inspect"], "hello", "cat1_"),
        (&["inspect"], "cat1_AAAA", "not all of one"),
    ] {
        let line = cattery.fails(1, args, stdin);
        assert!(line.contains(words), "{args:?}: {line}");
    }
    let long = format!("/tmp/{}", "x".repeat(120));
    let line = cattery.fails(1, &["verify", "--socket", &long], "cat1_AAAA");
    assert!(line.contains("at most 107"), "{line}");
}

#[test]
fn what_cannot_be_taken_back_is_asked_for_on_a_terminal_or_with_yes() {
    let cattery = Cattery::new();
    for args in [
        &["epoch", "rotate", "--emergency"][..],
        &["service", "rotate-key", "photos", "--compromised"],
        &["service", "disable", "photos"],
        &["agent", "evict", "0f3c"],
    ] {
        let line = cattery.fails(1, args, "emergency\ncompromised\ndisable\nevict\n");
        assert!(
            line.contains("nothing was done") && line.contains("--yes"),
            "{args:?}: {line}"
        );
        // That much is enough to go on, as far as it goes here.
        let line = cattery.fails(1, &[args, &["--yes"]].concat(), "");
        assert!(line.contains("cattery login"), "{args:?}: {line}");
    }
    let line = cattery.fails(1, &["epoch", "rotate", "--emergency", "--dry-run"], "");
    assert!(line.contains("cattery login"), "{line}");
}

#[test]
fn what_needs_no_home_looks_for_none() {
    let cattery = Cattery::new();
    let run = |args: &[&str], stdin: &str| {
        let mut command = cattery.command();
        for name in ["CATTERY_HOME", "XDG_CONFIG_HOME", "HOME"] {
            command.env_remove(name);
        }
        cattery.feed(command.args(args), stdin)
    };
    let key = key(3_600).to_text();
    assert_eq!(run(&["inspect"], &key).code, Some(0));
    let narrow = run(&["key", "attenuate", "--caveat", "method=GET"], &key);
    assert_eq!(narrow.code, Some(0));
    let said = run(&["verify", "--socket", "/nowhere"], "cat1_AAAA").err;
    assert!(said.contains("no agent answers"), "{said}");
    let said = run(&["mint", "photos"], "").err;
    assert!(said.contains("--home DIR"), "{said}");
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let cattery = Cattery::new();
    cattery.ok(&["login"], &key(3_600).to_text());
    cattery.ok(&["mint", "photos"], "");
    let file = cattery.home.path().join("keys/photos.json");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let line = cattery.fails(1, &["mint", "photos"], "");
    assert!(
        line.contains(&format!("chmod 600 {}", file.display())),
        "{line}"
    );
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let cattery = Cattery::new();
    let mut child = cattery
        .command()
        .arg("inspect")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    std::io::Write::write_all(
        &mut child.stdin.take().unwrap(),
        key(60).to_text().as_bytes(),
    )
    .unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &[][..])
    );
}
