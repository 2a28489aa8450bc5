//! What a caller is told of a refusal.

use cattery_core::Code;
use cattery_proto::v1;
use cattery_sdk::denial;
use http::StatusCode;

/// Why a caller does not get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The request has no token.
    NoToken,
    /// The token is refused.
    Denied(Code),
    /// The agent cannot tell: it has no keys, or none that it may still rely on.
    Unavailable,
}

impl Verdict {
    /// All there are.
    pub(crate) fn all() -> Vec<Self> {
        let codes = Code::ALL.into_iter().map(Self::Denied);
        [Self::NoToken, Self::Unavailable]
            .into_iter()
            .chain(codes)
            .collect()
    }

    /// Where it is among all.
    pub(crate) fn index(self) -> usize {
        match self {
            Self::NoToken => 0,
            Self::Unavailable => 1,
            Self::Denied(code) => 2 + code as usize,
        }
    }

    /// A code of the protocol, `no_token` or `unavailable`.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::NoToken => "no_token",
            Self::Denied(code) => code.as_str(),
            Self::Unavailable => "unavailable",
        }
    }

    /// 401: who are you. 403: a caveat said no. 503: the agent cannot tell.
    pub(crate) fn http_status(self) -> StatusCode {
        match self {
            Self::NoToken => StatusCode::UNAUTHORIZED,
            Self::Denied(code) => denial::http_status(code),
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl From<Verdict> for v1::Denial {
    fn from(verdict: Verdict) -> Self {
        Self {
            code: verdict.code().to_owned(),
            http_status: verdict.http_status().as_u16().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_is_blamed_for_what_it_cannot_tell_and_nobody_else() {
        let status = |code| Verdict::Denied(code).http_status().as_u16();
        for code in Code::ALL {
            let expected = match code {
                Code::CaveatFailed => 403,
                Code::ReplayFull => 503,
                _ => 401,
            };
            assert_eq!(status(code), expected, "{code}");
        }
        assert_eq!(Verdict::Unavailable.http_status().as_u16(), 503);
    }
}
