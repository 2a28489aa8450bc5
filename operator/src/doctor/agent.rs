//! An agent's installation on this machine.

use std::{fs, net::SocketAddr, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use cattery_agent::{Config, ConfigError, Enrolment, Overrides};
use tokio::{net::TcpStream, task::JoinSet, time::timeout};

use super::{
    disk,
    files::{self, Kind},
    finding::Finding,
    moments, reach, running, socket,
};
use crate::clock;

const PATIENCE: Duration = Duration::from_secs(3);
/// The sizes that a cache's key has, bytes.
const CACHE_KEY: std::ops::RangeInclusive<u64> = 32..=4_096;

/// Looks at all of it. `file` is its configuration, where that is not in `dir`; `active_epoch` is the cluster's, where that is known.
pub(super) async fn check(
    dir: &Path,
    file: Option<&Path>,
    active_epoch: Option<u32>,
) -> Vec<Finding> {
    if let Err(why) = fs::metadata(dir) {
        return vec![Finding::error(
            "directory",
            dir.display(),
            format!("cannot be looked at: {why}"),
            "name the directory that the agent was started with (`--dir`), as a user who may look into it",
        )];
    }
    let owner = fs::metadata(dir).ok().map(|found| found.uid());
    let mut findings = vec![
        files::private("directory", dir, Kind::Dir, None, ""),
        disk::check(dir),
    ];
    findings.extend(join_tokens(dir));
    let overrides = Overrides {
        dir: Some(dir.to_owned()),
        ..Overrides::default()
    };
    let config = match Config::read(file, &overrides) {
        Ok((config, _)) => config,
        Err(why) => {
            findings.push(bad_configuration(dir, file, &why));
            Config::new(dir)
        }
    };
    findings.extend(cache_key(&config));
    let enrolment = enrolment(&config, owner, &mut findings);
    let mut looks = JoinSet::new();
    if let Some(enrolment) = enrolment {
        for address in enrolment.addresses {
            let bundle = enrolment.trust_bundle.clone();
            looks.spawn(async move { reach::check(&address, &bundle).await });
        }
    }
    let (face, is_up) = socket::check(&config.socket, config.socket_mode).await;
    findings.extend(face);
    if is_up {
        findings.extend(running::check(&config.socket, active_epoch).await);
    }
    findings.push(http(&config, is_up).await);
    findings.extend(looks.join_all().await.into_iter().flatten());
    findings
}

fn bad_configuration(dir: &Path, file: Option<&Path>, why: &ConfigError) -> Finding {
    let of_dir = dir.join("agent.toml");
    let file = file.unwrap_or(&of_dir).display();
    Finding::error(
        "configuration",
        &file,
        why.to_string().replace('\n', "; "),
        format!(
            "correct it; `cattery-agent config check --dir {} --config {file}` reads it without starting, and docs/reference/configuration.md has every setting",
            dir.display()
        ),
    )
}

/// A join token is worth an agent until it is used or has ended.
fn join_tokens(dir: &Path) -> Vec<Finding> {
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().contains("join-token"))
        .map(|entry| {
            Finding::warning(
                "join-token",
                entry.path().display(),
                "looks like a join token that was left behind",
                "remove it: an agent that has enrolled needs none",
            )
        })
        .collect()
}

fn cache_key(config: &Config) -> Option<Finding> {
    let path = &config.cache.as_ref()?.key_file;
    let found = files::private(
        "cache-key",
        path,
        Kind::File,
        None,
        "make one: `head -c 32 /dev/urandom > FILE`, mode 0400; or take `[cache]` out of agent.toml",
    );
    match fs::metadata(path) {
        Ok(file) if !CACHE_KEY.contains(&file.len()) => Some(Finding::error(
            "cache-key",
            path.display(),
            format!("has {} bytes, and not 32 to 4,096", file.len()),
            "make a new one: `head -c 32 /dev/urandom > FILE`, mode 0400",
        )),
        _ => Some(found),
    }
}

fn enrolment(
    config: &Config,
    owner: Option<u32>,
    findings: &mut Vec<Finding>,
) -> Option<Enrolment> {
    let place = config.dir.display();
    let again = "get a join token with `cattery service join-token SERVICE`, and start the agent with --join-token-file";
    match config.enrolment() {
        Ok(Some(enrolment)) => {
            findings.push(files::private(
                "identity",
                &config.dir.join("identity.key"),
                Kind::File,
                owner,
                &format!("restore it; or empty the directory, {again}"),
            ));
            findings.push(moments::certificate(
                &format!(
                    "the certificate of agent {} of {}",
                    enrolment.agent_id, enrolment.service
                ),
                enrolment.not_after,
                clock::now(),
                &format!(
                    "it renews by itself while an authority can be reached; if it stays so, {again}"
                ),
            ));
            Some(enrolment)
        }
        Ok(None) => {
            findings.push(Finding::error(
                "identity",
                place,
                "the agent has not enrolled",
                again,
            ));
            None
        }
        Err(why) => {
            let remedy = format!("restore identity.json; or empty the directory, {again}");
            findings.push(Finding::error("identity", place, why, remedy));
            None
        }
    }
}

/// Forward-auth's listener: where a running agent says it is, or the port that it will want.
async fn http(config: &Config, is_up: bool) -> Finding {
    let check = "http";
    if !is_up {
        let wanted = config.http;
        return match timeout(PATIENCE, TcpStream::connect(wanted)).await {
            Ok(Ok(_)) if wanted.port() != 0 => Finding::error(
                check,
                format!("http {wanted}"),
                "the port is in use, and the agent does not run: another process has it",
                format!(
                    "`ss -ltnp 'sport = :{}'` names it: stop it, or change `http` in agent.toml",
                    wanted.port()
                ),
            ),
            _ => Finding::ok(check, format!("http {wanted}"), "nobody else has the port"),
        };
    }
    let file = config.dir.join("agent.addr");
    let text = fs::read_to_string(&file).unwrap_or_default();
    let text = text.trim().trim_start_matches("http://").to_owned();
    let Ok(addr) = text.parse::<SocketAddr>() else {
        return Finding::error(
            check,
            file.display(),
            "the running agent's address is not in there",
            "restart the agent: it writes the file when it listens",
        );
    };
    let subject = format!("http {addr}");
    let asked = timeout(PATIENCE, crate::dev::http::get(addr, "/readyz", "")).await;
    match asked {
        Ok(Ok(answer)) if answer.status == 200 => Finding::ok(check, subject, "/readyz says 200"),
        Ok(Ok(answer)) => Finding::error(
            check,
            subject,
            format!("/readyz says {}: {}", answer.status, answer.body),
            "the agent's notes, above or below, say what it waits for",
        ),
        Ok(Err(why)) => Finding::error(
            check,
            subject,
            format!("{why:#}"),
            "look at the agent's log; a restart makes the listener anew",
        ),
        Err(_) => Finding::error(
            check,
            subject,
            "takes connections, and does not answer",
            "is the process stopped (SIGSTOP, a debugger)? Its log says more; restart it",
        ),
    }
}
