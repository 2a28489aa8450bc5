//! What happened, in an append-only log of JSON lines, each one holding the SHA-256 of the line before it.
//!
//! One log per authority, `DIR/audit/AUTHORITY_ID.log`. A record is on the disk before the answer that it is about leaves. A
//! change of the store goes through [`Changes`]: an *intent* in the log, then the store's transaction, then an *outcome* in the log.

mod changes;
mod error;
mod event;
mod log;
mod meters;
mod read;
mod record;
mod verify;
mod wanted;
mod writer;

pub use changes::{ChangeError, Changes, OldSign, StorePlace};
pub(crate) use changes::{MARKS, OPS};
pub use error::AuditError;
pub use event::{Action, Event};
pub use log::{Audit, log_path};
#[cfg(test)]
pub(crate) use meters::AuditResult;
pub use read::{Record, Said, Told, read, whose};
pub use record::{Intent, OpId, Outcome, Position};
pub use verify::{VerifyReport, verify};
