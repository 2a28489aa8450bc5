//! A Unix socket: there, of the right mode, and with somebody behind it.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _},
    path::Path,
};

use tokio::net::UnixStream;

use super::finding::Finding;

/// What was found, and whether somebody listens.
pub(super) async fn check(path: &Path, mode: u32) -> (Vec<Finding>, bool) {
    let (check, shown) = ("socket", path.display());
    let error = |found: &str, remedy: &str| Finding::error(check, shown.to_string(), found, remedy);
    let found = match fs::symlink_metadata(path).and_then(|_| fs::metadata(path)) {
        Ok(found) => found,
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            let finding = error(
                "there is no socket: the agent does not run, or listens elsewhere",
                "start it: `systemctl start cattery-agent`; if it runs, compare `socket` in agent.toml and its `--socket`",
            );
            return (vec![finding], false);
        }
        Err(why) => {
            let finding = error(
                &format!("cannot be looked at: {why}"),
                "run doctor as a user who may enter the socket's directory; for a service, add its user to the agent's group",
            );
            return (vec![finding], false);
        }
    };
    if !found.file_type().is_socket() {
        let finding = error(
            "is there, and is not a socket",
            "move it away, and restart the agent",
        );
        return (vec![finding], false);
    }
    let mut findings = Vec::new();
    let has = found.mode() & 0o7777;
    if has != mode {
        findings.push(error(
            &format!("has mode {has:04o}, and agent.toml says {mode:04o}"),
            &format!("`chmod {mode:04o} {shown}`, or change `socket_mode`; restart the agent, which sets it"),
        ));
    }
    let is_up = match UnixStream::connect(path).await {
        Ok(_) => {
            if findings.is_empty() {
                let found = format!(
                    "mode {has:04o}, of user {} and group {}",
                    found.uid(),
                    found.gid()
                );
                findings.push(Finding::ok(check, shown, found));
            }
            true
        }
        Err(why) if why.kind() == io::ErrorKind::ConnectionRefused => {
            findings.push(error(
                "nobody listens: it was left behind by an agent that was killed",
                "start the agent, which replaces it: `systemctl start cattery-agent`; its log says why it ended",
            ));
            false
        }
        Err(why) => {
            findings.push(error(
                &format!("this user cannot connect: {why}"),
                &format!(
                    "its mode is {has:04o}, its user {} and its group {}: add the service's user to that group, or change `socket_mode`",
                    found.uid(),
                    found.gid()
                ),
            ));
            false
        }
    };
    (findings, is_up)
}
