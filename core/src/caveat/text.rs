//! The text form of caveats: one grammar for flags, grants and what people read.

use std::fmt::{self, Write};
use std::str::FromStr;

use super::{AnyOf, Caveat, CaveatError, escape, time};

/// What is wrong with a caveat's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CaveatTextError {
    /// It does not begin with a word of the grammar and `=`.
    #[error(
        "a caveat begins with one of scope= method= path= addr= after= until= cert= request= context: third-party= once= revocation="
    )]
    Word,
    /// A backslash that begins no escape.
    #[error("a backslash begins one of \\\\ \\, \\= \\e \\u{{HEX}}")]
    Escape,
    /// An entry of a list is empty; where that is meant, it is written `\e`.
    #[error("an entry of the list is empty")]
    EmptyEntry,
    /// Neither Unix seconds nor RFC 3339 in UTC, or an end at 0.
    #[error("a time is Unix seconds, or like 2026-01-31T12:00:00Z; an end is later than 1970")]
    Time,
    /// Not hexadecimal, or not of the right length.
    #[error("expected {bytes} bytes in hexadecimal")]
    Hex {
        /// How many bytes: a number, or a range.
        bytes: &'static str,
    },
    /// `context:` without `=`.
    #[error("context is written context:KEY=VALUE")]
    Context,
    /// `third-party=` without `:`.
    #[error("a third party is written third-party=PRINCIPAL:TICKET, the ticket in hexadecimal")]
    ThirdParty,
    /// It can be read, and can never hold.
    #[error("{0}")]
    Caveat(#[from] CaveatError),
}

/// Reads the text form. [`Display`](fmt::Display) writes it, and every caveat that [`check`](Caveat::check) lets pass
/// comes back the same.
///
/// ```text
/// scope=a,b                     the request's scope is one of them
/// method=GET,/pkg.Service/M     the method, or the path of a gRPC method, is one of them
/// path=/albums                  the path lies under this prefix
/// addr=192.0.2.0/24,2001:db8::/32
/// until=TIME                    ends then (not_after)
/// after=TIME                    begins then (not_before)
/// after=TIME,until=TIME         both, in one caveat
/// cert=HEX                      SHA-256 of the client's certificate
/// context:KEY=VALUE             the verifier's context holds exactly this
/// request=HEX                   the digest of the request; with `+body` behind it where it covers the body
/// third-party=PRINCIPAL:HEX     a discharge by PRINCIPAL for this ticket
/// once=HEX                      single use; 16 random bytes
/// revocation=HEX                16 random bytes, by which it can be revoked
/// ```
///
/// TIME is Unix seconds, or RFC 3339 in UTC and whole seconds, `2026-01-31T12:00:00Z`. HEX is in either case.
///
/// In entries of lists, prefixes, keys and values, `\\` is a backslash, `\,` a comma, `\=` an equals sign, `\e` nothing (an
/// entry that is empty) and `\u{HEX}` a character by its number. A comma has to be escaped inside a list's entry,
/// and an equals sign inside a KEY. Characters that do not print are written as `\u{HEX}`, so that a hostile
/// caveat can be shown on a terminal.
impl FromStr for Caveat<'static> {
    type Err = CaveatTextError;

    fn from_str(text: &str) -> Result<Self, CaveatTextError> {
        let caveat = match text.strip_prefix("context:") {
            Some(pair) => {
                let (key, value) = escape::split_once(pair, '=').ok_or(CaveatTextError::Context)?;
                Self::Context {
                    key: escape::read(key)?.into(),
                    value: escape::read(value)?.into(),
                }
            }
            None => {
                let (word, value) = text.split_once('=').ok_or(CaveatTextError::Word)?;
                read_word(word, value)?
            }
        };
        caveat.check()?;
        Ok(caveat)
    }
}

fn read_word(word: &str, value: &str) -> Result<Caveat<'static>, CaveatTextError> {
    Ok(match word {
        "scope" => Caveat::Scopes(read_list(value)?),
        "method" => Caveat::Methods(read_list(value)?),
        "addr" => Caveat::SourceAddr(read_list(value)?),
        "path" => Caveat::PathPrefix(escape::read(value)?.into()),
        "after" => match value.split_once(",until=") {
            Some((begin, end)) => Caveat::TimeWindow {
                not_before: read_time(begin)?,
                not_after: read_end(end)?,
            },
            None => Caveat::TimeWindow {
                not_before: read_time(value)?,
                not_after: 0,
            },
        },
        "until" => Caveat::TimeWindow {
            not_before: 0,
            not_after: read_end(value)?,
        },
        "cert" => Caveat::ClientCert(read_hex(value, "32")?),
        "request" => match value.strip_suffix("+body") {
            Some(digest) => Caveat::Request {
                digest: read_hex(digest, "32")?,
                body: true,
            },
            None => Caveat::Request {
                digest: read_hex(value, "32")?,
                body: false,
            },
        },
        "third-party" => {
            let (principal, ticket) = value.rsplit_once(':').ok_or(CaveatTextError::ThirdParty)?;
            let ticket = read_bytes(ticket).ok_or(CaveatTextError::Hex { bytes: "16 to 64" })?;
            Caveat::ThirdParty {
                principal: escape::read(principal)?.into(),
                ticket: ticket.into(),
            }
        }
        "once" => Caveat::SingleUse {
            id: read_hex(value, "16")?,
        },
        "revocation" => Caveat::RevocationId {
            id: read_hex(value, "16")?,
        },
        _ => return Err(CaveatTextError::Word),
    })
}

fn read_list(mut value: &str) -> Result<AnyOf<'static>, CaveatTextError> {
    let mut entries = Vec::new();
    loop {
        let (entry, rest) = match escape::split_once(value, ',') {
            Some((entry, rest)) => (entry, Some(rest)),
            None => (value, None),
        };
        if entry.is_empty() {
            return Err(CaveatTextError::EmptyEntry);
        }
        entries.push(escape::read(entry)?);
        match rest {
            Some(rest) => value = rest,
            None => return Ok(AnyOf::from(entries)),
        }
    }
}

fn read_time(text: &str) -> Result<u64, CaveatTextError> {
    time::read(text).ok_or(CaveatTextError::Time)
}

/// An end of 0 would leave the window open, which is not what anyone who writes it means.
fn read_end(text: &str) -> Result<u64, CaveatTextError> {
    read_time(text).and_then(|end| {
        if end == 0 {
            Err(CaveatTextError::Time)
        } else {
            Ok(end)
        }
    })
}

fn read_bytes(hex: &str) -> Option<Vec<u8>> {
    let digit = |b: u8| {
        char::from(b)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}

fn read_hex<const N: usize>(hex: &str, bytes: &'static str) -> Result<[u8; N], CaveatTextError> {
    read_bytes(hex)
        .and_then(|read| read.try_into().ok())
        .ok_or(CaveatTextError::Hex { bytes })
}

/// The text form, as [`FromStr`](#impl-FromStr-for-Caveat<'static>) reads it.
impl fmt::Display for Caveat<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimeWindow {
                not_before,
                not_after: 0,
            } => write!(f, "after={}", time::Text(*not_before)),
            Self::TimeWindow {
                not_before: 0,
                not_after,
            } => write!(f, "until={}", time::Text(*not_after)),
            Self::TimeWindow {
                not_before,
                not_after,
            } => {
                write!(
                    f,
                    "after={},until={}",
                    time::Text(*not_before),
                    time::Text(*not_after)
                )
            }
            Self::Scopes(any_of) => write_list(f, "scope=", any_of),
            Self::Methods(any_of) => write_list(f, "method=", any_of),
            Self::SourceAddr(any_of) => write_list(f, "addr=", any_of),
            Self::PathPrefix(prefix) => {
                f.write_str("path=")?;
                escape::write(f, prefix, None)
            }
            Self::ClientCert(sha256) => write_hex(f, "cert=", sha256),
            Self::Request { digest, body } => {
                write_hex(f, "request=", digest)?;
                f.write_str(if *body { "+body" } else { "" })
            }
            Self::Context { key, value } => {
                f.write_str("context:")?;
                escape::write(f, key, Some('='))?;
                f.write_char('=')?;
                escape::write(f, value, None)
            }
            Self::ThirdParty { principal, ticket } => {
                f.write_str("third-party=")?;
                escape::write(f, principal, None)?;
                write_hex(f, ":", ticket)
            }
            Self::SingleUse { id } => write_hex(f, "once=", id),
            Self::RevocationId { id } => write_hex(f, "revocation=", id),
        }
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, word: &str, any_of: &AnyOf<'_>) -> fmt::Result {
    f.write_str(word)?;
    for (index, entry) in any_of.iter().enumerate() {
        if index > 0 {
            f.write_char(',')?;
        }
        if entry.is_empty() {
            f.write_str("\\e")?;
        }
        escape::write(f, entry, Some(','))?;
    }
    Ok(())
}

fn write_hex(f: &mut fmt::Formatter<'_>, before: &str, bytes: &[u8]) -> fmt::Result {
    f.write_str(before)?;
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
