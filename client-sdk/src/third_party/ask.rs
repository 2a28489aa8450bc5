//! The two calls to a third party, over any channel that signs them with a token for it.

use std::time::Duration;

use bytes::Bytes;
use cattery_core::{
    Caveat, Scratch,
    inspect::{self, Inspected},
};
use cattery_proto::v1::{DischargeRequest, RegisterRequest, vouching_client::VouchingClient};
use http_body::Body;
use tonic::{Code, Status, body::Body as Sent, client::GrpcService};

use super::Needed;
use crate::{connect::timed_out, keys::Discharge};

type StdError = Box<dyn std::error::Error + Send + Sync>;

/// What is to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What has to be true, in words that the third party understands; at most 1,024 bytes.
    pub predicate: String,
    /// Who may ask for discharges; `None` for the caller.
    pub principal: Option<String>,
    /// The service whose tokens need the discharge.
    pub service: String,
    /// When the ticket ends, Unix seconds; `None` for a day from now.
    pub not_after: Option<u64>,
}

/// A ticket: what a third-party caveat names. Not secret: nobody but its principal gets anything for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Random.
    pub ticket: [u8; 32],
    /// Who vouches.
    pub third_party: String,
    /// When it ends, Unix seconds.
    pub not_after: u64,
}

impl Ticket {
    /// The caveat that asks for it.
    pub fn caveat(&self) -> Caveat<'static> {
        Caveat::ThirdParty {
            principal: self.third_party.clone().into(),
            ticket: self.ticket.to_vec().into(),
        }
    }
}

/// A third party did not answer, or not with yes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// It does not vouch. Callers are not told which of these it is.
    #[error("the answer is no, or its ticket has ended, is somebody else's or is not known there")]
    No,
    /// It refuses the token that this call was signed with.
    #[error("it refuses the caller's token ({0})")]
    Caller(String),
    /// It does not take such a registration.
    #[error("{0}")]
    Declined(String),
    /// It was not reached, or cannot tell now.
    #[error("{0}")]
    Unavailable(String),
    /// What it answered is of no use: its fault.
    #[error("its answer makes no sense: {0}")]
    Answer(&'static str),
}

/// Asks for the third party's word, good for `ttl` (`None`: a minute). It may be given a shorter one.
///
/// # Errors
/// [`AskError`].
pub async fn ask<T>(
    channel: T,
    needed: &Needed,
    ttl: Option<Duration>,
) -> Result<Discharge, AskError>
where
    T: GrpcService<Sent>,
    T::Error: Into<StdError>,
    T::ResponseBody: Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as Body>::Error: Into<StdError> + Send,
{
    let request = DischargeRequest {
        ticket: needed.ticket.clone(),
        service: needed.service.clone(),
        bound_to: Vec::new(),
        ttl_seconds: ttl.map_or(0, |ttl| {
            u32::try_from(ttl.as_secs().max(1)).unwrap_or(u32::MAX)
        }),
        epoch: needed.epoch,
        generation: needed.generation,
    };
    let answer = VouchingClient::new(channel).discharge(request).await;
    let answer = answer
        .map_err(|status| AskError::of(&status, AskError::No))?
        .into_inner();
    check(&answer.discharge, answer.not_after, needed)?;
    Ok(Discharge::new(answer.discharge, answer.not_after))
}

/// Registers what has to be true with `third_party` (`service/NAME`).
///
/// # Errors
/// [`AskError`].
pub async fn register<T>(channel: T, third_party: &str, wanted: &Wanted) -> Result<Ticket, AskError>
where
    T: GrpcService<Sent>,
    T::Error: Into<StdError>,
    T::ResponseBody: Body<Data = Bytes> + Send + 'static,
    <T::ResponseBody as Body>::Error: Into<StdError> + Send,
{
    let request = RegisterRequest {
        predicate: wanted.predicate.clone(),
        principal: wanted.principal.clone().unwrap_or_default(),
        service: wanted.service.clone(),
        not_after: wanted.not_after.unwrap_or(0),
    };
    let answer = VouchingClient::new(channel).register(request).await;
    let answer = answer
        .map_err(|status| AskError::of(&status, AskError::Declined(status.message().to_owned())))?
        .into_inner();
    if answer.third_party != third_party {
        return Err(AskError::Answer("it is another party than the one meant"));
    }
    let ticket = answer.ticket.try_into();
    Ok(Ticket {
        ticket: ticket.map_err(|_| AskError::Answer("a ticket has 32 bytes"))?,
        third_party: answer.third_party,
        not_after: answer.not_after,
    })
}

impl AskError {
    /// `no` is what a refusal means.
    fn of(status: &Status, no: Self) -> Self {
        let is_own = std::error::Error::source(status).is_some();
        match status.code() {
            _ if is_own => Self::Unavailable(unreached(status)),
            Code::PermissionDenied if status.message() == "caveat_failed" => {
                Self::Caller("caveat_failed".to_owned())
            }
            Code::PermissionDenied => no,
            Code::InvalidArgument | Code::ResourceExhausted => {
                Self::Declined(status.message().to_owned())
            }
            Code::Unauthenticated => Self::Caller(status.message().to_owned()),
            Code::Unimplemented => {
                Self::Unavailable("what answers there vouches for nothing".to_owned())
            }
            _ => Self::Unavailable(status.message().to_owned()),
        }
    }
}

/// A status of this side's own making, as a line for people.
fn unreached(status: &Status) -> String {
    if timed_out(status) {
        return "it did not answer in time".to_owned();
    }
    let mut last = std::error::Error::source(status);
    let mut is_transport = false;
    while let Some(error) = last {
        is_transport |= error.is::<tonic::transport::Error>();
        match error.source() {
            None => break,
            source => last = source,
        }
    }
    let last = last.map_or_else(|| status.message().to_owned(), ToString::to_string);
    match is_transport {
        true => format!(
            "it cannot be reached ({last}): is the address right, and the CA the one of its certificate?"
        ),
        false => last,
    }
}

/// Whoever answers could send anything: what goes into a header is a discharge, by whom and for what was asked.
fn check(text: &str, not_after: u64, needed: &Needed) -> Result<(), AskError> {
    let mut scratch = Scratch::new();
    let Ok(Inspected::Discharge(discharge)) = inspect::parse(text, &mut scratch) else {
        return Err(AskError::Answer("it is no discharge"));
    };
    let id = discharge.unverified_key_id();
    if (id.principal, id.service) != (&needed.principal[..], &needed.service[..]) {
        return Err(AskError::Answer(
            "it is by another party, or for another service",
        ));
    }
    match discharge.unverified_discharge() {
        Ok(says) if says.ticket == needed.ticket && says.not_after == not_after => Ok(()),
        _ => Err(AskError::Answer("it is for another ticket")),
    }
}
