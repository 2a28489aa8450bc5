//! Operators and users of a running cluster, where things do not go as they should.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Stdio,
    thread,
};

use serde_json::{Value, json};

use crate::{
    dev::Dev,
    support::{Cattery, key_for},
};

/// A cluster, and the home of its operator and alice.
struct Town {
    dev: Dev,
    home: PathBuf,
    cattery: Cattery,
    _tmp: Cattery,
}

impl Town {
    fn new() -> Self {
        let (cattery, tmp) = (Cattery::new(), Cattery::new());
        let dev = Dev::start(&cattery, &[], tmp.home.path());
        let home = dev.path("home");
        Self {
            dev,
            home,
            cattery,
            _tmp: tmp,
        }
    }

    /// The command line, with options before it.
    fn line<'a>(&'a self, args: &[&'a str]) -> Vec<&'a str> {
        [&["--home", self.home.to_str().unwrap()], args].concat()
    }

    fn ok(&self, args: &[&str], stdin: &str) -> String {
        self.cattery.ok(&self.line(args), stdin)
    }

    fn json(&self, args: &[&str], stdin: &str) -> Value {
        self.cattery.json(&self.line(args), stdin)
    }

    fn fails(&self, args: &[&str], stdin: &str) -> String {
        self.cattery.fails(1, &self.line(args), stdin)
    }

    fn operator(&self) -> Value {
        read(&self.home.join("operator.json"))
    }

    fn edit_operator(&self, change: impl FnOnce(&mut Value)) {
        let mut operator = self.operator();
        change(&mut operator);
        fs::write(self.home.join("operator.json"), operator.to_string()).unwrap();
    }

    /// With standard output elsewhere: the exit code and standard error.
    fn with_stdout(&self, args: &[&str], stdout: Stdio, stdin: &str) -> (Option<i32>, String) {
        let mut child = self
            .cattery
            .command()
            .args(self.line(args))
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let mut pipe = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut pipe, stdin.as_bytes()).unwrap();
        drop(pipe);
        let output = child.wait_with_output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    }
}

fn read(path: &std::path::Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn renewals_at_the_same_time_lock_nobody_out() {
    let town = Town::new();
    town.edit_operator(|operator| operator["obtained_at"] = 0.into());
    let before = town.operator();
    let codes: Vec<_> = thread::scope(|scope| {
        let list = || town.cattery.run(&town.line(&["user", "list"]), "").code;
        let runs: Vec<_> = (0..6).map(|_| scope.spawn(list)).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(codes, [Some(0); 6]);
    let after = town.operator();
    assert_ne!(after["certificate"], before["certificate"]);
    assert_eq!(after["private_key"], before["private_key"]);
    // Whichever answer was lost on the way.
    fs::write(town.home.join("operator.json"), before.to_string()).unwrap();
    town.ok(&["user", "list"], "");
}

#[test]
fn addresses_are_taken_over() {
    let town = Town::new();
    let addresses = town.operator()["cluster"]["addresses"].clone();
    town.edit_operator(|operator| {
        let old = operator["cluster"]["addresses"].as_array_mut().unwrap();
        old.push("127.0.0.1:1".into());
    });
    town.ok(&["status"], "");
    assert_eq!(town.operator()["cluster"]["addresses"], addresses);
}

#[test]
fn a_token_cannot_steer_the_terminal() {
    let town = Town::new();
    let caveat = r"scope=photos.read,a\u{1b}[2J\u{a}user/root\u{9b}\u{202e}";
    let token = town.ok(&["mint", "photos", "--caveat", caveat], "");
    let verify = ["verify", "--scope", "photos.read"];
    for output in ["human", "json"] {
        let said = town.ok(&[&["--output", output], &verify[..]].concat(), &token);
        let steers = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(!said.contains(steers), "{said:?}");
        assert!(
            !said.lines().any(|line| line.starts_with("user/root")),
            "{said:?}"
        );
    }
    let scope = &town.json(&verify, &token)["scopes"][1];
    assert_eq!(scope, "a\u{1b}[2J\nuser/root\u{9b}\u{202e}");
}

#[test]
fn a_refusal_is_one_though_nobody_reads_it() {
    let town = Town::new();
    let verify = ["--output", "json", "verify"];
    let (code, _) = town.with_stdout(&verify, Stdio::piped(), "cat1_AAAA");
    assert_eq!(code, Some(1));
    let token = town.ok(&["mint", "photos"], "");
    let (code, said) = town.with_stdout(&verify, Stdio::piped(), &token);
    assert_eq!((code, said.as_str()), (Some(0), ""));
}

#[test]
fn a_secret_that_nobody_saw_can_be_ended() {
    let town = Town::new();
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    for stdout in [full(), Stdio::piped()] {
        let create = ["user", "api-key", "create", "alice"];
        let (code, said) = town.with_stdout(&create, stdout, "");
        assert_eq!(code, Some(1), "{said}");
        let (_, command) = said.split_once("`cattery ").unwrap();
        let command: Vec<_> = command.split('`').next().unwrap().split(' ').collect();
        assert!(town.ok(&command, "").contains("works no more"));
    }
    for (args, words) in [
        (
            &["user", "add", "dora", "--api-key"][..],
            "user api-key revoke",
        ),
        (
            &["service", "join-token", "photos"],
            "service join-token photos",
        ),
        (
            &["operator", "add", "carol"],
            "operator add carol --role operator",
        ),
    ] {
        let (code, said) = town.with_stdout(args, full(), "");
        let last = said.lines().last().unwrap_or_default();
        assert!(code == Some(1) && last.contains(words), "{args:?}: {said}");
    }
}

#[test]
fn a_user_is_added_whole_or_not_at_all() {
    let town = Town::new();
    let add = ["user", "add", "--grant", "photos", "--grant"];
    let line = town.fails(&[&add[..], &["nosuch", "--api-key", "bob"]].concat(), "");
    assert!(line.contains("cattery service add nosuch"), "{line}");
    let users = town.json(&["user", "list"], "");
    assert_eq!(users.as_array().unwrap().len(), 1, "{users}");
    let bob = town.json(&[&add[..], &["photos", "bob"]].concat(), "");
    assert_eq!(
        (&bob["name"], &bob["api_key_count"]),
        (&json!("bob"), &json!(0))
    );
    assert_eq!(bob["grants"].as_array().unwrap().len(), 1, "{bob}");
    assert_eq!(bob["grants"][0]["max_lease_seconds"], Value::Null);
    let service = town.json(&["service", "show", "photos"], "");
    assert_eq!(
        (&service["name"], &service["agent_count"]),
        (&json!("photos"), &json!(1))
    );
    assert_eq!(service["agents"].as_array().unwrap().len(), 1);
    let keys = town.json(&["user", "api-key", "list"], "");
    assert_eq!(keys[0]["expires_at"], Value::Null);
}

#[test]
fn a_login_whose_answer_got_lost_can_be_repeated() {
    let town = Town::new();
    let invitation = town.ok(&["operator", "add", "carol"], "");
    let id = town.json(&["inspect"], &invitation)["id"].clone();
    let carol = Cattery::new();
    carol.ok(&["login"], &invitation);
    assert!(!carol.home.path().join("enrolling.json").exists());
    // What was there before the answer.
    let operator = carol.home.path().join("operator.json");
    let begun = json!({ "join_token": id, "private_key": read(&operator)["private_key"] });
    carol.keep("enrolling.json", &begun);
    fs::remove_file(operator).unwrap();
    carol.ok(&["login"], &invitation);
    carol.ok(&["user", "list"], "");
    let line = Cattery::new().fails(1, &["login"], &invitation);
    assert!(line.contains("cattery operator add"), "{line}");
}

#[test]
fn keys_that_were_handed_over_stay() {
    let town = Town::new();
    let bob = Cattery::new();
    bob.ok(&["login"], &key_for("films", 3_600).to_text());
    let api_key = town.ok(
        &["user", "add", "bob", "--grant", "photos", "--api-key"],
        "",
    );
    let shown = bob.json(&["login"], &api_key);
    assert_eq!(shown["handed_over"][0]["service"], "films");
    bob.ok(&["mint", "films"], "");
    let line = bob.fails(1, &["login"], &key_for("photos", 3_600).to_text());
    assert!(line.contains("another --home"), "{line}");
    assert_eq!(bob.json(&["mint", "photos"], "")["principal"], "user/bob");
}

#[test]
fn the_agent_of_a_home_that_is_named_goes_first() {
    let town = Town::new();
    let token = town.ok(&["mint", "photos"], "");
    let run = |home: &[&str]| {
        let mut command = town.cattery.command();
        command.env("CATTERY_AGENT_SOCKET", "/nowhere/agent.sock");
        command.env_remove("CATTERY_HOME").env("HOME", "/nowhere");
        town.cattery.feed(command.args(home).arg("verify"), &token)
    };
    assert_eq!(run(&["--home", town.home.to_str().unwrap()]).code, Some(0));
    let elsewhere = run(&[]);
    assert!(
        elsewhere.err.contains("/nowhere/agent.sock"),
        "{elsewhere:?}"
    );
    assert_eq!(town.dev.shown["service"], "photos");
}

#[test]
fn a_ca_is_turned_over_and_the_home_keeps_up() {
    let town = Town::new();
    let bundle = || town.operator()["cluster"]["trust_bundle"].clone();
    let states = |shown: &Value| -> Vec<(u64, String)> {
        let cas = shown["cas"].as_array().unwrap().iter();
        cas.map(|ca| {
            let state = ca["state"].as_str().unwrap().to_owned();
            (ca["number"].as_u64().unwrap(), state)
        })
        .collect()
    };
    let of = |expected: &[(u64, &str)]| -> Vec<(u64, String)> {
        let owned = expected.iter();
        owned.map(|(n, state)| (*n, (*state).to_owned())).collect()
    };
    assert_eq!(
        states(&town.json(&["ca", "show"], "")),
        of(&[(1, "active")])
    );
    let old = bundle();

    let rotated = town.json(&["ca", "rotate"], "");
    assert_eq!(states(&rotated), of(&[(2, "prepared"), (1, "active")]));
    assert_eq!(bundle().as_array().unwrap().len(), 2);
    let shown = town.ok(&["ca", "rotate"], "");
    assert!(
        shown.contains("CA 2 signs by itself, not before"),
        "{shown}"
    );
    let rotated = town.json(&["ca", "rotate", "--force"], "");
    assert_eq!(states(&rotated), of(&[(2, "active"), (1, "draining")]));

    // Whoever was away all the time finds the way, and learns.
    town.edit_operator(|operator| operator["cluster"]["trust_bundle"] = old);
    town.ok(&["status"], "");
    assert_eq!(bundle().as_array().unwrap().len(), 2);
    let needed = town.fails(&["ca", "retire"], "");
    assert!(
        needed.contains("CA 1 stays trusted until") && needed.contains("--force"),
        "{needed}"
    );
    let retired = town.json(&["ca", "retire", "--force"], "");
    assert_eq!(states(&retired), of(&[(2, "active")]));
    assert_eq!(bundle().as_array().unwrap().len(), 1);
    // The certificate that retired it is of the new one.
    town.ok(&["operator", "list"], "");
    let nothing = town.fails(&["ca", "retire"], "");
    assert!(nothing.contains("no CA is draining"), "{nothing}");
}
