use cattery_core::ServiceName;
use cattery_proto::v1;
use cattery_proto::v1::service_keys_server::ServiceKeys;
use cattery_sdk::sealing::{INFO_SERVICE_KEY, seal};
use tonic::{Request, Response, Status, async_trait};

use super::call::{Call, serve};
use super::caller::Caller;
use crate::act::{Act, now_ms};
use crate::cluster::{Authority, Shared};
use crate::failure::Failure;
use crate::records::{EpochRecord, EpochState};
use crate::registry::{Device, decide};

/// `cattery.v1.ServiceKeys`.
pub(super) struct ServiceKeysService(pub(super) Shared);

#[async_trait]
impl ServiceKeys for ServiceKeysService {
    async fn get_service_keys(
        &self,
        request: Request<v1::GetServiceKeysRequest>,
    ) -> Result<Response<v1::GetServiceKeysResponse>, Status> {
        serve(request, |call, request| get(&self.0, call, request)).await
    }
}

async fn get(
    authority: &Authority,
    call: Call,
    request: v1::GetServiceKeysRequest,
) -> Result<v1::GetServiceKeysResponse, Failure> {
    let Caller::Agent {
        service, device, ..
    } = &*call.caller
    else {
        return Err(Failure::Broken("service keys for someone who is no agent"));
    };
    let receiver = &request.receiver_public_key;
    decide(|| keys(authority, &call.act, service, device, receiver)).await
}

/// The answer, once the store and the audit log have it that these keys leave.
async fn keys(
    authority: &Authority,
    act: &Act,
    service: &ServiceName,
    device: &Device,
    receiver: &[u8],
) -> Result<v1::GetServiceKeysResponse, Failure> {
    let Authority {
        registry,
        root_keys,
        cluster,
        ..
    } = authority;
    let agent = registry.agent(device).await?;
    let generation = registry.service(service.as_str()).await?.record.generation;
    let epochs = registry.live_epochs().await?;
    let mut keys = Vec::with_capacity(epochs.len());
    for epoch in &epochs {
        let key = root_keys
            .service_key(epoch.number, service, generation)
            .await?;
        keys.push(v1::ServiceKey {
            epoch: epoch.number,
            generation,
            state: state(epoch).into(),
            not_after: epoch.not_after.unwrap_or(0),
            sealed_key: Some(seal(receiver, INFO_SERVICE_KEY, key.expose())?),
        });
    }
    let least_versions = registry.least_versions(act.now()).await?;
    let named = keys.iter().map(|key| {
        let incarnation = cluster.incarnation;
        format!("{incarnation}/{}.{}", key.epoch, key.generation)
    });
    registry
        .agent_gets_keys(act, &agent, named.collect())
        .await?;
    let refresh = authority.config.service_refresh_interval.as_secs();
    Ok(v1::GetServiceKeysResponse {
        cluster: Some(authority.describe()),
        service: service.as_str().to_owned(),
        keys,
        incarnation: cluster.incarnation,
        server_time_ms: now_ms(),
        refresh_after_seconds: u32::try_from(refresh).unwrap_or(u32::MAX),
        least_versions: least_versions
            .into_iter()
            .map(|least| v1::LeastVersion {
                principal: least.principal,
                version: least.version,
            })
            .collect(),
    })
}

/// As the proto has it.
pub(super) fn state(epoch: &EpochRecord) -> v1::EpochState {
    match epoch.state {
        EpochState::Prepared => v1::EpochState::Prepared,
        EpochState::Active => v1::EpochState::Active,
        EpochState::Draining => v1::EpochState::Draining,
        EpochState::Retired => v1::EpochState::Retired,
    }
}
