//! The engine against an authority that is played. Time is tokio's, paused: nothing waits for real.

mod previews;
mod refusals;
mod texts;
mod waits;

use super::{
    report::{Ended, How},
    step::{Command, Refusal},
    testkit::{Cluster, Event, behind, forcing, plan, waiting},
};
use crate::rotation::{Aim, Keys, Plan};

/// Why it was refused.
fn refusal(ended: &Ended) -> Refusal {
    match &ended.how {
        How::Refused(blocked) => blocked.refusal,
        other => panic!("{other:?}"),
    }
}
