//! Who checks: the agent, or this process with keys from the agent.

use std::{path::Path, sync::Arc};

use cattery_core::{
    Code, ForwardHeader, PRESENTER_KEY, RequestFacts, ServiceName,
    limits::{MAX_DISCHARGES, MAX_MESSAGE},
};

use http::HeaderMap;

use super::{
    Caller, CallerRef, Verdict,
    in_process::{InProcess, Local},
    refusal::Refusal,
    through_agent::ThroughAgent,
};

/// Longest presentation there can be, bytes: a token and its discharges in base64, with their prefixes and some blanks.
const MAX_PRESENTATION: usize = (1 + MAX_DISCHARGES) * (MAX_MESSAGE.div_ceil(3) * 4 + 32);

/// Checks tokens for one service. Clones share the connection and the keys.
#[derive(Clone)]
pub struct Verifier {
    service: Arc<str>,
    way: Way,
}

#[derive(Clone)]
enum Way {
    Agent(ThroughAgent),
    InProcess(Arc<InProcess>),
}

/// A verifier could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum VerifierError {
    /// The service has no such name.
    #[error("the service: {0}")]
    Name(#[from] cattery_core::NameError),
    /// The agent gave no keys: a line for people.
    #[error("{0}")]
    Keys(String),
}

impl Verifier {
    /// Asks the agent of `service`, at its Unix socket, about every token. Nothing is connected before the first one; while
    /// there is no agent, requests are answered with 503.
    ///
    /// # Errors
    /// [`VerifierError::Name`].
    pub fn through_agent(service: &str, socket: &Path) -> Result<Self, VerifierError> {
        let name: ServiceName = service.parse()?;
        Ok(Self {
            service: name.as_str().into(),
            way: Way::Agent(ThroughAgent::new(socket)),
        })
    }

    /// Checks in this process, with keys from the agent of `service`, whose configuration has to name this process's user.
    /// Whoever holds these keys can sign as anyone to this service. They are refreshed in a task of the current tokio
    /// runtime; when no agent has answered for as long as the last one allowed, requests are answered with 503. Single-use
    /// tokens are remembered by the agent.
    ///
    /// # Errors
    /// [`VerifierError`], when no keys come.
    pub async fn in_process(service: &str, socket: &Path) -> Result<Self, VerifierError> {
        let name: ServiceName = service.parse()?;
        let in_process = InProcess::start(name.as_str(), socket)
            .await
            .map_err(VerifierError::Keys)?;
        Ok(Self {
            service: name.as_str().into(),
            way: Way::InProcess(in_process),
        })
    }

    /// The service whose tokens it checks.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Checks a presentation (what follows `Bearer `) with what is known of its request, where no
    /// [`VerifyLayer`](super::VerifyLayer) fits: another protocol, say. Whoever calls vouches for the facts; `presenter` is none
    /// of the context's keys, since a token alone says who presents another one.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn verify(
        &self,
        presentation: &str,
        facts: &RequestFacts<'_>,
    ) -> Result<Caller, Refusal> {
        check(presentation, facts)?;
        match &self.way {
            Way::Agent(agent) => {
                let (caller, _) = alone(agent, presentation, facts).await?;
                Ok(caller)
            }
            Way::InProcess(keys) => match keys.verify_locally(None, presentation, facts, copy)? {
                Local::Good(caller) => Ok(caller),
                Local::Once(owed, copy) => Box::pin(keys.spend(*owed, copy)).await,
            },
        }
    }

    /// As [`verify`](Self::verify), for who looks at the caller and keeps little of it: `look` is called once the token is good (and spent, where
    /// it is for a single use), and in this process nothing is copied for it.
    ///
    /// ```no_run
    /// # use cattery_sdk::verify::{Refusal, RequestFacts, Verifier};
    /// # async fn example(verifier: &Verifier, token: &str) -> Result<(), Refusal> {
    /// let facts = RequestFacts::default();
    /// let is_alice = verifier
    ///     .verify_with(token, &facts, |caller| caller.principal() == "user/alice")
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Refusal`]; then `look` is not called.
    pub async fn verify_with<T>(
        &self,
        presentation: &str,
        facts: &RequestFacts<'_>,
        look: impl FnOnce(CallerRef<'_>) -> T,
    ) -> Result<T, Refusal> {
        check(presentation, facts)?;
        match &self.way {
            Way::Agent(agent) => {
                let (caller, _) = alone(agent, presentation, facts).await?;
                Ok(look(CallerRef::from(&caller)))
            }
            Way::InProcess(keys) => match keys.verify_locally(None, presentation, facts, look)? {
                Local::Good(seen) => Ok(seen),
                Local::Once(owed, look) => Box::pin(keys.spend(*owed, look)).await,
            },
        }
    }

    pub(super) fn is_in_process(&self) -> bool {
        matches!(self.way, Way::InProcess(_))
    }

    /// As [`verify`](Self::verify); `None` where the agent has to be asked.
    pub(super) fn verify_at_once(
        &self,
        presentation: &str,
        facts: &RequestFacts<'_>,
    ) -> Option<Result<Caller, Refusal>> {
        let Way::InProcess(keys) = &self.way else {
            return None;
        };
        let checked = check(presentation, facts);
        let local = checked.and_then(|()| keys.verify_locally(None, presentation, facts, copy));
        match local {
            Ok(Local::Good(caller)) => Some(Ok(caller)),
            Ok(Local::Once(..)) => None,
            Err(refusal) => Some(Err(refusal)),
        }
    }

    /// The same with what the caller presents for others. Each of those presentations has a verdict of its own, in their order.
    ///
    /// # Errors
    /// [`Refusal`] of the caller's own token; then no other one is looked at.
    pub async fn verify_with_forwarded(
        &self,
        presentation: &str,
        forwarded: Option<&ForwardHeader<'_>>,
        facts: &RequestFacts<'_>,
    ) -> Result<(Caller, Vec<Verdict>), Refusal> {
        let headers = HeaderMap::new();
        self.verify_request(presentation, forwarded, facts, &headers)
            .await
    }

    /// The same for a request with these headers: those that say where it belongs go to the agent.
    pub(super) async fn verify_request(
        &self,
        presentation: &str,
        forwarded: Option<&ForwardHeader<'_>>,
        facts: &RequestFacts<'_>,
        headers: &HeaderMap,
    ) -> Result<(Caller, Vec<Verdict>), Refusal> {
        check(presentation, facts)?;
        match &self.way {
            Way::Agent(agent) => {
                Box::pin(agent.verify(presentation, forwarded, facts, headers)).await
            }
            Way::InProcess(keys) => keys.verify(presentation, forwarded, facts).await,
        }
    }
}

/// To keep.
fn copy(caller: CallerRef<'_>) -> Caller {
    caller.into()
}

/// Asks the agent about a presentation without others. In a box: a call needs much room, and who verifies in this process would carry it
/// about for nothing.
async fn alone(
    agent: &ThroughAgent,
    presentation: &str,
    facts: &RequestFacts<'_>,
) -> Result<(Caller, Vec<Verdict>), Refusal> {
    let headers = HeaderMap::new();
    Box::pin(agent.verify(presentation, None, facts, &headers)).await
}

/// What neither the agent nor the core is asked about.
fn check(presentation: &str, facts: &RequestFacts<'_>) -> Result<(), Refusal> {
    if facts.context.iter().any(|(key, _)| *key == PRESENTER_KEY) {
        return Err(Refusal::Unavailable(format!(
            "`{PRESENTER_KEY}` is not for a service to say: give this entry of its context another key"
        )));
    }
    if presentation.len() > MAX_PRESENTATION {
        return Err(Refusal::of_code(Code::Malformed));
    }
    Ok(())
}
