//! What several measurements share.
#![forbid(unsafe_code)]

pub mod rounds;
