//! Verifying (SPEC section 5): the steps in order; the first that fails gives the code.

mod code;
mod conditions;
mod demands;
mod denied;
mod discharges;
mod keys;
mod many;
mod once;
mod open;
mod presented;
mod revocations;
mod single_use;
mod verified;
mod verifier;

pub use code::{Code, UnknownCode};
pub use demands::{Demand, Demands};
pub use denied::{Denied, LeaseFailure, Part, PayloadFailure, Reason};
pub use keys::{Found, Keyring, Keys};
pub use many::Question;
pub use presented::{Presentation, Scratch};
pub use revocations::{NoRevocations, Revocations};
pub use single_use::{MemorySince, NoSingleUse, SingleUse, Use, UseRefused};
pub use verified::Verified;
pub use verifier::{Policy, Verifier};
