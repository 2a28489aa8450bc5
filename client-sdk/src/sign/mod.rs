//! The signing side: every outgoing request gets a token of its own.
//!
//! [`SignLayer`] is for tower stacks (a tonic channel, hyper's client), and binds tokens to their requests. [`DigestBodyLayer`] outside
//! of it has them bound to bodies as well. [`SignInterceptor`] is for a tonic client that needs no more than a bearer token.
//! [`Forward`] adds a token for a service further on, and [`CarryForwardLayer`] is for the service in between.

mod body;
mod buffered;
mod carry;
mod forward;
mod interceptor;
mod layer;
mod replay;
mod signer;
mod target;
mod vouched;

pub(crate) use target::normal;

pub use body::{DigestBody, DigestBodyLayer};
pub use carry::{CarryForward, CarryForwardLayer};
pub use forward::Forward;
pub use interceptor::SignInterceptor;
pub use layer::{Sign, SignLayer};
pub use replay::{BufferedBodies, ClonedBodies, EmptyBodies, NoReplay, Replay};
pub use signer::{SignError, Signer};
