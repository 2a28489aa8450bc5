//! `connect → keys → mint`: keys from the authorities (or signing by a local agent), renewed in the background.

mod alarm;
mod client;
mod cluster;
mod fetch;
mod health;
mod mint;
mod renew;
mod snapshot;
mod source;
mod state;

pub use client::{Client, ConnectError, ConnectOptions, ReplaceIdentityError};
pub use cluster::Cluster;
pub use fetch::{Auth, FetchError, IssuedKeys, KeyRefusal, fetch_user_keys};
pub use health::{Failing, Health};
pub use mint::{MintError, MintOptions, Token};
pub use source::Credentials;
pub(crate) use source::unix_now;
