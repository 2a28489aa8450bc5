//! The SDK against an authority and an agent that live in this process, on real TLS and Unix sockets.

#![allow(clippy::unwrap_used, clippy::panic)] // `allow-unwrap-in-tests` knows only functions with `#[test]`

mod agent;
mod authority;
mod client;
mod forward;
mod grpc;
mod layers;
mod logs;
mod reference;
mod retries;
mod vouching;
mod wire;
