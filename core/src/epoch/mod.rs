//! Epochs: how a key comes, is used, and goes (DESIGN section 6).
//!
//! ```text
//! prepared ──activate──► active ──activate the next──► draining ──retire──► retired
//! agents get the key      issued                        checked, not issued   the key is destroyed
//! ```
//!
//! One [`Line`] is one succession of numbers: the cluster's epochs (root keys, from 1), or the generations of one service's
//! key (from 0). It is a value. [`Line::step`] takes a command and what is known, and gives the next line or a refusal;
//! whoever calls it carries that out as one compare-and-swap in the store, or not at all.
//!
//! Times are Unix seconds by the caller's clock, and any two clocks differ by at most [`Timing::leeway`]. What that costs is
//! worked out in `docs/epochs.md`, where each [`Guard`] is listed with what goes wrong without it. A model checker drives
//! these very functions (`core/tests/epoch_model`), also with each guard taken out.
//!
//! Where to begin reading: `step.rs` is all the rules, `timing.rs` and `contact.rs` all the arithmetic.

mod command;
mod contact;
mod due;
mod facts;
mod guard;
mod invariant;
mod issue;
mod line;
mod position;
mod refused;
mod step;
#[cfg(test)]
mod tests;
mod timing;

pub use command::{Action, Command, LeftBehind, Step};
pub use contact::{Contact, Outdated, contact_at_restore, contact_to_store, live_until};
#[doc(hidden)]
pub use contact::{contact_at_restore_without, contact_to_store_without, live_until_without};
pub use facts::{AgentView, Facts, behind};
pub use guard::Guard;
pub use invariant::{Broken, Invariant};
#[doc(hidden)]
pub use issue::may_issue_without;
pub use issue::{Issue, Stale, may_issue};
pub use line::{Active, Draining, Line, Parts, Prepared};
pub use position::Position;
pub use refused::Refused;
pub use timing::Timing;
