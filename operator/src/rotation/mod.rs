//! Turning keys over: the cluster's root keys, or one service's. Both have the same life and the same commands.
//!
//! [`course`] decides, [`drive`] carries it out against a [`source`], [`explain`] says what came of it.

mod agents;
mod course;
mod drive;
mod explain;
mod keys;
mod preview;
mod progress;
mod report;
mod run;
mod schedule;
mod source;
mod step;
mod stop;
#[cfg(test)]
mod testkit;
#[cfg(test)]
mod tests;

pub(crate) use agents::{Behind, heard, lines as agent_lines};
pub(crate) use course::{Aim, Plan};
pub(crate) use explain::list;
pub(crate) use keys::Keys;
pub(crate) use run::{Flags, run, schedule};
pub(crate) use schedule::{Schedule, State};
pub(crate) use stop::Stop;
