//! The agent against an authority that does as it is told: enrolment, faces, outages, rotations, restarts.

// The configuration of clippy allows these in test functions, and not in what those call.
#![allow(clippy::unwrap_used, clippy::panic, clippy::unused_async)]

mod authority;
mod certificate;
mod demands;
mod faces;
mod follow;
mod forward;
mod keys;
mod lifecycle;
mod metrics;
mod minting;
mod outage;
mod program;
mod revoked;
mod shared;
mod streamed;
mod streams;
mod town;
