//! What several measurements share.
#![forbid(unsafe_code)]

pub mod out;
pub mod rounds;
