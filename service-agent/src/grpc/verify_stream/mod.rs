//! `VerifyStream`: many questions on one stream, and an answer for each of them, in order.
//!
//! It has a route of its own: the generated service makes a message of each question and each answer, with a copy of all that is in it, which takes
//! as long as verifying the token.

mod answer;
mod answers;
mod codec;
mod question;

use std::future::ready;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::routing::any;
use tokio_util::sync::CancellationToken;
use tonic::server::Grpc;
use tonic::{Request, Response, Result, Streaming};
use tower::service_fn;

use super::MAX_REQUEST;
use crate::agent::Agent;
use answers::Answers;
use codec::Encoded;

const PATH: &str = "/cattery.v1.Agent/VerifyStream";

/// Adds the route. Its streams end with `stop`.
pub(super) fn add(router: Router, agent: Arc<Agent>, stop: CancellationToken) -> Router {
    let asked = move |call: http::Request<axum::body::Body>| {
        let (agent, stop) = (Arc::clone(&agent), stop.clone());
        async move {
            let answers = service_fn(|call: Request<Streaming<Bytes>>| {
                let (metadata, _, questions) = call.into_parts();
                let answers = Answers::new(agent.clone(), metadata, questions, stop.clone());
                ready(Result::Ok(Response::new(answers)))
            });
            let mut grpc = Grpc::new(Encoded).max_decoding_message_size(MAX_REQUEST);
            grpc.streaming(answers, call).await
        }
    };
    router.route(PATH, any(asked))
}
