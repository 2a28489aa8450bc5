//! The strings that people carry: join tokens and API keys.
//!
//! Each holds all that is needed to use it (a secret, where the authorities are, and which CA to trust), behind a prefix that
//! secret scanners find: `catjoin1_` or `catapi1_`, then base64url without padding of a `PortableCredential`.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cattery_proto::v1::PortableCredential;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

/// Longest text that is looked at, bytes: a dozen addresses fit many times over.
const MAX_TEXT: usize = 8 * 1024;

/// A single-use invitation for an agent or an operator: `catjoin1_…`. A secret.
pub struct JoinToken(Portable);

/// What a user or a script gets keys with: `catapi1_…`. A secret.
pub struct ApiKey(Portable);

/// What both hold. A secret: no `Debug`, wiped on drop.
pub struct Portable {
    /// Public: names the credential.
    pub id: [u8; 8],
    /// The secret itself.
    pub secret: Zeroizing<[u8; 32]>,
    /// Where the authorities listen, `HOST:PORT`; never empty.
    pub addresses: Vec<String>,
    /// SHA-256 of the DER certificate of the authority's CA.
    pub ca_sha256: [u8; 32],
}

/// What is wrong with the text of a join token or an API key. The text itself is never shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PortableError {
    /// It is something else.
    #[error("this is not {expected}: the text has to begin with `{prefix}`")]
    Prefix {
        /// In words.
        expected: &'static str,
        /// The prefix it has to have.
        prefix: &'static str,
    },
    /// It was cut off or changed on its way.
    #[error(
        "{expected} is damaged: copy all of it, from `{prefix}` to its end, without spaces or line breaks"
    )]
    Damaged {
        /// In words.
        expected: &'static str,
        /// The prefix it has to have.
        prefix: &'static str,
    },
}

macro_rules! text_form {
    ($name:ident, $prefix:literal, $article:literal $words:literal) => {
        impl $name {
            /// What every text of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// Wraps what an authority has made.
            pub fn new(portable: Portable) -> Self {
                Self(portable)
            }

            /// Reads the text form; white space around it is ignored.
            ///
            /// # Errors
            /// Says whether the text is of another kind or damaged.
            pub fn parse(text: &str) -> Result<Self, PortableError> {
                let prefix = Self::PREFIX;
                let body = text
                    .trim()
                    .strip_prefix(prefix)
                    .ok_or(PortableError::Prefix {
                        expected: concat!($article, " ", $words),
                        prefix,
                    })?;
                decode(body).map(Self).ok_or(PortableError::Damaged {
                    expected: concat!("the ", $words),
                    prefix,
                })
            }

            /// The text form. A secret.
            pub fn to_text(&self) -> Zeroizing<String> {
                encode(Self::PREFIX, &self.0)
            }
        }

        impl std::ops::Deref for $name {
            type Target = Portable;

            fn deref(&self) -> &Portable {
                &self.0
            }
        }
    };
}

text_form!(JoinToken, "catjoin1_", "a" "join token");
text_form!(ApiKey, "catapi1_", "an" "API key");

impl Portable {
    /// What an authority stores in place of the secret.
    pub fn secret_sha256(&self) -> [u8; 32] {
        Sha256::digest(*self.secret).into()
    }
}

fn encode(prefix: &str, portable: &Portable) -> Zeroizing<String> {
    let mut message = PortableCredential {
        id: portable.id.to_vec(),
        secret: portable.secret.to_vec(),
        addresses: portable.addresses.clone(),
        ca_sha256: portable.ca_sha256.to_vec(),
    };
    let bytes = Zeroizing::new(message.encode_to_vec());
    message.secret.zeroize();
    let mut text = Zeroizing::new(String::with_capacity(
        prefix.len() + bytes.len() * 4 / 3 + 4,
    ));
    text.push_str(prefix);
    URL_SAFE_NO_PAD.encode_string(&bytes[..], &mut text);
    text
}

fn decode(body: &str) -> Option<Portable> {
    if body.len() > MAX_TEXT {
        return None;
    }
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(body).ok()?);
    let mut message = PortableCredential::default();
    let whole = message.merge(&bytes[..]).is_ok(); // half of it may be a secret too
    let secret = <[u8; 32]>::try_from(&message.secret[..]).map(Zeroizing::new);
    message.secret.zeroize();
    if !whole || message.addresses.is_empty() || message.addresses.iter().any(String::is_empty) {
        return None;
    }
    Some(Portable {
        id: message.id.try_into().ok()?,
        secret: secret.ok()?,
        addresses: message.addresses,
        ca_sha256: message.ca_sha256.try_into().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api_key() -> ApiKey {
        ApiKey::new(Portable {
            id: [1; 8],
            secret: Zeroizing::new([2; 32]),
            addresses: vec!["127.0.0.1:7443".into()],
            ca_sha256: [3; 32],
        })
    }

    #[test]
    fn text_reads_back() {
        let text = api_key().to_text();
        let read = ApiKey::parse(&format!("  {}\n", *text)).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            (read.id, *read.secret, read.ca_sha256),
            ([1; 8], [2; 32], [3; 32])
        );
        assert_eq!(read.addresses, ["127.0.0.1:7443"]);
    }

    #[test]
    fn other_kinds_and_damage_are_told_apart() {
        let text = api_key().to_text();
        let join = JoinToken::parse(&text).err();
        assert!(matches!(
            join,
            Some(PortableError::Prefix {
                prefix: "catjoin1_",
                ..
            })
        ));
        let cut = ApiKey::parse(&text[..text.len() - 3]).err();
        let cut = cut.map(|error| error.to_string()).unwrap_or_default();
        assert!(cut.starts_with("the API key is damaged"), "{cut}");
    }
}
