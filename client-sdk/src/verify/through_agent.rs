//! Checking through the agent: one call on its socket for each token.

use std::{path::Path, sync::Arc};

use cattery_core::{ForwardHeader, RequestFacts};
use cattery_proto::v1::{
    Denial, ForwardedVerdict, UseOnceRequest, VerifiedCaller, VerifyRequest,
    agent_client::AgentClient, forwarded_verdict, verify_response,
};
use http::HeaderMap;
use tonic::transport::Channel;

use super::{Caller, Verdict, facts, refusal::Refusal};
use crate::agent;

/// W3C Trace Context, and the id that proxies give a request: the agent logs and traces its decision by them.
const WHERE_IT_BELONGS: [&str; 3] = ["traceparent", "tracestate", "x-request-id"];

#[derive(Clone)]
pub(super) struct ThroughAgent {
    socket: Arc<Path>,
    pub(super) channel: Channel,
}

impl ThroughAgent {
    pub(super) fn new(socket: &Path) -> Self {
        Self {
            socket: socket.into(),
            channel: agent::channel(socket),
        }
    }

    pub(super) async fn verify(
        &self,
        presentation: &str,
        forwarded: Option<&ForwardHeader<'_>>,
        facts: &RequestFacts<'_>,
        headers: &HeaderMap,
    ) -> Result<(Caller, Vec<Verdict>), Refusal> {
        let request = VerifyRequest {
            presentation: presentation.to_owned(),
            facts: Some(facts::for_agent(facts)),
            forwarded: forwarded
                .iter()
                .map(|header| header.as_str().to_owned())
                .collect(),
            ..VerifyRequest::default()
        };
        let mut request = agent::local(request);
        for name in WHERE_IT_BELONGS {
            let value = headers.get(name).map(|value| value.as_bytes().try_into());
            if let Some(Ok(value)) = value {
                request.metadata_mut().insert(name, value);
            }
        }
        let answer = AgentClient::new(self.channel.clone())
            .verify(request)
            .await
            .map_err(|status| Refusal::Unavailable(self.explain(&status)))?;
        let answer = answer.into_inner();
        let caller = match answer.result {
            Some(verify_response::Result::Caller(caller)) => read(caller)?,
            Some(verify_response::Result::Denial(denial)) => return Err(refusal(&denial)),
            // `invalid` is for streams alone.
            Some(verify_response::Result::Invalid(_)) | None => {
                return Err(Refusal::Unavailable("the agent's answer is empty".into()));
            }
        };
        let mut verdicts = answer.forwarded.into_iter().map(verdict);
        let presentations = forwarded.map(ForwardHeader::presentations);
        let verdicts = presentations.into_iter().flatten().map(|_| {
            verdicts.next().unwrap_or_else(|| {
                Err(Refusal::Unavailable(
                    "the agent says nothing of a forwarded token: if it is older than this program, update it first".into(),
                ))
            })
        });
        Ok((caller, verdicts.collect()))
    }

    /// Spends a single use.
    pub(super) async fn use_once(&self, request: UseOnceRequest) -> Result<(), Refusal> {
        let answer = AgentClient::new(self.channel.clone())
            .use_once(agent::local(request))
            .await
            .map_err(|status| Refusal::Unavailable(self.explain(&status)))?;
        match answer.into_inner().code.as_str() {
            "" => Ok(()),
            code => Err(code.parse().map_or_else(
                |_| Refusal::Unavailable("the agent cannot tell".into()),
                Refusal::of_code,
            )),
        }
    }

    pub(super) fn explain(&self, status: &tonic::Status) -> String {
        agent::explain(&self.socket, status)
    }
}

fn verdict(verdict: ForwardedVerdict) -> Verdict {
    match verdict.result {
        Some(forwarded_verdict::Result::Caller(caller)) => read(caller),
        Some(forwarded_verdict::Result::Denial(denial)) => Err(refusal(&denial)),
        None => Err(Refusal::Unavailable("the agent's answer is empty".into())),
    }
}

fn read(caller: VerifiedCaller) -> Result<Caller, Refusal> {
    Caller::from_agent(caller)
        .ok_or_else(|| Refusal::Unavailable("the agent's answer makes no sense".into()))
}

fn refusal(denial: &Denial) -> Refusal {
    Refusal::new(&denial.code, denial.http_status)
}
