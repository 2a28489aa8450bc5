//! What every measurement shares: rounds that take turns, and a page with tables and plots of what came out.
#![forbid(unsafe_code)]

pub mod figures;
mod machine;
mod out;
mod page;
mod plot;
pub mod process;
pub mod rounds;

pub use figures::{Figure, Figures};
pub use machine::machine;
pub use page::Page;
pub use plot::{Bar, Bars, number};
pub use rounds::{Measured, Work, interleave, interleave_in};
