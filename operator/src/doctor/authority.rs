//! An authority's installation on this machine.

use std::{fs, path::Path, time::Duration};

use cattery_authority::{
    app::ADDRESS_FILE,
    audit::{log_path, verify},
    config::{Config, ConfigError, FILE, StoreSettings, Unseal},
    init::{AUDIT_DIR, STORE_FILE},
};
use tokio::{net::TcpStream, time::timeout};

use super::{
    disk, etcd,
    files::{self, Kind},
    finding::Finding,
    lock,
};

const PATIENCE: Duration = Duration::from_secs(3);
/// A key file is `catmaster1_`, 43 characters and a line break.
const KEY_FILE: std::ops::RangeInclusive<u64> = 54..=55;
/// A longer log takes more than a second or two to read.
const QUICK: u64 = 64 << 20;

/// Looks at all of it.
pub(super) async fn check(dir: &Path) -> Vec<Finding> {
    let mut findings = vec![
        files::private(
            "directory",
            dir,
            Kind::Dir,
            None,
            "name the directory that `cattery init` made",
        ),
        disk::check(dir),
    ];
    let config = match Config::load(dir) {
        Ok(config) => config,
        Err(why) => {
            findings.push(bad_configuration(dir, &why));
            return findings;
        }
    };
    findings.push(Finding::ok(
        "configuration",
        dir.join(FILE).display(),
        "is good",
    ));
    if let Unseal::KeyFile(path) = &config.unseal {
        findings.push(key_file(path));
    }
    let log = log_path(&dir.join(AUDIT_DIR), &config.authority_id);
    let held = match &config.store {
        StoreSettings::Embedded => {
            let store = dir.join(STORE_FILE);
            findings.push(files::private(
                "store",
                &store,
                Kind::File,
                None,
                "restore a backup into a new directory: docs/backup.md",
            ));
            lock::holder(&store)
        }
        StoreSettings::Etcd(settings) => {
            findings.extend(etcd::check(settings).await);
            lock::holder(&log)
        }
    };
    findings.push(audit(&log, &config.authority_id));
    findings.push(process(&config, held).await);
    findings
}

fn bad_configuration(dir: &Path, why: &ConfigError) -> Finding {
    let remedy = format!(
        "correct it; `cattery-authority config check --dir {}` reads it without starting, and docs/reference/configuration.md has every setting",
        dir.display()
    );
    Finding::error("configuration", dir.join(FILE).display(), why, remedy)
}

/// By its looks alone: what is in it is a secret.
fn key_file(path: &Path) -> Finding {
    let remedy = "restore the file that `cattery init` made, and that was kept elsewhere (docs/backup.md), or correct `key_file`";
    match fs::metadata(path) {
        Ok(file) if file.is_file() && !KEY_FILE.contains(&file.len()) => Finding::error(
            "key-file",
            path.display(),
            format!("has {} bytes: that is no key file", file.len()),
            remedy,
        ),
        _ => files::private("key-file", path, Kind::File, None, remedy),
    }
}

fn audit(log: &Path, authority_id: &str) -> Finding {
    let (check, subject) = ("audit", log.display());
    let remedy = "leave it as it is, and find out who changed it: `cattery audit verify`, and `--accept-audit-loss` in docs/backup.md";
    let len = match fs::metadata(log) {
        Ok(file) => file.len(),
        Err(why) => {
            return Finding::error(check, subject, format!("cannot be read: {why}"), remedy);
        }
    };
    if len > QUICK {
        let found = format!("has {} MiB; its chain was not checked here", len >> 20);
        return Finding::ok(check, subject, found);
    }
    match verify(log, authority_id, None) {
        Ok(report) => match report.problem {
            Some(problem) => {
                Finding::error(check, subject, format!("is broken: {problem}"), remedy)
            }
            None => Finding::ok(check, subject, "its chain is whole"),
        },
        Err(why) => Finding::error(check, subject, format!("{why}"), remedy),
    }
}

/// Who has the store, and whether the address answers.
async fn process(config: &Config, held: Option<lock::Holder>) -> Finding {
    let check = "process";
    let start = format!(
        "start it: `systemctl start cattery-authority`, or `cattery-authority run --dir {}`",
        config.dir.display()
    );
    let told = fs::read_to_string(config.dir.join(ADDRESS_FILE)).unwrap_or_default();
    let address = match (&held, told.trim()) {
        (Some(_), told) if !told.is_empty() => told.to_owned(),
        _ => config.listen.clone(),
    };
    let subject = format!("the authority in {}", config.dir.display());
    let connected = timeout(PATIENCE, TcpStream::connect(&address)).await;
    let answers = matches!(connected, Ok(Ok(_)));
    match (held, answers) {
        (Some(holder), true) => Finding::ok(
            check,
            subject,
            format!("runs as {holder}, and listens on {address}"),
        ),
        (Some(holder), false) => Finding::error(
            check,
            subject,
            format!("{holder} has its files, and nobody listens on {address}"),
            "is that process stopped (SIGSTOP, a debugger), or another program? Its log says more; restart it",
        ),
        (None, true) => Finding::error(
            check,
            subject,
            format!("does not run, and {address} is in use: another process has the port"),
            "`ss -ltnp` names it: stop it, or change `listen` in authority.toml",
        ),
        (None, false) => Finding::error(check, subject, "does not run", start),
    }
}
