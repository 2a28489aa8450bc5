use std::time::Duration;

use cattery_core::ServiceName;
use cattery_proto::v1;
use cattery_sdk::portable::JoinToken;
use cattery_sdk::sealing::{INFO_JOIN_TOKEN, seal};

use super::portable;
use crate::act::Act;
use crate::cluster::Authority;
use crate::failure::{Failure, shown};
use crate::records::{OperatorRecord, OperatorState, Role};
use crate::registry::decide;

/// A day: a person may not be at their desk.
const INVITATION: Duration = Duration::from_secs(24 * 3600);

pub(super) async fn add(
    authority: &Authority,
    act: Act,
    request: v1::AddOperatorRequest,
) -> Result<v1::AddOperatorResponse, Failure> {
    // The syntax of services, which is that of a SPIFFE path segment.
    let name: ServiceName = request
        .name
        .parse()
        .map_err(|error| Failure::name("operator name", &request.name, error))?;
    let role: Role = request
        .role
        .parse()
        .map_err(|why| Failure::Invalid(format!("`{}`: {why}", shown(&request.role))))?;
    // Tried first, so that a bad key leaves no invitation behind.
    seal(&request.receiver_public_key, INFO_JOIN_TOKEN, &[])?;
    let registry = &authority.registry;
    let (token, secret) =
        decide(|| registry.invite_operator(&act, name.as_str(), role, INVITATION)).await?;
    let text = JoinToken::new(portable(authority, &token.id, secret)?).to_text();
    Ok(v1::AddOperatorResponse {
        sealed_join_token: Some(seal(
            &request.receiver_public_key,
            INFO_JOIN_TOKEN,
            text.as_bytes(),
        )?),
        expires_at: token.expires_at,
    })
}

pub(super) async fn list(
    authority: &Authority,
    _: Act,
    _: v1::ListOperatorsRequest,
) -> Result<v1::ListOperatorsResponse, Failure> {
    let operators = authority.registry.operators().await?;
    Ok(v1::ListOperatorsResponse {
        operators: operators.into_iter().map(Into::into).collect(),
    })
}

pub(super) async fn revoke(
    authority: &Authority,
    act: Act,
    request: v1::RevokeOperatorRequest,
) -> Result<v1::RevokeOperatorResponse, Failure> {
    decide(|| authority.registry.revoke_operator(&act, &request.name)).await?;
    Ok(v1::RevokeOperatorResponse {})
}

impl From<OperatorRecord> for v1::Operator {
    fn from(operator: OperatorRecord) -> Self {
        Self {
            name: operator.name,
            role: operator.role.as_str().to_owned(),
            state: match operator.state {
                OperatorState::Invited => "invited",
                OperatorState::Active => "active",
                OperatorState::Revoked => "revoked",
            }
            .to_owned(),
            created_at: operator.created_at,
            certificate_not_after: operator
                .device
                .map_or(0, |device| device.certificate_not_after),
        }
    }
}
