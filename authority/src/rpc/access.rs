//! Who may call what: the one table. What is not in it cannot be called.

use crate::records::Role;

/// What a caller has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody: what they send proves itself, or it is public.
    Anyone,
    /// An agent or an operator, with a certificate.
    Device,
    /// An agent of a service, with its certificate.
    Agent,
    /// A user with an API key, or a service with its agent's certificate.
    Client,
    /// A user with an API key.
    User,
    /// An operator with at least this role.
    Role(Role),
}

/// The rule for a gRPC path, `/package.Service/Method`; `None` where there is no such method.
pub(crate) fn access(path: &str) -> Option<Access> {
    use Access::{Agent, Anyone, Client, Device, User};
    const AUDITOR: Access = Access::Role(Role::Auditor);
    const OPERATOR: Access = Access::Role(Role::Operator);
    const ADMIN: Access = Access::Role(Role::Admin);

    let (service, method) = path.strip_prefix('/')?.split_once('/')?;
    Some(match (service, method) {
        ("cattery.v1.Enrollment", "Enroll") => Anyone,
        ("cattery.v1.Enrollment", "RenewCertificate") => Device,
        ("cattery.v1.Enrollment", "RecoverCertificate") => Anyone,

        ("cattery.v1.ServiceKeys", "FollowServiceKeys") => Agent,
        ("cattery.v1.ServiceKeys", "SpendSingleUse") => Agent,
        ("cattery.v1.UserKeys", "IssueUserKeys") => Client,
        ("cattery.v1.UserKeys", "CreateOwnApiKey") => User,
        ("cattery.v1.UserKeys", "ListOwnApiKeys") => User,
        ("cattery.v1.UserKeys", "RevokeOwnApiKey") => User,
        ("cattery.v1.UserKeys", "RevokeOwn") => User,

        ("cattery.v1.Admin", method) => match method {
            "AddOperator" => ADMIN,
            "ListOperators" => AUDITOR,
            "RevokeOperator" => ADMIN,
            "AddService" => OPERATOR,
            "ListServices" => AUDITOR,
            "GetService" => AUDITOR,
            "DisableService" => OPERATOR,
            "ListAgents" => AUDITOR,
            "EvictAgent" => OPERATOR,
            "CreateJoinToken" => OPERATOR,
            "AddUser" => OPERATOR,
            "ListUsers" => AUDITOR,
            "DisableUser" => OPERATOR,
            "RevokeUser" => OPERATOR,
            "CreateApiKey" => OPERATOR,
            "ListApiKeys" => AUDITOR,
            "RevokeApiKey" => OPERATOR,
            "Revoke" => OPERATOR,
            "GetReach" => AUDITOR,
            "ListLeases" => AUDITOR,
            "AddGrant" => OPERATOR,
            "ListGrants" => AUDITOR,
            "SetGrant" => OPERATOR,
            "RemoveGrant" => OPERATOR,
            "ExplainGrant" => AUDITOR,
            "AddGroup" => OPERATOR,
            "ListGroups" => AUDITOR,
            "GetGroup" => AUDITOR,
            "RemoveGroup" => OPERATOR,
            "AddGroupMember" => OPERATOR,
            "RemoveGroupMember" => OPERATOR,
            "GetKeySchedule" => AUDITOR,
            "ChangeKeySchedule" => OPERATOR,
            "GetCas" => AUDITOR,
            "ChangeCas" => ADMIN,
            "GetClusterStatus" => AUDITOR,
            "VerifyAudit" => AUDITOR,
            "Backup" => ADMIN,
            _ => return None,
        },

        ("grpc.health.v1.Health", "Check" | "List" | "Watch") => Anyone,
        ("grpc.reflection.v1.ServerReflection", "ServerReflectionInfo") => Anyone,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every rpc that the protos name has a row, and a row of Admin is the role that its comment promises.
    #[test]
    fn the_table_is_what_the_protos_say() {
        let files = [
            include_str!("../../../proto/cattery/v1/admin.proto"),
            include_str!("../../../proto/cattery/v1/enrollment.proto"),
            include_str!("../../../proto/cattery/v1/keys.proto"),
        ];
        let (mut service, mut comment, mut seen) = (String::new(), String::new(), 0);
        for line in files.iter().flat_map(|file| file.lines()).map(str::trim) {
            let mut words = line.split([' ', '(']);
            match words.next() {
                Some("service") => service = words.next().unwrap().to_owned(),
                Some("//") => comment.push_str(line),
                Some("rpc") => {
                    let method = words.next().unwrap();
                    let found = access(&format!("/cattery.v1.{service}/{method}"));
                    let found = found.unwrap_or_else(|| panic!("no row for {service}/{method}"));
                    if let Access::Role(role) = found {
                        let promise = format!("Role: {}.", role.as_str());
                        assert!(comment.ends_with(&promise), "{method}: {comment}");
                    } else {
                        assert!(!comment.contains("Role:"), "{method}: {comment}");
                    }
                    seen += 1;
                }
                _ => comment.clear(),
            }
            if line.starts_with("rpc") {
                comment.clear();
            }
        }
        assert_eq!(seen, 48);
    }

    #[test]
    fn what_is_not_in_the_table_cannot_be_called() {
        for path in [
            "",
            "/",
            "/cattery.v1.Admin/Nope",
            "/cattery.v1.Unseal/Unseal",
            "cattery.v1.Admin/AddUser",
        ] {
            assert_eq!(access(path), None, "{path}");
        }
    }
}
