//! `connect → keys → mint`: keys from the authorities (or signing by a local agent), renewed in the background.

mod alarm;
mod client;
mod clock;
mod cluster;
mod discharge;
mod fetch;
mod health;
mod mint;
mod renew;
mod snapshot;
mod source;
mod state;
mod through_agent;

pub use client::{Client, ConnectError, ConnectOptions, ReplaceIdentityError};
pub use cluster::Cluster;
pub(crate) use discharge::DEFAULT_TTL as DISCHARGE_TTL;
pub use discharge::{Discharge, DischargeError, DischargeOptions};
pub use fetch::{Auth, FetchError, IssuedKeys, KeyRefusal, fetch_user_keys};
pub use health::{Failing, Health};
pub(crate) use mint::narrow_token;
pub use mint::{MintError, MintOptions, Token};
pub use source::Credentials;
