//! When the next CA is made, when it signs, and when the one before it is let go: the rules, without a clock or a store of their own.
//! `docs/certificates.md` has the reason for each wait.

use cattery_core::epoch::{self, AgentView, Command, Facts as LineFacts, LeftBehind, Line, Timing};

use super::Cas;
use crate::records::CaRecord;

/// A successor is made when less than this part of a CA's life is left.
const LAST: u64 = 3;
/// From then on nothing is waited for: whoever is left behind then has a way back, and a CA that ends leaves none.
const URGENT: u64 = 6;

/// The CAs, and what their turns are reckoned with.
pub(crate) struct Rollover<'a> {
    pub(crate) cas: &'a Cas,
    pub(crate) leases: Leases,
    /// The longest life of an authority's own certificate, seconds.
    pub(crate) authority_lifetime: u64,
    pub(crate) timing: &'a Timing,
}

/// The leases that may be out.
#[derive(Clone, Copy)]
pub(crate) struct Leases {
    /// The greatest one of the active epoch, seconds.
    pub(crate) greatest: u64,
    /// When the last one of the draining epoch ends, Unix seconds; 0 where none drains.
    pub(crate) draining_until: u64,
}

/// What a step is decided on.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    /// Unix seconds.
    pub(crate) now: u64,
    /// The sequence number that this change will have in the feed.
    pub(crate) position: u64,
    pub(crate) agents: &'a [AgentView<'a>],
    pub(crate) needed: Needed,
}

/// Who needs the draining CA: what it signed, and texts that name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needed {
    /// Agents whose certificate it signed, those included that may still come back after its end.
    pub(crate) agents: u32,
    /// Operators whose certificate it signed.
    pub(crate) operators: u32,
    /// API keys whose text names it.
    pub(crate) api_keys: u32,
    /// Join tokens whose text names it.
    pub(crate) join_tokens: u32,
    /// Until when, Unix seconds; not beyond its own end.
    pub(crate) until: u64,
    /// Whether it is all admins' that there are: nobody could let one in.
    pub(crate) by_all_admins: bool,
}

/// A step that may be taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) line: Line,
    /// Live agents that the step does not wait for.
    pub(crate) left_behind: Vec<LeftBehind>,
}

/// Why a step cannot be taken, and what to do about it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("there is no step that ends all CAs at once")]
    NoSuchStep,
    #[error("CA {number} is prepared already: it signs by itself when everybody knows it")]
    AlreadyPrepared { number: u32 },
    #[error("no CA is prepared: `cattery ca rotate` makes the next one")]
    NothingPrepared,
    #[error(
        "not everybody who has a lease or a session has heard of the next CA: wait until {until} (Unix seconds), or force it"
    )]
    TooSoon { until: u64 },
    #[error("{} live agents have not acknowledged the next CA: wait for them, or force it", .0.len())]
    AgentsMissing(Vec<LeftBehind>),
    #[error(
        "CA {number} is still trusted beside the one that signs: first `cattery ca retire`, with force if need be"
    )]
    StillDraining { number: u32 },
    #[error("no CA is draining, so there is none to retire")]
    NothingDraining,
    #[error(
        "authorities may show certificates of CA {number} until {until} (Unix seconds): wait, or force it"
    )]
    StillShown { number: u32, until: u64 },
    #[error(
        "CA {number} is needed until {} (Unix seconds): {} agents and {} operators have certificates of it, and {} API keys and {} join tokens \
         name it; wait, replace them, or force it and have them refused",
        needed.until, needed.agents, needed.operators, needed.api_keys, needed.join_tokens
    )]
    StillNeeded { number: u32, needed: Needed },
    #[error(
        "every admin's certificate is of CA {number}, and nobody could let one in: first renew one, which `cattery ca retire` does for whoever \
         runs it"
    )]
    AllAdmins { number: u32 },
    #[error("all numbers are used")]
    Exhausted,
    #[error("this step is wrong: {0}")]
    Broken(epoch::Broken),
}

impl Rollover<'_> {
    /// The step whose time has come by the clock: nobody has to ask for it.
    pub(crate) fn due(&self, now: u64) -> Option<Command> {
        let Some(prepared) = self.cas.line.prepared() else {
            let is_last = self.cas.active.is_in_last(LAST, now);
            return match self.may_retire_at() {
                _ if is_last => Some(Command::Prepare),
                Some(at) if now >= at => Some(Command::Retire { force: false }),
                _ => None,
            };
        };
        let force = self.is_urgent(now) && now >= self.told_at(prepared.since);
        match self.may_retire_at() {
            Some(at) if force || now >= at => Some(Command::Retire { force }),
            Some(_) => None,
            None if force || self.may_activate_at().is_some_and(|at| now >= at) => {
                Some(Command::Activate { force })
            }
            None => None,
        }
    }

    /// Whether the one that signs ends so soon that an operator should look after it.
    pub(crate) fn is_urgent(&self, now: u64) -> bool {
        self.cas.active.is_in_last(URGENT, now)
    }

    /// From when the prepared one may sign, if all agents know it: by then everybody who holds a lease got it from an authority that
    /// told of that CA.
    pub(crate) fn may_activate_at(&self) -> Option<u64> {
        let prepared = self.cas.line.prepared()?;
        let told = self.told_at(prepared.since);
        let ended = told.saturating_add(self.leases.greatest);
        Some(ended.max(self.leases.draining_until))
    }

    /// By then every authority that answers at all trusts what was prepared at that time, and tells of it.
    fn told_at(&self, since: u64) -> u64 {
        since.saturating_add(self.timing.overlap())
    }

    /// From when the draining one may go, if nobody needs it.
    pub(crate) fn may_retire_at(&self) -> Option<u64> {
        let draining = self.cas.line.draining()?;
        Some(draining.can_retire_at(self.timing))
    }

    /// Decides one step.
    pub(crate) fn step(&self, command: Command, facts: &Facts<'_>) -> Result<Step, Refused> {
        let line = &self.cas.line;
        match (command, line.draining()) {
            (Command::Replace, _) => return Err(Refused::NoSuchStep),
            (Command::Activate { force: false }, _) => {
                if let Some(until) = self.may_activate_at().filter(|at| facts.now < *at) {
                    return Err(Refused::TooSoon { until });
                }
            }
            (Command::Retire { force: false }, Some(draining)) => {
                let (number, needed) = (draining.number, facts.needed);
                if facts.now < needed.until {
                    return Err(Refused::StillNeeded { number, needed });
                }
            }
            _ => {}
        }
        if let (Command::Retire { .. }, Some(draining)) = (command, line.draining())
            && facts.needed.by_all_admins
        {
            let number = draining.number;
            return Err(Refused::AllAdmins { number });
        }
        let shown = facts.now.saturating_add(self.authority_lifetime);
        let line_facts = LineFacts {
            now: facts.now,
            position: facts.position,
            // What is issued here are certificates: that the active one is draining then means that they end.
            leases_end: shown.min(self.cas.active.not_after),
            agents: facts.agents,
        };
        let step = line.step(command, &line_facts, self.timing)?;
        Ok(Step {
            left_behind: match command {
                Command::Activate { .. } => step.left_behind,
                // Agents find another way: see `RecoverCertificate`.
                Command::Prepare | Command::Retire { .. } | Command::Replace => Vec::new(),
            },
            line: step.line,
        })
    }
}

impl From<epoch::Refused> for Refused {
    fn from(refused: epoch::Refused) -> Self {
        match refused {
            epoch::Refused::Exhausted => Self::Exhausted,
            epoch::Refused::AlreadyPrepared { number } => Self::AlreadyPrepared { number },
            epoch::Refused::NothingPrepared => Self::NothingPrepared,
            epoch::Refused::StillDraining { number, .. } => Self::StillDraining { number },
            epoch::Refused::AgentsMissing(agents) => Self::AgentsMissing(agents),
            epoch::Refused::NothingDraining => Self::NothingDraining,
            epoch::Refused::LeasesOut { number, until } => Self::StillShown { number, until },
            epoch::Refused::Broken(broken) => Self::Broken(broken),
        }
    }
}

impl Leases {
    /// Of these epochs; `greatest`: of the active one, seconds.
    pub(crate) fn of(epochs: &Line, greatest: u64) -> Self {
        let draining = epochs.draining();
        Self {
            greatest,
            draining_until: draining.map_or(0, |draining| draining.not_after),
        }
    }
}

impl CaRecord {
    /// Whether less than one `part`th of its life is left.
    fn is_in_last(&self, part: u64, now: u64) -> bool {
        let life = self.not_after.saturating_sub(self.not_before);
        let left = self.not_after.saturating_sub(now);
        left.saturating_mul(part) < life
    }
}

#[cfg(test)]
mod tests;
