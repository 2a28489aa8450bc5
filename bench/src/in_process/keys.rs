//! What the agent gives a process that verifies by itself, as the core takes it: the bare core has the same keys and revocations as the SDK.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use cattery_core::{
    Fingerprint, Keyring, NoSingleUse, Policy, RevocableId, RevocationKey, Revocations, RevokedIds,
    ServiceKey, Verifier,
};
use cattery_proto::v1::{
    GetVerificationKeysRequest, GetVerificationKeysResponse, agent_client::AgentClient,
};
use cattery_sdk::sealing::{INFO_SERVICE_KEY, ReceiverKey};
use tonic::transport::Channel;

use super::SERVICE;

pub(super) struct Keys {
    keyring: Keyring<Box<ServiceKey>>,
    pub(super) revoked: Revoked,
    policy: Policy,
}

pub(super) struct Revoked {
    key: RevocationKey,
    ids: RevokedIds,
    pub(super) least_versions: HashMap<String, u32>,
}

pub(super) type Bare<'a> = Verifier<'a, &'a Keyring<Box<ServiceKey>>, &'a Revoked, NoSingleUse>;

impl Keys {
    /// Asks the agent.
    pub(super) async fn fetch(agent: &mut AgentClient<Channel>) -> Result<Self> {
        let receiver = ReceiverKey::generate()?;
        let request = GetVerificationKeysRequest {
            receiver_public_key: receiver.public_key(),
            since: None,
        };
        let answer = agent.get_verification_keys(request).await?.into_inner();
        let mut keyring = Keyring::new();
        for sent in &answer.keys {
            let sealed = sent.sealed_key.as_ref().context("a key")?;
            let bytes = receiver.open(INFO_SERVICE_KEY, sealed)?;
            let key = ServiceKey::from_bytes(bytes[..].try_into()?);
            keyring.insert(sent.epoch, sent.generation, Box::new(key));
        }
        Ok(Self {
            keyring,
            policy: Policy {
                leeway: answer.leeway_seconds,
                max_lifetime: answer.max_lifetime_seconds,
                ..Policy::default()
            },
            revoked: Revoked::read(&answer)?,
        })
    }

    /// How many ids are revoked.
    pub(super) fn revoked_ids(&self) -> usize {
        self.revoked.ids.kept()
    }

    pub(super) fn verifier(&self) -> Bare<'_> {
        Verifier {
            service: SERVICE,
            keys: &self.keyring,
            revocations: &self.revoked,
            single_use: NoSingleUse,
            policy: self.policy,
        }
    }
}

impl Revoked {
    fn read(answer: &GetVerificationKeysResponse) -> Result<Self> {
        let ids = answer.revoked_ids.iter().map(|revoked| {
            let fingerprint = revoked.fingerprint[..].try_into()?;
            anyhow::Ok((Fingerprint(fingerprint), revoked.ends_at))
        });
        let least = answer.least_versions.iter();
        Ok(Self {
            key: RevocationKey::from_bytes(answer.revocation_key[..].try_into()?),
            ids: RevokedIds::new().with(ids.collect::<Result<Vec<_>>>()?),
            least_versions: least
                .map(|least| (least.principal.clone(), least.version))
                .collect(),
        })
    }

    fn revokes(&self, principal: &str, id: &RevocableId) -> bool {
        self.ids.revokes(&self.key, principal, id)
    }
}

impl Revocations for Revoked {
    fn least_version(&self, principal: &str) -> u32 {
        self.least_versions.get(principal).copied().unwrap_or(0)
    }

    fn lease_revoked(&self, principal: &str, lease_id: &[u8; 8]) -> bool {
        self.revokes(principal, &RevocableId::Lease(*lease_id))
    }

    fn token_revoked(&self, principal: &str, token_id: &[u8; 16]) -> bool {
        self.revokes(principal, &RevocableId::Token(*token_id))
    }

    fn key_revoked(&self, principal: &str, revocation_id: &[u8; 16]) -> bool {
        self.revokes(principal, &RevocableId::HandedOut(*revocation_id))
    }
}
