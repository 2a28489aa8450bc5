//! An authority in this process, on a free port, and clients that speak real TLS to it.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers are outside of test functions.

mod admin;
mod border;
mod connections;
mod enrolment;
mod follower;
mod granting;
mod harness;
mod logs;
mod metrics;
mod own;
mod program;
mod recovery;
mod restore;
mod revoking;
mod rollover;
mod rotation;
mod service_keys;
mod spending;
mod starting;
mod unsealing;
mod user_keys;
mod withheld;
