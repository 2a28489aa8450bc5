//! Crypto auth tokens: names, the key chain, tokens and caveats, as pure functions (`cat1`).
//!
//! An authority derives one key per service from a root key, and one key per user from the service's. A user signs tokens
//! with theirs and no help from anyone; the service rebuilds that user's key from names alone and checks the token. Who
//! holds a key or a token can narrow it with [caveats](Caveat), and nobody can widen it.
//!
//! **What this is.** Every byte and every rule of the protocol, once: the authority, agents, clients and the command line
//! all call it. Its sections are cited as "SPEC section n".
//!
//! **What this is not.** There is no I/O, no clock, no source of randomness and no global state in here: `now` (Unix
//! seconds) and random bytes are arguments, and revocations and the memory of single-use tokens stand behind traits.
//! There is no choice of algorithm: HMAC-SHA-256, and one encoding of each message.
//!
//! ```
//! use cattery_core::*;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The authority: from the root key of epoch 1 to a key that Alice can use at `photos`, for reading alone.
//! let root = RootKey::from_bytes([7; 32]); // from the operating system's CSPRNG
//! let service_key = root.service_key(&"photos".parse()?, 0);
//! let id = KeyId {
//!     epoch: 1, service: "photos", generation: 0,
//!     principal: "user/alice", version: 0, expires_at: 1_790_003_600, lease_id: [1; 8], // random
//! };
//! let key = UserKey::issue(&service_key, &id, &["scope=photos.read".parse()?])?;
//!
//! // Alice: a token for five minutes, for one path.
//! let mut token = String::new();
//! let caveats = ["path=/albums".parse()?];
//! let spec = TokenSpec {
//!     not_before: 1_790_000_000, not_after: 1_790_000_300, token_id: [2; 16], // random
//!     caveats: &caveats, ..TokenSpec::default()
//! };
//! key.mint(&spec, &mut token)?;
//!
//! // The service: with its own key and no other.
//! let mut keys = Keyring::new();
//! keys.insert(1, 0, Box::new(service_key));
//! let verifier = Verifier {
//!     service: "photos", keys, revocations: NoRevocations, single_use: NoSingleUse, policy: Policy::default(),
//! };
//! let mut scratch = Scratch::new();
//! let facts = RequestFacts {
//!     path_and_query: Some("/albums/7"), scope: Some("photos.read"), ..RequestFacts::default()
//! };
//! let verified = verifier.verify(&token, &facts, 1_790_000_100, &mut scratch).map_err(|denied| denied.code)?;
//! assert_eq!(verified.principal(), "user/alice");
//!
//! let elsewhere = RequestFacts { path_and_query: Some("/admin"), ..facts };
//! let denied = verifier.verify(&token, &elsewhere, 1_790_000_100, &mut scratch).err();
//! assert!(denied.is_some_and(|denied| denied.code == Code::CaveatFailed));
//! # Ok(())
//! # }
//! ```
//!
//! Where to begin reading: `key_tree.rs` is the whole key chain, and `verify/verifier.rs` the steps of verifying.
#![forbid(unsafe_code)]

mod caveat;
mod chains;
mod compress;
#[cfg(test)]
mod counts;
pub mod epoch;
mod form;
mod forward;
pub mod inspect;
mod key_id;
mod key_tree;
pub mod limits;
mod mac;
mod mint;
mod name;
mod payload;
mod request;
mod revocation;
mod text;
mod token;
mod user_key;
mod verify;
mod wire;

pub use caveat::{AnyOf, Caveat, CaveatError, CaveatFailure, CaveatKind, CaveatTextError};
pub use form::FormError;
pub use forward::{FORWARD_HEADER, ForwardHeader, PRESENTER_KEY};
pub use key_id::KeyId;
pub use key_tree::{PublicTag, RootKey, SecretTag, ServiceKey, TokenKey, TokenState};
pub use mint::{DischargeSpec, MintError, Minted, TokenSpec};
pub use name::{NameError, Principal, PrincipalKind, ServiceName, UserName};
pub use request::{RequestFacts, request_digest};
pub use revocation::{Fingerprint, REVOCATION_KEY_LEN, RevocableId, RevocationKey, RevokedIds};
pub use text::{Authorization, authorization, bearer};
pub use token::{AttenuateError, UnverifiedToken, attenuate_token};
pub use user_key::{KeyError, UserKey};
pub use verify::{
    Code, Demand, Demands, Denied, Found, Keyring, Keys, LeaseFailure, MemorySince, NoRevocations,
    NoSingleUse, Part, PayloadFailure, Policy, Presentation, Question, Reason, Revocations,
    Scratch, SingleUse, UnknownCode, Use, UseRefused, Verified, Verifier,
};
pub use wire::WireError;
