//! Who calls: from the client certificate or the API key, checked against the registry at every call.

use cattery_core::{Principal, ServiceName};
use cattery_sdk::portable::ApiKey;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::access::Access;
use crate::failure::Failure;
use crate::peer::PeerCertificate;
use crate::records::{Role, Subject};
use crate::registry::{Device, Proven, Registry};
use crate::store::Revision;

/// Who calls.
pub(crate) enum Caller {
    /// Somebody, or nobody that had to be known.
    Anyone,
    /// An agent of a service. The service's name is the certificate's, and comes from nowhere else.
    Agent {
        service: ServiceName,
        device: Device,
        /// The record that says so, and its revision.
        record: (String, Revision),
    },
    /// A person who runs the cluster.
    Operator {
        role: Role,
        device: Device,
        /// As above.
        record: (String, Revision),
    },
    /// A user, by an API key.
    User(Proven),
}

impl Caller {
    /// As the audit log has it.
    pub(crate) fn actor(&self) -> String {
        match self {
            Self::Anyone => String::new(),
            Self::Agent { device, .. } | Self::Operator { device, .. } => {
                device.subject.to_string()
            }
            Self::User(proven) => Principal::user(&proven.user).as_str().to_owned(),
        }
    }

    /// The user that an API key proved.
    pub(crate) fn user(&self) -> Result<&Proven, Failure> {
        match self {
            Self::User(proven) => Ok(proven),
            _ => Err(Failure::Broken("a user's call by somebody else")),
        }
    }

    /// The record that says who it is, and its revision.
    pub(crate) fn record(&self) -> Option<&(String, Revision)> {
        match self {
            Self::Anyone => None,
            Self::Agent { record, .. } | Self::Operator { record, .. } => Some(record),
            Self::User(proven) => Some(&proven.record),
        }
    }

    /// Finds out, as far as the rule asks, and refuses whom it does not let in.
    pub(crate) async fn admit(
        registry: &Registry,
        access: Access,
        certificate: Option<&PeerCertificate>,
        headers: &HeaderMap,
        now: u64,
    ) -> Result<Self, Failure> {
        match access {
            Access::Anyone => Ok(Self::Anyone),
            Access::Client | Access::User if headers.contains_key(AUTHORIZATION) => {
                by_api_key(registry, headers, now).await.map(Self::User)
            }
            Access::User => Err(nobody(access)),
            Access::Device | Access::Agent | Access::Client | Access::Role(_) => {
                let certificate = certificate.ok_or_else(|| nobody(access))?;
                certificate.check(now)?;
                let caller = by_certificate(registry, certificate).await?;
                caller.check(access)?;
                Ok(caller)
            }
        }
    }

    fn check(&self, access: Access) -> Result<(), Failure> {
        let allowed = match (access, self) {
            (Access::Role(least), Self::Operator { role, .. }) => *role >= least,
            (Access::Agent | Access::Client, Self::Agent { .. }) => true,
            (Access::Device, Self::Agent { .. } | Self::Operator { .. }) => true,
            _ => false,
        };
        if allowed {
            return Ok(());
        }
        let who = self.actor();
        let why = match (access, self) {
            (Access::Role(least), Self::Operator { role, .. }) => format!(
                "this takes the role `{}`, and `{who}` has the role `{}`",
                least.as_str(),
                role.as_str()
            ),
            (Access::Role(_), _) => format!("only operators may do that, and this is `{who}`"),
            _ => format!("only services may do that, and this is `{who}`"),
        };
        Err(Failure::Denied(why))
    }
}

/// Refuses whoever shows neither a certificate nor an API key where one is needed. What they show is not looked at yet.
pub(crate) fn is_somebody(
    access: Access,
    certificate: Option<&PeerCertificate>,
    headers: &HeaderMap,
) -> Result<(), Failure> {
    let shown = match access {
        Access::Anyone => true,
        Access::Client => certificate.is_some() || headers.contains_key(AUTHORIZATION),
        Access::User => headers.contains_key(AUTHORIZATION),
        Access::Device | Access::Agent | Access::Role(_) => certificate.is_some(),
    };
    shown.then_some(()).ok_or_else(|| nobody(access))
}

async fn by_certificate(
    registry: &Registry,
    certificate: &PeerCertificate,
) -> Result<Caller, Failure> {
    let device = certificate.device.clone();
    match certificate.subject() {
        Subject::Service(name) => {
            let service = name
                .parse()
                .map_err(|_| Failure::Broken("a certificate names no service"))?;
            let agent = registry.agent(&device).await?;
            Ok(Caller::Agent {
                service,
                device,
                record: (agent.key, agent.revision),
            })
        }
        Subject::Operator(_) => {
            let operator = registry.operator_of(&device).await?;
            Ok(Caller::Operator {
                role: operator.record.role,
                device,
                record: (operator.key, operator.revision),
            })
        }
    }
}

async fn by_api_key(registry: &Registry, headers: &HeaderMap, now: u64) -> Result<Proven, Failure> {
    let not_one = || {
        Failure::Unauthenticated(
            "the authorization is not `Bearer` and an API key (`catapi1_…`): copy all of the key, on one line".into(),
        )
    };
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(not_one());
    };
    let value = value.to_str().map_err(|_| not_one())?;
    let (scheme, key) = value.split_once(' ').ok_or_else(not_one)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(not_one());
    }
    let key = ApiKey::parse(key).map_err(|_| not_one())?;
    registry.prove(key.id, &key.secret_sha256(), now).await
}

fn nobody(access: Access) -> Failure {
    Failure::Unauthenticated(
        match access {
            Access::Client => {
                "this takes an API key or a service's client certificate: `cattery login` first"
            }
            Access::User => "this takes an API key: `cattery login` with one first",
            Access::Agent => {
                "this takes the client certificate that an agent gets with a join token"
            }
            Access::Anyone | Access::Device | Access::Role(_) => {
                "this takes a client certificate: log in with a join token first"
            }
        }
        .into(),
    )
}
