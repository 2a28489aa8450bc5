//! The agent: it sits beside a service, holds the service's keys, and verifies the service's callers locally.
//!
//! **What this is.** One process per service instance. It enrols once with a join token, follows the service's keys over
//! one mTLS stream: authorities send what is new when it happens. Callers are verified without a network call: gRPC on a Unix socket, and forward-auth for
//! proxies on loopback. Where the configuration allows, it signs calls of the service itself.
//!
//! **What this is not.** It is no proxy, and it is never on a network: whoever reaches its listeners is trusted to say
//! what the request is.
//!
//! ```no_run
//! # async fn start(join_token: &str) -> Result<(), cattery_agent::StartError> {
//! use cattery_agent::{App, Config};
//!
//! let config = Config::new("/var/lib/cattery-agent".as_ref());
//! let agent = App::start(config, Some(join_token)).await?;
//! println!("ask at {}", agent.http_addr());
//! agent.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! Where to begin reading: `app.rs` puts everything together, `decide.rs` is what happens to a token, and `follow/`
//! how keys come in.
#![forbid(unsafe_code)]

mod agent;
mod app;
mod cache;
mod clock;
mod cluster;
mod config;
mod contact;
mod decide;
mod decide_many;
mod decision;
mod decision_log;
mod discharge;
mod enrol;
mod facts;
mod follow;
mod forward;
mod grpc;
mod handed_over;
mod http;
mod join_token;
mod keys;
mod link;
mod meters;
mod metrics;
mod mint;
mod once;
mod position;
mod readiness;
mod recover;
mod refusal;
mod renew;
mod results;
mod secret_file;
mod seldom;
mod skew;
mod socket;
mod state;
mod verdict;

pub use app::{App, Running, StartError};
pub use cache::CacheError;
pub use config::{
    CacheConfig, Config, ConfigError, HeaderFacts, LogConfig, LogFormat, Overrides, Peers, Setting,
};
pub use decision_log::Decisions;
pub use enrol::EnrolError;
pub use handed_over::SOCKETS;
pub use join_token::{JoinTokenError, read_join_token};
pub use link::LinkError;
pub use secret_file::SecretFileError;
pub use socket::SocketError;
pub use state::{BadIdentity, Enrolment, StateError};
