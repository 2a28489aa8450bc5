//! Counters and histograms that many threads add to at once, and the page that Prometheus reads.
//!
//! **What this is.** [`Counter`] and [`Histogram`] have every combination of their labels' values from the start, at 0: a rate over a
//! series that appears later would miss its first event. So a label is an enum ([`Label`]), never a word from the network. Adding
//! allocates nothing, takes no lock, and touches memory that few other threads touch ([`Shards`]).
//!
//! **What this is not.** A client library: `prometheus-client` writes the format. Gauges are read when somebody asks, by whoever has them.
//!
//! Names: <https://prometheus.io/docs/practices/naming/>.
#![forbid(unsafe_code)]

mod counter;
mod histogram;
mod label;
mod page;
mod shards;

pub use counter::Counter;
pub use histogram::{Histogram, LOCAL, REMOTE};
pub use label::{Label, Labels};
pub use page::Page;
pub use shards::Shards;
