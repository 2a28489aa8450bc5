//! `cattery.v1.Admin`: one file for each kind of thing that operators look after.

mod agents;
pub(super) mod api_keys;
mod backup;
mod cas;
pub(super) mod caveats;
mod ending;
mod grants;
mod groups;
pub(super) mod leases;
mod operators;
pub(super) mod revocations;
mod schedule;
mod services;
mod status;
mod tied;
mod users;

use std::time::Duration;

use cattery_core::{NameError, Principal, ServiceName, UserName};
use cattery_proto::v1::admin_server::Admin;
use cattery_proto::v1::*;
use cattery_sdk::portable::Portable;
use tonic::{Request, Response, Status, async_trait};
use zeroize::Zeroizing;

use super::call::serve;
use crate::cluster::{Authority, Shared};
use crate::failure::{Failure, shown};
use crate::granting::{Grantee, GroupName, PatternError, ServicePattern};
use crate::records::Hex;

/// `cattery.v1.Admin`.
pub(super) struct AdminService(pub(super) Shared);

macro_rules! admin {
    ($($method:ident: $request:ident -> $response:ident = $module:ident::$function:ident;)*) => {
        #[async_trait]
        impl Admin for AdminService {
            $(
                async fn $method(&self, request: Request<$request>) -> Result<Response<$response>, Status> {
                    serve(request, |call, request| $module::$function(&self.0, call.act, request)).await
                }
            )*

            type BackupStream = backup::Pieces;

            async fn backup(&self, request: Request<BackupRequest>) -> Result<Response<backup::Pieces>, Status> {
                serve(request, |call, _| backup::begin(self.0.clone(), call.act)).await
            }
        }
    };
}

admin! {
    add_operator: AddOperatorRequest -> AddOperatorResponse = operators::add;
    list_operators: ListOperatorsRequest -> ListOperatorsResponse = operators::list;
    revoke_operator: RevokeOperatorRequest -> RevokeOperatorResponse = operators::revoke;
    add_service: AddServiceRequest -> AddServiceResponse = services::add;
    list_services: ListServicesRequest -> ListServicesResponse = services::list;
    get_service: GetServiceRequest -> GetServiceResponse = services::get;
    disable_service: DisableServiceRequest -> DisableServiceResponse = services::disable;
    list_agents: ListAgentsRequest -> ListAgentsResponse = agents::list;
    evict_agent: EvictAgentRequest -> EvictAgentResponse = agents::evict;
    create_join_token: CreateJoinTokenRequest -> CreateJoinTokenResponse = services::join_token;
    add_user: AddUserRequest -> AddUserResponse = users::add;
    list_users: ListUsersRequest -> ListUsersResponse = users::list;
    disable_user: DisableUserRequest -> DisableUserResponse = users::disable;
    revoke_user: RevokeUserRequest -> RevokeUserResponse = users::revoke;
    create_api_key: CreateApiKeyRequest -> CreateApiKeyResponse = api_keys::create;
    list_api_keys: ListApiKeysRequest -> ListApiKeysResponse = api_keys::list;
    revoke_api_key: RevokeApiKeyRequest -> RevokeApiKeyResponse = api_keys::revoke;
    revoke: RevokeRequest -> RevokeResponse = revocations::revoke;
    get_reach: GetReachRequest -> GetReachResponse = revocations::reach;
    list_leases: ListLeasesRequest -> ListLeasesResponse = leases::list;
    add_grant: AddGrantRequest -> AddGrantResponse = grants::add;
    list_grants: ListGrantsRequest -> ListGrantsResponse = grants::list;
    set_grant: SetGrantRequest -> SetGrantResponse = grants::set;
    remove_grant: RemoveGrantRequest -> RemoveGrantResponse = grants::remove;
    explain_grant: ExplainGrantRequest -> ExplainGrantResponse = grants::explain;
    add_group: AddGroupRequest -> AddGroupResponse = groups::add;
    list_groups: ListGroupsRequest -> ListGroupsResponse = groups::list;
    get_group: GetGroupRequest -> GetGroupResponse = groups::get;
    remove_group: RemoveGroupRequest -> RemoveGroupResponse = groups::remove;
    add_group_member: AddGroupMemberRequest -> AddGroupMemberResponse = groups::add_member;
    remove_group_member: RemoveGroupMemberRequest -> RemoveGroupMemberResponse = groups::remove_member;
    get_key_schedule: GetKeyScheduleRequest -> GetKeyScheduleResponse = schedule::get;
    change_key_schedule: ChangeKeyScheduleRequest -> ChangeKeyScheduleResponse = schedule::change;
    get_cas: GetCasRequest -> GetCasResponse = cas::get;
    change_cas: ChangeCasRequest -> ChangeCasResponse = cas::change;
    get_cluster_status: GetClusterStatusRequest -> GetClusterStatusResponse = status::cluster;
    verify_audit: VerifyAuditRequest -> VerifyAuditResponse = status::audit;
}

fn service_name(name: &str) -> Result<ServiceName, Failure> {
    name.parse()
        .map_err(|error| Failure::name("service name", name, error))
}

fn user_name(name: &str) -> Result<UserName, Failure> {
    name.parse()
        .map_err(|error| Failure::name("user name", name, error))
}

fn principal(name: &str) -> Result<Principal, Failure> {
    name.parse()
        .map_err(|error| Failure::name("principal", name, error))
}

fn group_name(name: &str) -> Result<GroupName, Failure> {
    name.parse()
        .map_err(|error| Failure::name("group name", name, error))
}

/// Who a grant is made to.
fn grantee(name: &str) -> Result<Grantee, Failure> {
    name.parse().map_err(|error| match error {
        NameError::NoKind => Failure::Invalid(format!(
            "the principal `{}` is not valid: who can have a grant is `user/NAME`, `service/NAME` or `group/NAME`",
            shown(name)
        )),
        error => Failure::name("name", name, error),
    })
}

/// What a grant is for.
fn services(name: &str) -> Result<ServicePattern, Failure> {
    name.parse().map_err(|error| match error {
        PatternError::Name(error) => Failure::name("service name", name, error),
        error => Failure::Invalid(format!(
            "the pattern `{}` is not valid: {error}",
            shown(name)
        )),
    })
}

/// A length that a request gives, 0 standing for the default.
pub(super) fn length(
    seconds: u64,
    default: Duration,
    most: Duration,
    what: &str,
) -> Result<Duration, Failure> {
    match Duration::from_secs(seconds) {
        Duration::ZERO => Ok(default),
        length if length <= most => Ok(length),
        length => Err(Failure::Invalid(format!(
            "{what} of {} is too long: {} is the most",
            crate::config::show_duration(length),
            crate::config::show_duration(most)
        ))),
    }
}

/// What goes into the text that people carry.
pub(super) fn portable(
    authority: &Authority,
    id: &Hex<8>,
    secret: Zeroizing<[u8; 32]>,
) -> Result<Portable, Failure> {
    let news = authority.bulletin.latest()?;
    Ok(Portable {
        id: id.0,
        secret,
        addresses: news.addresses.clone(),
        ca_sha256: news.cas.active.fingerprint(),
    })
}

/// A number of things, as the protos count them.
pub(super) fn count(things: usize) -> u32 {
    u32::try_from(things).unwrap_or(u32::MAX)
}
