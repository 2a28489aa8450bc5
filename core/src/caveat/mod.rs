//! Caveats: the conditions of a key or a token (SPEC section 3, `Caveat`).

mod addr;
mod any_of;
mod codec;
mod escape;
mod holds;
mod path;
mod text;
mod time;

use std::borrow::Cow;

pub use any_of::AnyOf;
pub use codec::CaveatError;
pub use holds::CaveatFailure;
pub(crate) use holds::Clock;
pub use text::CaveatTextError;

/// One condition. Whoever holds a key or a token can add one; nobody can take one away.
///
/// Lists and strings are borrowed or owned, so that one type serves to build a caveat, to read one from the wire
/// without a copy, and to keep one. The text form, for flags and for people, is described at
/// [`Caveat::from_str`](#impl-FromStr-for-Caveat<'static>).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caveat<'a> {
    /// Holds from `not_before` until `not_after`, in Unix seconds, with the verifier's leeway; 0 leaves that side open.
    TimeWindow {
        /// First second, or 0.
        not_before: u64,
        /// First second after, or 0.
        not_after: u64,
    },
    /// The request's scope is one of these.
    Scopes(AnyOf<'a>),
    /// The request's method is one of these; an entry that begins with `/` is compared with the path instead (a gRPC
    /// method, `/pkg.Service/Method`).
    Methods(AnyOf<'a>),
    /// The path lies under this prefix (SPEC section 3.1).
    PathPrefix(Cow<'a, str>),
    /// The request comes from one of these address blocks (SPEC section 3.2).
    SourceAddr(AnyOf<'a>),
    /// The client's certificate (DER) has this SHA-256.
    ClientCert([u8; 32]),
    /// The request has this digest (SPEC section 6, [`request_digest`](crate::request_digest)).
    Request {
        /// The digest.
        digest: [u8; 32],
        /// Whether the digest covers the body.
        body: bool,
    },
    /// The verifier's context holds exactly this.
    Context {
        /// Not empty.
        key: Cow<'a, str>,
        /// May be empty.
        value: Cow<'a, str>,
    },
    /// The presentation carries a discharge for this ticket, signed by this principal (SPEC section 7).
    ThirdParty {
        /// Who has to sign.
        principal: Cow<'a, str>,
        /// What they sign: 16 to 64 bytes, random and fresh per caveat.
        ticket: Cow<'a, [u8]>,
    },
    /// The token is accepted once (SPEC section 5, step 8).
    SingleUse {
        /// Random, so that no two are the same.
        id: [u8; 16],
    },
    /// Holds unless revoked: makes one handed-out key or token revocable alone.
    RevocationId {
        /// Random.
        id: [u8; 16],
    },
}

/// The kinds of caveats, for logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CaveatKind {
    /// `time_window`
    TimeWindow,
    /// `scopes`
    Scopes,
    /// `methods`
    Methods,
    /// `path_prefix`
    PathPrefix,
    /// `source_addr`
    SourceAddr,
    /// `client_cert`
    ClientCert,
    /// `request`
    Request,
    /// `context`
    Context,
    /// `third_party`
    ThirdParty,
    /// `single_use`
    SingleUse,
    /// `revocation_id`
    RevocationId,
}

impl CaveatKind {
    /// The field's name in `cattery.v1.Caveat`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TimeWindow => "time_window",
            Self::Scopes => "scopes",
            Self::Methods => "methods",
            Self::PathPrefix => "path_prefix",
            Self::SourceAddr => "source_addr",
            Self::ClientCert => "client_cert",
            Self::Request => "request",
            Self::Context => "context",
            Self::ThirdParty => "third_party",
            Self::SingleUse => "single_use",
            Self::RevocationId => "revocation_id",
        }
    }
}

impl std::fmt::Display for CaveatKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl Caveat<'_> {
    /// Which kind it is.
    pub fn kind(&self) -> CaveatKind {
        match self {
            Self::TimeWindow { .. } => CaveatKind::TimeWindow,
            Self::Scopes(_) => CaveatKind::Scopes,
            Self::Methods(_) => CaveatKind::Methods,
            Self::PathPrefix(_) => CaveatKind::PathPrefix,
            Self::SourceAddr(_) => CaveatKind::SourceAddr,
            Self::ClientCert(_) => CaveatKind::ClientCert,
            Self::Request { .. } => CaveatKind::Request,
            Self::Context { .. } => CaveatKind::Context,
            Self::ThirdParty { .. } => CaveatKind::ThirdParty,
            Self::SingleUse { .. } => CaveatKind::SingleUse,
            Self::RevocationId { .. } => CaveatKind::RevocationId,
        }
    }

    /// The same caveat, borrowing nothing.
    pub fn into_owned(self) -> Caveat<'static> {
        match self {
            Self::TimeWindow {
                not_before,
                not_after,
            } => Caveat::TimeWindow {
                not_before,
                not_after,
            },
            Self::Scopes(any_of) => Caveat::Scopes(any_of.into_owned()),
            Self::Methods(any_of) => Caveat::Methods(any_of.into_owned()),
            Self::PathPrefix(prefix) => Caveat::PathPrefix(prefix.into_owned().into()),
            Self::SourceAddr(any_of) => Caveat::SourceAddr(any_of.into_owned()),
            Self::ClientCert(sha256) => Caveat::ClientCert(sha256),
            Self::Request { digest, body } => Caveat::Request { digest, body },
            Self::Context { key, value } => Caveat::Context {
                key: key.into_owned().into(),
                value: value.into_owned().into(),
            },
            Self::ThirdParty { principal, ticket } => Caveat::ThirdParty {
                principal: principal.into_owned().into(),
                ticket: ticket.into_owned().into(),
            },
            Self::SingleUse { id } => Caveat::SingleUse { id },
            Self::RevocationId { id } => Caveat::RevocationId { id },
        }
    }
}
