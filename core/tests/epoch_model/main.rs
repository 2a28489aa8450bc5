//! A model check of epochs: every interleaving of authorities, agents, operators and clocks, up to the bounds of a
//! [`Scope`](scope::Scope), through the very functions of `cattery_core::epoch` that production calls.
//!
//! Time is relative: in each state it is [`NOW`](state::NOW) on the slowest clock, and a tick moves everything else into the past.
//! What is too long ago to matter is forgotten, so that the state spaces are finite without a horizon: rotations are bounded, time is not.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod agent;
mod authority;
mod guards;
mod model;
mod numbers;
mod properties;
mod scope;
mod settle;
mod state;
mod store;
mod stored;
mod tick;
mod whole;
