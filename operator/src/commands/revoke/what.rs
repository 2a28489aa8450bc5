//! What is to be revoked, as ids or as a text that somebody holds.

use std::str::FromStr;

use anyhow::{Context as _, bail};
use cattery_core::{
    Caveat, Principal, Scratch,
    inspect::{self, Inspected},
};
use cattery_proto::v1;
use serde::{Serialize, Serializer};

use crate::{commands::inspect::without_scheme, exit::Usage, plain::plain};

/// An id of this many bytes, in hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hex<const N: usize>(pub(crate) [u8; N]);

impl<const N: usize> FromStr for Hex<N> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut bytes = [0; N];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|_| format!("it has to be {} hexadecimal digits", 2 * N))?;
        Ok(Self(bytes))
    }
}

/// One thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct What {
    #[serde(serialize_with = "kind_name")]
    kind: v1::RevocationKind,
    principal: String,
    #[serde(serialize_with = "digits")]
    id: Vec<u8>,
    /// When a token ends, Unix seconds.
    #[serde(skip)]
    not_after: u64,
}

impl What {
    /// Those ids of a principal.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn ids(
        principal: &Principal,
        leases: &[Hex<8>],
        tokens: &[Hex<16>],
        handed_out: &[Hex<16>],
    ) -> anyhow::Result<Vec<Self>> {
        let leases = leases
            .iter()
            .map(|id| Self::lease(principal.as_str(), &id.0));
        let tokens = tokens.iter().map(|id| (v1::RevocationKind::Token, id));
        let handed_out = handed_out
            .iter()
            .map(|id| (v1::RevocationKind::HandedOut, id));
        let others = tokens
            .chain(handed_out)
            .map(|(kind, id)| Self::new(kind, principal.as_str(), &id.0));
        let all: Vec<Self> = leases.chain(others).collect();
        if all.is_empty() {
            return Err(Usage(
                "--principal needs an ID: add --token, --handed-out or --lease; or leave it out, and give the token or key on standard input"
                    .to_owned(),
            )
            .into());
        }
        Ok(all)
    }

    /// A lease of a principal.
    pub(crate) fn lease(principal: &str, id: &[u8]) -> Self {
        Self::new(v1::RevocationKind::Lease, principal, id)
    }

    /// A handed-out key or token of a principal.
    pub(crate) fn handed_out(principal: &str, id: &[u8]) -> Self {
        Self::new(v1::RevocationKind::HandedOut, principal, id)
    }

    /// What somebody holds: a token, or a key. Nothing of it is verified, so what is forged takes nothing from anybody but an entry.
    ///
    /// # Errors
    /// It is neither.
    pub(crate) fn of_text(text: &str, whole_lease: bool) -> anyhow::Result<Self> {
        let text = inspect::parts(without_scheme(text))
            .next()
            .unwrap_or_default();
        let mut scratch = Scratch::new();
        let parsed = inspect::parse(text, &mut scratch).context(
            "this is no token (cat1_…) and no user key (catkey1_…), or not all of one; nothing was revoked",
        )?;
        match parsed {
            Inspected::Discharge(_) => bail!(
                "a discharge (catd1_…) is not revoked by itself: revoke the token that it goes with; nothing was revoked"
            ),
            Inspected::Token(token) => {
                let id = token.unverified_key_id();
                if whole_lease {
                    return Ok(Self::lease(id.principal, &id.lease_id));
                }
                let payload = token
                    .unverified_payload()
                    .context("the token's payload cannot be read, so no service takes it; nothing was revoked")?;
                if payload.token_id.len() != 16 {
                    bail!(
                        "the token has no ID of 16 bytes, so no service takes it; nothing was revoked"
                    );
                }
                Ok(Self {
                    not_after: payload.not_after,
                    ..Self::new(v1::RevocationKind::Token, id.principal, payload.token_id)
                })
            }
            Inspected::Key(key) => {
                let id = key.id();
                let handed_out = key.caveats().filter_map(|caveat| match caveat {
                    Ok(Caveat::RevocationId { id }) => Some(id.to_vec()),
                    _ => None,
                });
                // The last one is whoever was given this key; those before it, whoever handed it on.
                Ok(match handed_out.last().filter(|_| !whole_lease) {
                    Some(handed_out) => {
                        Self::new(v1::RevocationKind::HandedOut, id.principal, &handed_out)
                    }
                    None => Self::lease(id.principal, &id.lease_id),
                })
            }
        }
    }

    /// As it goes to an authority.
    pub(super) fn request(&self) -> v1::Revocation {
        v1::Revocation {
            kind: self.kind.into(),
            principal: self.principal.clone(),
            id: self.id.clone(),
            not_after: self.not_after,
        }
    }

    /// The same, as its principal asks for it.
    pub(crate) fn own_request(&self) -> v1::OwnRevocation {
        v1::OwnRevocation {
            kind: self.kind.into(),
            id: self.id.clone(),
            not_after: self.not_after,
        }
    }

    /// Whose it is.
    pub(crate) fn principal(&self) -> &str {
        &self.principal
    }

    /// The id of what was handed out, lower-case hex; none where it is something else.
    pub(crate) fn handed_out_id(&self) -> Option<String> {
        (self.kind == v1::RevocationKind::HandedOut).then(|| hex::encode(&self.id))
    }

    /// `token 5f0c… of user/alice`.
    pub(crate) fn name(&self) -> String {
        format!(
            "{} {} of {}",
            name(self.kind),
            hex::encode(&self.id),
            plain(&self.principal)
        )
    }

    fn new(kind: v1::RevocationKind, principal: &str, id: &[u8]) -> Self {
        Self {
            kind,
            principal: principal.to_owned(),
            id: id.to_vec(),
            not_after: 0,
        }
    }
}

fn name(kind: v1::RevocationKind) -> &'static str {
    match kind {
        v1::RevocationKind::Unspecified => "nothing",
        v1::RevocationKind::Lease => "lease",
        v1::RevocationKind::Token => "token",
        v1::RevocationKind::HandedOut => "handed-out key",
    }
}

fn kind_name<S: Serializer>(kind: &v1::RevocationKind, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&name(*kind).replace([' ', '-'], "_"))
}

fn digits<S: Serializer>(id: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&hex::encode(id))
}

#[cfg(test)]
mod tests {
    use cattery_core::{KeyId, RootKey, TokenSpec, UserKey};

    use super::*;

    const LEASE: [u8; 8] = [3; 8];

    fn key(caveats: &[&str]) -> UserKey {
        let service_key = RootKey::from_bytes([7; 32]).service_key(&"photos".parse().unwrap(), 0);
        let id = KeyId {
            epoch: 1,
            service: "photos",
            generation: 0,
            principal: "user/alice",
            version: 0,
            expires_at: 2_000,
            lease_id: LEASE,
        };
        let caveats: Vec<Caveat<'static>> =
            caveats.iter().map(|text| text.parse().unwrap()).collect();
        UserKey::issue(&service_key, &id, &caveats).unwrap()
    }

    fn token(key: &UserKey) -> String {
        let mut text = String::new();
        let spec = TokenSpec {
            not_before: 1_000,
            not_after: 1_060,
            token_id: [9; 16],
            ..TokenSpec::default()
        };
        key.mint(&spec, &mut text).unwrap();
        text
    }

    fn handed_out(digit: char) -> String {
        format!("revocation={}", String::from(digit).repeat(32))
    }

    #[test]
    fn a_token_is_revoked_alone_or_with_its_lease() {
        let text = token(&key(&[]));
        let one = What::of_text(&format!("Bearer {text}"), false).unwrap();
        assert_eq!(
            one.name(),
            format!("token {} of user/alice", "09".repeat(16))
        );
        assert_eq!(one.request().not_after, 1_060);
        let all = What::of_text(&text, true).unwrap();
        assert_eq!(all, What::lease("user/alice", &LEASE));
    }

    #[test]
    fn a_key_is_revoked_by_the_last_hand_out_or_else_by_its_lease() {
        let of = |caveats: &[&str], whole| What::of_text(&key(caveats).to_text(), whole).unwrap();
        assert_eq!(of(&["path=/a"], false), What::lease("user/alice", &LEASE));
        let (first, second) = (handed_out('a'), handed_out('b'));
        let twice = [first.as_str(), "path=/a", second.as_str()];
        let last = of(&twice, false);
        assert_eq!(
            last.name(),
            format!("handed-out key {} of user/alice", "b".repeat(32))
        );
        assert_eq!(of(&twice, true), What::lease("user/alice", &LEASE));
    }

    #[test]
    fn what_is_neither_is_refused() {
        for text in ["", "cat1_AAAA", "catapi1_AAAA", "hello"] {
            let why = What::of_text(text, false).unwrap_err().to_string();
            assert!(why.contains("nothing was revoked"), "{text}: {why}");
        }
        let none = What::ids(&"user/alice".parse().unwrap(), &[], &[], &[]).unwrap_err();
        assert!(none.is::<Usage>(), "{none}");
        for bad in ["", "0", "zz", "0303030303030303030"] {
            assert!(bad.parse::<Hex<8>>().is_err(), "{bad}");
        }
    }
}
