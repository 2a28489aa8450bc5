//! The service's keys: what the agent holds, and the only ways to come by it.

mod accept;
mod ages;
mod held;
mod record;
mod rejected;
mod revoked;

pub(crate) use accept::{accept, not_below};
pub(crate) use ages::KeyAges;
pub(crate) use held::{Held, KeySet};
pub(crate) use record::{KeyRecord, Material};
pub(crate) use rejected::Rejected;
pub(crate) use revoked::Revoked;
