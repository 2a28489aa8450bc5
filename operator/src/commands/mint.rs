//! `cattery mint`: sign a token. With a key that is kept here it needs no network.

use anyhow::{Context as _, bail};
use cattery_core::{ServiceName, TokenSpec, limits::DEFAULT_MAX_LIFETIME};
use clap::Args as ClapArgs;
use serde::Serialize;
use zeroize::Zeroizing;

use super::Context;
use crate::{
    clock,
    conditions::{Conditions, What},
    exit::Done,
    out, random, user_keys,
};

/// Long enough for a request and its retries, short enough that a leaked one is soon worth nothing.
const DEFAULT_TTL: u64 = 60;

#[derive(ClapArgs)]
#[command(after_help = "\
Examples:
  curl -H \"Authorization: Bearer $(cattery mint photos)\" https://photos.example.org/
  cattery mint photos --ttl 5m --method GET --path /albums
  cattery mint photos --once --request 'POST https://photos.example.org/albums' --body album.json
  curl -H \"Authorization: Bearer $(cattery mint frontend)\" \\
       -H \"x-cat-forward: $(cattery mint backend --through service/frontend)\" https://frontend.example.org/

Conditions as texts, for --caveat and wherever they are shown:
  scope=a,b                     the request's scope is one of them
  method=GET,/pkg.Service/M     the method, or the path of a gRPC method, is one of them
  path=/albums                  the path lies under this prefix
  addr=192.0.2.0/24             the client's address is in one of these blocks
  after=TIME,until=TIME         or one of the two; Unix seconds, or like 2026-01-31T12:00:00Z
  context:KEY=VALUE             the service's own context says so; as KEY, `presenter` is who presents a forwarded token
  cert=HEX                      the client's certificate has this SHA-256
  request=HEX or HEX+body       the request, with its body or without, has this digest
  third-party=PRINCIPAL:HEX     PRINCIPAL vouches for this ticket with a discharge
  once=HEX, revocation=HEX      16 random bytes: good for one use; can be revoked by this id")]
pub(crate) struct Args {
    /// The service to call
    service: ServiceName,
    /// How long the token is good for [default: 60s, or as long as the key]. Agents refuse tokens for longer than 1h, unless
    /// they are configured otherwise
    #[arg(long, value_name = "SPAN", value_parser = clock::parse_span, allow_hyphen_values = true)]
    ttl: Option<u64>,
    #[command(flatten)]
    conditions: Conditions,
}

#[derive(Serialize)]
struct Shown<'a> {
    token: &'a str,
    token_id: String,
    service: &'a str,
    principal: &'a str,
    not_before: u64,
    not_after: u64,
}

pub(crate) async fn run(args: Args, context: &Context) -> anyhow::Result<Done> {
    let Args {
        service,
        ttl,
        conditions,
    } = args;
    let caveats = conditions.caveats(What::Fresh)?;
    let now = clock::now();
    let wanted = now.saturating_add(ttl.unwrap_or(DEFAULT_TTL));
    let key = user_keys::key_for(&context.home()?, &service, wanted).await?;
    let ends = key.id().expires_at;
    if ttl.is_some() && wanted > ends {
        bail!(
            "the key for {service} ends {}, and no token outlives its key: ask for --ttl {} or less",
            clock::relative(ends, now),
            ends.saturating_sub(now)
        );
    }
    if ttl.is_some_and(|ttl| ttl > DEFAULT_MAX_LIFETIME) {
        out::note(&format!(
            "agents refuse tokens for longer than {}, unless they are configured otherwise",
            clock::span(DEFAULT_MAX_LIFETIME)
        ));
    }
    let spec = TokenSpec {
        not_before: now,
        not_after: wanted.min(ends),
        token_id: random::id()?,
        caveats: &caveats,
        ..TokenSpec::default()
    };
    let mut token = Zeroizing::new(String::new());
    key.mint(&spec, &mut token)
        .context("the token cannot be signed")?;
    let shown = Shown {
        token: &token,
        token_id: hex::encode(spec.token_id),
        service: service.as_str(),
        principal: key.id().principal,
        not_before: spec.not_before,
        not_after: spec.not_after,
    };
    context.out.show(&shown, |shown| shown.token.to_owned())?;
    Ok(Done::Well)
}
