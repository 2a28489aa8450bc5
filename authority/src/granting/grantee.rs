use std::fmt;
use std::str::FromStr;

use cattery_core::{NameError, Principal, ServiceName};

const GROUP: &str = "group/";

/// The name of a group of users. Its syntax is a service's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupName(ServiceName);

impl GroupName {
    /// The name as it is written, without `group/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for GroupName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        name.parse().map(Self)
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who can have a grant: a principal, or a group of users, which is none. A group never signs anything, and no token names one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grantee {
    /// `user/NAME` or `service/NAME`.
    Principal(Principal),
    /// `group/NAME`.
    Group(GroupName),
}

impl FromStr for Grantee {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        match name.strip_prefix(GROUP) {
            Some(group) => group.parse().map(Self::Group),
            None => name.parse().map(Self::Principal),
        }
    }
}

impl fmt::Display for Grantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Principal(principal) => f.write_str(principal.as_str()),
            Self::Group(group) => write!(f, "{GROUP}{group}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_no_principal() {
        let group: Grantee = "group/ops".parse().unwrap();
        assert_eq!(group, Grantee::Group("ops".parse().unwrap()));
        assert_eq!(group.to_string(), "group/ops");
        assert!("group/ops".parse::<Principal>().is_err());
        let user: Grantee = "user/group/ops".parse().unwrap();
        assert!(matches!(user, Grantee::Principal(_)));
        for none in ["group/", "group/a/b", "group/A", "ops", ""] {
            assert!(none.parse::<Grantee>().is_err(), "{none}");
        }
    }
}
