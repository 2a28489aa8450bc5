//! The third party's service.

use std::fmt;

use cattery_core::{Principal, ServiceName};
use cattery_proto::v1::{
    DischargeRequest, DischargeResponse, RegisterRequest, RegisterResponse,
    vouching_server::{Vouching, VouchingServer},
};
use tonic::{Request, Response, Status};

use super::{Decide, Decision, MemoryTickets, Registration, Tickets, TicketsError};
use crate::{
    keys::{Client, DISCHARGE_TTL, DischargeOptions},
    verify::Caller,
};

const LONGEST_PREDICATE: usize = 1_024;
/// How long a ticket is good for where nobody says, seconds.
const DEFAULT_TICKET: u64 = 24 * 3_600;
/// The longest that a ticket is good for, seconds: as long as an API key that somebody is lent.
const LONGEST_TICKET: u64 = 90 * 24 * 3_600;
/// A request holds a predicate and two names.
const LONGEST_REQUEST: usize = 8 * 1024;

/// What everybody hears who gets nothing, whatever the reason.
const NO: &str = "no";

/// Vouches as the client's principal, which has to be a service, with its key for each service that it vouches to.
///
/// It has to stand behind a [`VerifyLayer`](crate::verify::VerifyLayer) of that service and serve TLS, or loopback alone. What it decides
/// is [`Decide`]'s, what it remembers [`Tickets`]'.
pub struct VouchingService<D, T = MemoryTickets> {
    client: Client,
    decide: D,
    tickets: T,
}

impl<D: Decide, T: Tickets> VouchingService<D, T> {
    /// The service. `client` needs a grant without conditions for each service that it vouches to: with a narrowed key nobody can vouch.
    pub fn new(client: Client, decide: D, tickets: T) -> Self {
        Self {
            client,
            decide,
            tickets,
        }
    }

    /// For a tonic server.
    pub fn into_server(self) -> VouchingServer<Self> {
        VouchingServer::new(self).max_decoding_message_size(LONGEST_REQUEST)
    }

    fn now(&self) -> Result<u64, Status> {
        let now = self.client.now();
        now.ok_or_else(|| Status::unavailable("the third party's clock stands before 1970"))
    }
}

#[tonic::async_trait]
impl<D: Decide, T: Tickets> Vouching for VouchingService<D, T> {
    async fn register(
        &self,
        request: Request<RegisterRequest>,
    ) -> Result<Response<RegisterResponse>, Status> {
        let (caller, now) = (caller(&request)?, self.now()?);
        let wanted = read(request.into_inner(), &caller, now)?;
        if let Err(declined) = self.decide.accept(&wanted).await {
            tracing::info!(caller = caller.principal, why = ?declined.0, "a ticket is not given");
            return Err(Status::invalid_argument(declined.to_string()));
        }
        let ticket: [u8; 32] = rand::random(); // the thread's CSPRNG
        let not_after = wanted.not_after;
        let (principal, service) = (wanted.principal.clone(), wanted.service.clone());
        let kept = self.tickets.keep(ticket, wanted, now).await;
        kept.map_err(|error| out_of_reach(&error))?;
        let (caller, ticket_begin) = (caller.principal, begin(&ticket));
        tracing::info!(
            caller,
            ticket_begin,
            principal,
            service,
            "a ticket is given"
        );
        Ok(Response::new(RegisterResponse {
            ticket: ticket.to_vec(),
            third_party: self.client.principal(),
            not_after,
        }))
    }

    async fn discharge(
        &self,
        request: Request<DischargeRequest>,
    ) -> Result<Response<DischargeResponse>, Status> {
        let (caller, now) = (caller(&request)?, self.now()?);
        let request = request.into_inner();
        let bound_to = match &request.bound_to[..] {
            [] => None,
            digest => Some(digest.try_into().map_err(|_| {
                Status::invalid_argument(format!("bound_to has 32 bytes, not {}", digest.len()))
            })?),
        };
        let registration = self.find(&request, &caller, now).await?;
        let (at_most, caveats) = match self.decide.decide(&registration, &caller).await {
            Decision::Yes { at_most, caveats } => (at_most, caveats),
            Decision::No => return Err(refuse(&request, &caller, Why::No)),
            Decision::CannotTell(why) => {
                tracing::warn!(why, "whether to vouch cannot be decided");
                return Err(Status::unavailable(
                    "the third party cannot tell at present",
                ));
            }
        };
        let wish = match request.ttl_seconds {
            0 => DISCHARGE_TTL,
            seconds => std::time::Duration::from_secs(seconds.into()),
        };
        let options = DischargeOptions {
            ticket: request.ticket,
            bound_to,
            ttl: wish.min(at_most),
            caveats,
            since: (request.epoch, request.generation),
        };
        let signed = self.client.discharge(&request.service, &options).await;
        let discharge = signed.map_err(|error| {
            tracing::error!(service = request.service, %error, "a discharge cannot be signed");
            Status::unavailable(
                "the third party cannot vouch to this service at present: see its log",
            )
        })?;
        tracing::info!(
            caller = caller.principal,
            ticket_begin = begin(&options.ticket),
            service = registration.service,
            not_after = discharge.not_after(),
            "vouched"
        );
        Ok(Response::new(DischargeResponse {
            not_after: discharge.not_after(),
            discharge: discharge.to_owned(),
        }))
    }
}

impl<D: Decide, T: Tickets> VouchingService<D, T> {
    /// What the ticket stands for, if it is the caller's. A stranger takes the same way whether a ticket is known or not.
    async fn find(
        &self,
        request: &DischargeRequest,
        caller: &Caller,
        now: u64,
    ) -> Result<Registration, Status> {
        let refuse = |why| Err(refuse(request, caller, why));
        let Ok(ticket) = request.ticket[..].try_into() else {
            return refuse(Why::Unknown);
        };
        let found = self.tickets.find(ticket).await;
        match found.map_err(|error| out_of_reach(&error))? {
            None => refuse(Why::Unknown),
            Some(found) if found.principal != caller.principal => refuse(Why::AnotherPrincipal),
            Some(found) if found.service != request.service => refuse(Why::AnotherService),
            Some(found) if found.not_after <= now => refuse(Why::Ended),
            Some(found) => Ok(found),
        }
    }
}

/// Why somebody gets nothing: for the log alone.
#[derive(Clone, Copy)]
enum Why {
    Unknown,
    AnotherPrincipal,
    AnotherService,
    Ended,
    No,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "the ticket is not known",
            Self::AnotherPrincipal => "the ticket is another principal's",
            Self::AnotherService => "the ticket is for another service",
            Self::Ended => "the ticket has ended",
            Self::No => "the answer is no",
        })
    }
}

fn refuse(request: &DischargeRequest, caller: &Caller, why: Why) -> Status {
    let ticket_begin = begin(&request.ticket);
    tracing::info!(caller = caller.principal, ticket_begin, %why, "a discharge is refused");
    Status::permission_denied(NO)
}

/// Enough of a ticket to find it in a log again.
fn begin(ticket: &[u8]) -> String {
    let begin = ticket.iter().take(4);
    begin.map(|byte| format!("{byte:02x}")).collect()
}

fn out_of_reach(error: &TicketsError) -> Status {
    match error {
        TicketsError::Full => Status::resource_exhausted(error.to_string()),
        TicketsError::Unavailable(_) => {
            tracing::warn!(%error, "tickets");
            Status::unavailable("the third party cannot tell at present")
        }
    }
}

/// Who asks. Nobody is ever taken for somebody by default.
fn caller<M>(request: &Request<M>) -> Result<Caller, Status> {
    let caller = request.extensions().get::<Caller>().cloned();
    caller.ok_or_else(|| {
        tracing::error!("the vouching service stands behind no VerifyLayer, and serves nobody");
        Status::internal("the third party is set up wrongly: see its log")
    })
}

fn read(request: RegisterRequest, caller: &Caller, now: u64) -> Result<Registration, Status> {
    let bad = |what: String| Status::invalid_argument(what);
    let RegisterRequest {
        predicate,
        principal,
        service,
        not_after,
    } = request;
    if predicate.is_empty() || predicate.len() > LONGEST_PREDICATE {
        return Err(bad(format!(
            "a predicate has 1 to {LONGEST_PREDICATE} bytes"
        )));
    }
    let service: ServiceName = service
        .parse()
        .map_err(|error| bad(format!("service: {error}")))?;
    let principal = if principal.is_empty() {
        caller.principal.clone()
    } else {
        let parsed: Principal = principal
            .parse()
            .map_err(|error| bad(format!("principal: {error}")))?;
        parsed.as_str().to_owned()
    };
    let not_after = match not_after {
        0 => now.saturating_add(DEFAULT_TICKET),
        past if past <= now => return Err(bad("the ticket would have ended already".to_owned())),
        end => end.min(now.saturating_add(LONGEST_TICKET)),
    };
    Ok(Registration {
        registered_by: caller.principal.clone(),
        principal,
        service: service.as_str().to_owned(),
        predicate,
        not_after,
    })
}
