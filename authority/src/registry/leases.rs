//! The leases that are out, so that they can be shown and taken back.

use std::fmt;

use cattery_core::{Principal, UserName};

use super::{Applying, Registry, Stored};
use crate::act::Act;
use crate::failure::Failure;
use crate::granting::{Grantee, GroupName, ServicePattern};
use crate::records::{LeaseGrant, Leased, LeasesRecord, key};
use crate::store::{MAX_PAGE, Transaction};

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
    /// Stores what is about to be issued. Only if what the principal proved who they are with, on which the act rests, is as it was, and nothing
    /// was taken away from anybody since the grants were read.
    pub(crate) async fn note_leases(
        &self,
        act: &Act,
        applying: &Applying<'_>,
        record: &LeasesRecord,
    ) -> Result<(), Failure> {
        let Some(first) = record.leases.first() else {
            return Ok(());
        };
        let key = key::leases(&record.principal, act.time_ms, &first.id);
        let transaction = Transaction::new().absent(&key).save(&key, record);
        self.note(applying.rest(act.rest(transaction))).await?;
        Ok(())
    }

    /// All leases of a principal that are not forgotten yet, the oldest first.
    pub(crate) async fn leases_of(&self, principal: &str) -> Result<Vec<LeasesRecord>, Failure> {
        let all = self.list(&key::leases_of(principal)).await?;
        Ok(all
            .into_iter()
            .map(|stored: Stored<LeasesRecord>| stored.record)
            .collect())
    }

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Hex, Leased};
    use crate::registry::testkit::{NOW, registry};

    #[tokio::test]
    async fn nothing_is_stored_once_the_proof_is_another_one() {
        let dir = tempfile::tempdir().unwrap();
        let (registry, store) = registry(&dir).await;
        let put = |value: &str| store.commit(Transaction::new().put("api-key/1", value));
        let revision = put("good").await.unwrap();
        let mut act = Act::new(String::new(), "user/alice".into());
        act.rests_on = Some(("api-key/1".into(), revision));
        let record = |number| LeasesRecord {
            principal: "user/alice".into(),
            proof: "api-key/1".into(),
            issued_at: NOW,
            leases: vec![Leased {
                id: Hex([number; 8]),
                service: "photos".into(),
                expires_at: NOW + 60,
                grant: None,
            }],
        };
        let alice = "user/alice".parse().unwrap();
        let applying = Applying::to(&registry, &alice, 0).await.unwrap();
        let note = async |number| registry.note_leases(&act, &applying, &record(number)).await;
        note(1).await.unwrap();
        put("revoked").await.unwrap();
        let late = note(2).await;
        assert!(matches!(late, Err(Failure::Contended)), "{late:?}");
        assert_eq!(registry.leases_of("user/alice").await.unwrap(), [record(1)]);
    }
}
