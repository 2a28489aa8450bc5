//! A whole cluster, to try commands on.

use std::{
    io::{BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::Cattery;

/// `cattery dev --output json`, serving.
pub(crate) struct Dev {
    child: Child,
    /// What it printed.
    pub(crate) shown: Value,
}

impl Dev {
    pub(crate) fn start(cattery: &Cattery, args: &[&str], tmp: &Path) -> Self {
        let mut child = cattery
            .command()
            .args(["--output", "json", "dev"])
            .args(args)
            .env("TMPDIR", tmp)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let shown = serde_json::Deserializer::from_reader(out.by_ref())
            .into_iter()
            .next();
        Self {
            child,
            shown: shown.expect("one JSON object").unwrap(),
        }
    }

    pub(crate) fn path(&self, field: &str) -> PathBuf {
        self.shown[field]
            .as_str()
            .unwrap_or_else(|| panic!("{field}: {}", self.shown))
            .into()
    }

    /// Ends it with a signal, and waits.
    pub(crate) fn stop(mut self, signal: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < end, "it did not end");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
