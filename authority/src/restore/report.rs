use super::{ReadLog, Repeated};
use crate::audit::Event;
use crate::backup::{Contents, Header};
use crate::config::Config;

/// What came of a restore.
#[derive(Clone, Debug)]
pub struct Report {
    /// What it was restored from.
    pub backup: Header,
    /// What the backup holds.
    pub contents: Contents,
    /// The authority that it was made for.
    pub config: Config,
    /// The new incarnation.
    pub incarnation: u64,
    /// The one epoch that is live.
    pub epoch: u32,
    /// The audit logs that were read.
    pub logs: Vec<ReadLog>,
    /// The ids of authorities whose logs were not: what they took away since the backup is given back.
    pub missing_logs: Vec<String>,
    /// What was taken away since the backup, and is again.
    pub repeated: Vec<Repeated>,
    /// How many things were taken away since from what the backup does not have.
    pub unknown: usize,
    /// What was given since the backup and is gone: action and subject, as in the audit log. The first of it.
    pub gone: Vec<(String, String)>,
    /// How much that is.
    pub gone_count: u64,
}

/// Most logs that one audit record names.
const NAMED: usize = 100;

impl Report {
    /// As the audit log has it.
    pub(super) fn fields(&self, event: Event) -> Event {
        let logs = self.logs.iter().take(NAMED);
        let logs: Vec<String> = logs
            .map(|log| format!("{}:{}", log.authority_id, log.head.seq))
            .collect();
        let missing: Vec<&str> = self
            .missing_logs
            .iter()
            .take(NAMED)
            .map(String::as_str)
            .collect();
        event
            .field("backup_made_at", self.backup.made_at.to_string())
            .field("backup_incarnation", self.backup.incarnation.to_string())
            .field("backup_revision", self.backup.revision.to_string())
            .field("incarnation", self.incarnation.to_string())
            .field("epoch", self.epoch.to_string())
            .field("repeated", self.repeated.len().to_string())
            .field("gone", self.gone_count.to_string())
            .field("logs", logs.join(" "))
            .field("missing_logs", missing.join(" "))
    }
}

impl Repeated {
    /// As the audit log has it.
    pub(super) fn fields(&self, event: Event) -> Event {
        let event = event.field("repeats", self.action);
        match &self.what {
            Some((name, value)) => event.field(*name, value.as_str()),
            None => event,
        }
    }
}
