//! What the authority stands on: the store, sealing, the audit log, the CA, and a cluster's first step.
#![allow(clippy::unwrap_used, clippy::panic)] // Helpers are outside of test functions.

mod audit;
mod backup;
mod ca;
mod changes;
mod faults;
mod init;
mod logged;
mod marks;
mod restore;
mod seal;
mod store;
mod store_conformance;
mod store_etcd;
mod store_mirror;
mod support;
