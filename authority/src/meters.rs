//! What an authority counts and times. `metrics/` shows it; `docs/metrics.md` has a row for each name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use cattery_meters::{Counter, Histogram, Label, REMOTE, label};
use tonic::Code;

use crate::store::StoreMeters;

/// All of it. The audit log has its own.
pub(crate) struct Meters {
    pub(crate) requests: Counter<(Method, StatusCode)>,
    pub(crate) request_duration: Histogram<Method>,
    pub(crate) issuance: Counter<(Kind, IssuanceResult)>,
    pub(crate) store: Arc<StoreMeters>,
    pub(crate) agents: Connected,
}

impl Default for Meters {
    fn default() -> Self {
        Self {
            requests: Counter::new(
                "cattery_authority_requests",
                "Calls by what came of them; of a stream its opening",
            ),
            request_duration: Histogram::new(
                "cattery_authority_request_duration_seconds",
                "From a call's headers to its answer; of a stream to its opening",
                REMOTE,
            ),
            issuance: Counter::new(
                "cattery_authority_issuance",
                "Keys, certificates and tokens that were asked for, by what came of it",
            ),
            store: Arc::default(),
            agents: Connected::default(),
        }
    }
}

/// A call, until its answer. One that is dropped before was given up by its client.
pub(crate) struct Asked {
    meters: Arc<Meters>,
    method: Method,
    kind: Option<Kind>,
    began: Instant,
    code: Code,
}

impl Asked {
    /// A call of this path begins.
    pub(crate) fn new(meters: Arc<Meters>, path: &str) -> Self {
        Self {
            meters,
            method: Method::of(path),
            kind: Kind::of(path),
            began: Instant::now(),
            code: Code::Cancelled,
        }
    }

    /// It has its answer.
    pub(crate) fn answer(mut self, code: Code) {
        self.code = code;
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        let (meters, code) = (&self.meters, self.code);
        meters.requests.add((self.method, StatusCode(code)));
        let took = self.began.elapsed();
        meters.request_duration.observe(self.method, took);
        match self.kind {
            // Whoever makes them counts them one by one.
            Some(Kind::UserKey | Kind::ServiceKey) if code == Code::Ok => {}
            Some(kind) => meters.issuance.add((kind, IssuanceResult::of(code))),
            None => {}
        }
    }
}

/// How many agents follow their keys here.
#[derive(Default)]
pub(crate) struct Connected(AtomicU64);

impl Connected {
    /// One more, until the answer is dropped.
    pub(crate) fn one(meters: &Arc<Meters>) -> impl Drop + Send + use<> {
        meters.agents.0.fetch_add(1, Ordering::Relaxed);
        Leaves(meters.clone())
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Leaves(Arc<Meters>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.agents.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is called. All that operators do is one: the audit log tells it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    Enroll,
    RenewCertificate,
    RecoverCertificate,
    FollowServiceKeys,
    SpendSingleUse,
    IssueUserKeys,
    CreateOwnApiKey,
    ListOwnApiKeys,
    RevokeOwnApiKey,
    RevokeOwn,
    Admin,
    Health,
    Reflection,
    /// There is no such method.
    Unknown,
}

label!(
    Method, "method",
    Enroll => "Enroll",
    RenewCertificate => "RenewCertificate",
    RecoverCertificate => "RecoverCertificate",
    FollowServiceKeys => "FollowServiceKeys",
    SpendSingleUse => "SpendSingleUse",
    IssueUserKeys => "IssueUserKeys",
    CreateOwnApiKey => "CreateOwnApiKey",
    ListOwnApiKeys => "ListOwnApiKeys",
    RevokeOwnApiKey => "RevokeOwnApiKey",
    RevokeOwn => "RevokeOwn",
    Admin => "Admin",
    Health => "Health",
    Reflection => "Reflection",
    Unknown => "unknown",
);

impl Method {
    /// Of a gRPC path, `/package.Service/Method`.
    pub(crate) fn of(path: &str) -> Self {
        match path {
            "/cattery.v1.Enrollment/Enroll" => Self::Enroll,
            "/cattery.v1.Enrollment/RenewCertificate" => Self::RenewCertificate,
            "/cattery.v1.Enrollment/RecoverCertificate" => Self::RecoverCertificate,
            "/cattery.v1.ServiceKeys/FollowServiceKeys" => Self::FollowServiceKeys,
            "/cattery.v1.ServiceKeys/SpendSingleUse" => Self::SpendSingleUse,
            "/cattery.v1.UserKeys/IssueUserKeys" => Self::IssueUserKeys,
            "/cattery.v1.UserKeys/CreateOwnApiKey" => Self::CreateOwnApiKey,
            "/cattery.v1.UserKeys/ListOwnApiKeys" => Self::ListOwnApiKeys,
            "/cattery.v1.UserKeys/RevokeOwnApiKey" => Self::RevokeOwnApiKey,
            "/cattery.v1.UserKeys/RevokeOwn" => Self::RevokeOwn,
            _ if path.starts_with("/cattery.v1.Admin/") => Self::Admin,
            _ if path.starts_with("/grpc.health.v1.Health/") => Self::Health,
            _ if path.starts_with("/grpc.reflection.") => Self::Reflection,
            _ => Self::Unknown,
        }
    }
}

/// A status code of gRPC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StatusCode(pub(crate) Code);

impl Label for StatusCode {
    const NAME: &'static str = "code";

    fn all() -> Vec<Self> {
        (0..=16).map(|code| Self(Code::from_i32(code))).collect()
    }

    fn index(self) -> usize {
        self.0 as usize
    }

    fn as_str(self) -> &'static str {
        match self.0 {
            Code::Ok => "OK",
            Code::Cancelled => "Canceled",
            Code::Unknown => "Unknown",
            Code::InvalidArgument => "InvalidArgument",
            Code::DeadlineExceeded => "DeadlineExceeded",
            Code::NotFound => "NotFound",
            Code::AlreadyExists => "AlreadyExists",
            Code::PermissionDenied => "PermissionDenied",
            Code::ResourceExhausted => "ResourceExhausted",
            Code::FailedPrecondition => "FailedPrecondition",
            Code::Aborted => "Aborted",
            Code::OutOfRange => "OutOfRange",
            Code::Unimplemented => "Unimplemented",
            Code::Internal => "Internal",
            Code::Unavailable => "Unavailable",
            Code::DataLoss => "DataLoss",
            Code::Unauthenticated => "Unauthenticated",
        }
    }
}

/// What is issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    UserKey,
    ServiceKey,
    Certificate,
    ApiKey,
    JoinToken,
}

label!(
    Kind, "kind",
    UserKey => "user_key",
    ServiceKey => "service_key",
    Certificate => "certificate",
    ApiKey => "api_key",
    JoinToken => "join_token",
);

impl Kind {
    /// What a call of this path is for, if it is for any.
    fn of(path: &str) -> Option<Self> {
        Some(match path {
            "/cattery.v1.UserKeys/IssueUserKeys" => Self::UserKey,
            "/cattery.v1.ServiceKeys/FollowServiceKeys" => Self::ServiceKey,
            "/cattery.v1.Enrollment/Enroll"
            | "/cattery.v1.Enrollment/RenewCertificate"
            | "/cattery.v1.Enrollment/RecoverCertificate"
            | "/cattery.v1.Admin/AddOperator" => Self::Certificate,
            "/cattery.v1.UserKeys/CreateOwnApiKey" | "/cattery.v1.Admin/CreateApiKey" => {
                Self::ApiKey
            }
            "/cattery.v1.Admin/CreateJoinToken" => Self::JoinToken,
            _ => return None,
        })
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IssuanceResult {
    Issued,
    /// The caller may not, or asks for what there is not.
    Refused,
    /// It is this side's fault: the caller may try again.
    Failed,
}

label!(IssuanceResult, "result", Issued => "issued", Refused => "refused", Failed => "failed");

impl IssuanceResult {
    fn of(code: Code) -> Self {
        match code {
            Code::Ok => Self::Issued,
            Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::ResourceExhausted
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Unauthenticated => Self::Refused,
            Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::audit::AuditResult;
    use crate::store::{StoreOperation, StoreResult};

    fn check<L: Label>(len: usize) {
        let all = L::all();
        let words: BTreeSet<_> = all.iter().map(|value| value.as_str()).collect();
        assert_eq!((all.len(), words.len()), (len, len), "{words:?}");
        for (index, value) in all.into_iter().enumerate() {
            assert_eq!(value.index(), index, "{}", value.as_str());
        }
    }

    #[test]
    fn each_value_has_its_own_place_and_word() {
        check::<Method>(14);
        check::<StatusCode>(17);
        check::<Kind>(5);
        check::<IssuanceResult>(3);
        check::<StoreOperation>(7);
        check::<StoreResult>(4);
        check::<AuditResult>(2);
    }

    /// Every rpc of the protos is counted as itself, or as an operator's.
    #[test]
    fn no_method_is_unknown() {
        let files = [
            include_str!("../../proto/cattery/v1/admin.proto"),
            include_str!("../../proto/cattery/v1/enrollment.proto"),
            include_str!("../../proto/cattery/v1/keys.proto"),
        ];
        let mut service = "";
        for line in files.iter().flat_map(|file| file.lines()).map(str::trim) {
            let mut words = line.split([' ', '(']);
            match (words.next(), words.next()) {
                (Some("service"), Some(name)) => service = name,
                (Some("rpc"), Some(method)) => {
                    let counted = Method::of(&format!("/cattery.v1.{service}/{method}"));
                    let expected = match service {
                        "Admin" => "Admin",
                        _ => method,
                    };
                    assert_eq!(counted.as_str(), expected);
                }
                _ => {}
            }
        }
        assert_eq!(service, "UserKeys");
        assert_eq!(Method::of("/cattery.v1.Nope/Nope"), Method::Unknown);
    }

    #[test]
    fn a_call_that_is_given_up_is_counted_as_that() {
        let meters = Arc::new(Meters::default());
        drop(Asked::new(
            meters.clone(),
            "/cattery.v1.UserKeys/IssueUserKeys",
        ));
        let cancelled = (Method::IssueUserKeys, StatusCode(Code::Cancelled));
        assert_eq!(meters.requests.count(cancelled), 1);
        assert_eq!(
            meters
                .issuance
                .count((Kind::UserKey, IssuanceResult::Failed)),
            1
        );
    }
}
