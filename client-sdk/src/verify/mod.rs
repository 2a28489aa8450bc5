//! The verifying side: a layer that lets a request through with its [`Caller`], or answers 401, 403 or 503 itself.
//!
//! Put it outermost, where the path is still the one that was sent: routers that nest cut it.

mod body;
mod caller;
mod caller_ref;
mod facts;
mod forwarded;
mod in_process;
mod keys;
mod layer;
mod moment;
mod refusal;
mod revoked;
mod scratch;
mod seldom;
mod through_agent;
mod verifier;
mod verifying;

pub use body::{DigestBody, DigestBodyLayer};
pub use caller::Caller;
pub use caller_ref::CallerRef;
pub use cattery_core::{ForwardHeader, RequestFacts};
pub use facts::{ClientCertSha256, SourceAddr};
pub use forwarded::{Forwarded, Verdict};
pub use layer::{Verify, VerifyLayer};
pub use refusal::Refusal;
pub use verifier::{Verifier, VerifierError};
pub use verifying::Verifying;
