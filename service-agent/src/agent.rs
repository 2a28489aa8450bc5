//! What all faces of the agent share: the keys, the memory, the link to the authorities.

use std::sync::atomic::AtomicI64;

use arc_swap::ArcSwapOption;
use cattery_core::ServiceName;

use crate::config::Config;
use crate::contact::Contact;
use crate::keys::KeySet;
use crate::link::Link;
use crate::mint::Leases;
use crate::once::Memory;
use crate::refresh::Trigger;

/// One agent. Everything in it is read without locks on the way of verifying, but for the memory of single-use tokens.
pub(crate) struct Agent {
    pub(crate) config: Config,
    pub(crate) service: ServiceName,
    pub(crate) link: Link,
    /// The whole set, replaced at once. None before the first good one.
    pub(crate) keys: ArcSwapOption<KeySet>,
    pub(crate) contact: Contact,
    pub(crate) once: Memory,
    pub(crate) refresh: Trigger,
    pub(crate) leases: Leases,
    /// The authorities' clock minus this one's.
    pub(crate) clock_difference_ms: AtomicI64,
}
