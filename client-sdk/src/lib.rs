//! What an application links: user keys, minting, and layers that sign and verify requests.
//!
//! `connect → keys → mint`: keys renew in the background; minting touches no network and never blocks.
#![forbid(unsafe_code)]

pub mod agent;
pub mod body;
mod challenge;
pub mod connect;
pub mod identity;
pub mod keys;
pub mod portable;
pub mod sealing;
pub mod sign;
pub mod tls;
pub mod verify;

pub use keys::{Client, ConnectOptions, Credentials, MintOptions};
