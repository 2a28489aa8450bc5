//! Where keys come from: an API key, or somebody who hands one over.

use anyhow::{Context as _, bail};
use cattery_core::{ServiceName, UserKey};
use cattery_sdk::{connect::Connector, portable::ApiKey, tls::Trust};

use super::{fetch, keep};
use crate::{
    clock,
    home::{ClusterFile, Home, Secret, UserFile},
    out,
    patience::wait_while_refused,
};

/// Who logged in, and what for.
pub(crate) struct LoggedIn {
    /// Who the keys speak for.
    pub(crate) principal: String,
    /// The keys that were issued.
    pub(crate) keys: Vec<UserKey>,
    /// The keys that others handed over, and that stay.
    pub(crate) handed_over: Vec<UserKey>,
}

/// Logs in: fetches a key for every service that a grant allows, and keeps all of it in place of what was there. Keys for
/// other services that somebody handed over stay: nobody could fetch them again.
pub(crate) async fn login(home: &Home, text: &str) -> anyhow::Result<LoggedIn> {
    let api_key = ApiKey::parse(text)?;
    let trust = Trust::Fingerprint(api_key.ca_sha256);
    let connector = Connector::new(api_key.addresses.clone(), &trust, None)?;
    wait_while_refused(&api_key.addresses).await;
    let issued = fetch(&connector, &api_key, &[]).await?;
    let principal = issued.principal;
    let keys: Vec<UserKey> = issued
        .keys
        .into_iter()
        .filter_map(|(_, key)| key.ok())
        .collect();
    let change = home.change()?;
    let mut handed_over = Vec::new();
    for service in home.leases()? {
        let is_fresh = keys.iter().any(|key| key.id().service == service.as_str());
        match live_handed_over(home, &service) {
            Some(key) if !is_fresh => handed_over.push(key),
            replaced => {
                if let Some(key) = replaced {
                    out::note(&format!(
                        "the key of {} for {service} that was handed over makes way for one of {principal}",
                        key.id().principal
                    ));
                }
                change.drop_lease(&service)?;
            }
        }
    }
    change.keep_user(&UserFile {
        api_key: Secret::new(text.trim()),
        principal: principal.clone(),
        cluster: ClusterFile::of(&issued.cluster),
    })?;
    for key in &keys {
        keep(&change, key, false)?;
    }
    Ok(LoggedIn {
        principal,
        keys,
        handed_over,
    })
}

/// A key that somebody handed over and that still lives. What is damaged is none.
fn live_handed_over(home: &Home, service: &ServiceName) -> Option<UserKey> {
    let lease = home
        .lease(service)
        .ok()?
        .filter(|lease| lease.handed_over)?;
    let key = lease.user_key().ok()?;
    (key.id().expires_at > clock::now()).then_some(key)
}

/// Keeps a key that somebody handed over.
pub(crate) fn take_over(home: &Home, text: &str) -> anyhow::Result<UserKey> {
    let key = UserKey::parse_text(text).context("the key is damaged: copy all of it")?;
    let id = key.id();
    let now = clock::now();
    if id.expires_at <= now {
        bail!(
            "this key ended {}: ask for a new one",
            clock::relative(id.expires_at, now)
        );
    }
    let service: ServiceName = id.service.parse()?;
    let change = home.change()?;
    if let Some(user) = home.user()?
        && home.lease(&service)?.is_some_and(|own| !own.handed_over)
    {
        bail!(
            "{} has a key of their own for {service} in {}, which this one would replace: give another --home",
            user.principal,
            home.dir().display()
        );
    }
    keep(&change, &key, true)?;
    Ok(key)
}
