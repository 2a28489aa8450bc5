use std::path::PathBuf;

use cattery_authority::{
    config::{StoreSettings, Unseal},
    restore::Report,
};
use serde::Serialize;

use super::Context;
use crate::{clock, out::counted, shell::quoted};

/// Most lines of one list that people get.
const LINES: usize = 40;

#[derive(Serialize)]
struct Shown {
    cluster_id: String,
    dir: PathBuf,
    /// Where the state is, unless that is a file in `dir`.
    store: Option<String>,
    incarnation: u64,
    epoch: u32,
    backup_made_at: u64,
    logs: Vec<ShownLog>,
    /// Authorities whose audit log was not read.
    missing_logs: Vec<String>,
    /// What was taken away again.
    repeated: Vec<String>,
    /// How much of it concerned nothing that the backup has.
    unknown: usize,
    /// What was given since the backup: the first of it.
    gone: Vec<String>,
    gone_count: u64,
    passphrase: bool,
}

#[derive(Serialize)]
struct ShownLog {
    authority_id: String,
    records: u64,
    problem: Option<String>,
}

pub(super) fn show(report: &Report, context: &Context) -> anyhow::Result<()> {
    let shown = Shown {
        cluster_id: report.backup.cluster_id.to_string(),
        dir: report.config.dir.clone(),
        store: match &report.config.store {
            StoreSettings::Embedded => None,
            StoreSettings::Etcd(etcd) => Some(format!("etcd below {}", etcd.prefix)),
        },
        incarnation: report.incarnation,
        epoch: report.epoch,
        backup_made_at: report.backup.made_at,
        logs: report
            .logs
            .iter()
            .map(|log| ShownLog {
                authority_id: log.authority_id.clone(),
                records: log.records,
                problem: log.problem.clone(),
            })
            .collect(),
        missing_logs: report.missing_logs.clone(),
        repeated: report.repeated.iter().map(ToString::to_string).collect(),
        unknown: report.unknown,
        gone: report
            .gone
            .iter()
            .map(|(action, subject)| format!("{action} {subject}"))
            .collect(),
        gone_count: report.gone_count,
        passphrase: report.config.unseal == Unseal::Passphrase,
    };
    context.out.show(&shown, describe)
}

fn describe(shown: &Shown) -> String {
    let dir = shown.dir.display();
    let place = match &shown.store {
        Some(store) => format!("{store}, for the authority in {dir}"),
        None => dir.to_string(),
    };
    let mut text = format!(
        "Cluster {} is restored in {place}, from a backup of {}.\n\
         It is incarnation {} now, with the one epoch {}: every key and token of before is void.\n",
        shown.cluster_id,
        clock::both(shown.backup_made_at, clock::now()),
        shown.incarnation,
        shown.epoch,
    );
    for log in &shown.logs {
        if let Some(problem) = &log.problem {
            text += &format!(
                "\nThe audit log of {} was read up to record {} only: {problem}\n",
                log.authority_id, log.records
            );
        }
    }
    if !shown.missing_logs.is_empty() || shown.logs.is_empty() {
        let whose = match shown.missing_logs.as_slice() {
            [] => "any authority".to_owned(),
            ids => ids.join(", "),
        };
        text += &format!(
            "\nNOT KNOWN: what {whose} took away since the backup. Whoever was revoked, disabled or evicted there has access again:\n\
             revoke again what you know of.\n"
        );
    }
    let repeated = "taken away since the backup, and taken away again";
    list(&mut text, &shown.repeated, shown.repeated.len(), repeated);
    let gone = usize::try_from(shown.gone_count).unwrap_or(usize::MAX);
    let what = "given since the backup, and gone: give it again where that is right";
    list(&mut text, &shown.gone, gone, what);
    if shown.unknown > 0 {
        let changes = counted(
            u64::try_from(shown.unknown).unwrap_or(u64::MAX),
            "revocation",
        );
        text += &format!("\n{changes} since the backup concern what it does not have.\n");
    }
    text += "\nNext:\n";
    let dir = quoted(&shown.dir.to_string_lossy());
    text += &format!("  cattery-authority run --dir {dir}   start the authority\n");
    if shown.passphrase {
        text += &format!(
            "  cattery-authority unseal --dir {dir}   open its store, with the passphrase\n"
        );
    }
    if shown.store.is_some() {
        text += "  start the other authorities as they are: their audit logs go on\n";
    }
    text += "  agents and users' clients come back and fetch new keys by themselves; join tokens that were not used are void\n";
    text += "  the first rotation waits for every agent that was not evicted: until it is back, or its outage budget has ended, or `cattery agent evict`\n";
    text
}

fn list(text: &mut String, lines: &[String], count: usize, what: &str) {
    if count == 0 {
        return;
    }
    *text += &format!("\n{count} {what}:\n");
    for line in lines.iter().take(LINES) {
        *text += &format!("  {line}\n");
    }
    if count > LINES.min(lines.len()) {
        *text += "  … --output json and the audit log have more\n";
    }
}
