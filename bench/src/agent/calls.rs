//! Calls over gRPC.

use anyhow::{Result, ensure};
use cattery_proto::{
    envoy::service::auth::v3::{
        CheckRequest, authorization_client::AuthorizationClient, check_response::HttpResponse,
    },
    v1::{VerifyRequest, agent_client::AgentClient, verify_response},
};
use tonic::transport::Channel;

use super::{
    load::{Ask, Calls},
    place::{Place, Side},
    questions::InTurn,
};

/// Calls of `Verify`, so many at once.
pub(crate) fn verify(place: &Place, sides: [&Side; 2], at_once: usize) -> [Calls<Verify>; 2] {
    sides.map(|side| verify_at(place, side, at_once))
}

/// The same, of one of the two servers.
pub(crate) fn verify_at(place: &Place, side: &Side, at_once: usize) -> Calls<Verify> {
    let ask = |number| Verify {
        client: AgentClient::new(side.channel(number)),
        questions: InTurn::new(&place.questions.verify, number),
    };
    Calls((0..at_once).map(ask).collect())
}

/// Calls of Envoy's `Check`, so many at once.
pub(crate) fn check(place: &Place, at_once: usize) -> [Calls<Check>; 2] {
    place.sides().map(|side| {
        let ask = |number| Check {
            client: AuthorizationClient::new(side.channel(number)),
            questions: InTurn::new(&place.questions.check, number),
        };
        Calls((0..at_once).map(ask).collect())
    })
}

pub(crate) struct Verify {
    client: AgentClient<Channel>,
    questions: InTurn<VerifyRequest>,
}

impl Ask for Verify {
    async fn ask(&mut self) -> Result<()> {
        let question = self.questions.next().clone();
        let answer = self.client.verify(question).await?.into_inner().result;
        let passed = matches!(answer, Some(verify_response::Result::Caller(_)));
        ensure!(passed, "a token was refused: {answer:?}");
        Ok(())
    }
}

pub(crate) struct Check {
    client: AuthorizationClient<Channel>,
    questions: InTurn<CheckRequest>,
}

impl Ask for Check {
    async fn ask(&mut self) -> Result<()> {
        let question = self.questions.next().clone();
        let answer = self.client.check(question).await?.into_inner();
        let passed = matches!(answer.http_response, Some(HttpResponse::OkResponse(_)));
        ensure!(passed, "a request was refused");
        Ok(())
    }
}
