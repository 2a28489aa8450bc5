//! The verification keys of this process, as one answer of the agent gave them.

use std::time::Duration;

use cattery_core::{Demands, Found, Keyring, Keys, Policy, ServiceKey};
use cattery_locked::Locked;
use cattery_proto::v1::{self, GetVerificationKeysResponse};

use super::{moment::Moment, revoked::Revoked};
use crate::sealing::{INFO_SERVICE_KEY, ReceiverKey};

pub(super) struct VerificationKeys {
    keyring: Keyring<LockedKey>,
    /// (epoch, generation, not_after) of draining ones, Unix seconds.
    ends: Vec<(u32, u32, u64)>,
    pub(super) revoked: Revoked,
    pub(super) policy: Policy,
    forward_from: Vec<String>,
    /// Past it on either clock, nobody can tell any more: one may be set back, and the other stands still while a computer sleeps.
    good_until: Moment,
    pub(super) refresh_after: Duration,
}

struct LockedKey(Locked<ServiceKey>);

impl AsRef<ServiceKey> for LockedKey {
    fn as_ref(&self) -> &ServiceKey {
        &self.0
    }
}

impl VerificationKeys {
    /// `asked` is when the question left, and `former` what it said is held. The error is a line for people.
    pub(super) fn read(
        answer: &GetVerificationKeysResponse,
        service: &str,
        receiver: &ReceiverKey,
        asked: Moment,
        former: Option<&Self>,
    ) -> Result<Self, String> {
        if answer.service != service {
            return Err(format!(
                "the agent is that of the service `{}`, not of `{service}`",
                answer.service
            ));
        }
        if answer.keys.is_empty() {
            return Err("the agent has no keys yet".to_owned());
        }
        let mut keyring = Keyring::new();
        let mut ends = Vec::new();
        for sent in &answer.keys {
            let sealed = sent.sealed_key.as_ref().ok_or("a key is missing")?;
            let bytes = receiver
                .open(INFO_SERVICE_KEY, sealed)
                .map_err(|error| error.to_string())?;
            let bytes = bytes[..]
                .try_into()
                .map_err(|_| "a key has not 32 bytes".to_owned())?;
            let key = Locked::new_with(|| ServiceKey::from_bytes(bytes))
                .map_err(|error| error.to_string())?;
            keyring.insert(sent.epoch, sent.generation, LockedKey(key));
            if sent.not_after != 0 {
                ends.push((sent.epoch, sent.generation, sent.not_after));
            }
        }
        let good_for = answer.good_for_seconds.min(LONGEST);
        let former = former.map(|former| &former.revoked);
        Ok(Self {
            keyring,
            ends,
            revoked: Revoked::read(answer, former, asked.unix)?,
            policy: Policy {
                leeway: answer.leeway_seconds,
                max_lifetime: answer.max_lifetime_seconds,
                demands: demands(answer.demands.as_ref()),
            },
            forward_from: answer.forward_from.clone(),
            good_until: Moment {
                unix: asked.unix.saturating_add(good_for),
                steady: asked.steady.saturating_add(good_for),
            },
            refresh_after: Duration::from_secs(answer.refresh_after_seconds.max(1).into()),
        })
    }

    /// Whether this principal may present tokens of others.
    pub(super) fn trusts(&self, presenter: &str) -> bool {
        self.forward_from.iter().any(|trusted| trusted == presenter)
    }

    /// How long these are still good for, seconds; zero when nobody can tell any more.
    pub(super) fn good_for(&self, now: Moment) -> u64 {
        let left = self.good_until.unix.saturating_sub(now.unix);
        left.min(self.good_until.steady.saturating_sub(now.steady))
    }

    pub(super) fn at(&self, now: u64) -> KeysAt<'_> {
        KeysAt { keys: self, now }
    }
}

fn demands(sent: Option<&v1::Demands>) -> Demands {
    sent.map_or_else(Demands::default, |sent| Demands {
        request: sent.request,
        body: sent.body,
        single_use: sent.single_use,
    })
}

/// Longest that keys are good for whatever the agent says, seconds.
const LONGEST: u64 = 30 * 24 * 3600;

/// The keys whose epoch is not over yet.
pub(super) struct KeysAt<'k> {
    keys: &'k VerificationKeys,
    now: u64,
}

impl Keys for KeysAt<'_> {
    fn find(&self, epoch: u32, generation: u32) -> Found<'_> {
        let leeway = self.keys.policy.leeway;
        let over = self.keys.ends.iter().any(|(e, g, not_after)| {
            (*e, *g) == (epoch, generation) && not_after.saturating_add(leeway) <= self.now
        });
        if over {
            return Found::RetiredEpoch;
        }
        self.keys.keyring.find(epoch, generation)
    }
}
