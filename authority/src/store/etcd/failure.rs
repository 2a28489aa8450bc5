//! What an answer of etcd that is none means.

use etcd_client::Error;
use tonic::{Code, ConnectError, Status};

use super::super::StoreError;

/// What to do about it.
pub(super) enum Failure {
    /// It certainly did not happen, and another connection may do better.
    NotDone(Unanswered),
    /// It did not happen since this connection is not logged in any more.
    LoggedOut(Unanswered),
    /// It may have happened.
    Unknown(Unanswered),
    /// No member will say anything else.
    Final(StoreError),
    /// The answer is longer than a message may be.
    TooLong,
}

/// A member that gave no answer.
#[derive(Debug, thiserror::Error)]
#[error("etcd at {endpoint}: {problem}")]
pub(super) struct Unanswered {
    pub(super) endpoint: String,
    pub(super) problem: String,
}

impl Failure {
    /// Of a call to a member.
    pub(super) fn of(endpoint: &str, error: &Error) -> Self {
        let unanswered = |problem: String| Unanswered {
            endpoint: endpoint.to_owned(),
            problem,
        };
        match error {
            Error::GRpcStatus(status) => Self::of_status(status, unanswered),
            Error::LeaseKeepAliveError(_) => Self::Final(StoreError::SessionEnded),
            Error::TransportError(error) => Self::NotDone(unanswered(causes(error))),
            other => Self::Unknown(unanswered(other.to_string())),
        }
    }

    fn of_status(status: &Status, unanswered: impl Fn(String) -> Unanswered) -> Self {
        let said = status.message();
        let refused = |remedy| {
            let what = said.trim_start_matches("etcdserver: ").to_owned();
            Self::Final(StoreError::Refused { what, remedy })
        };
        let says = |words: &str| said.contains(words);
        match status.code() {
            // Where the space runs out with it, etcd makes a change and still says this.
            Code::ResourceExhausted if says("space exceeded") => {
                Self::Final(unanswered(format!("{said}; {FULL}")).into())
            }
            Code::ResourceExhausted if says("too many requests") => refused(BUSY),
            Code::ResourceExhausted if says("larger than max") => refused(SMALL),
            Code::PermissionDenied => refused(DENIED),
            Code::Unauthenticated => Self::LoggedOut(unanswered(said.to_owned())),
            Code::InvalidArgument if says("auth store is old") => {
                Self::LoggedOut(unanswered(said.to_owned()))
            }
            Code::InvalidArgument if says("user name is empty") => refused(LOGIN),
            Code::InvalidArgument if says("authentication failed") => refused(PASSWORD),
            Code::InvalidArgument if says("request is too large") => refused(SMALL),
            Code::InvalidArgument if says("too many operations") => refused(FEW),
            Code::InvalidArgument => refused(BUG),
            Code::FailedPrecondition if says("authentication is not enabled") => refused(OPEN),
            Code::NotFound if says("lease not found") => Self::Final(StoreError::SessionEnded),
            Code::OutOfRange if says("has been compacted") => refused(COMPACTED),
            Code::OutOfRange if says("message length too large") => Self::TooLong,
            _ if came_from_connecting(status) => Self::NotDone(unanswered(causes(status))),
            _ => Self::Unknown(unanswered(causes(status))),
        }
    }
}

const FULL: &str = "etcd's space quota is used up: compact and defragment it, raise --quota-backend-bytes if need be, then disarm its NOSPACE alarm";
const BUSY: &str = "etcd has more to do than it can: try again, and look at its disk";
const SMALL: &str = "allow etcd requests of 1.5 MiB, its default, with --max-request-bytes";
const FEW: &str = "allow etcd transactions of 128 operations, its default, with --max-txn-ops";
const DENIED: &str =
    "grant the role of the authority's user in etcd to read and write all keys below the prefix";
const LOGIN: &str = "etcd asks for a login: set user and password_file, or use a client certificate that names a user";
const PASSWORD: &str = "correct user or password_file";
const OPEN: &str = "enable authentication in etcd, or remove user and password_file";
const COMPACTED: &str = "etcd has compacted what was being read: begin again, and let it keep its history for an hour (--auto-compaction-retention)";
const BUG: &str = "this version of the authority does not go with this etcd: report it";

fn came_from_connecting(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if error.is::<ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An error's innermost cause says what the others only wrap.
fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut inner = error;
    while let Some(cause) = inner.source() {
        inner = cause;
    }
    match inner.downcast_ref::<Status>() {
        Some(status) => status.message().to_owned(),
        None => inner.to_string(),
    }
}

impl From<Unanswered> for StoreError {
    fn from(unanswered: Unanswered) -> Self {
        Self::Unavailable(unanswered.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: Code, message: &str) -> Failure {
        Failure::of("a:1", &Error::GRpcStatus(Status::new(code, message)))
    }

    #[test]
    fn what_certainly_did_not_happen_has_a_remedy() {
        for (code, message, remedy) in [
            (
                Code::ResourceExhausted,
                "etcdserver: too many requests",
                BUSY,
            ),
            (
                Code::PermissionDenied,
                "etcdserver: permission denied",
                DENIED,
            ),
            (
                Code::InvalidArgument,
                "etcdserver: user name is empty",
                LOGIN,
            ),
            (
                Code::InvalidArgument,
                "etcdserver: authentication failed, invalid user ID or password",
                PASSWORD,
            ),
            (
                Code::InvalidArgument,
                "etcdserver: request is too large",
                SMALL,
            ),
            (
                Code::InvalidArgument,
                "etcdserver: too many operations in txn request",
                FEW,
            ),
        ] {
            match of(code, message) {
                Failure::Final(error @ StoreError::Refused { .. }) => {
                    let said = error.to_string();
                    assert!(
                        said.ends_with(remedy) && !said.contains("etcdserver"),
                        "{said}"
                    );
                }
                _ => panic!("{message} is not refused"),
            }
        }
    }

    #[test]
    fn what_did_not_fit_may_have_happened_all_the_same() {
        let full = of(
            Code::ResourceExhausted,
            "etcdserver: mvcc: database space exceeded",
        );
        let Failure::Final(error) = full else {
            panic!("no other member has more space");
        };
        assert!(!error.nothing_happened());
        let StoreError::Unavailable(source) = error else {
            panic!("{error:?}");
        };
        assert!(source.to_string().ends_with(FULL), "{source}");
    }

    #[test]
    fn what_is_not_certain_is_unknown() {
        for (code, message) in [
            (Code::Unavailable, "etcdserver: request timed out"),
            (Code::Unavailable, "etcdserver: no leader"),
            (Code::Unknown, "context deadline exceeded"),
            (Code::Cancelled, ""),
            (Code::ResourceExhausted, "something of a proxy"),
        ] {
            assert!(
                matches!(of(code, message), Failure::Unknown(_)),
                "{message}"
            );
        }
    }

    #[test]
    fn logins_and_sessions_that_ended_are_told_apart() {
        let login = of(Code::Unauthenticated, "etcdserver: invalid auth token");
        assert!(matches!(login, Failure::LoggedOut(_)));
        let session = of(Code::NotFound, "etcdserver: requested lease not found");
        assert!(matches!(session, Failure::Final(StoreError::SessionEnded)));
    }
}
