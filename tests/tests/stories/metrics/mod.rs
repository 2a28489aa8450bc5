//! What Prometheus hears of a real run, and what the project ships for it.

mod documented;
mod picture;
mod run;
mod shipped;
