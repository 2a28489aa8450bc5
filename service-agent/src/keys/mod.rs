//! The service's keys: what the agent holds, and the only ways to come by it.

mod accept;
mod held;
mod record;

pub(crate) use accept::{Rejected, accept};
pub(crate) use held::{Held, KeySet};
pub(crate) use record::{KeyRecord, Material};
