//! What leases were issued under, and finding them by that.

use std::fmt;

use cattery_core::{Principal, UserName};

use super::{Registry, Stored};
use crate::failure::Failure;
use crate::granting::{Grantee, GroupName, ServicePattern};
use crate::records::{LeaseGrant, Leased, LeasesRecord, key};
use crate::store::MAX_PAGE;

/// What leases were issued under.
#[derive(Clone, Copy)]
pub(crate) enum Under<'a> {
    /// A grant.
    Grant(&'a Grantee, &'a ServicePattern),
    /// Any grant of a group.
    Group(&'a GroupName),
    /// The same, those of one user.
    Member(&'a GroupName, &'a UserName),
}

impl Registry {
    /// Whatever was issued under something that has changed or ended by now, and is not forgotten yet: issuing rests on that change.
    ///
    /// Those of a group are looked for among all leases of users, so that nobody is missed who has left it.
    pub(crate) async fn leases_under(
        &self,
        under: Under<'_>,
    ) -> Result<Vec<LeasesRecord>, Failure> {
        let prefix = under.place();
        let mut found = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let (page, more) = self
                .page::<LeasesRecord>(&prefix, after.as_deref(), MAX_PAGE)
                .await?;
            after = page.last().map(|stored| stored.key.clone());
            for Stored { mut record, .. } in page {
                let principal = &record.principal;
                record.leases.retain(|lease| under.has(principal, lease));
                if !record.leases.is_empty() {
                    found.push(record);
                }
            }
            if !more {
                return Ok(found);
            }
        }
    }
}

impl Under<'_> {
    /// Where all of its leases are.
    fn place(self) -> String {
        match self {
            Self::Grant(Grantee::Principal(principal), _) => key::leases_of(principal.as_str()),
            Self::Grant(Grantee::Group(_), _) | Self::Group(_) => format!("{}user/", key::LEASES),
            Self::Member(_, user) => key::leases_of(Principal::user(user).as_str()),
        }
    }

    fn has(self, principal: &str, lease: &Leased) -> bool {
        let (holder, service) = lease.under(principal);
        match self {
            Self::Grant(grantee, services) => {
                holder == grantee.to_string() && service == services.to_string()
            }
            Self::Group(group) | Self::Member(group, _) => {
                holder.strip_prefix("group/") == Some(group.as_str())
            }
        }
    }
}

impl fmt::Display for Under<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grant(grantee, services) => write!(f, "{grantee} {services}"),
            Self::Group(group) | Self::Member(group, _) => write!(f, "group/{group}"),
        }
    }
}

impl Leased {
    /// Whose grant it was issued under, and for what that is.
    pub(crate) fn under<'a>(&'a self, principal: &'a str) -> (&'a str, &'a str) {
        match &self.grant {
            Some(LeaseGrant { principal, service }) => (principal, service),
            None => (principal, &self.service),
        }
    }
}
