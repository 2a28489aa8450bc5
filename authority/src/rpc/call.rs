//! One call on its way through: its turn, its caller, and how its failure becomes an answer.

use std::sync::Arc;

use http::HeaderMap;
use tokio::sync::OwnedSemaphorePermit;
use tonic::{Code, Request, Response, Status, Streaming};

use super::access::Access;
use super::caller::Caller;
use super::refusals::Refusals;
use super::turns::Turns;
use crate::act::{Act, now_ms};
use crate::audit::Action;
use crate::cluster::Shared;
use crate::failure::{Failure, chain};
use crate::peer::{Peer, PeerCertificate};

/// What all calls of an authority pass.
pub(super) struct Border {
    pub(super) authority: Shared,
    turns: Turns,
    /// For the log: those who were refused, and those whose calls took too long.
    refusals: Refusals,
    late: Refusals,
    /// For the audit log.
    denials: Refusals,
}

/// A call whose headers are there. The gate puts it into the request.
#[derive(Clone)]
pub(super) struct Arrived {
    pub(super) border: Arc<Border>,
    pub(super) access: Access,
    pub(super) path: String,
    pub(super) request_id: String,
    pub(super) peer: Option<Peer>,
}

/// One call, whose caller was let in.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) act: Act,
    pub(crate) caller: Arc<Caller>,
}

/// Takes a request apart, lets its caller in, runs the handler, and turns a failure into a status. Every handler goes through here.
///
/// The caller is looked up only now that the whole message is there: its sender had time, and may have been revoked.
pub(crate) async fn serve<Q, A, F>(
    request: Request<Q>,
    handler: impl FnOnce(Call, Q) -> F,
) -> Result<Response<A>, Status>
where
    F: Future<Output = Result<A, Failure>>,
{
    let (metadata, mut extensions, message) = request.into_parts();
    let Some(arrived) = extensions.remove::<Arrived>() else {
        return Err(Failure::Broken("a call came past the gate").into_status(""));
    };
    let headers = metadata.as_ref();
    let turns = &arrived.border.turns;
    let _turn = turns
        .take(arrived.access, arrived.certificate(), headers)
        .await;
    let answer = match arrived.admit(headers).await {
        Ok(call) => handler(call, message).await,
        Err(failure) => Err(failure),
    };
    answer
        .map(Response::new)
        .map_err(|failure| arrived.fail(failure))
}

/// A stream whose caller was let in.
pub(crate) struct StreamCall {
    arrived: Arrived,
    pub(crate) caller: Arc<Caller>,
}

/// As [`serve`], for a stream of requests and answers: its first message is what the caller is let in with.
pub(crate) async fn serve_stream<Q, S, F>(
    request: Request<Streaming<Q>>,
    handler: impl FnOnce(StreamCall, Q, Streaming<Q>) -> F,
) -> Result<Response<S>, Status>
where
    F: Future<Output = Result<S, Failure>>,
{
    let (metadata, mut extensions, mut messages) = request.into_parts();
    let Some(arrived) = extensions.remove::<Arrived>() else {
        return Err(Failure::Broken("a call came past the gate").into_status(""));
    };
    let headers = metadata.as_ref();
    let Some(first) = messages.message().await? else {
        let failure = Failure::Invalid("the stream ended before its first message".into());
        return Err(arrived.fail(failure));
    };
    let turns = &arrived.border.turns;
    let _turn = turns
        .take(arrived.access, arrived.certificate(), headers)
        .await;
    let stream = match arrived.admit(headers).await {
        Ok(call) => {
            let call = StreamCall {
                arrived: arrived.clone(),
                caller: call.caller,
            };
            handler(call, first, messages).await
        }
        Err(failure) => Err(failure),
    };
    stream
        .map(Response::new)
        .map_err(|failure| arrived.fail(failure))
}

impl StreamCall {
    /// Something that is done for the caller now.
    pub(crate) fn act(&self) -> Act {
        let mut act = Act::new(self.arrived.request_id.clone(), self.caller.actor());
        act.from = self.arrived.peer.as_ref().map(|peer| peer.address);
        act
    }

    /// A turn for one answer, until it is dropped.
    pub(crate) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        self.arrived.border.turns.device().await
    }

    /// A stream ends with the certificate that it was opened with.
    pub(crate) fn check_certificate(&self) -> Result<(), Failure> {
        match self.arrived.certificate() {
            Some(certificate) => certificate.check(now_ms() / 1000),
            None => Ok(()),
        }
    }

    /// What a failure becomes.
    pub(crate) fn fail(&self, failure: Failure) -> Status {
        self.arrived.fail(failure)
    }

    /// For a caller who has to go to another authority.
    pub(crate) fn leave(&self) -> Status {
        Status::new(
            Code::Unavailable,
            "this authority is stopping: go to another one",
        )
    }
}

impl Border {
    pub(super) fn new(authority: Shared) -> Self {
        Self {
            authority,
            turns: Turns::new(),
            refusals: Refusals::default(),
            late: Refusals::default(),
            denials: Refusals::default(),
        }
    }
}

impl Arrived {
    pub(super) fn certificate(&self) -> Option<&PeerCertificate> {
        self.peer.as_ref()?.certificate.as_ref()
    }

    async fn admit(&self, headers: &HeaderMap) -> Result<Call, Failure> {
        let mut act = Act::new(self.request_id.clone(), String::new());
        act.from = self.peer.as_ref().map(|peer| peer.address);
        let registry = &self.border.authority.registry;
        let certificate = self.certificate();
        match Caller::admit(registry, self.access, certificate, headers, act.now()).await {
            Ok(caller) => {
                act.actor = caller.actor();
                if let Access::Role(_) | Access::Client | Access::User = self.access {
                    act.rests_on = caller.record().cloned();
                }
                Ok(Call {
                    act,
                    caller: Arc::new(caller),
                })
            }
            Err(failure) => Err(self.turned_away(act, failure).await),
        }
    }

    /// Someone who is known and tried what they may not goes into the audit log. Strangers do not, and nobody can fill the disk.
    async fn turned_away(&self, mut act: Act, failure: Failure) -> Failure {
        let (Failure::Denied(_), Access::Role(_), Some(certificate)) =
            (&failure, self.access, self.certificate())
        else {
            return failure;
        };
        let who = format!("{} {}", certificate.device.id, self.path);
        let Some(times) = self.border.denials.count(&who) else {
            return failure;
        };
        act.actor = certificate.subject().to_string();
        let mut event = act.event(Action::AccessDenied, self.path.as_str());
        if times > 1 {
            event = event.field("times", times.to_string());
        }
        match self.border.authority.registry.audit().append(event).await {
            Ok(_) => failure,
            Err(error) => error.into(),
        }
    }

    /// What a failure becomes.
    pub(super) fn fail(&self, failure: Failure) -> Status {
        let reason = chain(&failure);
        // Whoever claims to have seen the future says nothing about the store.
        let is_trouble = !matches!(failure, Failure::Behind { .. });
        let status = failure.into_status(&self.request_id);
        match status.code() {
            Code::Internal => {}
            Code::Unavailable if !is_trouble => {}
            Code::Unavailable => {
                let trouble = &self.border.authority.trouble;
                trouble.send_replace(Some(reason));
            }
            code => {
                if let Some(times) = self.border.refusals.count(&self.who()) {
                    tracing::info!(from = self.from(), ?code, reason, times, "refused");
                }
            }
        }
        status
    }

    /// The answer to a call that was not finished in its time.
    pub(super) fn too_late(&self) -> Status {
        if let Some(times) = self.border.late.count(&self.who()) {
            tracing::warn!(
                from = self.from(),
                times,
                "a call did not arrive, or was not done, in its time"
            );
        }
        Status::new(
            Code::Unavailable,
            format!(
                "this took too long and was given up: look whether it happened, and try again. Its request id is {}",
                self.request_id
            ),
        )
    }

    /// A device, or else an address.
    fn who(&self) -> String {
        match (self.certificate(), &self.peer) {
            (Some(certificate), _) => certificate.device.id.clone(),
            (None, Some(peer)) => peer.address.ip().to_string(),
            (None, None) => String::new(),
        }
    }

    fn from(&self) -> Option<String> {
        Some(self.peer.as_ref()?.address.to_string())
    }
}
