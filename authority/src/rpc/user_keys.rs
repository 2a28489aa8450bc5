mod own_api_keys;
mod own_revocations;

use std::collections::HashSet;

use cattery_core::epoch::may_issue;
use cattery_core::limits::MAX_CAVEATS;
use cattery_core::{Caveat, KeyId, Principal, PrincipalKind, ServiceName, UserKey};
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
use crate::meters::{IssuanceResult, Kind};
use crate::records::{GrantRecord, Hex, LeaseGrant, Leased, LeasesRecord, ServiceRecord, key};
use crate::registry::{Applying, Registry};
use crate::store::{BootTime, MAX_OPERATIONS};

/// Most services in one call: what bounds its time.
const MAX_SERVICES: usize = 256;
/// How often a call begins anew because something was taken away from somebody meanwhile.
const ATTEMPTS: usize = 5;

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

    async fn create_own_api_key(
        &self,
        request: Request<v1::CreateOwnApiKeyRequest>,
    ) -> Result<Response<v1::CreateOwnApiKeyResponse>, Status> {
        serve(request, |call, request| {
            own_api_keys::create(&self.0, call, request)
        })
        .await
    }

    async fn list_own_api_keys(
        &self,
        request: Request<v1::ListOwnApiKeysRequest>,
    ) -> Result<Response<v1::ListOwnApiKeysResponse>, Status> {
        serve(request, |call, _| own_api_keys::list(&self.0, call)).await
    }

    async fn revoke_own_api_key(
        &self,
        request: Request<v1::RevokeOwnApiKeyRequest>,
    ) -> Result<Response<v1::RevokeOwnApiKeyResponse>, Status> {
        serve(request, |call, request| {
            own_api_keys::revoke(&self.0, call, request)
        })
        .await
    }

    async fn revoke_own(
        &self,
        request: Request<v1::RevokeOwnRequest>,
    ) -> Result<Response<v1::RevokeOwnResponse>, Status> {
        serve(request, |call, request| {
            own_revocations::revoke(&self.0, call, request)
        })
        .await
    }
}

async fn issue(
    authority: &Authority,
    call: Call,
    request: v1::IssueUserKeysRequest,
) -> Result<v1::IssueUserKeysResponse, Failure> {
    let (principal, proof, under, narrowed, last) = match &*call.caller {
        Caller::User(proven) => (
            Principal::user(&proven.user),
            format!("api-key/{}", proven.api_key),
            proven.parent.map(|parent| format!("api-key/{parent}")),
            proven.caveats.as_slice(),
            proven.expires_at,
        ),
        Caller::Agent {
            service, device, ..
        } => (
            Principal::service(service),
            format!("agent/{}", device.id),
            None,
            &[][..],
            None,
        ),
        Caller::Anyone | Caller::Operator { .. } => {
            return Err(Failure::Broken("user keys for someone who is no client"));
        }
    };
    check(&request.services)?;
    let mut act = call.act;
    let mut attempts = 1;
    loop {
        authority.bulletin.check()?;
        // All that the keys rest on is read after this moment.
        let asked = BootTime::now();
        let keys = needed(&principal, &request.services);
        let registry = authority.registry.reading(keys).await?;
        let client = registry.client(&principal).await?;
        if let Caller::User(proven) = &*call.caller
            && proven.registration != client.registration()
        {
            return Err(Failure::Contended);
        }
        let mut applying = Applying::to(&registry, &principal, client.registration()).await?;
        let lease = Lease {
            authority,
            registry: &registry,
            act: &act,
            principal: &principal,
            version: client.version(),
            proof: &proof,
            under: under.as_deref(),
            narrowed,
            last,
            request: &request,
            asked,
        };
        match lease.issue_all(&mut applying).await {
            Err(Failure::Contended) if attempts < ATTEMPTS => attempts += 1,
            Ok(response) => {
                count(authority, &response.keys);
                return Ok(response);
            }
            Err(failure) => return Err(failure),
        }
        if !may_begin_anew(authority, &call.caller, &mut act, &applying).await? {
            return Err(Failure::Contended);
        }
    }
}

/// Counts what each service's key came to.
fn count(authority: &Authority, keys: &[v1::IssuedKey]) {
    for key in keys {
        let result = match key.result {
            Some(Issue::SealedUserKey(_)) => IssuanceResult::Issued,
            Some(Issue::Refusal(_)) | None => IssuanceResult::Refused,
        };
        authority.meters.issuance.add((Kind::UserKey, result));
    }
}

/// Whether what a call rests on is another by now, and gives the same: its API key made another one, or an operator took something away from
/// somebody, most likely from somebody else.
async fn may_begin_anew(
    authority: &Authority,
    caller: &Caller,
    act: &mut Act,
    applying: &Applying<'_>,
) -> Result<bool, Failure> {
    if let Caller::User(proven) = caller {
        let still = authority.registry.still_proves(proven, act.now()).await?;
        let Some(record) = still else {
            return Ok(false);
        };
        if act.rests_on.as_ref() != Some(&record) {
            act.rests_on = Some(record);
            return Ok(true);
        }
    }
    applying.is_outdated(&authority.registry).await
}

/// What a call reads in any case: together, since each reading is a question to the store. The rest is read when it is wanted.
fn needed(principal: &Principal, services: &[String]) -> Vec<String> {
    let client = match principal.kind() {
        PrincipalKind::User(name) => key::user(name),
        PrincipalKind::Service(name) => key::service(name),
    };
    let mut keys = vec![
        client,
        key::GRANTS_CHANGED.to_owned(),
        key::EPOCHS_LIVE.to_owned(),
    ];
    for service in services {
        keys.extend([
            key::service(service),
            key::grant(principal.as_str(), service),
        ]);
    }
    keys.truncate(MAX_OPERATIONS);
    keys
}

/// The services asked for can be served in one call.
fn check(services: &[String]) -> Result<(), Failure> {
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
    for name in services {
        name.parse::<ServiceName>()
            .map_err(|error| Failure::name("service name", name, error))?;
    }
    Ok(())
}

/// What the keys of one call have in common.
struct Lease<'a> {
    authority: &'a Authority,
    /// With what is needed read.
    registry: &'a Registry,
    act: &'a Act,
    principal: &'a Principal,
    version: u32,
    proof: &'a str,
    /// What hangs on: the parent of the API key.
    under: Option<&'a str>,
    /// Caveats of what the principal proved that with.
    narrowed: &'a [Vec<u8>],
    /// When that ends, Unix seconds: no lease goes on without it.
    last: Option<u64>,
    request: &'a v1::IssueUserKeysRequest,
    /// Before anything of it was read.
    asked: BootTime,
}

/// What they come of, and what they leave behind.
struct Issuing {
    epoch: u32,
    /// Seconds. No rotation waits for a longer one.
    greatest: u64,
    events: Vec<Event>,
    leases: Vec<Leased>,
}

impl Lease<'_> {
    /// All keys that the call asks for.
    async fn issue_all(
        &self,
        applying: &mut Applying<'_>,
    ) -> Result<v1::IssueUserKeysResponse, Failure> {
        let (authority, registry) = (self.authority, self.registry);
        let epochs = registry.live_epochs().await?.record;
        let line = epochs.line.to_line()?;
        let mut issuing = Issuing {
            epoch: line.active().number,
            greatest: epochs
                .greatest_lease
                .min(authority.config.max_lease.as_secs()),
            events: Vec::new(),
            leases: Vec::new(),
        };
        let mut keys = Vec::new();
        let all = self.request.services.is_empty();
        for name in self.services(applying).await? {
            let service = match registry.service(&name).await {
                Ok(stored) => Some(stored.record),
                Err(Failure::NotFound(_)) => None,
                Err(failure) => return Err(failure),
            };
            let grant = match &service {
                Some(service) => applying.under(service).await?,
                None => None,
            };
            let result = match service.zip(grant) {
                Some((service, grant)) => self.issue(&mut issuing, &service, &grant).await?,
                // Of a service that went away just now, or that groups are tied for: nobody asked for it.
                None if all => continue,
                None => Issue::Refusal(v1::KeyRefusal::NotGranted.into()),
            };
            keys.push(v1::IssuedKey {
                service: name,
                result: Some(result),
            });
        }
        let leases = LeasesRecord {
            principal: self.principal.as_str().to_owned(),
            proof: self.proof.to_owned(),
            under: self.under.map(str::to_owned),
            issued_at: self.act.now(),
            leases: issuing.leases,
        };
        registry.take_leases(
            self.proof,
            leases.leases.len(),
            leases.ends_at(),
            self.act.now(),
        )?;
        tokio::try_join!(
            record(registry.audit(), issuing.events),
            registry.note_leases(self.act, applying, &leases),
        )?;
        // A process that was frozen meanwhile may issue from an epoch that drains by now.
        let ago = self.asked.elapsed().as_secs().saturating_add(1);
        may_issue(&line, ago, authority.timing()).map_err(|_| Failure::Unconfirmed)?;
        Ok(v1::IssueUserKeysResponse {
            cluster: Some(authority.describe_now()?),
            principal: self.principal.as_str().to_owned(),
            keys,
            server_time_ms: now_ms(),
        })
    }

    /// The services asked for, or all that are granted.
    async fn services(&self, applying: &mut Applying<'_>) -> Result<Vec<String>, Failure> {
        if !self.request.services.is_empty() {
            return Ok(self.request.services.clone());
        }
        let all = applying.services(MAX_SERVICES).await?;
        if all.len() > MAX_SERVICES {
            return Err(Failure::Invalid(format!(
                "`{}` has grants for more services than the {MAX_SERVICES} keys of one call: name the services",
                self.principal
            )));
        }
        Ok(all)
    }

    /// One key, sealed. It must not leave before its event is in the audit log and its lease in the store.
    async fn issue(
        &self,
        issuing: &mut Issuing,
        service: &ServiceRecord,
        grant: &GrantRecord,
    ) -> Result<Issue, Failure> {
        let name: ServiceName = service
            .name
            .parse()
            .map_err(|_| Failure::Broken("a stored service name is none"))?;
        let id = KeyId {
            epoch: issuing.epoch,
            service: name.as_str(),
            generation: service.keys.active.number,
            principal: self.principal.as_str(),
            version: self.version,
            expires_at: self.expires_at(issuing.greatest, grant),
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
        let service_key = self
            .authority
            .root_keys
            .service_key(id.epoch, &name, id.generation)
            .await?;
        let key = UserKey::issue(&service_key, &id, &caveats)?;
        let sealed = seal(
            &self.request.receiver_public_key,
            INFO_USER_KEY,
            &key.to_bytes(),
        )?;
        let is_own = grant.principal == id.principal && grant.service == id.service;
        let grant = (!is_own).then(|| LeaseGrant {
            principal: grant.principal.clone(),
            service: grant.service.clone(),
        });
        issuing.events.push(self.event(&id, grant.as_ref()));
        issuing.leases.push(Leased {
            id: Hex(id.lease_id),
            service: service.name.clone(),
            expires_at: id.expires_at,
            grant,
        });
        Ok(Issue::SealedUserKey(sealed))
    }

    /// The least of what is wanted, granted and allowed, and no later than the API key. An active epoch has no end of its own, so it sets no limit.
    fn expires_at(&self, most: u64, grant: &GrantRecord) -> u64 {
        let granted = grant.max_lease_seconds.unwrap_or(most).min(most);
        let lease = match self.request.lease_seconds {
            0 => granted,
            wanted => granted.min(wanted),
        };
        let end = self.act.now().saturating_add(lease);
        self.last.map_or(end, |last| end.min(last))
    }

    fn event(&self, id: &KeyId<'_>, grant: Option<&LeaseGrant>) -> Event {
        let event = self
            .act
            .event(Action::UserKeysIssued, format!("service/{}", id.service))
            .field("lease", Hex(id.lease_id).to_string())
            .field("epoch", id.epoch.to_string())
            .field("generation", id.generation.to_string())
            .field("version", id.version.to_string())
            .field("expires_at", id.expires_at.to_string())
            .field("proof", self.proof);
        match grant {
            Some(grant) => event.field("grant", format!("{} {}", grant.principal, grant.service)),
            None => event,
        }
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
