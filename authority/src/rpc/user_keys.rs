use std::collections::HashSet;

use cattery_core::epoch::may_issue;
use cattery_core::limits::MAX_CAVEATS;
use cattery_core::{Caveat, KeyId, Principal, ServiceName, UserKey};
use cattery_proto::v1;
use cattery_proto::v1::issued_key::Result as Issue;
use cattery_proto::v1::user_keys_server::UserKeys;
use cattery_sdk::sealing::{INFO_USER_KEY, seal};
use tokio::task::JoinSet;
use tonic::{Request, Response, Status, async_trait};

use super::call::{Call, serve};
use super::caller::Caller;
use crate::act::{Act, now_ms, random};
use crate::audit::{Action, Audit, Event};
use crate::cluster::{Authority, Shared};
use crate::failure::{Failure, shown};
use crate::records::{GrantRecord, Hex, Leased, LeasesRecord};
use crate::registry::Grantee;
use crate::store::BootTime;

/// Most services in one call: what bounds its time.
const MAX_SERVICES: usize = 256;

/// `cattery.v1.UserKeys`.
pub(super) struct UserKeysService(pub(super) Shared);

#[async_trait]
impl UserKeys for UserKeysService {
    async fn issue_user_keys(
        &self,
        request: Request<v1::IssueUserKeysRequest>,
    ) -> Result<Response<v1::IssueUserKeysResponse>, Status> {
        serve(request, |call, request| issue(&self.0, call, request)).await
    }
}

async fn issue(
    authority: &Authority,
    call: Call,
    request: v1::IssueUserKeysRequest,
) -> Result<v1::IssueUserKeysResponse, Failure> {
    let registry = &authority.registry;
    authority.bulletin.check()?;
    // All that the keys rest on is read after this moment.
    let asked = BootTime::now();
    let (principal, proof, narrowed) = match &*call.caller {
        Caller::User(proven) => (
            Principal::user(&proven.user),
            format!("api-key/{}", proven.api_key),
            proven.caveats.as_slice(),
        ),
        Caller::Agent {
            service, device, ..
        } => (
            Principal::service(service),
            format!("agent/{}", device.id),
            &[][..],
        ),
        Caller::Anyone | Caller::Operator { .. } => {
            return Err(Failure::Broken("user keys for someone who is no client"));
        }
    };
    let grantee = registry.grantee(&principal).await?;
    if let Caller::User(proven) = &*call.caller
        && proven.registration != grantee.registration()
    {
        return Err(Failure::Contended);
    }
    let epochs = registry.live_epochs().await?.record;
    let line = epochs.line.to_line()?;
    let mut lease = Lease {
        authority,
        act: &call.act,
        epoch: line.active().number,
        greatest: epochs
            .greatest_lease
            .min(authority.config.max_lease.as_secs()),
        principal: &principal,
        version: grantee.version(),
        proof: &proof,
        narrowed,
        wanted: request.lease_seconds,
        receiver: &request.receiver_public_key,
        events: Vec::new(),
        leases: Vec::new(),
    };
    let mut keys = Vec::new();
    let all = request.services.is_empty();
    for (service, grant) in granted(authority, &principal, &grantee, request.services).await? {
        let result = match grant {
            Some(grant) => lease.issue(&grant).await?,
            None => Issue::Refusal(v1::KeyRefusal::NotGranted.into()),
        };
        if all && matches!(result, Issue::Refusal(_)) {
            // Of a service that is not there any more: nobody asked for it.
            continue;
        }
        keys.push(v1::IssuedKey {
            service,
            result: Some(result),
        });
    }
    let leases = LeasesRecord {
        principal: principal.as_str().to_owned(),
        proof: proof.clone(),
        issued_at: call.act.now(),
        leases: lease.leases,
    };
    registry.take_leases(
        &proof,
        leases.leases.len(),
        leases.ends_at(),
        call.act.now(),
    )?;
    tokio::try_join!(
        record(registry.audit(), lease.events),
        registry.note_leases(&call.act, &leases),
    )?;
    // A process that was frozen meanwhile may issue from an epoch that drains by now.
    let ago = asked.elapsed().as_secs().saturating_add(1);
    may_issue(&line, ago, authority.timing()).map_err(|_| Failure::Unconfirmed)?;
    Ok(v1::IssueUserKeysResponse {
        cluster: Some(authority.describe_now()?),
        principal: principal.as_str().to_owned(),
        keys,
        server_time_ms: now_ms(),
    })
}

/// The services asked for, each with its grant where there is one.
async fn granted(
    authority: &Authority,
    principal: &Principal,
    grantee: &Grantee,
    services: Vec<String>,
) -> Result<Vec<(String, Option<GrantRecord>)>, Failure> {
    let registry = &authority.registry;
    if services.is_empty() {
        let all = registry
            .grants_of(principal, grantee.registration())
            .await?;
        if all.len() > MAX_SERVICES {
            return Err(Failure::Invalid(format!(
                "`{principal}` has more grants than the {MAX_SERVICES} keys of one call: name the services"
            )));
        }
        return Ok(all
            .into_iter()
            .map(|grant| (grant.service.clone(), Some(grant)))
            .collect());
    }
    if services.len() > MAX_SERVICES {
        return Err(Failure::Invalid(format!(
            "{} services are more than the {MAX_SERVICES} of one call",
            services.len()
        )));
    }
    let mut seen = HashSet::new();
    if let Some(twice) = services.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(Failure::Invalid(format!(
            "the service `{}` is named twice",
            shown(twice)
        )));
    }
    let mut found = Vec::with_capacity(services.len());
    for name in services {
        let parsed = name.parse::<ServiceName>();
        let parsed = parsed.map_err(|error| Failure::name("service name", &name, error))?;
        let grant = registry
            .grant(principal, grantee.registration(), parsed.as_str())
            .await?;
        found.push((name, grant));
    }
    Ok(found)
}

/// What the keys of one call have in common.
struct Lease<'a> {
    authority: &'a Authority,
    act: &'a Act,
    epoch: u32,
    /// Seconds. No rotation waits for a longer one.
    greatest: u64,
    principal: &'a Principal,
    version: u32,
    proof: &'a str,
    /// Caveats of what the principal proved that with.
    narrowed: &'a [Vec<u8>],
    wanted: u64,
    receiver: &'a [u8],
    events: Vec<Event>,
    leases: Vec<Leased>,
}

impl Lease<'_> {
    /// One key, sealed. It must not leave before its event is in the audit log and its lease in the store.
    async fn issue(&mut self, grant: &GrantRecord) -> Result<Issue, Failure> {
        let Authority {
            registry,
            root_keys,
            ..
        } = self.authority;
        let service = match registry.service(&grant.service).await {
            Ok(stored) if stored.record.registration == grant.service_registration => stored.record,
            Ok(_) | Err(Failure::NotFound(_)) => {
                return Ok(Issue::Refusal(v1::KeyRefusal::NotGranted.into()));
            }
            Err(failure) => return Err(failure),
        };
        let name: ServiceName = service
            .name
            .parse()
            .map_err(|_| Failure::Broken("a stored service name is none"))?;
        let id = KeyId {
            epoch: self.epoch,
            service: name.as_str(),
            generation: service.keys.active.number,
            principal: self.principal.as_str(),
            version: self.version,
            expires_at: self.expires_at(grant),
            lease_id: random()?,
        };
        let caveats: Vec<Caveat<'_>> = grant
            .caveats
            .iter()
            .chain(self.narrowed)
            .map(|caveat| Caveat::parse(caveat))
            .collect::<Result<_, _>>()
            .map_err(|_| Failure::Broken("a stored caveat is none"))?;
        if caveats.len() > MAX_CAVEATS {
            return Err(Failure::Refused(format!(
                "the grant for `{name}` has {} caveats and the API key {}, and {MAX_CAVEATS} together is the most of a key: an operator can \
                 make an API key or a grant with fewer",
                grant.caveats.len(),
                self.narrowed.len()
            )));
        }
        let service_key = root_keys
            .service_key(id.epoch, &name, id.generation)
            .await?;
        let key = UserKey::issue(&service_key, &id, &caveats)?;
        let sealed = seal(self.receiver, INFO_USER_KEY, &key.to_bytes())?;
        self.events.push(self.event(&id));
        self.leases.push(Leased {
            id: Hex(id.lease_id),
            service: service.name.clone(),
            expires_at: id.expires_at,
        });
        Ok(Issue::SealedUserKey(sealed))
    }

    /// The least of what is wanted, granted and allowed. An active epoch has no end of its own, so it sets no limit.
    fn expires_at(&self, grant: &GrantRecord) -> u64 {
        let most = self.greatest;
        let granted = grant.max_lease_seconds.unwrap_or(most).min(most);
        let lease = match self.wanted {
            0 => granted,
            wanted => granted.min(wanted),
        };
        self.act.now().saturating_add(lease)
    }

    fn event(&self, id: &KeyId<'_>) -> Event {
        self.act
            .event(Action::UserKeysIssued, format!("service/{}", id.service))
            .field("lease", Hex(id.lease_id).to_string())
            .field("epoch", id.epoch.to_string())
            .field("generation", id.generation.to_string())
            .field("version", id.version.to_string())
            .field("expires_at", id.expires_at.to_string())
            .field("proof", self.proof)
    }
}

/// All of one call go to the log together, so that they share one write to the disk. No key leaves before each one is in it.
async fn record(audit: &Audit, events: Vec<Event>) -> Result<(), Failure> {
    let mut appends: JoinSet<_> = events
        .into_iter()
        .map(|event| {
            let audit = audit.clone();
            async move { audit.append(event).await }
        })
        .collect();
    while let Some(appended) = appends.join_next().await {
        appended.map_err(|_| Failure::Broken("the audit log's writer panicked"))??;
    }
    Ok(())
}
