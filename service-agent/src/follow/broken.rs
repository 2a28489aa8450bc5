//! Why a stream is over.

use std::time::Duration;

use cattery_sdk::sealing::SealingError;

use super::beats::NeverSent;
use crate::keys::Rejected;
use crate::link::CallError;
use crate::meters::StreamEnd;

/// The end of a stream.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// It was opened with an identity, a trust bundle or addresses that are not the newest any more.
    #[error("the identity, the trust bundle or the addresses changed")]
    Renewed,
    /// The authority sends the agent to another one, because it stops.
    #[error("the authority ends the stream: {0}")]
    Stops(String),
    /// It could not be opened, or broke.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A beat has no answer.
    #[error("an authority gave no answer within {} s: see its log, and whether the network lets its answers through", .0.as_secs())]
    Silent(Duration),
    /// Beats do not even leave.
    #[error("the connection to an authority takes no more beats")]
    Stuck,
    /// Its news is not taken.
    #[error("an authority's keys are not taken: {0}")]
    Rejected(#[from] Rejected),
    /// It was asked for everything.
    #[error("an authority was asked for all keys, and sent none")]
    NoKeys,
    /// An answer to nothing.
    #[error("an authority's answer is not taken: {0}")]
    NeverSent(#[from] NeverSent),
    /// No receiver key.
    #[error(transparent)]
    Receiver(#[from] SealingError),
}

impl Broken {
    /// As it is counted.
    pub(super) fn reason(&self) -> StreamEnd {
        match self {
            Self::Renewed => StreamEnd::Renewed,
            Self::Stops(_) => StreamEnd::Moved,
            Self::Rejected(_) | Self::NoKeys | Self::NeverSent(_) => StreamEnd::Rejected,
            Self::Call(_) | Self::Silent(_) | Self::Stuck | Self::Receiver(_) => StreamEnd::Failed,
        }
    }
}
