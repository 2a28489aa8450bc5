//! Checking through the agent: one call on its socket for each token.

use std::{path::Path, sync::Arc};

use cattery_core::RequestFacts;
use cattery_proto::v1::{
    UseOnceRequest, VerifyRequest, agent_client::AgentClient, verify_response,
};
use tonic::transport::Channel;

use super::{Caller, facts, refusal::Refusal};
use crate::agent;

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
        facts: &RequestFacts<'_>,
    ) -> Result<Caller, Refusal> {
        let request = VerifyRequest {
            presentation: presentation.to_owned(),
            facts: Some(facts::for_agent(facts)),
        };
        let answer = AgentClient::new(self.channel.clone())
            .verify(agent::local(request))
            .await
            .map_err(|status| Refusal::Unavailable(self.explain(&status)))?;
        match answer.into_inner().result {
            Some(verify_response::Result::Caller(caller)) => Caller::from_agent(caller)
                .ok_or_else(|| Refusal::Unavailable("the agent's answer makes no sense".into())),
            Some(verify_response::Result::Denial(denial)) => {
                Err(Refusal::new(&denial.code, denial.http_status))
            }
            None => Err(Refusal::Unavailable("the agent's answer is empty".into())),
        }
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
