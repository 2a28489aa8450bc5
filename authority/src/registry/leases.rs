//! The leases that are out, so that they can be shown and taken back.

use super::counts::Counts;
use super::sweep::LEASE;
use super::{Applying, Registry, Stored};
use crate::act::Act;
use crate::failure::Failure;
use crate::records::{LeasesRecord, key};
use crate::store::Transaction;

/// Leases of one API key or agent that one authority keeps at the same time: ten machines that share it, each with forty services and keys
/// that it renews every three minutes. About 300 bytes each in the store: 60 MB.
const MOST: u64 = 200_000;

pub(super) fn counts() -> Counts {
    Counts::new(MOST, LEASE)
}

impl Registry {
    /// Takes room for leases that are about to be issued and end by `end`.
    ///
    /// # Errors
    /// [`Failure::Refused`]: whoever proves who they are with this has too many.
    pub(crate) fn take_leases(
        &self,
        proof: &str,
        count: usize,
        end: u64,
        now: u64,
    ) -> Result<(), Failure> {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        if self.out.take(proof, count, end, now) {
            return Ok(());
        }
        Err(Failure::Refused(format!(
            "`{proof}` has {MOST} leases of this authority that ended less than a day ago or have not ended: keep the keys for as long \
             as they are good, and use several API keys for many machines"
        )))
    }

    /// Stores what is about to be issued. Only if what the principal proved who they are with, on which the act rests, is as it was, and nothing
    /// was taken away from anybody since the grants were read.
    pub(crate) async fn note_leases(
        &self,
        act: &Act,
        applying: &Applying<'_>,
        record: &LeasesRecord,
    ) -> Result<(), Failure> {
        let Some(first) = record.leases.first() else {
            return Ok(());
        };
        let key = key::leases(&record.principal, act.time_ms, &first.id);
        let transaction = Transaction::new().absent(&key).save(&key, record);
        self.note(applying.rest(act.rest(transaction))).await?;
        Ok(())
    }

    /// All leases of a principal that are not forgotten yet, the oldest first.
    pub(crate) async fn leases_of(&self, principal: &str) -> Result<Vec<LeasesRecord>, Failure> {
        let all = self.list(&key::leases_of(principal)).await?;
        Ok(all
            .into_iter()
            .map(|stored: Stored<LeasesRecord>| stored.record)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_has_too_many_gets_no_more_and_others_do() {
        let dir = tempfile::tempdir().unwrap();
        let (registry, _) = registry(&dir).await;
        let most = usize::try_from(MOST).unwrap();
        let take = |proof, count| registry.take_leases(proof, count, NOW + 60, NOW);
        take("api-key/1", most).unwrap();
        let refused = take("api-key/1", 1).unwrap_err();
        assert!(
            matches!(&refused, Failure::Refused(why) if why.contains("`api-key/1` has 200000"))
        );
        take("api-key/2", 1).unwrap();
        let later = NOW + 60 + LEASE + 60;
        registry.take_leases("api-key/1", 1, later, later).unwrap();
    }
    use crate::records::{Hex, Leased};
    use crate::registry::testkit::{NOW, registry};

    #[tokio::test]
    async fn nothing_is_stored_once_the_proof_is_another_one() {
        let dir = tempfile::tempdir().unwrap();
        let (registry, store) = registry(&dir).await;
        let put = |value: &str| store.commit(Transaction::new().put("api-key/1", value));
        let revision = put("good").await.unwrap();
        let mut act = Act::new(String::new(), "user/alice".into());
        act.rests_on = Some(("api-key/1".into(), revision));
        let record = |number| LeasesRecord {
            principal: "user/alice".into(),
            proof: "api-key/1".into(),
            under: None,
            issued_at: NOW,
            leases: vec![Leased {
                id: Hex([number; 8]),
                service: "photos".into(),
                expires_at: NOW + 60,
                grant: None,
            }],
        };
        let alice = "user/alice".parse().unwrap();
        let applying = Applying::to(&registry, &alice, 0).await.unwrap();
        let note = async |number| registry.note_leases(&act, &applying, &record(number)).await;
        note(1).await.unwrap();
        put("revoked").await.unwrap();
        let late = note(2).await;
        assert!(matches!(late, Err(Failure::Contended)), "{late:?}");
        assert_eq!(registry.leases_of("user/alice").await.unwrap(), [record(1)]);
    }
}
