//! How much users may revoke of their own: every agent remembers each id.

use cattery_core::Principal;

use super::{Registry, Stored};
use crate::failure::Failure;
use crate::records::{OwnRevokedRecord, RevokedEntry, key};
use crate::store::Transaction;

/// Most that one principal revoked and that agents have to remember. More than somebody hands out in a greatest lease.
const MOST_KEPT: usize = 1_000;

impl Registry {
    /// Begins a change that revokes these for their own principal, if they may revoke so many.
    pub(super) async fn count_own(
        &self,
        principal: &Principal,
        entries: &[RevokedEntry],
        now: u64,
    ) -> Result<Transaction, Failure> {
        let key = key::own_revoked(principal.as_str());
        let before: Option<Stored<OwnRevokedRecord>> = self.get(&key).await?;
        let kept = before.iter().flat_map(|before| &before.record.ends);
        let kept = kept.copied().filter(|end| *end > now);
        let ends: Vec<u64> = kept
            .chain(entries.iter().map(|entry| entry.ends_at))
            .collect();
        if ends.len() > MOST_KEPT {
            return Err(Failure::Refused(format!(
                "{principal} has taken back {} things that agents still have to remember, and {MOST_KEPT} is the most: an operator can \
                 take back the rest, or all at once with `cattery user revoke`",
                ends.len() - entries.len()
            )));
        }
        Ok(Transaction::new()
            .rests_on_all_of(&key, before.as_ref())
            .save(&key, &OwnRevokedRecord { ends }))
    }
}
