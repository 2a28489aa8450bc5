//! The authorities of the cluster: who is alive, and who leads.

use super::{Registry, Stored};
use crate::act::Act;
use crate::audit::Action;
use crate::failure::Failure;
use crate::records::{AuthorityRecord, EpochsRecord, key};
use crate::store::{Revision, SessionId, Store, Transaction};

/// Who is there.
pub(crate) struct Members {
    /// The id of the one that leads.
    pub(crate) leader: Option<String>,
    /// The ids of those whose session lives.
    pub(crate) alive: Vec<String>,
}

impl Registry {
    /// Who is there.
    pub(crate) async fn members(&self) -> Result<Members, Failure> {
        let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
        let leader = self.store.get(key::LEADER).await?;
        let sessions = crate::store::list_all(&*self.store, key::SESSIONS).await?;
        Ok(Members {
            leader: leader.map(|entry| text(entry.value)),
            alive: sessions
                .into_iter()
                .map(|entry| text(entry.value))
                .collect(),
        })
    }

    /// Tells everybody where an authority is, if that is news.
    pub(crate) async fn announce(
        &self,
        act: &Act,
        id: &str,
        addresses: &[String],
    ) -> Result<(), Failure> {
        let key = key::authority(id);
        let before = self.get::<AuthorityRecord>(&key).await?;
        if before
            .as_ref()
            .is_some_and(|before| before.record.addresses == addresses)
        {
            return Ok(());
        }
        let record = AuthorityRecord {
            id: id.to_owned(),
            addresses: addresses.to_vec(),
            started_at: act.now(),
        };
        let event = act
            .event(Action::AuthorityAnnounced, format!("authority/{id}"))
            .field("addresses", addresses.join(" "));
        let feed = self.feed().await?;
        let transaction = feed
            .raise_for_cluster(Transaction::new())
            .rests_on_all_of(&key, before.as_ref())
            .save(&key, &record);
        self.change(act, event, transaction).await
    }

    /// Makes an authority's greatest lease one that every rotation waits for.
    pub(crate) async fn allow_lease(&self, act: &Act, lease: u64) -> Result<(), Failure> {
        let epochs: Stored<EpochsRecord> = self.live_epochs().await?;
        if epochs.record.greatest_lease >= lease {
            return Ok(());
        }
        let feed = self.feed().await?;
        let record = EpochsRecord {
            greatest_lease: lease,
            changed: feed.next(),
            ..epochs.record.clone()
        };
        let event = act
            .event(Action::GreatestLeaseRaised, "epochs")
            .field("seconds", lease.to_string());
        let transaction = feed
            .raise(Transaction::new())
            .rests_on(&epochs)
            .save(&epochs.key, &record);
        self.change(act, event, transaction).await
    }

    /// Tries to lead, for as long as the session lives. The election's revision, which everything that a leader does rests on.
    pub(crate) async fn lead(&self, id: &str) -> Result<Revision, Failure> {
        let session = self.standing.session().ok_or(Failure::Unconfirmed)?;
        let transaction =
            Transaction::new()
                .absent(key::LEADER)
                .put_in_session(key::LEADER, id, session);
        self.note(transaction).await
    }
}

/// The session of an authority in the store: nobody else has its id while it lives. The entry's key and revision.
pub(crate) async fn register(
    store: &dyn Store,
    id: &str,
    session: SessionId,
) -> Result<(String, Revision), Failure> {
    let key = key::session(id);
    let transaction = Transaction::new()
        .absent(&key)
        .put_in_session(&key, id, session);
    let revision = store.commit(transaction).await?;
    Ok((key, revision))
}
