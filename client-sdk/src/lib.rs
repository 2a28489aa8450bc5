//! What an application links: user keys, minting, and layers that sign and verify requests.
//!
//! **One side signs.** `connect → keys → mint`: keys come once from an authority (with an API key or a client certificate), or a
//! local agent signs. They renew in the background, at half of their life; minting touches no network and never blocks.
//!
//! ```no_run
//! use cattery_sdk::{Client, ConnectOptions, Credentials, MintOptions, portable::ApiKey};
//!
//! # async fn example(text: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let credentials = Credentials::ApiKey(ApiKey::parse(text)?);
//! let client = Client::connect(credentials, ConnectOptions::default()).await?;
//! let token = client.mint("photos", &MintOptions::default())?;
//! # let request = http::Request::new(());
//! // Or let a layer do it, for every request that a tower or tonic client sends:
//! use cattery_sdk::sign::{SignLayer, Signer};
//! let layer = SignLayer::new(Signer::new(client, "photos"));
//! # Ok(())
//! # }
//! ```
//!
//! **The other side verifies**, through the agent beside it or in-process with keys from there:
//!
//! ```no_run
//! use cattery_sdk::verify::{Caller, Verifier, VerifyLayer};
//!
//! # fn example(request: &http::Request<()>) -> Result<(), Box<dyn std::error::Error>> {
//! let verifier = Verifier::through_agent("photos", "/run/cattery/photos.sock".as_ref())?;
//! let layer = VerifyLayer::new(verifier); // round an axum router or a tonic server
//! // and in a handler:
//! let caller = request.extensions().get::<Caller>().map(|caller| caller.principal.as_str());
//! # Ok(())
//! # }
//! ```
//!
//! **A service in between** calls another one for its caller, who signs for both: [`sign::Forward`], [`sign::CarryForwardLayer`] and
//! [`verify::Forwarded`].
//!
//! | module | what it is |
//! | --- | --- |
//! | [`keys`] | getting keys, renewing them, minting |
//! | [`narrowing`] | conditions, and handing out narrower keys and tokens |
//! | [`sign`] | tower layer and tonic interceptor for outgoing requests |
//! | [`verify`] | tower layer for incoming requests |
//! | [`third_party`] | vouching for others' tokens, and getting one's own vouched for |
//! | [`body`] | tokens that are bound to a body |
//! | [`connect`], [`tls`], [`identity`] | connections to authorities, and certificates |
//! | [`agent`] | the way to a local agent |
//! | `systemd` (a feature) | sockets, credentials and messages of systemd, for the programs that it runs |
//! | [`portable`], [`sealing`] | the strings that people carry, and secrets on their way |
//!
//! Whole programs: `examples/axum_service.rs`, `examples/tonic_service.rs`, `examples/tonic_client.rs`, and a third party,
//! `examples/approval_service.rs`.
//!
//! **What this is not.** The protocol is `cattery-core`'s; in here is all that needs a clock, randomness or a socket.
#![forbid(unsafe_code)]

pub mod agent;
pub mod body;
pub mod connect;
pub mod denial;
pub mod identity;
pub mod keys;
pub mod narrowing;
pub mod portable;
pub mod sealing;
pub mod sign;
#[cfg(feature = "systemd")]
pub mod systemd;
pub mod third_party;
pub mod tls;
pub mod verify;

pub use keys::{Client, ConnectOptions, Credentials, MintOptions};
pub use narrowing::Narrowing;
