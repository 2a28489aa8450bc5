//! Tokens that the local agent signs, one for each service, to be narrowed here.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};

use cattery_proto::v1::{MintRequest, MintResponse, agent_client::AgentClient};
use tokio::task::JoinSet;
use tonic::{Status, transport::Channel};
use zeroize::Zeroizing;

use super::{
    clock::unix_now,
    snapshot::{Fetched, Held},
};
use crate::agent;

/// How long the tokens last that an agent signs to be narrowed here: long enough that an agent can restart meanwhile.
const AGENT_TOKEN_SECONDS: u32 = 300;
/// One call for each service, all at once. An error only where none came to an answer.
pub(super) async fn sign_through(
    socket: &Path,
    channel: &Channel,
    services: &[String],
    window_seconds: u64,
) -> Result<Fetched, String> {
    let window = match u32::try_from(window_seconds) {
        Ok(0) => AGENT_TOKEN_SECONDS,
        Ok(seconds) => seconds,
        Err(_) => u32::MAX,
    };
    let mut calls = JoinSet::new();
    for service in services {
        let (service, channel) = (service.clone(), channel.clone());
        calls.spawn(async move {
            let answer = mint(channel, &service, window).await;
            (service, answer)
        });
    }
    let mut fetched = Fetched {
        now: unix_now().unwrap_or(0),
        ..Fetched::default()
    };
    while let Some(call) = calls.join_next().await {
        let (service, answer) = call.map_err(|error| error.to_string())?;
        match answer {
            Ok(answer) => {
                let held = Held::Token {
                    text: Zeroizing::new(answer.token),
                    not_after: answer.not_after,
                };
                fetched.held.insert(service, Arc::new(held));
            }
            Err(status) if is_refusal(&status) => {
                fetched.refused.insert(service, status.message().to_owned());
            }
            Err(status) => {
                fetched
                    .missing
                    .insert(service, agent::explain(socket, &status));
            }
        }
    }
    fetched.principal = principal(&fetched.held).unwrap_or_default();
    if fetched.held.is_empty() && fetched.refused.is_empty() {
        return Err(all_of(&fetched.missing));
    }
    Ok(fetched)
}

async fn mint(channel: Channel, service: &str, window: u32) -> Result<MintResponse, Status> {
    let request = MintRequest {
        audience: service.to_owned(),
        ttl_seconds: window,
        ..MintRequest::default()
    };
    let answer = AgentClient::new(channel).mint(request).await?;
    Ok(answer.into_inner())
}

/// Asking again soon would not help.
fn is_refusal(status: &Status) -> bool {
    use tonic::Code::{InvalidArgument, NotFound, PermissionDenied};
    matches!(status.code(), PermissionDenied | NotFound | InvalidArgument)
}

/// Mostly it is the same for all.
fn all_of(missing: &BTreeMap<String, String>) -> String {
    let mut whys: Vec<_> = missing.values().map(String::as_str).collect();
    whys.sort_unstable();
    whys.dedup();
    whys.join("; ")
}

/// Who the agent signs as: every token says so.
fn principal(held: &HashMap<String, Arc<Held>>) -> Option<String> {
    let mut scratch = cattery_core::Scratch::new();
    let Held::Token { text, .. } = &**held.values().next()? else {
        return None;
    };
    match cattery_core::inspect::parse(text, &mut scratch).ok()? {
        cattery_core::inspect::Inspected::Token(token) => {
            Some(token.unverified_key_id().principal.to_owned())
        }
        _ => None,
    }
}
