//! Which grant lets a caller get keys for a service: pure rules, without a store and without a clock. `docs/grants.md` says the same
//! for people.

mod choice;
mod grantee;
mod pattern;

pub use grantee::{Grantee, GroupName};
pub use pattern::{PatternError, ServicePattern};

pub(crate) use choice::{Candidate, Choice, Standing, choose, in_order, is_tied};
