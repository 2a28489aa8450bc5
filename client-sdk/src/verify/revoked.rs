//! What is revoked, as the agent tells it.

use std::collections::HashMap;

use cattery_core::{Fingerprint, RevocableId, RevocationKey, Revocations, RevokedIds};
use cattery_proto::v1::{GetVerificationKeysResponse, LeastVersion, Position, RevokedId};

/// Ids that have ended are let go once in so many seconds.
const FORGET_PERIOD: u64 = 3_600;

pub(super) struct Revoked {
    least_versions: HashMap<String, u32>,
    key: RevocationKey,
    ids: RevokedIds,
    /// The agent knows what it told until there.
    pub(super) position: Option<Position>,
    /// Unix seconds.
    forgot_at: u64,
}

impl Revoked {
    /// From an answer at `now` (Unix seconds), which adds to the ids of a `former` one unless it has all of them. The error is a line for people.
    pub(super) fn read(
        answer: &GetVerificationKeysResponse,
        former: Option<&Self>,
        now: u64,
    ) -> Result<Self, String> {
        let key = answer.revocation_key.as_slice().try_into().map_err(|_| {
            "the agent says no revocation key of 16 bytes: it is older than this program, update it first"
        })?;
        let key = RevocationKey::from_bytes(key);
        let ids = if answer.revoked_ids_whole {
            RevokedIds::new()
        } else {
            let former = former.filter(|former| former.key == key);
            let former = former.ok_or("the agent adds to revoked ids that are not held")?;
            former.ids.clone()
        };
        let added = answer.revoked_ids.iter().map(entry);
        let mut revoked = Self {
            least_versions: answer.least_versions.iter().map(version).collect(),
            key,
            ids: ids.with(added.collect::<Result<Vec<_>, _>>()?),
            position: answer.position,
            forgot_at: former.map_or(now, |former| former.forgot_at),
        };
        if now.saturating_sub(revoked.forgot_at) >= FORGET_PERIOD {
            let until = now.saturating_sub(answer.leeway_seconds);
            revoked.ids = revoked.ids.without_ended(until);
            revoked.forgot_at = now;
        }
        Ok(revoked)
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

fn version(least: &LeastVersion) -> (String, u32) {
    (least.principal.clone(), least.version)
}

fn entry(revoked: &RevokedId) -> Result<(Fingerprint, u64), String> {
    let fingerprint = revoked.fingerprint.as_slice().try_into();
    let fingerprint = fingerprint.map_err(|_| "a revoked id has not 16 bytes".to_owned())?;
    Ok((Fingerprint(fingerprint), revoked.ends_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_790_000_000;

    fn answer(ids: &[(u8, u64)], is_whole: bool) -> GetVerificationKeysResponse {
        let id = |(byte, ends_at): &(u8, u64)| RevokedId {
            fingerprint: vec![*byte; 16],
            ends_at: *ends_at,
        };
        GetVerificationKeysResponse {
            revocation_key: vec![7; 16],
            revoked_ids: ids.iter().map(id).collect(),
            revoked_ids_whole: is_whole,
            leeway_seconds: 30,
            ..Default::default()
        }
    }

    fn held(revoked: &Revoked) -> u64 {
        revoked.ids.digest(0).0
    }

    #[test]
    fn what_is_new_is_added_and_all_there_is_replaces() {
        let first = Revoked::read(&answer(&[(1, NOW + 9)], true), None, NOW).unwrap();
        let second = Revoked::read(&answer(&[(2, NOW + 9)], false), Some(&first), NOW).unwrap();
        assert_eq!((held(&first), held(&second)), (1, 2));
        let third = Revoked::read(&answer(&[(3, NOW + 9)], true), Some(&second), NOW).unwrap();
        assert_eq!(held(&third), 1);
    }

    #[test]
    fn what_has_ended_goes_after_an_hour() {
        let first = answer(&[(1, NOW + 9), (2, NOW + 9_000)], true);
        let mut revoked = Revoked::read(&first, None, NOW).unwrap();
        for (seconds, expected) in [(60, 2), (FORGET_PERIOD - 1, 2), (FORGET_PERIOD, 1)] {
            let none = answer(&[], false);
            revoked = Revoked::read(&none, Some(&revoked), NOW + seconds).unwrap();
            assert_eq!(held(&revoked), expected);
        }
    }

    #[test]
    fn answers_that_make_no_sense_are_refused() {
        let good = Revoked::read(&answer(&[], true), None, NOW).unwrap();
        let refused = |change: fn(&mut GetVerificationKeysResponse), former| {
            let mut answer = answer(&[(1, NOW)], false);
            change(&mut answer);
            Revoked::read(&answer, former, NOW).map(|_| ()).unwrap_err()
        };
        let old = refused(|answer| answer.revocation_key.clear(), Some(&good));
        assert!(old.contains("update it first"), "{old}");
        assert!(refused(|_| {}, None).contains("not held"));
        let other = refused(|answer| answer.revocation_key[0] = 8, Some(&good));
        assert!(other.contains("not held"));
        let short = refused(
            |answer| _ = answer.revoked_ids[0].fingerprint.pop(),
            Some(&good),
        );
        assert!(short.contains("16 bytes"));
    }
}
