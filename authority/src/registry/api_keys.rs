use std::time::Duration;

use cattery_core::UserName;
use constant_time_eq::constant_time_eq_32;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::grants::shown_caveats;
use super::{Registry, Stored};
use crate::act::{Act, random};
use crate::audit::Action;
use crate::failure::{Failure, shown};
use crate::records::{ApiKeyRecord, Hex, NameState, UserRecord, key};
use crate::store::{Revision, Transaction};

/// Whether an API key works.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApiKeyState {
    Active,
    Expired,
    /// Itself, or the user it was made for is gone.
    Revoked,
}

/// Who an API key proved its bearer to be.
#[derive(Clone)]
pub(crate) struct Proven {
    pub(crate) user: UserName,
    pub(crate) api_key: Hex<8>,
    /// Which of those who had the name it was made for.
    pub(crate) registration: u32,
    /// Encoded, that every key gets which it fetches.
    pub(crate) caveats: Vec<Vec<u8>>,
    /// When it ends, Unix seconds; `None` for never.
    pub(crate) expires_at: Option<u64>,
    /// The API key that it was made with.
    pub(crate) parent: Option<Hex<8>>,
    /// The API key's record, and its revision.
    pub(crate) record: (String, Revision),
}

/// A secret that was just made: its record, and the secret itself, once.
pub(crate) type Fresh<R> = (R, Zeroizing<[u8; 32]>);

impl Registry {
    /// Makes an API key for a user.
    pub(crate) async fn create_api_key(
        &self,
        act: &Act,
        name: &str,
        ttl: Option<Duration>,
        caveats: Vec<Vec<u8>>,
    ) -> Result<Fresh<ApiKeyRecord>, Failure> {
        let user = self.user(name).await?;
        let secret = Zeroizing::new(random::<32>()?);
        let record = ApiKeyRecord {
            id: Hex(random()?),
            user: user.record.name.clone(),
            registration: user.record.registration,
            secret_sha256: Hex(Sha256::digest(*secret).into()),
            created_at: act.now(),
            expires_at: ttl.map(|ttl| act.after(ttl)),
            revoked_at: None,
            caveats,
            parent: None,
            children: Vec::new(),
        };
        let key = key::api_key(&record.id);
        let event = act
            .event(Action::ApiKeyCreated, format!("user/{}", record.user))
            .field("api_key", record.id.to_string())
            .field("caveats", shown_caveats(&record.caveats));
        let transaction = Transaction::new()
            .rests_on(&user)
            .absent(&key)
            .save(&key, &record);
        self.change(act, event, transaction).await?;
        Ok((record, secret))
    }

    /// Ends an API key, and those that were made with it. How many of these were good.
    pub(crate) async fn revoke_api_key(
        &self,
        act: &Act,
        id: &str,
    ) -> Result<(ApiKeyRecord, usize), Failure> {
        let stored = self.found_api_key(id).await?.ok_or_else(|| {
            Failure::NotFound(format!(
                "there is no API key `{}`: `cattery user api-key list` shows their ids",
                shown(id)
            ))
        })?;
        self.end_api_key(act, stored).await
    }

    /// One that may be there.
    pub(super) async fn found_api_key(
        &self,
        id: &str,
    ) -> Result<Option<Stored<ApiKeyRecord>>, Failure> {
        match id.parse::<Hex<8>>() {
            Ok(id) => self.get(&key::api_key(&id)).await,
            Err(_) => Ok(None),
        }
    }

    /// In one change, so that nobody is let in by one of them that is left over.
    pub(super) async fn end_api_key(
        &self,
        act: &Act,
        stored: Stored<ApiKeyRecord>,
    ) -> Result<(ApiKeyRecord, usize), Failure> {
        if stored.record.revoked_at.is_some() {
            return Ok((stored.record, 0));
        }
        let ended = |record: &ApiKeyRecord| ApiKeyRecord {
            revoked_at: Some(act.now()),
            ..record.clone()
        };
        let mut children = self.children(&stored.record).await?;
        children.retain(|child| child.is_good(act.now()));
        let record = ended(&stored.record);
        let mut event = act
            .event(Action::ApiKeyRevoked, format!("user/{}", record.user))
            .field("api_key", record.id.to_string());
        if !children.is_empty() {
            let ids: Vec<_> = children.iter().map(|child| child.id.to_string()).collect();
            event = event.field("children", ids.join(" "));
        }
        let mut transaction = Transaction::new()
            .rests_on(&stored)
            .save(&stored.key, &record);
        // Whatever else becomes of a child by itself is its end.
        for child in &children {
            transaction = transaction.save(&key::api_key(&child.id), &ended(child));
        }
        self.change(act, event, transaction).await?;
        Ok((record, children.len()))
    }

    /// The API keys of a user, or all of them.
    pub(crate) async fn api_keys(
        &self,
        user: Option<&str>,
        now: u64,
    ) -> Result<Vec<(ApiKeyRecord, ApiKeyState)>, Failure> {
        let users = self.users().await?;
        let owner = |key: &ApiKeyRecord| {
            users
                .binary_search_by(|user| user.name.cmp(&key.user))
                .ok()
                .map(|index| &users[index])
        };
        let all = self.list::<ApiKeyRecord>(key::API_KEYS).await?;
        Ok(all
            .into_iter()
            .map(|stored| stored.record)
            .filter(|key| user.is_none_or(|user| key.user == user))
            .map(|key| {
                let state = key.state(owner(&key), now);
                (key, state)
            })
            .collect())
    }

    /// Who the bearer of an API key is. Whoever holds no secret that is or was good learns nothing but that it is not; the
    /// holder of one is told why it works no more.
    pub(crate) async fn prove(
        &self,
        id: [u8; 8],
        secret_sha256: &[u8; 32],
        now: u64,
    ) -> Result<Proven, Failure> {
        let stored = self
            .get::<ApiKeyRecord>(&key::api_key(&Hex(id)))
            .await?
            .filter(|stored| constant_time_eq_32(&stored.record.secret_sha256.0, secret_sha256));
        let Some(Stored {
            key,
            record,
            revision,
        }) = stored
        else {
            return Err(Failure::Unauthenticated(
                "this API key is not valid here: it ended long ago, or was made by another cluster"
                    .into(),
            ));
        };
        let ended = |why: &str| {
            Failure::Unauthenticated(format!(
                "{why}: an operator can make a new one with `cattery user api-key create {}`",
                record.user
            ))
        };
        if record.revoked_at.is_some() {
            return Err(ended("this API key was revoked"));
        }
        let user = self.get::<UserRecord>(&key::user(&record.user)).await?;
        match record.state(user.as_ref().map(|user| &user.record), now) {
            ApiKeyState::Active => Ok(Proven {
                user: record
                    .user
                    .parse()
                    .map_err(|_| Failure::Broken("a stored user name is none"))?,
                api_key: record.id,
                registration: record.registration,
                caveats: record.caveats,
                expires_at: record.expires_at,
                parent: record.parent,
                record: (key, revision),
            }),
            ApiKeyState::Expired => Err(ended("this API key has expired")),
            ApiKeyState::Revoked => Err(Failure::Unauthenticated(
                "this API key works no more: its user was disabled".into(),
            )),
        }
    }
}

impl ApiKeyRecord {
    pub(super) fn state(&self, user: Option<&UserRecord>, now: u64) -> ApiKeyState {
        let its_own = |user: &UserRecord| {
            user.state == NameState::Active && user.registration == self.registration
        };
        if self.revoked_at.is_some() || !user.is_some_and(its_own) {
            ApiKeyState::Revoked
        } else if self.expires_at.is_some_and(|end| end <= now) {
            ApiKeyState::Expired
        } else {
            ApiKeyState::Active
        }
    }
}
