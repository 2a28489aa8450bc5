//! What all faces of the agent share: the keys, the memory, the link to the authorities.

use arc_swap::ArcSwapOption;
use cattery_core::ServiceName;

use crate::config::Config;
use crate::contact::Contact;
use crate::decision_log::DecisionLog;
use crate::follow::Trigger;
use crate::keys::KeySet;
use crate::link::Link;
use crate::mint::Leases;
use crate::once::Memory;
use crate::seldom::Seldom;
use crate::skew::{ClockDifference, Skew};

/// One agent. Everything in it is read without locks on the way of verifying, but for the memory of single-use tokens.
pub(crate) struct Agent {
    pub(crate) config: Config,
    pub(crate) service: ServiceName,
    pub(crate) link: Link,
    /// The whole set, replaced at once. None before the first good one.
    pub(crate) keys: ArcSwapOption<KeySet>,
    pub(crate) contact: Contact,
    pub(crate) once: Memory,
    /// Asks the authorities for what is new.
    pub(crate) look: Trigger,
    pub(crate) leases: Leases,
    pub(crate) clock_difference: ClockDifference,
    pub(crate) decision_log: DecisionLog,
    /// Saying that clocks differ.
    pub(crate) skew_said: Seldom,
    /// Saying that single uses cannot be spent.
    pub(crate) spending_said: Seldom,
}

impl Agent {
    /// How the clocks differ; not at all where that is not known.
    pub(crate) fn skew(&self) -> Skew {
        self.known_skew().unwrap_or(Skew {
            difference_ms: 0,
            leeway: self.config.leeway_seconds,
        })
    }

    /// How the clocks differ, once an authority has said what its clock shows.
    pub(crate) fn known_skew(&self) -> Option<Skew> {
        let difference_ms = self.clock_difference.get()?;
        Some(Skew {
            difference_ms,
            leeway: self.config.leeway_seconds,
        })
    }
}
