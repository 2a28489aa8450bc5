use serde::{Deserialize, Serialize};

use crate::audit::{AuditError, OpId};
use crate::records::Hex;
use crate::store::{Entry, StoreError};

/// Prefix of every `op/ID`.
pub(crate) const OPS: &str = "op/";

/// Prefix of every mark, one for each authority.
pub(crate) const MARKS: &str = "audit/";

/// What lies at `op/ID`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Op {
    pub(super) authority: String,
    /// The intent's record; 0 for a change that must not happen any more.
    pub(super) seq: u64,
}

impl Op {
    pub(super) fn parse(entry: &Entry) -> Result<Self, StoreError> {
        serde_json::from_slice(&entry.value).map_err(|_| damaged(&entry.key))
    }
}

pub(super) fn new_op() -> Result<OpId, AuditError> {
    let mut op = [0; 16];
    getrandom::fill(&mut op).map_err(AuditError::Random)?;
    Ok(Hex(op))
}

pub(super) fn op_key(op: OpId) -> String {
    format!("{OPS}{op}")
}

pub(super) fn damaged(key: &str) -> StoreError {
    StoreError::Corrupt(format!("`{key}` cannot be read"))
}

pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    // Only a map whose keys are no strings fails to become JSON.
    serde_json::to_vec(value).unwrap_or_default()
}
