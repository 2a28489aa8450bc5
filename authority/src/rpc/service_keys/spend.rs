use cattery_proto::v1;

use crate::cluster::Authority;
use crate::failure::Failure;
use crate::records::Hex;
use crate::registry::{Spent, Used};
use crate::rpc::call::Call;
use crate::rpc::caller::Caller;

/// Spends a use for the service of the caller's certificate.
pub(super) async fn spend(
    authority: &Authority,
    call: Call,
    request: v1::SpendSingleUseRequest,
) -> Result<v1::SpendSingleUseResponse, Failure> {
    let Caller::Agent { service, .. } = &*call.caller else {
        return Err(Failure::Broken("a use spent by someone who is no agent"));
    };
    authority.bulletin.check()?;
    let used = Used {
        service: service.as_str(),
        mark: Hex(bytes("mark", &request.mark)?),
        not_after: request.not_after,
        attempt: bytes("attempt", &request.attempt)?,
    };
    let spent = authority.registry.spend(&used, call.act.now()).await?;
    let outcome = match spent {
        Spent::Now => v1::SpendOutcome::Spent,
        Spent::Before => v1::SpendOutcome::Replayed,
        Spent::Full => v1::SpendOutcome::Full,
    };
    Ok(v1::SpendSingleUseResponse {
        outcome: outcome.into(),
    })
}

fn bytes<const N: usize>(field: &str, given: &[u8]) -> Result<[u8; N], Failure> {
    given
        .try_into()
        .map_err(|_| Failure::Invalid(format!("{field}: {} bytes, not {N}", given.len())))
}
