//! The leases that are out, so that they can be shown and taken back.

use super::{Registry, Stored};
use crate::act::Act;
use crate::failure::Failure;
use crate::records::{LeasesRecord, key};
use crate::store::Transaction;

impl Registry {
    /// Stores what is about to be issued. Only if what the principal proved who they are with, on which the act rests, is as it was.
    pub(crate) async fn note_leases(
        &self,
        act: &Act,
        record: &LeasesRecord,
    ) -> Result<(), Failure> {
        let Some(first) = record.leases.first() else {
            return Ok(());
        };
        let key = key::leases(&record.principal, act.time_ms, &first.id);
        let transaction = Transaction::new().absent(&key).save(&key, record);
        self.note(act.rest(transaction)).await?;
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
            }],
        };
        registry.note_leases(&act, &record(1)).await.unwrap();
        put("revoked").await.unwrap();
        let late = registry.note_leases(&act, &record(2)).await;
        assert!(matches!(late, Err(Failure::Contended)), "{late:?}");
        assert_eq!(registry.leases_of("user/alice").await.unwrap(), [record(1)]);
    }
}
