//! What is over leaves the store, a while later. Nothing else removes it.

use std::time::Duration;

use super::Registry;
use super::revocations::TOLD_FOR;
use crate::failure::Failure;
use crate::records::{
    AgentRecord, ApiKeyRecord, ContactRecord, GrantRecord, JoinTokenRecord, LeasesRecord,
    LeastVersionRecord, OwnRevokedRecord, Record, RevokedRecord, UserGroupsRecord, key,
};
use crate::store::{MAX_OPERATIONS, MAX_PAGE, Transaction};

const DAY: u64 = 24 * 3600;
/// After its end a join token is of no use, not even for an answer that got lost.
const JOIN_TOKEN: u64 = DAY;
/// A day for clocks: nobody looks at leases that ended, or at what revoked them.
pub(super) const LEASE: u64 = DAY;
/// For so long the holder of an expired API key is told why it works no more.
const EXPIRED_API_KEY: u64 = DAY;
/// Revoked ones are shown for a month: someone may ask what became of theirs. The audit log has them for ever.
const REVOKED_API_KEY: u64 = 30 * DAY;
/// So that a machine that comes back after weeks is still told by its name; longer where it may come back for longer.
const AGENT: u64 = 30 * DAY;

/// Records that one transaction removes: a check and a change for each, beside the check of this authority's session.
const BATCH: usize = (MAX_OPERATIONS - 1) / 2;

impl Registry {
    /// Removes what is over at `now`. How many records that was. `recovery`: how long after its certificate's end an agent may come back.
    pub(crate) async fn sweep(
        &self,
        now: u64,
        recovery: Option<Duration>,
    ) -> Result<usize, Failure> {
        let past = |end: u64, kept: u64| end.saturating_add(kept) <= now;
        let tokens = self.sweep_each(key::JOIN_TOKENS, |token: &JoinTokenRecord| {
            past(token.expires_at, JOIN_TOKEN)
        });
        let api_keys = self.sweep_each(key::API_KEYS, |key: &ApiKeyRecord| {
            match (key.revoked_at, key.expires_at) {
                (Some(revoked), _) => past(revoked, REVOKED_API_KEY),
                (None, Some(end)) => past(end, EXPIRED_API_KEY),
                (None, None) => false,
            }
        });
        let kept = recovery.map_or(AGENT, |window| AGENT.max(window.as_secs()));
        let agents = self.sweep_each(key::AGENTS, |agent: &AgentRecord| {
            past(agent.certificate_not_after, kept)
        });
        let least = self.sweep_each(key::LEAST_VERSIONS, |least: &LeastVersionRecord| {
            past(least.raised_at, TOLD_FOR)
        });
        // Longer than any budget that counts: whoever it was has no certificate any more.
        let contacts = self.sweep_each(key::CONTACTS, |contact: &ContactRecord| {
            past(contact.last_contact, contact.outage_budget + AGENT)
        });
        let leases = self.sweep_each(key::LEASES, |leases: &LeasesRecord| {
            past(leases.ends_at(), LEASE)
        });
        // What is said of a name before it was given out anew, or went out of use, means nothing for ever.
        let names = self.names().await?;
        let grants = self.sweep_each(key::GRANTS, |grant: &GrantRecord| names.is_void(grant));
        let memberships = self.sweep_each(key::USER_GROUPS, |user: &UserGroupsRecord| {
            names.are_void(user)
        });
        let revoked = self.sweep_each(key::REVOKED, |revoked: &RevokedRecord| {
            past(revoked.ends_at(), LEASE)
        });
        let own_revoked = self.sweep_each(key::OWN_REVOKED, |own: &OwnRevokedRecord| {
            past(own.ends.iter().copied().max().unwrap_or(0), LEASE)
        });
        Ok(tokens.await?
            + api_keys.await?
            + agents.await?
            + least.await?
            + contacts.await?
            + leases.await?
            + revoked.await?
            + own_revoked.await?
            + grants.await?
            + memberships.await?)
    }

    async fn sweep_each<R: Record>(
        &self,
        prefix: &str,
        is_over: impl Fn(&R) -> bool,
    ) -> Result<usize, Failure> {
        let mut removed = 0;
        let mut after = None;
        loop {
            let (page, more) = self.page::<R>(prefix, after.as_deref(), MAX_PAGE).await?;
            let over: Vec<_> = page
                .iter()
                .filter(|stored| is_over(&stored.record))
                .collect();
            for some in over.chunks(BATCH) {
                let transaction = some.iter().fold(Transaction::new(), |transaction, stored| {
                    transaction.rests_on(stored).delete(&stored.key)
                });
                match self.note(transaction).await {
                    Ok(_) => removed += some.len(),
                    // Somebody renewed one of them; the next sweep looks again.
                    Err(Failure::Contended) => {}
                    Err(error) => return Err(error),
                }
            }
            after = page.into_iter().next_back().map(|stored| stored.key);
            if !more {
                return Ok(removed);
            }
        }
    }
}

#[cfg(test)]
mod tests;
