//! What all faces of the agent share: the keys, the memory, the link to the authorities.

use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwapOption;
use cattery_core::ServiceName;

use crate::config::Config;
use crate::contact::Contact;
use crate::follow::Trigger;
use crate::keys::KeySet;
use crate::link::Link;
use crate::mint::Leases;
use crate::once::Memory;
use crate::seldom::Seldom;
use crate::skew::Skew;

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
    /// The authorities' clock minus this one's.
    pub(crate) clock_difference_ms: AtomicI64,
    /// Saying that clocks differ.
    pub(crate) skew_said: Seldom,
}

impl Agent {
    pub(crate) fn skew(&self) -> Skew {
        Skew {
            difference_ms: self.clock_difference_ms.load(Ordering::Relaxed),
            leeway: self.config.leeway_seconds,
        }
    }
}
