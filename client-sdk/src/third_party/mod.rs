//! Third parties (SPEC section 7): tokens that are good only while somebody else vouches for them.
//!
//! A caveat `third_party { principal, ticket }` holds where a *discharge* comes with the token: the word of that principal, for that
//! ticket, signed with a key of its own. A discharge is short-lived. So is a "yes": no "no" takes longer than the last discharge.
//!
//! **Who vouches** (a service of the cluster, `service/iam` say) says what it understands and decides with [`Decide`], remembers what
//! was asked for in [`Tickets`], and serves both with [`VouchingService`], behind a [`VerifyLayer`](crate::verify::VerifyLayer) and TLS.
//!
//! **Who needs the word** names the third parties in [`ThirdParties`], and hands that to a
//! [`Signer`](crate::sign::Signer::vouched_by): discharges are fetched when a token asks for one, renewed in the background, and
//! sent along with every request.
//!
//! ```no_run
//! use cattery_sdk::{Client, sign::{SignLayer, Signer}, third_party::{Address, ThirdParties}};
//!
//! # fn example(client: Client, ca_pem: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! let third_parties = ThirdParties::new(client.clone())
//!     .at("service/iam", &Address::parse("https://iam.example.org:7443", Some(ca_pem))?)?;
//! let layer = SignLayer::new(Signer::new(client, "photos").vouched_by(third_parties));
//! # Ok(())
//! # }
//! ```

mod address;
mod ask;
mod decide;
mod kept;
mod needed;
mod parties;
mod serve;
mod tickets;
mod unvouched;

pub use address::{Address, AddressError};
pub use ask::{AskError, Ticket, Wanted, ask, register};
pub use decide::{Decide, Decision, Declined, Registration};
pub use needed::{Needed, needed, without_ended};
pub use parties::{NotAService, ThirdParties};
pub use serve::VouchingService;
pub use tickets::{MemoryTickets, Tickets, TicketsError};
pub use unvouched::Unvouched;
