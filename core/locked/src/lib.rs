//! Memory for keys: never swapped out, never in a core dump, wiped before it is given back.
//!
//! [`Locked`] holds one value in pages of its own. [`harden_process`] closes the two doors that
//! page flags leave open, core dumps and ptrace, for the process as a whole.
//!
//! ```
//! # fn main() -> Result<(), cattery_locked::LockError> {
//! use cattery_locked::Locked;
//!
//! // Filled where it lives: the key is never on the stack.
//! let mut key = Locked::new([0_u8; 32])?;
//! key.copy_from_slice(&[7; 32]);
//! assert_eq!(key[0], 7);
//! # Ok(())
//! # }
//! ```
//!
//! This is no defence against root, against a hypervisor, or against a computer that hibernates:
//! suspend-to-disk writes locked pages too.
//!
//! All unsafe code of this crate is in its `memory` module; the project has no other but that of `cattery-lanes`.

#![deny(unsafe_op_in_unsafe_fn)]

mod error;
mod harden;
mod memory;

pub use error::{HardenError, LockError};
pub use harden::harden_process;
pub use memory::Locked;
