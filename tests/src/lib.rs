//! A harness of real processes, and nothing that decides anything: the stories in `tests/stories` do.
//!
//! Every story has a folder of its own, ports that were free, and programs that die with it. Nothing sleeps for a fixed
//! time to let something happen: [`wait::until`] looks until it did.
#![forbid(unsafe_code)]

pub mod agent;
pub mod api;
pub mod authority;
pub mod cli;
pub mod collector;
pub mod dev;
pub mod envoy;
pub mod etcd;
pub mod fleet;
pub mod http;
pub mod netns;
pub mod page;
pub mod ports;
pub mod process;
pub mod programs;
pub mod prometheus;
pub mod proxy;
pub mod python;
pub mod random;
pub mod secrets;
pub mod shipped;
pub mod systemd;
pub mod town;
pub mod upstream;
pub mod wait;
