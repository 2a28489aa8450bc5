//! API keys that users make themselves, with one that they have.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::api_keys::{ApiKeyState, Fresh, Proven};
use super::grants::shown_caveats;
use super::{Registry, Stored};
use crate::act::{Act, random};
use crate::audit::Action;
use crate::config::show_duration;
use crate::failure::{Failure, shown};
use crate::records::{ApiKeyRecord, Hex, UserRecord, key};
use crate::store::{Revision, Transaction};

/// Most that one API key has made and that are good: they end with it in one transaction.
const MOST_GOOD: usize = 32;
/// Most that one API key has made and that are in the store, those that ended too: each one that is made has leases of its own.
const MOST_KEPT: usize = 128;

impl Registry {
    /// Makes an API key with another one: it has the caveats of that and these, and ends no later; without `ttl` it ends when that does.
    pub(crate) async fn create_own_api_key(
        &self,
        act: &Act,
        parent: &Hex<8>,
        ttl: Option<Duration>,
        caveats: Vec<Vec<u8>>,
    ) -> Result<Fresh<ApiKeyRecord>, Failure> {
        let (user, parent) = self.good_api_key(parent, act.now()).await?;
        if parent.record.parent.is_some() {
            return Err(Failure::Denied(
                "an API key that a user made makes no others: use the one that it was made with"
                    .into(),
            ));
        }
        let kept = self.children(&parent.record).await?;
        let good = kept.iter().filter(|child| child.is_good(act.now()));
        if good.count() >= MOST_GOOD {
            return Err(Failure::Refused(format!(
                "{MOST_GOOD} API keys that this one made are good, and that is the most: end one with `cattery api-key revoke ID`"
            )));
        }
        if kept.len() >= MOST_KEPT {
            return Err(Failure::Refused(format!(
                "this API key made {MOST_KEPT} that are good or ended lately, and that is the most: make fewer that last longer"
            )));
        }
        let secret = Zeroizing::new(random::<32>()?);
        let record = ApiKeyRecord {
            id: Hex(random()?),
            secret_sha256: Hex(Sha256::digest(*secret).into()),
            created_at: act.now(),
            expires_at: end(act, &parent.record, ttl)?,
            caveats: [parent.record.caveats.clone(), caveats].concat(),
            parent: Some(parent.record.id),
            children: Vec::new(),
            ..parent.record.clone()
        };
        let key = key::api_key(&record.id);
        let children = kept.iter().map(|child| child.id).chain([record.id]);
        let made = ApiKeyRecord {
            children: children.collect(),
            ..parent.record.clone()
        };
        let event = act
            .event(Action::ApiKeyCreated, format!("user/{}", record.user))
            .field("api_key", record.id.to_string())
            .field("parent", parent.record.id.to_string())
            .field("caveats", shown_caveats(&record.caveats));
        let transaction = Transaction::new()
            .rests_on(&user)
            .rests_on(&parent)
            .save(&parent.key, &made)
            .absent(&key)
            .save(&key, &record);
        // It rests on what was just read of the caller's API key.
        self.change(&act.resting_on_nothing(), event, transaction)
            .await?;
        Ok((record, secret))
    }

    /// An API key, and those that it made.
    pub(crate) async fn own_api_keys(
        &self,
        id: &Hex<8>,
        now: u64,
    ) -> Result<Vec<(ApiKeyRecord, ApiKeyState)>, Failure> {
        let (user, own) = self.good_api_key(id, now).await?;
        let children = self.children(&own.record).await?;
        let all = [vec![own.record], children].concat();
        let state = |key: ApiKeyRecord| {
            let state = key.state(Some(&user.record), now);
            (key, state)
        };
        Ok(all.into_iter().map(state).collect())
    }

    /// Ends an API key, or one that it made. How many that were made with that, and were good, ended too.
    pub(crate) async fn revoke_own_api_key(
        &self,
        act: &Act,
        own: &Hex<8>,
        id: &str,
    ) -> Result<(ApiKeyRecord, usize), Failure> {
        let found = self.found_api_key(id).await?;
        let found = found.filter(|found| {
            let record = &found.record;
            record.id == *own || record.parent.as_ref() == Some(own)
        });
        let stored = found.ok_or_else(|| {
            Failure::NotFound(format!(
                "this API key made no `{}`: `cattery api-key list` shows those that it made",
                shown(id)
            ))
        })?;
        self.end_api_key(act, stored).await
    }

    /// Those that an API key made, as far as they are not forgotten.
    pub(super) async fn children(
        &self,
        record: &ApiKeyRecord,
    ) -> Result<Vec<ApiKeyRecord>, Failure> {
        let mut children = Vec::with_capacity(record.children.len());
        for id in &record.children {
            let child: Option<Stored<ApiKeyRecord>> = self.get(&key::api_key(id)).await?;
            children.extend(child.map(|child| child.record));
        }
        Ok(children)
    }

    /// Where the record is now of an API key that proved somebody a moment ago, and its revision: those that it made change it. `None` where it
    /// does not prove the same any more.
    pub(crate) async fn still_proves(
        &self,
        proven: &Proven,
        now: u64,
    ) -> Result<Option<(String, Revision)>, Failure> {
        let (_, stored) = match self.good_api_key(&proven.api_key, now).await {
            Err(Failure::Contended) => return Ok(None),
            good => good?,
        };
        let record = &stored.record;
        let is_same = record.registration == proven.registration
            && record.caveats == proven.caveats
            && record.expires_at == proven.expires_at;
        Ok(is_same.then_some((stored.key, stored.revision)))
    }

    /// The caller's API key, and its user. Whoever was let in a moment ago is told at the next call why it works no more.
    async fn good_api_key(
        &self,
        id: &Hex<8>,
        now: u64,
    ) -> Result<(Stored<UserRecord>, Stored<ApiKeyRecord>), Failure> {
        let stored = self.get::<ApiKeyRecord>(&key::api_key(id)).await?;
        let stored = stored.ok_or(Failure::Contended)?;
        let user = self
            .get::<UserRecord>(&key::user(&stored.record.user))
            .await?;
        let user = user.ok_or(Failure::Contended)?;
        match stored.record.state(Some(&user.record), now) {
            ApiKeyState::Active => Ok((user, stored)),
            ApiKeyState::Expired | ApiKeyState::Revoked => Err(Failure::Contended),
        }
    }
}

impl ApiKeyRecord {
    /// Whether it is neither revoked nor over.
    pub(super) fn is_good(&self, now: u64) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| end > now)
    }
}

/// When it ends that is to last so long.
fn end(act: &Act, parent: &ApiKeyRecord, ttl: Option<Duration>) -> Result<Option<u64>, Failure> {
    match (ttl.map(|ttl| act.after(ttl)), parent.expires_at) {
        (None, end) => Ok(end),
        (Some(end), Some(last)) if end > last => {
            let left = Duration::from_secs(last.saturating_sub(act.now()));
            Err(Failure::Refused(format!(
                "the API key that it is made with ends in {}, and it cannot last longer: ask for less, or for no length and so for all of that",
                show_duration(left)
            )))
        }
        (end, _) => Ok(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::testkit::{NOW, registry};

    const DAY: u64 = 24 * 3600;

    #[tokio::test]
    async fn an_api_key_makes_no_more_than_are_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (registry, _) = registry(&dir).await;
        let mut act = Act::new(String::new(), String::new());
        act.time_ms = NOW * 1000;
        let alice = "alice".parse().unwrap();
        registry.add_user(&act, &alice).await.unwrap();
        let made = registry
            .create_api_key(&act, "alice", None, Vec::new())
            .await;
        let parent = made.unwrap().0.id;
        let make = async |act: &Act| {
            let made = registry.create_own_api_key(act, &parent, None, Vec::new());
            made.await.map(|(record, _)| record)
        };
        for _ in 0..MOST_KEPT {
            let id = make(&act).await.unwrap().id.to_string();
            let ended = registry.revoke_own_api_key(&act, &parent, &id).await;
            assert!(ended.unwrap().0.revoked_at.is_some());
        }
        let full = make(&act).await.unwrap_err();
        assert!(
            matches!(&full, Failure::Refused(why) if why.contains("128 that are good or ended lately"))
        );
        act.time_ms = (NOW + 30 * DAY) * 1000;
        registry.sweep(act.now(), None).await.unwrap();
        let last = make(&act).await.unwrap().id;
        let own = registry.own_api_keys(&parent, act.now()).await.unwrap();
        let ids: Vec<_> = own.iter().map(|(record, _)| record.id).collect();
        assert_eq!(ids, [parent, last]);
    }
}
