//! The user's keys: fetched with the API key, kept in the home, renewed at half their life.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use cattery_core::{ServiceName, UserKey};
use cattery_sdk::{
    connect::Connector,
    keys::{Auth, FetchError, IssuedKeys, fetch_user_keys},
    portable::ApiKey,
    tls::Trust,
};
use tokio::time::timeout;

use crate::{
    authority::explain,
    clock,
    home::{ClusterFile, Home, LeaseFile, Secret, UserFile},
};

/// How long a renewal may take while the key that is there still serves.
const EARLY_RENEWAL: Duration = Duration::from_secs(2);

/// After a renewal that failed, minting does not wait for another one, seconds.
const RETRY: u64 = 60;

/// Who logged in, and what for.
pub(crate) struct LoggedIn {
    /// Who the keys speak for.
    pub(crate) principal: String,
    /// The keys that were issued.
    pub(crate) keys: Vec<UserKey>,
}

/// Logs in: fetches a key for every service that a grant allows, and keeps all of it in place of what was there.
pub(crate) async fn login(home: &Home, text: &str) -> anyhow::Result<LoggedIn> {
    let api_key = ApiKey::parse(text)?;
    let trust = Trust::Fingerprint(api_key.ca_sha256);
    let connector = Connector::new(api_key.addresses.clone(), &trust, None)?;
    let issued = fetch(&connector, &api_key, &[]).await?;
    for service in home.leases()? {
        home.drop_lease(&service)?;
    }
    home.keep_user(&UserFile {
        api_key: Secret::new(text.trim()),
        principal: issued.principal.clone(),
        cluster: ClusterFile::of(&issued.cluster),
    })?;
    let keys: Vec<UserKey> = issued
        .keys
        .into_iter()
        .filter_map(|(_, key)| key.ok())
        .collect();
    for key in &keys {
        keep(home, key, false)?;
    }
    Ok(LoggedIn {
        principal: issued.principal,
        keys,
    })
}

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
    let Some((key, mut lease)) = kept.filter(|(key, _)| key.id().expires_at > now) else {
        return renew(home, service).await;
    };
    if !is_renewal_due(&lease, key.id().expires_at, until, now) {
        return Ok(key);
    }
    let renewed = timeout(EARLY_RENEWAL, renew(home, service)).await;
    match renewed.unwrap_or_else(|_| Err(anyhow!("no authority answered in time"))) {
        Ok(fresh) => Ok(fresh),
        Err(error) => {
            tracing::info!("the key for {service} was not renewed: {error:#}");
            lease.renewal_failed_at = now;
            home.keep_lease(service.as_str(), &lease)?;
            Ok(key)
        }
    }
}

/// Whether a key that lives until `ends` should be renewed before it has to be.
fn is_renewal_due(lease: &LeaseFile, ends: u64, until: u64, now: u64) -> bool {
    let half = lease.obtained_at + ends.saturating_sub(lease.obtained_at) / 2;
    let wanted = now >= half || until > ends;
    wanted && !lease.handed_over && now.saturating_sub(lease.renewal_failed_at) >= RETRY
}

async fn renew(home: &Home, service: &ServiceName) -> anyhow::Result<UserKey> {
    let mut user = home.user()?.with_context(|| {
        format!(
            "there is no key for {service} in {}: run `cattery login` with an API key, or name the right --home",
            home.dir().display()
        )
    })?;
    let api_key = ApiKey::parse(user.api_key.expose())?;
    let connector = user.cluster.connector(&api_key.addresses, None)?;
    let issued = fetch(&connector, &api_key, &[service.as_str().to_owned()]).await?;
    let cluster = ClusterFile::of(&issued.cluster);
    if cluster != user.cluster {
        user.cluster = cluster;
        home.keep_user(&user)?;
    }
    let answer = issued
        .keys
        .into_iter()
        .next()
        .context("the authority answered for no service")?;
    let key = answer.1.map_err(|why| {
        let principal = &issued.principal;
        anyhow!("{principal} gets no key for {service}: {why}; an operator can allow it: `cattery grant add {principal} {service}`")
    })?;
    keep(home, &key, false)?;
    Ok(key)
}

async fn fetch(
    connector: &Connector,
    api_key: &ApiKey,
    services: &[String],
) -> anyhow::Result<IssuedKeys> {
    let issued = fetch_user_keys(connector.channel(), Auth::ApiKey(api_key), services, 0).await;
    issued.map_err(|error| match error {
        FetchError::Call(status) => explain(connector, &status),
        other => other.into(),
    })
}

/// Keeps a key for the service that it names.
pub(crate) fn keep(home: &Home, key: &UserKey, handed_over: bool) -> anyhow::Result<()> {
    let lease = LeaseFile {
        key: Secret::new(&key.to_text()),
        obtained_at: clock::now(),
        handed_over,
        renewal_failed_at: 0,
    };
    home.keep_lease(key.id().service, &lease)
}

#[cfg(test)]
mod tests {
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
}
