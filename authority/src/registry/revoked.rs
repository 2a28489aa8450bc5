//! Taking back one lease, one token or one handed-out key, by its id.

use std::collections::BTreeSet;

use cattery_core::epoch::Timing;
use cattery_core::{Principal, PrincipalKind};

use super::Registry;
use crate::act::Act;
use crate::audit::{Action, Event};
use crate::ca::Leases;
use crate::failure::Failure;
use crate::records::{
    FeedRecord, RevocableIdRecord, RevokedEntry, RevokedRecord, ServiceRecord, key,
};
use crate::store::Transaction;

/// Most ids in one change: with the longest names, the record has two thirds of what a value may have.
pub(crate) const MOST_REVOKED: usize = 500;
/// Ids in one audit record: with the longest names, these are half of what a record may have.
const MOST_LISTED: usize = 100;
/// A change may come so long after its caller's clock was read, seconds: a call's time, and as much again.
const LATE: u64 = 30;

/// Something to revoke.
pub(crate) struct Revocation {
    pub(crate) principal: Principal,
    pub(crate) id: RevocableIdRecord,
    /// When it ends anyway, Unix seconds, where that is known.
    pub(crate) not_after: Option<u64>,
}

/// In which way.
#[derive(Clone, Copy)]
pub(crate) struct Revoking<'a> {
    pub(crate) timing: &'a Timing,
    /// Somebody waits until agents have it.
    pub(crate) wait: bool,
    /// What the leases were issued on, where that is why: a name for the audit log, `proof` say, and what it is.
    pub(crate) because: Option<(&'a str, &'a str)>,
    /// Whose they are, where nobody but they themselves asks for it: counted.
    pub(crate) own: Option<&'a Principal>,
}

impl Registry {
    /// Revokes up to [`MOST_REVOKED`] ids, all or none. The place of that in the feed.
    pub(crate) async fn revoke_ids(
        &self,
        act: &Act,
        revocations: &[Revocation],
        how: Revoking<'_>,
    ) -> Result<u64, Failure> {
        let feed = self.feed().await?;
        let epochs = self.live_epochs().await?.record;
        let leases = Leases::of(&epochs.line.to_line()?, epochs.greatest_lease);
        let ends = Ends::new(leases, how.timing, act.now());
        let entries = revocations.iter().map(|revocation| RevokedEntry {
            principal: revocation.principal.as_str().to_owned(),
            id: revocation.id,
            ends_at: ends.of(revocation.not_after),
        });
        let record = RevokedRecord {
            changed: feed.next(),
            entries: entries.collect(),
        };
        let key = key::revoked(record.changed);
        let counted = match how.own {
            Some(principal) => {
                self.count_own(principal, &record.entries, act.now())
                    .await?
            }
            None => Transaction::new(),
        };
        let event = self.record_ids(act, &record, how.because).await?;
        let transaction = feed
            .raise_and_await(counted, how.wait)
            .absent(&key)
            .save(&key, &record);
        self.change(act, event, transaction).await?;
        Ok(record.changed)
    }

    /// Somebody waits until agents have what was changed at that place: acknowledgements of it are noted from now on.
    pub(crate) async fn await_change(&self, act: &Act, changed: u64) -> Result<(), Failure> {
        if let Some(transaction) = self.feed().await?.awaiting(changed) {
            self.note(act.rest(transaction)).await?;
        }
        Ok(())
    }

    /// The greatest place in the feed that somebody waits for.
    pub(crate) async fn awaited(&self) -> Result<u64, Failure> {
        let feed = self.get::<FeedRecord>(key::FEED).await?;
        Ok(feed.map_or(0, |feed| feed.record.awaited))
    }

    /// Refuses names that nobody ever had: nothing would be revoked.
    pub(crate) async fn expect_known(&self, revocations: &[Revocation]) -> Result<(), Failure> {
        let mut seen = BTreeSet::new();
        for Revocation { principal, .. } in revocations {
            if seen.insert(principal.as_str()) {
                self.expect_known_principal(principal).await?;
            }
        }
        Ok(())
    }

    /// Refuses a name that nobody ever had.
    pub(crate) async fn expect_known_principal(
        &self,
        principal: &Principal,
    ) -> Result<(), Failure> {
        match principal.kind() {
            PrincipalKind::User(name) => self.known_user(name).await.map(drop),
            PrincipalKind::Service(name) => {
                let service = self.get::<ServiceRecord>(&key::service(name)).await?;
                service.map(drop).ok_or_else(|| {
                    Failure::NotFound(format!(
                        "there is no service `{name}`: `cattery service list` shows those that there are"
                    ))
                })
            }
        }
    }

    /// The event of a revocation. Where it has more ids than a record of the log takes, the first of them are recorded at once.
    async fn record_ids(
        &self,
        act: &Act,
        record: &RevokedRecord,
        because: Option<(&str, &str)>,
    ) -> Result<Event, Failure> {
        let subject = subject(record);
        let count = record.entries.len().to_string();
        let event = |action, entries: &[RevokedEntry]| {
            let event = act
                .event(action, subject.as_str())
                .field("ids", shown(entries))
                .field("count", count.as_str())
                .field("sequence", record.changed.to_string());
            match because {
                Some((name, what)) => event.field(name, what),
                None => event,
            }
        };
        let mut lists = record.entries.chunks(MOST_LISTED);
        let last = lists.next_back().unwrap_or_default();
        for list in lists {
            self.audit().append(event(Action::IdsListed, list)).await?;
        }
        Ok(event(Action::IdsRevoked, last))
    }
}

/// Whose they are, if it is one principal's.
fn subject(record: &RevokedRecord) -> String {
    let principals = record.entries.iter().map(|entry| entry.principal.as_str());
    let principals: BTreeSet<&str> = principals.collect();
    match principals.first() {
        Some(one) if principals.len() == 1 => (*one).to_owned(),
        _ => key::revoked(record.changed),
    }
}

fn shown(entries: &[RevokedEntry]) -> String {
    let shown = entries
        .iter()
        .map(|entry| format!("{} of {}", entry.id, entry.principal));
    shown.collect::<Vec<_>>().join("; ")
}

/// From when on nothing passes, whoever's clock it is by.
struct Ends {
    /// The last lease that may be out ends by then, by the clock of whoever issued it.
    last_lease: u64,
    leeway: u64,
}

impl Ends {
    fn new(leases: Leases, timing: &Timing, now: u64) -> Self {
        let issued = now.saturating_add(LATE).saturating_add(timing.leeway);
        Self {
            last_lease: issued
                .saturating_add(leases.greatest)
                .max(leases.draining_until),
            leeway: timing.leeway,
        }
    }

    /// An agent lets something pass until the leeway after its end. Its clock may be behind by as much again.
    fn of(&self, not_after: Option<u64>) -> u64 {
        let end = not_after.map_or(self.last_lease, |end| end.min(self.last_lease));
        end.saturating_add(self.leeway.saturating_mul(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_ends_when_nothing_passes_by_any_clock() {
        let timing = Timing {
            leeway: 30,
            confirmed: 5,
            session: 22,
        };
        let leases = |greatest, draining_until| Leases {
            greatest,
            draining_until,
        };
        let of = |leases, not_after| Ends::new(leases, &timing, 1000).of(not_after);
        assert_eq!(of(leases(600, 0), None), 1000 + 30 + 30 + 600 + 60);
        assert_eq!(of(leases(600, 5000), None), 5000 + 60);
        assert_eq!(of(leases(600, 0), Some(1100)), 1100 + 60);
        assert_eq!(of(leases(600, 0), Some(u64::MAX)), 1720);
        assert_eq!(of(leases(u64::MAX, 0), None), u64::MAX);
    }
}
