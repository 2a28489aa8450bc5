use std::fmt;
use std::str::FromStr;

use cattery_core::{NameError, ServiceName};

/// What a grant is for: one service, or every service whose name begins with a prefix. As text, a name, or a prefix and `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServicePattern {
    /// The service of this name.
    Exact(ServiceName),
    /// Every service whose name begins with this, now or later; all services where it is empty.
    Prefix(String),
}

/// What is wrong with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// There is a `*` elsewhere than at the end.
    #[error(
        "`*` stands for the rest of a name, so it can only be the last character: write `photos-*`, or `*` for all services"
    )]
    Star,
    /// What is before the `*`, or all of it, is nothing that a name begins with.
    #[error(transparent)]
    Name(#[from] NameError),
}

impl ServicePattern {
    /// Whether a service of this name comes under it.
    #[must_use]
    pub fn matches(&self, service: &str) -> bool {
        match self {
            Self::Exact(name) => name.as_str() == service,
            Self::Prefix(prefix) => service.starts_with(prefix.as_str()),
        }
    }
}

impl FromStr for ServicePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        match text.split_once('*') {
            None => Ok(Self::Exact(text.parse()?)),
            Some(("", "")) => Ok(Self::Prefix(String::new())),
            // Whatever a name can begin with is a name.
            Some((prefix, "")) => Ok(Self::Prefix(prefix.parse::<ServiceName>()?.into())),
            Some(_) => Err(PatternError::Star),
        }
    }
}

impl fmt::Display for ServicePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => name.fmt(f),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_and_a_star_name_whatever_begins_with_it() {
        for (pattern, matched, others) in [
            ("photos", &["photos"][..], &["photos-eu", "photo", ""][..]),
            (
                "photos-*",
                &["photos-", "photos-eu", "photos-eu-1"],
                &["photos", "photosx", "xphotos-eu"],
            ),
            ("photos*", &["photos", "photos-eu", "photosx"], &["photo"]),
            ("*", &["photos", "0", "a.b_c-d"], &[]),
        ] {
            let parsed: ServicePattern = pattern.parse().unwrap();
            assert_eq!(parsed.to_string(), pattern);
            for name in matched {
                assert!(parsed.matches(name), "{pattern} {name}");
            }
            for name in others {
                assert!(!parsed.matches(name), "{pattern} {name}");
            }
        }
    }

    #[test]
    fn nothing_cleverer_is_a_pattern() {
        for (text, error) in [
            ("**", PatternError::Star),
            ("*-eu", PatternError::Star),
            ("photos-*-eu", PatternError::Star),
            ("", PatternError::Name(NameError::Empty)),
            ("-*", PatternError::Name(NameError::BadStart)),
            ("Photos*", PatternError::Name(NameError::BadByte { at: 0 })),
            ("photos?", PatternError::Name(NameError::BadByte { at: 6 })),
            ("a/*", PatternError::Name(NameError::BadByte { at: 1 })),
        ] {
            assert_eq!(text.parse::<ServicePattern>(), Err(error), "{text}");
        }
        let long = format!("{}*", "a".repeat(64));
        assert!(long.parse::<ServicePattern>().is_err());
    }
}
