//! The authority: the only place where a root key is ever in memory.
#![forbid(unsafe_code)]

pub mod records;
