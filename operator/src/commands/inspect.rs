//! `cattery inspect`: what a token or a key says, in sentences. Nothing is checked, and no secret is shown.

use anyhow::{Context as _, bail};
use cattery_core::{
    Caveat, CaveatError, KeyId, Scratch, UserKey,
    inspect::{self, Inspected},
};
use cattery_sdk::portable::{ApiKey, JoinToken, Portable};
use clap::Args as ClapArgs;
use serde::Serialize;

use super::Context;
use crate::{caveat_text, clock, exit::Done, input, plain::plain};

#[derive(ClapArgs)]
#[command(after_help = "\
Reads a token with its discharges, a user key, an API key or a join token.

Examples:
  cattery mint photos --caveat path=/albums | cattery inspect
  cattery key export photos | cattery inspect --output json")]
pub(crate) struct Args {}

/// One text. Fields that its kind does not have are absent.
#[derive(Default, Serialize)]
struct Shown {
    kind: &'static str,
    verified: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    key: Option<Key>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caveats: Option<Vec<Condition>>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    payload: Option<Payload>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    discharges: Vec<Shown>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    credential: Option<Credential>,
}

#[derive(Serialize)]
struct Key {
    principal: String,
    service: String,
    epoch: u32,
    generation: u32,
    version: u32,
    expires_at: u64,
    lease_id: String,
    key_caveats: Vec<Condition>,
}

#[derive(Serialize)]
struct Condition {
    caveat: String,
    only_if: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Payload {
    Token {
        not_before: u64,
        not_after: u64,
        token_id: String,
        claims_type: String,
        claims_bytes: usize,
    },
    Discharge {
        not_before: u64,
        not_after: u64,
        ticket: String,
        bound_to: String,
    },
    Unreadable {
        payload: &'static str,
    },
}

#[derive(Serialize)]
struct Credential {
    id: String,
    addresses: Vec<String>,
    ca_sha256: String,
}

pub(crate) fn run(_: Args, context: &Context) -> anyhow::Result<Done> {
    let text = input::read_text("a token or a key")?;
    let text = without_scheme(&text);
    let shown = if text.starts_with(ApiKey::PREFIX) {
        Shown::credential("api_key", &*ApiKey::parse(text)?)
    } else if text.starts_with(JoinToken::PREFIX) {
        Shown::credential("join_token", &*JoinToken::parse(text)?)
    } else {
        presentation(text)?
    };
    context
        .out
        .show(&shown, |shown| shown.describe(clock::now()))?;
    Ok(Done::Well)
}

/// What follows `Bearer`, which is written in any case (RFC 9110 section 11.1).
pub(crate) fn without_scheme(text: &str) -> &str {
    match text.split_once(' ') {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("Bearer") => rest.trim_start(),
        _ => text,
    }
}

fn presentation(text: &str) -> anyhow::Result<Shown> {
    let mut scratch = Scratch::new();
    let mut parts = inspect::parts(text);
    let mut shown = part(parts.next().unwrap_or_default(), &mut scratch)
        .context("this is no token (cat1_…) and no key (catkey1_…), or not all of one")?;
    for text in parts {
        let discharge =
            part(text, &mut scratch).context("a discharge behind the token is malformed")?;
        if discharge.kind != "discharge" {
            bail!(
                "what stands behind a comma is a discharge (catd1_…), and this is a {}",
                discharge.kind
            );
        }
        shown.discharges.push(discharge);
    }
    Ok(shown)
}

fn part(text: &str, scratch: &mut Scratch) -> anyhow::Result<Shown> {
    let now = clock::now();
    Ok(match inspect::parse(text, scratch)? {
        Inspected::Key(key) => Shown::user_key(&key, now),
        Inspected::Token(token) => Shown {
            kind: "token",
            key: Some(Key::of(
                &token.unverified_key_id(),
                token.unverified_key_caveats(),
                now,
            )),
            caveats: Some(conditions(token.unverified_caveats(), now)),
            payload: Some(
                token
                    .unverified_payload()
                    .map_or(Payload::UNREADABLE, |payload| Payload::Token {
                        not_before: payload.not_before,
                        not_after: payload.not_after,
                        token_id: hex::encode(payload.token_id),
                        claims_type: payload.claims_type.to_owned(),
                        claims_bytes: payload.claims.len(),
                    }),
            ),
            ..Shown::default()
        },
        Inspected::Discharge(token) => Shown {
            kind: "discharge",
            key: Some(Key::of(
                &token.unverified_key_id(),
                token.unverified_key_caveats(),
                now,
            )),
            caveats: Some(conditions(token.unverified_caveats(), now)),
            payload: Some(
                token
                    .unverified_discharge()
                    .map_or(Payload::UNREADABLE, |payload| Payload::Discharge {
                        not_before: payload.not_before,
                        not_after: payload.not_after,
                        ticket: hex::encode(payload.ticket),
                        bound_to: hex::encode(payload.bound_to),
                    }),
            ),
            ..Shown::default()
        },
    })
}

fn conditions<'a>(
    caveats: impl Iterator<Item = Result<Caveat<'a>, CaveatError>>,
    now: u64,
) -> Vec<Condition> {
    let condition = |caveat| Condition {
        caveat: caveat_text::parsed(&caveat),
        only_if: caveat_text::sentence(&caveat, now),
    };
    caveats.map(condition).collect()
}

impl Key {
    fn of<'a>(
        id: &KeyId<'_>,
        caveats: impl Iterator<Item = Result<Caveat<'a>, CaveatError>>,
        now: u64,
    ) -> Self {
        Self {
            principal: id.principal.to_owned(),
            service: id.service.to_owned(),
            epoch: id.epoch,
            generation: id.generation,
            version: id.version,
            expires_at: id.expires_at,
            lease_id: hex::encode(id.lease_id),
            key_caveats: conditions(caveats, now),
        }
    }
}

impl Payload {
    const UNREADABLE: Self = Self::Unreadable {
        payload: "unreadable",
    };
}

impl Shown {
    fn user_key(key: &UserKey, now: u64) -> Self {
        Self {
            kind: "user_key",
            key: Some(Key::of(&key.id(), key.caveats(), now)),
            ..Self::default()
        }
    }

    fn credential(kind: &'static str, portable: &Portable) -> Self {
        Self {
            kind,
            credential: Some(Credential {
                id: hex::encode(portable.id),
                addresses: portable.addresses.clone(),
                ca_sha256: hex::encode(portable.ca_sha256),
            }),
            ..Self::default()
        }
    }

    fn describe(&self, now: u64) -> String {
        let mut text = String::new();
        self.write(&mut text, now);
        text += "Nothing of this has been verified: it is what the text says of itself.\n";
        text
    }

    fn write(&self, out: &mut String, now: u64) {
        if let Some(credential) = &self.credential {
            let what = if self.kind == "api_key" {
                "An API key, secret: whoever has it gets its user's keys."
            } else {
                "A join token, secret: whoever uses it first gets a certificate."
            };
            *out += &format!(
                "{what}\n  ID           {}\n  authorities  {}\n  their CA     SHA-256 {}\n",
                credential.id,
                plain(&credential.addresses.join(", ")),
                credential.ca_sha256
            );
        }
        let Some(key) = &self.key else { return };
        let (principal, service) = (plain(&key.principal), plain(&key.service));
        *out += &match &self.payload {
            None => format!(
                "A key, secret: whoever has it can sign tokens with which {principal} calls {service}, until {}.\n",
                clock::both(key.expires_at, now)
            ),
            Some(Payload::Token {
                not_before,
                not_after,
                ..
            }) => format!(
                "A token with which {principal} calls {service}, from {} until {}.\n",
                clock::both(*not_before, now),
                clock::both(*not_after, now)
            ),
            Some(Payload::Discharge {
                not_before,
                not_after,
                ticket,
                bound_to,
            }) => format!(
                "A discharge with which {principal} vouches to {service} for ticket {ticket}{}, from {} until {}.\n",
                if bound_to.is_empty() {
                    ", for any token that asks for it"
                } else {
                    ", for one token"
                },
                clock::both(*not_before, now),
                clock::both(*not_after, now)
            ),
            Some(Payload::Unreadable { .. }) => format!(
                "A token or discharge by {principal} for {service}, whose payload cannot be read: no service takes it.\n"
            ),
        };
        self.write_conditions(out, key);
        self.write_details(out, key, now);
        for discharge in &self.discharges {
            *out += "\nWith it comes:\n";
            discharge.write(out, now);
        }
    }

    fn write_conditions(&self, out: &mut String, key: &Key) {
        let own = self.caveats.as_deref().unwrap_or_default();
        if key.key_caveats.is_empty() && own.is_empty() {
            *out += "It holds under no further condition.\n";
            return;
        }
        *out += "It holds only if\n";
        let whose = if self.payload.is_some() {
            " (a condition of the key)"
        } else {
            ""
        };
        for condition in &key.key_caveats {
            *out += &format!("  - {}{whose}\n", condition.only_if);
        }
        for condition in own {
            *out += &format!("  - {}\n", condition.only_if);
        }
    }

    fn write_details(&self, out: &mut String, key: &Key, now: u64) {
        let of = if self.payload.is_some() {
            "It was signed with a key of"
        } else {
            "It is a key of"
        };
        *out += &format!(
            "{of} epoch {}, generation {}, version {}, lease {}, which ends {}.\n",
            key.epoch,
            key.generation,
            key.version,
            key.lease_id,
            clock::both(key.expires_at, now)
        );
        if let Some(Payload::Token {
            token_id,
            claims_type,
            claims_bytes,
            ..
        }) = &self.payload
        {
            *out += &format!("Its ID is {token_id}.\n");
            if !claims_type.is_empty() || *claims_bytes > 0 {
                *out += &format!(
                    "Its signer says something of themselves, which proves nothing: {claims_bytes} bytes of {}.\n",
                    if claims_type.is_empty() {
                        "no type".to_owned()
                    } else {
                        plain(claims_type)
                    }
                );
            }
        }
    }
}
