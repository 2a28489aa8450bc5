//! The program itself, as people and scripts start it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, which clippy does not know for such"
)]

mod admin;
mod conditions;
mod dev;
mod development;
mod init;
mod kept;
mod offline;
mod restore;
mod support;
mod usage;
