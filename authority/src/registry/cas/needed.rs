//! Who needs the CA that signs no more.

use super::{Registry, Turns};
use crate::ca::{CaNeeded, Cas};
use crate::failure::Failure;
use crate::records::{JoinTokenRecord, OperatorState, key};
use crate::registry::api_keys::ApiKeyState;

impl Registry {
    pub(super) async fn needs_of(
        &self,
        cas: &Cas,
        turns: &Turns,
        now: u64,
    ) -> Result<CaNeeded, Failure> {
        let Some(draining) = &cas.draining else {
            return Ok(CaNeeded::default());
        };
        let mut tally = Tally {
            now,
            end: draining.not_after,
            needed: CaNeeded::default(),
        };
        let window = turns.recovery.unwrap_or_default();
        for agent in self.agents().await? {
            if agent.ca == draining.number {
                let until = agent.may_come_back_until(window);
                tally.count(until, |needed| &mut needed.agents);
            }
        }
        let mut admins = Admins::default();
        for operator in self.operators().await? {
            let Some(device) = operator.device.as_ref() else {
                continue;
            };
            let is_of_it = device.ca == draining.number;
            if operator.is_admin_at(now) {
                admins.of_it |= is_of_it;
                admins.of_another |= !is_of_it;
            }
            if operator.state == OperatorState::Active && is_of_it {
                tally.count(device.certificate_not_after, |needed| &mut needed.operators);
            }
        }
        tally.needed.by_all_admins = admins.of_it && !admins.of_another;
        // Texts name the CA that was known to sign when they were made.
        let switched = cas
            .line
            .active()
            .since
            .saturating_add(turns.timing.overlap());
        for (api_key, state) in self.api_keys(None, now).await? {
            if state == ApiKeyState::Active && api_key.created_at <= switched {
                let until = api_key.expires_at.unwrap_or(u64::MAX);
                tally.count(until, |needed| &mut needed.api_keys);
            }
        }
        for token in self.list::<JoinTokenRecord>(key::JOIN_TOKENS).await? {
            if token.record.created_at <= switched {
                tally.count(token.record.expires_at, |needed| &mut needed.join_tokens);
            }
        }
        Ok(tally.needed)
    }
}

/// Whose certificates admins have.
#[derive(Default)]
struct Admins {
    of_it: bool,
    of_another: bool,
}

struct Tally {
    now: u64,
    /// When the CA ends itself.
    end: u64,
    needed: CaNeeded,
}

impl Tally {
    fn count(&mut self, until: u64, of: impl Fn(&mut CaNeeded) -> &mut u32) {
        let until = until.min(self.end);
        if until > self.now {
            *of(&mut self.needed) += 1;
            self.needed.until = self.needed.until.max(until);
        }
    }
}
