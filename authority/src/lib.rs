//! The authority: the only place where a root key is ever in memory.
//!
//! It enrolls services and operators with certificates of its own CA, hands each service the keys derived from that
//! service's name, and leases user keys to those whom a grant lets have them. Services verify with what they hold: an authority is
//! asked for keys, and never about a token.
//!
//! **What this is.** A library and a program around it. [`init`] makes a cluster in a directory; [`app`] serves it, in a process
//! of its own (`cattery-authority run`) or inside another one (`cattery dev`, tests):
//!
//! ```no_run
//! use cattery_authority::{app::App, config::Config};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::load("/var/lib/cattery".as_ref())?;
//! let authority = App::start(config, None).await?;
//! println!("listening on {}", authority.local_addr());
//! authority.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! **What this is not.** Nothing in here checks tokens: that is `cattery-core`, in agents and clients.
//!
//! Where to begin reading: `rpc/access.rs` is who may call what, `registry/` the rules behind each call, `rootkeys.rs` where the
//! root keys are, [`records`] what the store holds, and [`audit`] how nothing happens that the log does not have.
#![forbid(unsafe_code)]

mod act;
pub mod app;
pub mod audit;
pub mod backup;
mod behind;
mod bulletin;
pub mod ca;
mod cluster;
pub mod config;
mod failure;
mod finding;
pub mod granting;
pub mod init;
pub mod logging;
mod meters;
mod metrics;
mod news;
mod peer;
mod readiness;
pub mod records;
mod registry;
pub mod restore;
mod rootkeys;
mod rpc;
pub mod seal;
mod signers;
mod standing;
pub mod store;
mod timing;
mod tls;
