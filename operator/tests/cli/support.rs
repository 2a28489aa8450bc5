//! Running the program, and keys to run it with.

use std::{
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use cattery_core::{KeyId, RootKey, UserKey};
use tempfile::TempDir;

/// Somebody's home, and the program.
pub(crate) struct Cattery {
    pub(crate) home: TempDir,
}

/// What a command left.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Cattery {
    pub(crate) fn new() -> Self {
        let home = tempfile::Builder::new()
            .prefix("cat-")
            .tempdir_in("/tmp")
            .unwrap();
        Self { home }
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cattery"));
        command
            .env("CATTERY_HOME", self.home.path())
            .env_remove("CATTERY_AGENT_SOCKET");
        command
    }

    pub(crate) fn run(&self, args: &[&str], stdin: &str) -> Output {
        self.feed(self.command().args(args), stdin)
    }

    /// Runs a command to its end.
    pub(crate) fn feed(&self, command: &mut Command, stdin: &str) -> Output {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Some commands end before they read.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        Output {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Puts a file into the home.
    pub(crate) fn keep(&self, name: &str, value: &serde_json::Value) {
        let path = self.home.path().join(name);
        std::fs::write(&path, value.to_string()).unwrap();
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&path, private).unwrap();
    }

    /// A command that has to succeed: its output without the last line break.
    pub(crate) fn ok(&self, args: &[&str], stdin: &str) -> String {
        let output = self.run(args, stdin);
        assert_eq!(output.code, Some(0), "{args:?}: {output:?}");
        output.out.trim_end().to_owned()
    }

    pub(crate) fn json(&self, args: &[&str], stdin: &str) -> serde_json::Value {
        let out = self.ok(&[&["--output", "json"], args].concat(), stdin);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{args:?}: {error}: {out}"))
    }

    /// A command that has to fail with `code`, and says why in one line: that line.
    pub(crate) fn fails(&self, code: i32, args: &[&str], stdin: &str) -> String {
        let output = self.run(args, stdin);
        assert_eq!(output.code, Some(code), "{args:?}: {output:?}");
        assert_eq!(output.out, "", "{args:?}: {output:?}");
        assert_eq!(output.err.lines().count(), 1, "{args:?}: {output:?}");
        assert!(output.err.starts_with("cattery: "), "{args:?}: {output:?}");
        output.err.trim_end().to_owned()
    }
}

/// A key of user/alice for photos that ends in `seconds`.
pub(crate) fn key(seconds: u64) -> UserKey {
    key_for("photos", seconds)
}

/// The same for another service.
pub(crate) fn key_for(service: &str, seconds: u64) -> UserKey {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let service_key = RootKey::from_bytes([7; 32]).service_key(&service.parse().unwrap(), 0);
    let id = KeyId {
        epoch: 1,
        service,
        generation: 0,
        principal: "user/alice",
        version: 0,
        expires_at: now + seconds,
        lease_id: [1; 8],
    };
    UserKey::issue(&service_key, &id, &["scope=photos.read".parse().unwrap()]).unwrap()
}
