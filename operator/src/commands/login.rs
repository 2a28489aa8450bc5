//! `cattery login`: become a user or an operator here.

use anyhow::{Context as _, bail};
use cattery_core::UserKey;
use cattery_proto::v1::{self, enrollment_client::EnrollmentClient};
use cattery_sdk::{
    connect::Connector,
    identity::KeyPair,
    portable::{ApiKey, JoinToken},
    tls::Trust,
};
use clap::Args as ClapArgs;
use serde::Serialize;

use super::Context;
use crate::{authority::explain, clock, exit::Done, home::OperatorFile, input, user_keys};

#[derive(ClapArgs)]
#[command(after_help = "\
What comes in on standard input decides:
  catapi1_…    an API key: become its user, and fetch a key for every service that a grant allows
  catjoin1_…   an operator's join token: become that operator; it works once
  catkey1_…    a user key that somebody handed over: keep it for `cattery mint`

Examples:
  cattery login < alice.api-key
  cattery operator add carol | cattery --home carol login")]
pub(crate) struct Args {}

#[derive(Serialize)]
struct Shown {
    subject: String,
    services: Vec<Service>,
    not_after: Option<u64>,
}

#[derive(Serialize)]
struct Service {
    service: String,
    expires_at: u64,
}

pub(crate) async fn run(_: Args, context: &Context) -> anyhow::Result<Done> {
    let text = input::read_text("an API key or a join token")?;
    let shown = if text.starts_with(ApiKey::PREFIX) {
        let fetched = user_keys::login(&context.home, &text).await?;
        Shown {
            subject: fetched.principal,
            services: fetched.keys.iter().map(Service::of).collect(),
            not_after: None,
        }
    } else if text.starts_with(JoinToken::PREFIX) {
        let token = JoinToken::parse(&text)?;
        context.home.expect_no_operator()?;
        context.home.check_writable()?;
        let operator = enroll(&token).await?;
        context.home.keep_operator(&operator)?;
        Shown {
            subject: operator.subject,
            services: Vec::new(),
            not_after: Some(operator.not_after),
        }
    } else if text.starts_with("catkey1_") {
        let key = UserKey::parse_text(&text).context("the key is damaged: copy all of it")?;
        user_keys::keep(&context.home, &key, true)?;
        Shown {
            subject: key.id().principal.to_owned(),
            services: vec![Service::of(&key)],
            not_after: None,
        }
    } else {
        bail!(
            "this is neither an API key (catapi1_…), nor a join token (catjoin1_…), nor a user key (catkey1_…)"
        );
    };
    context.out.show(&shown, describe)?;
    Ok(Done::Well)
}

async fn enroll(token: &JoinToken) -> anyhow::Result<OperatorFile> {
    let connector = Connector::new(
        token.addresses.clone(),
        &Trust::Fingerprint(token.ca_sha256),
        None,
    )?;
    let keys = KeyPair::generate()?;
    let request = v1::EnrollRequest {
        join_token_id: token.id.to_vec(),
        join_token_secret: token.secret.to_vec(),
        csr: keys.csr()?,
    };
    let answer = EnrollmentClient::new(connector.channel())
        .enroll(request)
        .await;
    let identity = answer
        .map_err(|status| explain(&connector, &status))?
        .into_inner()
        .identity;
    let identity = identity.context("the authority sent no certificate")?;
    if !identity.subject.starts_with("operator/") {
        bail!(
            "this join token was for {}: give it to its agent, and make another one, for it is used up now",
            identity.subject
        );
    }
    OperatorFile::new(identity, &keys.pkcs8(), clock::now())
}

fn describe(shown: &Shown) -> String {
    let now = clock::now();
    let subject = &shown.subject;
    if let Some(not_after) = shown.not_after {
        return format!(
            "{subject}, with a certificate until {}",
            clock::both(not_after, now)
        );
    }
    if shown.services.is_empty() {
        return format!(
            "{subject}, with no grant yet: an operator makes one with `cattery grant add {subject} SERVICE`"
        );
    }
    let mut text = format!("{subject}, with keys for\n");
    for Service {
        service,
        expires_at,
    } in &shown.services
    {
        text += &format!("  {service}  until {}\n", clock::both(*expires_at, now));
    }
    text
}

impl Service {
    fn of(key: &UserKey) -> Self {
        let id = key.id();
        Self {
            service: id.service.to_owned(),
            expires_at: id.expires_at,
        }
    }
}
