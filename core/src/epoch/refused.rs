//! Why a step cannot be taken, and what to do about it.

use std::fmt;

use super::command::LeftBehind;
use super::invariant::Broken;

/// Why a step cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// All numbers are used.
    #[error(
        "all 4294967295 numbers are used; start a new cluster, or register the service under another name"
    )]
    Exhausted,
    /// `Prepare`: there is a prepared key already.
    #[error("number {number} is prepared already; activate it")]
    AlreadyPrepared {
        /// Its number.
        number: u32,
    },
    /// `Activate`: there is nothing to activate.
    #[error("nothing is prepared; prepare the next number, and let agents get its key")]
    NothingPrepared,
    /// `Activate`, with or without force: leases of the number before the active one are left.
    #[error(
        "number {number} is still draining; retire it, which needs no force from {until} (Unix seconds) on"
    )]
    StillDraining {
        /// The draining number.
        number: u32,
        /// When it can be retired, in Unix seconds.
        until: u64,
    },
    /// `Activate` without force: live agents have not acknowledged the prepared key.
    #[error("{} not acknowledged the prepared key: {}; wait, or force it and leave them behind", Count(.0.len()), Few(.0))]
    AgentsMissing(Vec<LeftBehind>),
    /// `Retire`: nothing is draining.
    #[error("nothing is draining, so there is nothing to retire")]
    NothingDraining,
    /// `Retire` without force: leases may be left.
    #[error(
        "leases of number {number} may be in use until {until} (Unix seconds); wait, or force it and have them refused"
    )]
    LeasesOut {
        /// The draining number.
        number: u32,
        /// From when it can be retired, in Unix seconds.
        until: u64,
    },
    /// The outcome would break an invariant, which is a mistake in this program.
    #[error("this step is wrong: {0}")]
    Broken(#[from] Broken),
}

struct Count(usize);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("1 live agent has"),
            count => write!(f, "{count} live agents have"),
        }
    }
}

/// The first few of a list that can be ten thousand long.
struct Few<'a>(&'a [LeftBehind]);

impl Few<'_> {
    const SHOWN: usize = 5;
}

impl fmt::Display for Few<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, agent) in self.0.iter().take(Self::SHOWN).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{} (live until {})", agent.id, agent.until)?;
        }
        match self.0.len().saturating_sub(Self::SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
