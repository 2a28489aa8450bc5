//! What happened since a backup was made, as the audit logs tell it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::audit::{OpId, Outcome, Record, Said, Told};
use crate::backup::Header;
use crate::records::key;
use crate::store::Revision;

/// Most things given that are named; the rest is counted.
const NAMED: usize = 200;

/// What authorities did after the store was as the backup has it, and the greatest numbers that they ever gave out.
#[derive(Default)]
pub(super) struct Since {
    /// Has to be taken away again.
    pub(super) taken: Taken,
    /// Is gone.
    pub(super) given: Given,
    pub(super) seen: Seen,
}

/// What was taken away.
#[derive(Default)]
pub(super) struct Taken {
    /// By name.
    pub(super) users: BTreeMap<String, Raised>,
    /// By name.
    pub(super) services: BTreeMap<String, Raised>,
    /// Ids.
    pub(super) api_keys: BTreeSet<String>,
    /// Places of their records.
    pub(super) grants: BTreeSet<String>,
    /// Names.
    pub(super) groups: BTreeSet<String>,
    /// Names of users, and of the groups that they were taken out of.
    pub(super) members: BTreeSet<(String, String)>,
    /// Names.
    pub(super) operators: BTreeSet<String>,
    /// Ids.
    pub(super) agents: BTreeSet<String>,
    /// Numbers.
    pub(super) cas: BTreeSet<u32>,
}

/// Keys that were revoked by version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Raised {
    pub(super) version: u32,
    pub(super) disabled: bool,
}

/// What was given, and does not come back.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// The first of it: action and subject, as in the log.
    pub(super) named: Vec<(String, String)>,
    pub(super) count: u64,
}

/// The greatest numbers that were ever given out.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) incarnation: u64,
    pub(super) epoch: u32,
    /// By service.
    pub(super) generations: BTreeMap<String, u32>,
}

/// Reads one authority's log. A change counts when it is done, or when nobody knows: taking away too much is the safe side.
pub(super) struct Reading<'a> {
    since: &'a mut Since,
    incarnation: u64,
    revision: Revision,
    /// The last record that the backup's store knew.
    mark: u64,
    open: HashMap<OpId, Begun>,
}

struct Begun {
    seq: u64,
    incarnation: u64,
    told: Told,
}

impl<'a> Reading<'a> {
    pub(super) fn new(since: &'a mut Since, backup: &Header, authority_id: &str) -> Self {
        let mark = backup.audit.get(authority_id);
        Self {
            since,
            incarnation: backup.incarnation,
            revision: backup.revision,
            mark: mark.map_or(0, |mark| mark.seq),
            open: HashMap::new(),
        }
    }

    /// The next record.
    pub(super) fn record(&mut self, record: Record) {
        let seen = &mut self.since.seen;
        seen.incarnation = seen.incarnation.max(record.incarnation);
        match record.said {
            Said::Event(told) => {
                seen.note(&told);
                if let Some(told) = repeated(told)
                    && record.incarnation > self.incarnation
                {
                    self.since.happened(&told);
                }
            }
            Said::Intent(op, told) => {
                seen.note(&told);
                if record.incarnation >= self.incarnation && matters(&told.action) {
                    let begun = Begun {
                        seq: record.seq,
                        incarnation: record.incarnation,
                        told,
                    };
                    self.open.insert(op, begun);
                }
            }
            Said::Outcome {
                op,
                outcome,
                revision,
            } => self.outcome(op, outcome, revision, record.incarnation),
        }
    }

    fn outcome(
        &mut self,
        op: OpId,
        outcome: Option<Outcome>,
        revision: Option<Revision>,
        incarnation: u64,
    ) {
        let Some(begun) = self.open.remove(&op) else {
            return;
        };
        let is_of_its_store = begun.incarnation == incarnation;
        match outcome {
            Some(Outcome::NotDone | Outcome::SettledNotDone) if is_of_its_store => {}
            Some(Outcome::Done | Outcome::SettledDone) if is_of_its_store => {
                let is_later = revision.is_none_or(|revision| revision > self.revision);
                if begun.incarnation > self.incarnation || begun.seq > self.mark || is_later {
                    self.since.happened(&begun.told);
                }
            }
            // What a restored store says of a change of the one before it means nothing.
            _ => {
                self.open.insert(op, begun);
            }
        }
    }

    /// All was read.
    pub(super) fn finish(self) {
        for begun in self.open.into_values() {
            self.since.happened(&begun.told);
        }
    }
}

/// What an earlier restore took away again.
fn repeated(mut told: Told) -> Option<Told> {
    if told.action != "revocation_repeated" {
        return None;
    }
    told.action = told.fields.remove("repeats")?;
    Some(told)
}

/// Whether it takes something away, or gives it.
fn matters(action: &str) -> bool {
    takes(action) || gives(action)
}

fn takes(action: &str) -> bool {
    matches!(
        action,
        "user_disabled"
            | "user_revoked"
            | "api_key_revoked"
            | "grant_changed"
            | "grant_removed"
            | "group_removed"
            | "group_member_removed"
            | "operator_revoked"
            | "agent_evicted"
            | "service_disabled"
            | "ca_retired"
    )
}

fn gives(action: &str) -> bool {
    matches!(
        action,
        "operator_invited"
            | "operator_enrolled"
            | "service_added"
            | "agent_enrolled"
            | "user_added"
            | "api_key_created"
            | "grant_added"
            | "group_added"
            | "group_member_added"
            | "ca_prepared"
            | "ca_activated"
    )
}

impl Since {
    fn happened(&mut self, told: &Told) {
        if takes(&told.action) {
            self.taken.note(told);
        } else {
            self.given.count += 1;
            if self.given.named.len() < NAMED {
                let given = (told.action.clone(), told.subject.clone());
                self.given.named.push(given);
            }
        }
    }
}

impl Taken {
    fn note(&mut self, told: &Told) {
        let field = |name: &str| told.fields.get(name).map_or("", String::as_str);
        let raised = Raised {
            version: field("version").parse().unwrap_or(0),
            disabled: told.action != "user_revoked",
        };
        match (told.action.as_str(), told.subject.split_once('/')) {
            ("user_disabled" | "user_revoked", Some(("user", name))) => {
                self.users.entry(name.to_owned()).or_default().raise(raised);
            }
            ("service_disabled", Some(("service", name))) => {
                let service = self.services.entry(name.to_owned()).or_default();
                service.raise(raised);
            }
            ("api_key_revoked", _) => {
                self.api_keys.insert(field("api_key").to_owned());
                let children = field("children").split_whitespace();
                self.api_keys.extend(children.map(str::to_owned));
            }
            // What it was changed to is as little known as whether that is less: whoever restores grants it anew.
            ("grant_changed" | "grant_removed", Some(("service", name))) => {
                self.grants.insert(key::grant(field("principal"), name));
            }
            ("group_removed", Some(("group", name))) => {
                self.groups.insert(name.to_owned());
            }
            ("group_member_removed", Some(("group", name))) => {
                let member = field("member");
                let user = member.strip_prefix("user/").unwrap_or(member);
                self.members.insert((user.to_owned(), name.to_owned()));
            }
            ("operator_revoked", Some(("operator", name))) => {
                self.operators.insert(name.to_owned());
            }
            ("agent_evicted", _) => {
                self.agents.insert(field("agent").to_owned());
            }
            ("ca_retired", _) => self.cas.extend(field("number").parse::<u32>()),
            _ => {}
        }
    }
}

impl Raised {
    fn raise(&mut self, other: Self) {
        self.version = self.version.max(other.version);
        self.disabled |= other.disabled;
    }
}

impl Seen {
    /// Every number that a record names, whatever became of it.
    fn note(&mut self, told: &Told) {
        let number = |name: &str| told.fields.get(name)?.parse::<u32>().ok();
        let service = told.subject.strip_prefix("service/");
        match (told.action.as_str(), service) {
            ("key_prepared" | "key_activated" | "key_retired" | "keys_replaced", _) => {
                for name in ["active", "prepared", "draining"] {
                    match service {
                        Some(service) => self.generation(service, number(name)),
                        None => self.epoch(number(name)),
                    }
                }
            }
            ("service_added" | "agent_evicted", Some(service)) => {
                self.generation(service, number("generation"));
            }
            ("user_keys_issued", Some(service)) => {
                self.epoch(number("epoch"));
                self.generation(service, number("generation"));
            }
            ("service_keys_issued", Some(service)) => {
                let keys = told.fields.get("keys").map_or("", String::as_str);
                for key in keys.split(' ').filter_map(handed_out) {
                    self.incarnation = self.incarnation.max(key.0);
                    self.epoch(Some(key.1));
                    self.generation(service, Some(key.2));
                }
            }
            _ => {}
        }
    }

    fn epoch(&mut self, number: Option<u32>) {
        self.epoch = self.epoch.max(number.unwrap_or(0));
    }

    fn generation(&mut self, service: &str, number: Option<u32>) {
        let Some(number) = number else { return };
        match self.generations.get_mut(service) {
            Some(known) => *known = number.max(*known),
            None => {
                self.generations.insert(service.to_owned(), number);
            }
        }
    }
}

/// `incarnation/epoch.generation`.
fn handed_out(key: &str) -> Option<(u64, u32, u32)> {
    let (incarnation, key) = key.split_once('/')?;
    let (epoch, generation) = key.split_once('.')?;
    Some((
        incarnation.parse().ok()?,
        epoch.parse().ok()?,
        generation.parse().ok()?,
    ))
}
