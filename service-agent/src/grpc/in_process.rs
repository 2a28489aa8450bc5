//! Verifying in the application's own process: the keys, and the memory of single use that stays here.

use std::time::Duration;

use cattery_core::{
    Code, Demands, Fingerprint, MemorySince, Principal, SingleUse as _, Use, UseRefused,
};
use cattery_proto::v1;
use cattery_sdk::sealing::{INFO_SERVICE_KEY, seal};
use tonic::{Result, Status};

use crate::agent::Agent;
use crate::clock::Moment;
use crate::keys::KeySet;
use crate::once::Noting;
use crate::verdict::Verdict;

/// How soon an application learns of a rotation or a revocation after the agent does.
const REFRESH_AFTER_SECONDS: u32 = 5;
/// What asking may take beyond that, on a busy machine too.
const REFRESH_MARGIN: Duration = Duration::from_secs(5);
/// With 28 bytes each they fill half of the largest answer that the SDK takes (64 MiB).
const MOST_REVOKED_IDS: usize = 1_000_000;

impl Agent {
    /// How long after this agent the last process may hold what it holds; zero where none may verify by itself. One that could
    /// not reach its agent for a while may be later; it answers what it does not know with 503.
    pub(crate) fn in_process_lag(&self) -> Duration {
        if self.config.in_process.is_empty() {
            return Duration::ZERO;
        }
        Duration::from_secs(REFRESH_AFTER_SECONDS.into()) + REFRESH_MARGIN
    }

    /// The keys, sealed to the peer's key.
    pub(super) fn verification_keys(
        &self,
        request: &v1::GetVerificationKeysRequest,
    ) -> Result<v1::GetVerificationKeysResponse> {
        let now = Moment::now();
        let unavailable = |verdict: Verdict| Status::unavailable(verdict.code());
        let keys = self.keys.load();
        let set = self.usable(keys.as_ref(), now).map_err(unavailable)?;
        let mut sealed_keys = Vec::with_capacity(set.held().len());
        for held in set.held() {
            let Some(key) = set.expose(held.epoch, held.generation) else {
                continue;
            };
            let sealed = seal(&request.receiver_public_key, INFO_SERVICE_KEY, key)
                .map_err(|error| Status::invalid_argument(error.to_string()))?;
            sealed_keys.push(v1::ServiceKey {
                epoch: held.epoch,
                generation: held.generation,
                state: held.state.into(),
                not_after: held.not_after,
                sealed_key: Some(sealed),
            });
        }
        let least_version = |(principal, version): (&str, u32)| v1::LeastVersion {
            principal: principal.to_owned(),
            version,
        };
        let since = request.since.map(Into::into);
        let since = since.and_then(|since| set.revoked_since(since));
        let is_whole = since.is_none();
        let revoked = since.map_or_else(|| all_revoked(set), Ok)?;
        Ok(v1::GetVerificationKeysResponse {
            service: self.service.to_string(),
            keys: sealed_keys,
            least_versions: set.least_versions().map(least_version).collect(),
            good_for_seconds: self.contact.left(now).as_secs(),
            refresh_after_seconds: REFRESH_AFTER_SECONDS,
            leeway_seconds: self.config.leeway_seconds,
            max_lifetime_seconds: self.config.max_lifetime_seconds,
            revocation_key: set.revoked().key().expose().to_vec(),
            revoked_ids: revoked.into_iter().map(revoked_id).collect(),
            position: Some(set.position().into()),
            revoked_ids_whole: is_whole,
            demands: Some(demands(self.config.demands)),
            forward_from: self
                .config
                .forward_from
                .iter()
                .map(Principal::to_string)
                .collect(),
        })
    }

    /// Step 8 of SPEC section 5 for a token that passed everything else in the peer's process.
    pub(super) async fn use_once(
        &self,
        request: &v1::UseOnceRequest,
    ) -> Result<v1::UseOnceResponse> {
        let now = Moment::now();
        let bad = |what: String| Status::invalid_argument(what);
        let length = |field| move |_| bad(format!("{field} has a wrong length"));
        let leeway = self.config.leeway_seconds;
        request
            .principal
            .parse::<Principal>()
            .map_err(|why| bad(format!("principal: {why}")))?;
        let (not_before, not_after) = (request.not_before, request.not_after);
        let lifetime = not_after.checked_sub(not_before);
        if lifetime.is_none_or(|lifetime| lifetime > self.config.max_lifetime_seconds)
            || not_before > now.wall.saturating_add(leeway)
        {
            return Err(bad(format!(
                "no token is good from {not_before} to {not_after}: verify it before its use is spent"
            )));
        }
        let once = Use {
            mark: request.mark[..].try_into().map_err(length("mark"))?,
            token: request.token[..].try_into().map_err(length("token"))?,
            lease_id: request.lease_id[..]
                .try_into()
                .map_err(length("lease_id"))?,
            principal: &request.principal,
            now: now.wall,
            remember_through: not_after.saturating_add(leeway).saturating_sub(1),
        };
        if self.usable(self.keys.load().as_ref(), now).is_err() {
            return Ok(answer(Verdict::Unavailable.code()));
        }
        let memory = Noting::new(self.once.at(now), self.config.single_use_shared);
        if let MemorySince::Restart(since) = memory.since()
            && not_before <= since.saturating_add(leeway)
        {
            return Ok(answer(Code::Replayed.as_str()));
        }
        match memory.use_once(&once) {
            Ok(()) => {}
            Err(UseRefused::Replayed) => return Ok(answer(Code::Replayed.as_str())),
            Err(UseRefused::Full) => return Ok(answer(Code::ReplayFull.as_str())),
        }
        let spent = match memory.into_spend() {
            Some(spend) => self.spend(spend, not_after).await,
            None => Ok(()),
        };
        Ok(answer(match spent {
            Ok(()) => "",
            Err(unspent) => {
                self.log_refused(None, &unspent.line(None));
                unspent.verdict.code()
            }
        }))
    }
}

fn demands(of: Demands) -> v1::Demands {
    let Demands {
        request,
        body,
        single_use,
    } = of;
    v1::Demands {
        request,
        body,
        single_use,
    }
}

/// All revoked ids, if they fit into an answer.
fn all_revoked(set: &KeySet) -> Result<Vec<(Fingerprint, u64)>> {
    let revoked: Vec<_> = set.revoked().ids().iter().collect();
    if revoked.len() > MOST_REVOKED_IDS {
        return Err(Status::resource_exhausted(format!(
            "this agent holds {} revoked ids, and no more than {MOST_REVOKED_IDS} can be handed to another process: verify through the agent",
            revoked.len()
        )));
    }
    Ok(revoked)
}

fn revoked_id((fingerprint, ends_at): (Fingerprint, u64)) -> v1::RevokedId {
    v1::RevokedId {
        fingerprint: fingerprint.0.to_vec(),
        ends_at,
    }
}

fn answer(code: &str) -> v1::UseOnceResponse {
    v1::UseOnceResponse {
        code: code.to_owned(),
    }
}
