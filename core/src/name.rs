//! Names of services, users and principals (SPEC section 1). Compared byte for byte, never normalised.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;

use crate::limits::{MAX_SERVICE, MAX_USER};

const SERVICE: &str = "service/";
const USER: &str = "user/";

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// There is nothing in it.
    #[error("the name is empty")]
    Empty,
    /// It is longer than its kind may be.
    #[error("the name has more than {max} bytes")]
    TooLong {
        /// Bytes that it may have.
        max: usize,
    },
    /// A service begins with something other than a lower-case letter or a digit.
    #[error("a service name begins with a lower-case letter or a digit")]
    BadStart,
    /// A byte that its kind does not allow.
    #[error(
        "byte {at} of the name is not allowed there (services: a-z 0-9 . _ -; users: A-Z a-z 0-9 . _ @ + = : ~ - and single /)"
    )]
    BadByte {
        /// Where, from 0.
        at: usize,
    },
    /// A user's NAME begins or ends with `/`, or has two in a row.
    #[error("a user name has an empty segment: it begins or ends with `/`, or has `//` in it")]
    EmptySegment,
    /// A segment of a user's NAME is `.` or `..`.
    #[error("a user name has a segment `.` or `..`")]
    DotSegment,
    /// A principal is neither `service/…` nor `user/…`.
    #[error("a principal is `service/NAME` or `user/NAME`")]
    NoKind,
}

/// The name of a service: a verifier, the audience of a token.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceName(String);

/// The NAME of `user/NAME`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName(String);

/// A signer, who a token speaks for: `service/` and a service, or `user/` and a NAME.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal(String);

/// Which of the two kinds a principal is, with the name behind the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrincipalKind<'a> {
    /// `service/` and this name.
    Service(&'a str),
    /// `user/` and this NAME.
    User(&'a str),
}

impl Principal {
    /// The service, acting as a client.
    pub fn service(name: &ServiceName) -> Self {
        Self([SERVICE, name.as_str()].concat())
    }

    /// The user.
    pub fn user(name: &UserName) -> Self {
        Self([USER, name.as_str()].concat())
    }

    /// Which kind it is, and the name behind the prefix.
    pub fn kind(&self) -> PrincipalKind<'_> {
        match self.0.strip_prefix(SERVICE) {
            Some(name) => PrincipalKind::Service(name),
            None => PrincipalKind::User(self.0.strip_prefix(USER).unwrap_or_default()),
        }
    }

    /// The SPIFFE ID in this trust domain, or `None` for a user with a segment that SPIFFE does not allow.
    pub fn spiffe_id(&self, trust_domain: &str) -> Option<String> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/');
        self.0
            .bytes()
            .all(plain)
            .then(|| format!("spiffe://{trust_domain}/{}", self.0))
    }
}

/// Which bytes a kind of text allows: what each of them is to it.
pub(crate) struct Allowed([u8; 256]);

/// Classes of bytes. Two bits, so that a text's are told apart by what all of its bytes have and what any has.
const FORBIDDEN: u8 = 0;
const PLAIN: u8 = 1;
const SLASH: u8 = 3;

impl Allowed {
    pub(crate) const fn of(bytes: &[u8]) -> Self {
        let mut class = [FORBIDDEN; 256];
        let mut at = 0;
        while at < bytes.len() {
            let byte = bytes[at];
            class[byte as usize] = if byte == b'/' { SLASH } else { PLAIN };
            at += 1;
        }
        Self(class)
    }

    pub(crate) fn all(&self, text: &[u8]) -> bool {
        let class = |byte: &u8| self.0[usize::from(*byte)];
        text.iter().all(|byte| class(byte) != FORBIDDEN)
    }

    /// Whether a `/` is in a name.
    #[inline]
    fn check(&self, name: &str) -> Result<bool, NameError> {
        let classes = name.bytes().map(|byte| self.0[usize::from(byte)]);
        let (every, any) = classes
            .clone()
            .fold((SLASH, FORBIDDEN), |(every, any), class| {
                (every & class, any | class)
            });
        if every == FORBIDDEN {
            let at = classes.clone().position(|class| class == FORBIDDEN);
            return Err(NameError::BadByte {
                at: at.unwrap_or_default(),
            });
        }
        Ok(any == SLASH)
    }
}

static IN_SERVICE: Allowed = Allowed::of(b"abcdefghijklmnopqrstuvwxyz0123456789._-");
static IN_USER: Allowed =
    Allowed::of(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@+=:~-/");

pub(crate) fn check_service(name: &str) -> Result<(), NameError> {
    let first = *name.as_bytes().first().ok_or(NameError::Empty)?;
    if name.len() > MAX_SERVICE {
        return Err(NameError::TooLong { max: MAX_SERVICE });
    }
    IN_SERVICE.check(name)?;
    if matches!(first, b'.' | b'_' | b'-') {
        return Err(NameError::BadStart);
    }
    Ok(())
}

pub(crate) fn check_user(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > MAX_USER {
        return Err(NameError::TooLong { max: MAX_USER });
    }
    let has_slash = IN_USER.check(name)?;
    if !has_slash {
        return check_segment(name.as_bytes());
    }
    let mut rest = name.as_bytes();
    loop {
        let end = memchr::memchr(b'/', rest);
        check_segment(rest.split_at(end.unwrap_or(rest.len())).0)?;
        match end {
            Some(end) => rest = &rest[end + 1..],
            None => return Ok(()),
        }
    }
}

#[inline]
fn check_segment(segment: &[u8]) -> Result<(), NameError> {
    match segment {
        b"" => Err(NameError::EmptySegment),
        b"." | b".." => Err(NameError::DotSegment),
        _ => Ok(()),
    }
}

pub(crate) fn check_principal(name: &str) -> Result<(), NameError> {
    if let Some(service) = name.strip_prefix(SERVICE) {
        check_service(service)
    } else if let Some(user) = name.strip_prefix(USER) {
        check_user(user)
    } else {
        Err(NameError::NoKind)
    }
}

macro_rules! name {
    ($name:ident, $check:ident) => {
        impl $name {
            /// The name as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                $check(name).map(|()| Self(name.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                $check(&name).map(|()| Self(name))
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NameError;
            fn try_from(name: &str) -> Result<Self, NameError> {
                name.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(ServiceName, check_service);
name!(UserName, check_user);
name!(Principal, check_principal);
