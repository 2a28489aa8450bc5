//! How calls to the authorities come to nothing.

use cattery_sdk::connect::{Connector, ConnectorError};
use cattery_sdk::identity::IdentityError;
use tonic::{Code, Status};

use crate::state::{BadIdentity, StateError};

/// A call to the authorities that came to nothing: one line for people.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct CallError(pub(crate) String);

/// An identity that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// A stored certificate or key is damaged.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// The new identity cannot be saved.
    #[error(transparent)]
    State(#[from] StateError),
    /// An answer makes no identity.
    #[error(transparent)]
    Identity(#[from] BadIdentity),
    /// The certificate request cannot be made.
    #[error(transparent)]
    Key(#[from] IdentityError),
    /// No authority answered, or the one that did could not do it then.
    #[error("{0}")]
    Call(String),
    /// An authority does not take the agent for one of the cluster's, or its certificate for one that is good.
    #[error("{0}")]
    Unknown(String),
    /// An authority said no.
    #[error("{0}")]
    Refused(String),
}

/// What became of a call for a certificate that brought none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// [`LinkError::Call`], or a fault on this side.
    Failed,
    /// [`LinkError::Unknown`].
    Unknown,
    /// [`LinkError::Refused`].
    Refused,
}

impl Outcome {
    /// Of a call that `connector` made.
    pub(crate) fn of(status: &Status, connector: &Connector) -> Self {
        match status.code() {
            Code::Unauthenticated => Self::Unknown,
            Code::PermissionDenied | Code::InvalidArgument | Code::Unimplemented => Self::Refused,
            _ if connector.is_identity_refused() => Self::Unknown,
            _ => Self::Failed,
        }
    }

    /// The error, with one line for people.
    pub(crate) fn error(self, why: String) -> LinkError {
        match self {
            Self::Failed => LinkError::Call(why),
            Self::Unknown => LinkError::Unknown(why),
            Self::Refused => LinkError::Refused(why),
        }
    }
}

impl LinkError {
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Unknown(_) => Outcome::Unknown,
            Self::Refused(_) => Outcome::Refused,
            Self::Call(_)
            | Self::Connector(_)
            | Self::State(_)
            | Self::Identity(_)
            | Self::Key(_) => Outcome::Failed,
        }
    }
}
