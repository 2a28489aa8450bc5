//! The user's keys: fetched with the API key, kept in the home, renewed at half their life.

mod login;

use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use cattery_core::{ServiceName, UserKey};
use cattery_sdk::{
    connect::Connector,
    keys::{Auth, FetchError, IssuedKeys, fetch_user_keys},
    portable::ApiKey,
};
use tokio::time::timeout;

use crate::{
    authority::explain,
    clock,
    home::{Change, ClusterFile, Home, LeaseFile, Secret, UserFile},
    patience::wait_while_refused,
};

pub(crate) use login::{login, take_over};

/// How long a renewal may take while the key that is there still serves.
const EARLY_RENEWAL: Duration = Duration::from_secs(2);

/// After a renewal that failed, minting does not wait for another one, seconds.
const RETRY: u64 = 60;

/// The key for a service: the one that is kept while it lives, a fresh one from half its life on, where an authority
/// answers. `until` is what it has to last for, Unix seconds, if that can be had.
pub(crate) async fn key_for(
    home: &Home,
    service: &ServiceName,
    until: u64,
) -> anyhow::Result<UserKey> {
    let now = clock::now();
    let kept = match home.lease(service)? {
        Some(lease) => Some((lease.user_key()?, lease)),
        None => None,
    };
    let Some((key, lease)) = kept else {
        return fetch_first(home, service).await;
    };
    let ends = key.id().expires_at;
    if ends <= now && lease.handed_over {
        bail!(
            "the key of {} for {service} that was handed over ended {}: ask for a new one, or log in with an API key",
            key.id().principal,
            clock::relative(ends, now)
        );
    }
    if ends <= now {
        return fetch_first(home, service).await;
    }
    if !is_renewal_due(&lease, ends, until, now) {
        return Ok(key);
    }
    let renewed = timeout(EARLY_RENEWAL, renew(home, service)).await;
    match renewed.unwrap_or_else(|_| Err(anyhow!("no authority answered in time"))) {
        Ok(fresh) => Ok(fresh),
        Err(error) => {
            tracing::info!("the key for {service} was not renewed: {error:#}");
            if let Err(error) = note_failure(home, service, &lease, now) {
                tracing::info!("that cannot be noted: {error:#}");
            }
            Ok(key)
        }
    }
}

/// Where there is no key yet, one can wait for an authority that is just starting.
async fn fetch_first(home: &Home, service: &ServiceName) -> anyhow::Result<UserKey> {
    if let Some(user) = home.user()? {
        wait_while_refused(&user.cluster.addresses).await;
    }
    renew(home, service).await
}

fn note_failure(
    home: &Home,
    service: &ServiceName,
    failed: &LeaseFile,
    now: u64,
) -> anyhow::Result<()> {
    let change = home.change()?;
    match home.lease(service)? {
        Some(mut lease) if lease.key.expose() == failed.key.expose() => {
            lease.renewal_failed_at = now;
            change.keep_lease(service.as_str(), &lease)
        }
        _ => Ok(()),
    }
}

/// Whether a key that lives until `ends` should be renewed before it has to be.
fn is_renewal_due(lease: &LeaseFile, ends: u64, until: u64, now: u64) -> bool {
    let half = ends.saturating_sub(lease.obtained_at) / 2;
    let wanted = now >= lease.obtained_at.saturating_add(half) || until > ends;
    wanted && !lease.handed_over && now.saturating_sub(lease.renewal_failed_at) >= RETRY
}

/// A fresh key, whatever is kept.
pub(crate) async fn renew(home: &Home, service: &ServiceName) -> anyhow::Result<UserKey> {
    let user = home.user()?.with_context(|| {
        format!(
            "there is no key for {service} in {}: run `cattery login` with an API key, or name the right --home",
            home.dir().display()
        )
    })?;
    let api_key = ApiKey::parse(user.api_key.expose())?;
    let connector = user.cluster.connector(&api_key.addresses, None)?;
    let issued = fetch(&connector, &api_key, &[service.as_str().to_owned()]).await?;
    let answer = issued
        .keys
        .into_iter()
        .next()
        .context("the authority answered for no service")?;
    let key = answer.1.map_err(|why| {
        let principal = &issued.principal;
        anyhow!("{principal} gets no key for {service}: {why}; an operator can allow it: `cattery grant add {principal} {service}`")
    })?;
    keep_fetched(home, user, ClusterFile::of(&issued.cluster), &key)?;
    Ok(key)
}

/// Keeps what was fetched as `asked`, unless somebody else has logged in meanwhile.
fn keep_fetched(
    home: &Home,
    asked: UserFile,
    cluster: ClusterFile,
    key: &UserKey,
) -> anyhow::Result<()> {
    let change = home.change()?;
    let is_same = |user: UserFile| user.api_key.expose() == asked.api_key.expose();
    if !home.user()?.is_some_and(is_same) {
        bail!(
            "somebody else logged in in {} at the same time: run this again",
            home.dir().display()
        );
    }
    if cluster != asked.cluster {
        change.keep_user(&UserFile { cluster, ..asked })?;
    }
    keep(&change, key, false)
}

async fn fetch(
    connector: &Connector,
    api_key: &ApiKey,
    services: &[String],
) -> anyhow::Result<IssuedKeys> {
    let issued = fetch_user_keys(connector.channel(), Auth::ApiKey(api_key), services, 0).await;
    let issued = issued.map_err(|error| match error {
        FetchError::Call(status) => explain(connector, &status),
        other => other.into(),
    })?;
    tracing::debug!(principal = %issued.principal, keys = issued.keys.len(), "fetched keys");
    Ok(issued)
}

/// Keeps a key for the service that it names.
fn keep(change: &Change<'_>, key: &UserKey, handed_over: bool) -> anyhow::Result<()> {
    let lease = LeaseFile {
        key: Secret::new(&key.to_text()),
        obtained_at: clock::now(),
        handed_over,
        renewal_failed_at: 0,
    };
    change.keep_lease(key.id().service, &lease)
}

#[cfg(test)]
mod tests {
    use cattery_core::{KeyId, RootKey};

    use super::*;

    #[test]
    fn a_key_is_renewed_from_half_its_life_on() {
        let mut lease = LeaseFile {
            key: Secret::new(""),
            obtained_at: 1_000,
            handed_over: false,
            renewal_failed_at: 0,
        };
        let due = |lease: &LeaseFile, until, now| is_renewal_due(lease, 2_000, until, now);
        assert!(!due(&lease, 1_500, 1_499));
        assert!(due(&lease, 1_560, 1_500));
        assert!(due(&lease, 2_001, 1_100), "the token is to outlive the key");
        lease.renewal_failed_at = 1_500;
        assert!(!due(&lease, 1_600, 1_559));
        assert!(due(&lease, 1_600, 1_560));
        lease.handed_over = true;
        assert!(!due(&lease, 1_600, 1_900));
    }

    #[test]
    fn what_comes_after_somebody_elses_login_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(&dir.path().join("home"));
        let cluster = || ClusterFile {
            cluster_id: String::new(),
            trust_domain: String::new(),
            trust_bundle: Vec::new(),
            addresses: Vec::new(),
        };
        let user = |name: &str| UserFile {
            api_key: Secret::new(&format!("key of {name}")),
            principal: format!("user/{name}"),
            cluster: cluster(),
        };
        let service: ServiceName = "photos".parse().unwrap();
        let id = KeyId {
            epoch: 1,
            service: "photos",
            generation: 0,
            principal: "user/alice",
            version: 0,
            expires_at: u64::MAX,
            lease_id: [1; 8],
        };
        let service_key = RootKey::from_bytes([7; 32]).service_key(&service, 0);
        let key = UserKey::issue(&service_key, &id, &[]).unwrap();

        home.change().unwrap().keep_user(&user("bob")).unwrap();
        assert!(keep_fetched(&home, user("alice"), cluster(), &key).is_err());
        assert!(home.leases().unwrap().is_empty());
        home.change().unwrap().keep_user(&user("alice")).unwrap();
        keep_fetched(&home, user("alice"), cluster(), &key).unwrap();
        assert_eq!(home.leases().unwrap(), [service]);
    }
}
