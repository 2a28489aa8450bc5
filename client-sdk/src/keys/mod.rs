//! `connect → keys → mint`: keys from the authorities (or signing by a local agent), renewed in the background.

mod client;
mod cluster;
mod fetch;
mod mint;
mod renew;
mod snapshot;
mod source;

pub use client::{Client, ConnectError, ConnectOptions};
pub use cluster::Cluster;
pub use fetch::{Auth, FetchError, IssuedKeys, KeyRefusal, fetch_user_keys};
pub use mint::{MintError, MintOptions, Token};
pub use renew::{Failing, Health};
pub use source::Credentials;
pub(crate) use source::unix_now;
