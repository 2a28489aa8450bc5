//! What `cattery verify` shows.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cattery_proto::v1::{self, forwarded_verdict};
use serde::Serialize;

use crate::{
    clock,
    plain::{plain, words},
};

/// A caller, and what came of the tokens that the caller brought along.
#[derive(Serialize)]
pub(super) struct Shown {
    #[serde(flatten)]
    caller: Caller,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    forwarded: Vec<Forwarded>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Forwarded {
    Caller(Caller),
    Refused(Refused),
}

#[derive(Serialize)]
struct Caller {
    verified: bool,
    principal: String,
    token_id: String,
    scopes: Option<Vec<String>>,
    claims_type: String,
    claims: String,
    epoch: u32,
    not_after: u64,
    lease_id: String,
}

/// One that is refused.
#[derive(Serialize)]
pub(super) struct Refused {
    verified: bool,
    code: String,
    http_status: u32,
}

impl Shown {
    pub(super) fn new(caller: v1::VerifiedCaller, forwarded: Vec<v1::ForwardedVerdict>) -> Self {
        Self {
            caller: caller.into(),
            forwarded: forwarded.into_iter().map(Forwarded::from).collect(),
        }
    }

    pub(super) fn refuses_any(&self) -> bool {
        let mut forwarded = self.forwarded.iter();
        forwarded.any(|one| matches!(one, Forwarded::Refused(_)))
    }

    pub(super) fn describe(&self) -> String {
        let mut text = describe(&self.caller);
        for forwarded in &self.forwarded {
            text += &match forwarded {
                Forwarded::Caller(caller) => format!("for {}", describe(caller)),
                Forwarded::Refused(refused) => {
                    format!("a forwarded token is {}\n", refused.words())
                }
            };
        }
        text
    }
}

fn describe(caller: &Caller) -> String {
    let scopes = match &caller.scopes {
        None => "not narrowed".to_owned(),
        Some(scopes) => words(scopes),
    };
    let mut text = format!(
        "{}\n  token   {}\n  scopes  {scopes}\n  epoch   {}\n  until   {}\n",
        plain(&caller.principal),
        caller.token_id,
        caller.epoch,
        clock::both(caller.not_after, clock::now())
    );
    if !caller.claims_type.is_empty() {
        text += &format!(
            "  claims  {}, which prove nothing\n",
            plain(&caller.claims_type)
        );
    }
    text
}

impl From<v1::VerifiedCaller> for Caller {
    fn from(caller: v1::VerifiedCaller) -> Self {
        Self {
            verified: true,
            principal: caller.principal,
            token_id: hex::encode(&caller.token_id),
            scopes: caller.scoped.then_some(caller.scopes),
            claims_type: caller.claims_type,
            claims: STANDARD.encode(&caller.claims),
            epoch: caller.epoch,
            not_after: caller.not_after,
            lease_id: hex::encode(&caller.lease_id),
        }
    }
}

impl Refused {
    /// A line for people.
    pub(super) fn words(&self) -> String {
        format!("refused: {} ({})", plain(&self.code), self.http_status)
    }
}

impl From<v1::Denial> for Refused {
    fn from(denial: v1::Denial) -> Self {
        Self {
            verified: false,
            code: denial.code,
            http_status: denial.http_status,
        }
    }
}

impl From<v1::ForwardedVerdict> for Forwarded {
    fn from(verdict: v1::ForwardedVerdict) -> Self {
        match verdict.result {
            Some(forwarded_verdict::Result::Caller(caller)) => Self::Caller(caller.into()),
            Some(forwarded_verdict::Result::Denial(denial)) => Self::Refused(denial.into()),
            None => Self::Refused(v1::Denial::default().into()),
        }
    }
}
