//! `cattery dev --dir`: a cluster that is kept starts again, whatever happened in between.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{dev::Dev, support::Cattery};

/// A directory with a cluster in it, for whatever is started there.
struct Kept {
    tmp: Cattery,
    dir: PathBuf,
}

impl Kept {
    fn new() -> Self {
        let tmp = Cattery::new();
        let dir = tmp.home.path().join("kept");
        Self { tmp, dir }
    }

    fn start(&self) -> Dev {
        let args = ["--dir", self.dir.to_str().unwrap()];
        Dev::start(&Cattery::new(), &args, self.tmp.home.path())
    }

    /// Starts it, has the agent verify a token of alice's, and stops it.
    fn works(&self) {
        let dev = self.start();
        let alice = |args: &[&str], stdin: &str| {
            let home = dev.path("home");
            let args = [&["--home", home.to_str().unwrap()], args].concat();
            self.tmp.ok(&args, stdin)
        };
        let token = alice(&["mint", "photos"], "");
        assert!(alice(&["verify"], &token).contains("user/alice"));
        assert_eq!(dev.stop("-TERM"), Some(0));
    }
}

#[test]
fn an_agent_that_was_away_for_too_long_or_never_got_its_answer_enrols_again() {
    let kept = Kept::new();
    kept.works();
    let identity = kept.dir.join("agent/identity.json");
    let text = fs::read_to_string(&identity).unwrap();
    let mut ended: Value = serde_json::from_str(&text).unwrap();
    let years = |seconds: &Value| seconds.as_u64().unwrap() / (365 * 86_400);
    assert!(years(&ended["not_after"]) - years(&ended["obtained_at"]) >= 4);
    ended["not_after"] = 1.into();
    fs::write(&identity, ended.to_string()).unwrap();
    kept.works();
    fs::remove_file(&identity).unwrap();
    kept.works();
}

#[test]
fn alice_is_let_in_again() {
    let kept = Kept::new();
    let ids = |dev: &Dev| {
        let home = dev.path("home");
        let args = ["--home", home.to_str().unwrap(), "user", "api-key", "list"];
        let keys = kept.tmp.json(&args, "");
        let active = |key: &&Value| key["state"] == "active";
        let keys = keys.as_array().unwrap().iter().filter(active);
        keys.map(|key| key["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let take_away = |args: &[&str]| {
        let dev = kept.start();
        let home = dev.path("home");
        let args: Vec<_> = args
            .iter()
            .map(|arg| arg.replace("ID", &ids(&dev)[0]))
            .collect();
        let mut line = vec!["--home", home.to_str().unwrap()];
        line.extend(args.iter().map(String::as_str));
        kept.tmp.ok(&line, "");
        assert_eq!(dev.stop("-TERM"), Some(0));
    };
    take_away(&["user", "disable", "alice"]);
    kept.works();
    take_away(&["grant", "remove", "user/alice", "photos"]);
    kept.works();
    take_away(&["user", "api-key", "revoke", "ID"]);
    kept.works();
}

#[test]
fn a_directory_that_others_may_write_to_is_refused() {
    let kept = Kept::new();
    fs::create_dir(&kept.dir).unwrap();
    fs::set_permissions(&kept.dir, fs::Permissions::from_mode(0o775)).unwrap();
    let dir = kept.dir.to_str().unwrap();
    let line = kept.tmp.fails(1, &["dev", "--once", "--dir", dir], "");
    assert!(line.contains("chmod 700"), "{line}");
}

#[test]
fn the_place_of_a_kept_authority_is_taken() {
    let kept = Kept::new();
    let dev = kept.start();
    let authority = dev.path("authority");
    assert_eq!(dev.stop("-TERM"), Some(0));
    let addr = authority.to_str().unwrap().trim_start_matches("https://");
    let _taken = std::net::TcpListener::bind(addr).unwrap();
    let dir = kept.dir.to_str().unwrap();
    let line = kept.tmp.fails(1, &["dev", "--once", "--dir", dir], "");
    assert!(
        line.contains("another --dir") && line.matches("in use").count() == 1,
        "{line}"
    );
}

#[test]
fn a_start_that_is_interrupted_leaves_nothing_behind() {
    let tmp = Cattery::new();
    let mut child = Cattery::new()
        .command()
        .arg("dev")
        .env("TMPDIR", tmp.home.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // As soon as it is at work.
    while is_empty(tmp.home.path()) {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        thread::sleep(Duration::from_millis(1));
    }
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().unwrap();
    assert!(sent.success());
    assert!(child.wait().unwrap().code().is_some());
    assert!(is_empty(tmp.home.path()), "something was left behind");
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).unwrap().next().is_none()
}
