//! `Verify`: one question and its answer, whichever way it came.

use cattery_core::{Authorization, ForwardHeader, Verified};
use cattery_proto::v1;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use v1::verify_response::Result as Outcome;

use crate::agent::Agent;
use crate::decision::{Face, Question};
use crate::facts::{BadFact, Facts, from_message};
use crate::forward::Forwarded;
use cattery_telemetry::{REQUEST_ID, TRACEPARENT};

/// Answers a question that came with this metadata.
///
/// # Errors
/// It makes no sense, and nothing was looked at.
pub(super) async fn answer(
    agent: &Agent,
    metadata: &MetadataMap,
    request: &v1::VerifyRequest,
) -> Result<v1::VerifyResponse, BadFact> {
    let facts = match &request.facts {
        Some(facts) => from_message(facts)?,
        None => Facts::default(),
    };
    let forwarded = ForwardHeader::read(request.forwarded.iter().map(String::as_bytes));
    let question = Question::new(
        Face::Grpc,
        facts,
        told(&request.request_id, metadata, REQUEST_ID),
        told(&request.traceparent, metadata, TRACEPARENT),
    );
    let presentation = Authorization::Presentation(&request.presentation);
    let decided = agent
        .decide(&question, presentation, forwarded.as_ref(), caller)
        .await;
    let decision_id = question.id.to_string();
    Ok(match decided {
        Ok((caller, forwarded)) => v1::VerifyResponse {
            result: Some(Outcome::Caller(caller)),
            forwarded: forwarded.into_iter().map(verdict).collect(),
            decision_id,
        },
        Err(verdict) => v1::VerifyResponse {
            result: Some(Outcome::Denial(verdict.into())),
            forwarded: Vec::new(),
            decision_id,
        },
    })
}

/// What the question says itself, or the call.
fn told<'a>(own: &'a str, metadata: &'a MetadataMap, name: &str) -> Option<&'a [u8]> {
    if own.is_empty() {
        metadata.get(name).map(AsciiMetadataValue::as_encoded_bytes)
    } else {
        Some(own.as_bytes())
    }
}

/// Who a good token speaks for.
pub(super) fn caller(token: &Verified<'_>) -> v1::VerifiedCaller {
    let scopes = token.scopes();
    v1::VerifiedCaller {
        principal: token.principal().to_owned(),
        token_id: token.token_id().to_vec(),
        scoped: scopes.is_some(),
        scopes: scopes.map_or_else(Vec::new, |scopes| scopes.map(str::to_owned).collect()),
        claims_type: token.claims_type().to_owned(),
        claims: token.claims().to_vec(),
        epoch: token.key_id().epoch,
        not_after: token.not_after(),
        lease_id: token.key_id().lease_id.to_vec(),
    }
}

fn verdict(of: Forwarded<v1::VerifiedCaller>) -> v1::ForwardedVerdict {
    let result = match of {
        Ok(caller) => v1::forwarded_verdict::Result::Caller(caller),
        Err(refused) => v1::forwarded_verdict::Result::Denial(refused.into()),
    };
    v1::ForwardedVerdict {
        result: Some(result),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<'a, F>(_: impl Fn(&'a Agent, &'a MetadataMap, &'a v1::VerifyRequest) -> F) -> usize {
        size_of::<F>()
    }

    /// It is moved several times for each question. What only some of them need is in boxes.
    #[test]
    fn what_answers_a_question_is_small() {
        let size = size(answer);
        assert!(size < 2_048, "{size}");
    }

    #[test]
    fn what_a_question_says_goes_before_what_the_call_says() {
        let mut metadata = MetadataMap::new();
        assert_eq!(told("", &metadata, REQUEST_ID), None);
        metadata.insert(REQUEST_ID, "call".parse().unwrap());
        assert_eq!(told("", &metadata, REQUEST_ID), Some(&b"call"[..]));
        assert_eq!(told("own", &metadata, REQUEST_ID), Some(&b"own"[..]));
    }
}
