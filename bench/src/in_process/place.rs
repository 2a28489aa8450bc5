//! A real authority and agent, which revoke something, and what gets its keys from there: the SDK's verifier and the bare core.

use std::time::Duration;

use anyhow::Result;
use cattery_core::UserKey;
use cattery_proto::v1::{Revocation, RevocationKind, RevokeRequest};
use cattery_sdk::verify::Verifier;
use cattery_tests::{
    api,
    town::{self, Setting, Town},
    wait,
};
use rustix::process::getuid;

use super::{SERVICE, USER, keys::Keys};

/// So many are revoked; the authority takes as many in one call.
const REVOKED: usize = 500;
/// Longer than anything is measured, seconds.
const LIFETIME: Duration = Duration::from_secs(900);

pub(super) struct Place {
    pub(super) keys: Keys,
    pub(super) sdk: Verifier,
    pub(super) key: UserKey,
    _town: Town,
}

impl Place {
    pub(super) async fn start() -> Result<Self> {
        let uid = getuid().as_raw();
        let town = Town::with(&Setting {
            agent: format!("http = \"127.0.0.1:0\"\n[in_process]\nallow_uids = [{uid}]\n"),
            ..Setting::default()
        })?;
        // Somebody else, of whom all keys are revoked.
        town.admin.ok(&["user", "add", "bob"], "")?;
        town.admin.ok(&["user", "revoke", "bob"], "")?;
        let not_after = town::now()? + LIFETIME.as_secs();
        let revocation = |_| Revocation {
            kind: RevocationKind::Token.into(),
            principal: USER.to_owned(),
            id: rand::random::<[u8; 16]>().to_vec(),
            not_after,
        };
        let request = RevokeRequest {
            revocations: (0..REVOKED).map(revocation).collect(),
            wait: false,
        };
        town.operator()?.admin.revoke(request).await?;
        let agent = api::agent(&town.agent.socket)?;
        let keys = wait::until_async("the agent knows what is revoked", || {
            let mut agent = agent.clone();
            async move {
                let keys = Keys::fetch(&mut agent).await?;
                let is_all =
                    keys.revoked_ids() >= REVOKED && !keys.revoked.least_versions.is_empty();
                Ok(is_all.then_some(keys))
            }
        })
        .await?;
        let sdk = Verifier::in_process(SERVICE, &town.agent.socket).await?;
        Ok(Self {
            keys,
            sdk,
            key: town.key()?,
            _town: town,
        })
    }
}
