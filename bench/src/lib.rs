//! What the programs here share: a cluster to measure.
#![forbid(unsafe_code)]

mod cluster;

pub use cluster::{Cluster, Store};
