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
use tonic::Code;

use super::Context;
use crate::{
    authority::explain,
    clock,
    exit::Done,
    home::{Change, EnrollingFile, Home, OperatorFile, Secret},
    input,
    patience::wait_while_refused,
    plain::plain,
    user_keys,
};

#[derive(ClapArgs)]
#[command(after_help = "\
What comes in on standard input decides:
  catapi1_…    an API key: become its user, and fetch a key for every service that a grant allows
  catjoin1_…   an operator's join token: become that operator; it works once
  catkey1_…    a user key that somebody handed over: keep it for `cattery mint`

Keys that were handed over stay when somebody logs in with an API key, but for services that they
get a key of their own for; such a key is never replaced by one that is handed over.

Examples:
  cattery login < alice.api-key
  cattery operator add carol | cattery --home carol login")]
pub(crate) struct Args {}

#[derive(Serialize)]
struct Shown {
    subject: String,
    services: Vec<Service>,
    handed_over: Vec<Service>,
    not_after: Option<u64>,
}

#[derive(Serialize)]
struct Service {
    service: String,
    principal: String,
    expires_at: u64,
}

pub(crate) async fn run(_: Args, context: &Context) -> anyhow::Result<Done> {
    let home = context.home()?;
    let text = input::read_text("an API key or a join token")?;
    let shown = if text.starts_with(ApiKey::PREFIX) {
        let fetched = user_keys::login(&home, &text).await?;
        Shown {
            subject: fetched.principal,
            services: fetched.keys.iter().map(Service::of).collect(),
            handed_over: fetched.handed_over.iter().map(Service::of).collect(),
            not_after: None,
        }
    } else if text.starts_with(JoinToken::PREFIX) {
        let operator = enroll(&home, &JoinToken::parse(&text)?).await?;
        Shown {
            subject: operator.subject,
            services: Vec::new(),
            handed_over: Vec::new(),
            not_after: Some(operator.not_after),
        }
    } else if text.starts_with("catkey1_") {
        let key = user_keys::take_over(&home, &text)?;
        Shown {
            subject: key.id().principal.to_owned(),
            services: Vec::new(),
            handed_over: vec![Service::of(&key)],
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

/// Becomes an operator. The key is kept before the join token is spent, so that a login whose answer got lost can be
/// repeated.
async fn enroll(home: &Home, token: &JoinToken) -> anyhow::Result<OperatorFile> {
    let keys = begin(home, token)?;
    let connector = Connector::new(
        token.addresses.clone(),
        &Trust::Fingerprint(token.ca_sha256),
        None,
    )?;
    wait_while_refused(&token.addresses).await;
    let request = v1::EnrollRequest {
        join_token_id: token.id.to_vec(),
        join_token_secret: token.secret.to_vec(),
        csr: keys.csr()?,
    };
    let answer = EnrollmentClient::new(connector.channel())
        .enroll(request)
        .await;
    let identity = match answer {
        Ok(answer) => answer.into_inner().identity,
        Err(status) if status.code() == Code::Unauthenticated => {
            forget(home, &home.change()?, token)?;
            bail!(
                "this join token is not valid: it was used already, has expired, or is another cluster's; an admin can make \
                 another one with `cattery operator add NAME`"
            );
        }
        Err(status) => return Err(explain(&connector, &status)),
    };
    let identity = identity.context("the authority sent no certificate")?;
    if !identity.subject.starts_with("operator/") {
        forget(home, &home.change()?, token)?;
        bail!(
            "this join token was for {}: give it to its agent, and make another one, for it is used up now",
            identity.subject
        );
    }
    let operator = OperatorFile::new(identity, &keys.pkcs8(), clock::now())?;
    let change = home.change()?;
    home.expect_no_operator()?;
    change.keep_operator(&operator)?;
    forget(home, &change, token)?;
    Ok(operator)
}

/// The key pair to enrol with: the one of before, where this join token was tried before.
fn begin(home: &Home, token: &JoinToken) -> anyhow::Result<KeyPair> {
    let change = home.change()?;
    home.expect_no_operator()?;
    let id = hex::encode(token.id);
    if let Some(begun) = home.enrolling()?
        && begun.join_token == id
    {
        return Ok(KeyPair::from_pkcs8(&begun.private_key.bytes()?)?);
    }
    let keys = KeyPair::generate()?;
    change.keep_enrolling(&EnrollingFile {
        join_token: id,
        private_key: Secret::of_bytes(&keys.pkcs8()),
    })?;
    Ok(keys)
}

/// Forgets the key pair of an enrolment that came to its end.
fn forget(home: &Home, change: &Change<'_>, token: &JoinToken) -> anyhow::Result<()> {
    match home.enrolling()? {
        Some(begun) if begun.join_token == hex::encode(token.id) => change.drop_enrolling(),
        _ => Ok(()),
    }
}

fn describe(shown: &Shown) -> String {
    let now = clock::now();
    let subject = plain(&shown.subject);
    if let Some(not_after) = shown.not_after {
        return format!(
            "{subject}, with a certificate until {}",
            clock::both(not_after, now)
        );
    }
    let mut text = String::new();
    if !shown.services.is_empty() {
        text += &format!("{subject}, with keys for\n");
    } else if shown.handed_over.is_empty() {
        text += &format!(
            "{subject}, with no grant yet: an operator makes one with `cattery grant add {subject} SERVICE`\n"
        );
    }
    for key in &shown.services {
        text += &format!("  {}\n", key.describe(now));
    }
    if !shown.handed_over.is_empty() {
        text += "Handed over, so that nobody can renew it:\n";
    }
    for key in &shown.handed_over {
        let principal = plain(&key.principal);
        text += &format!("  {}  of {principal}\n", key.describe(now));
    }
    text
}

impl Service {
    fn of(key: &UserKey) -> Self {
        let id = key.id();
        Self {
            service: id.service.to_owned(),
            principal: id.principal.to_owned(),
            expires_at: id.expires_at,
        }
    }

    fn describe(&self, now: u64) -> String {
        format!(
            "{}  until {}",
            plain(&self.service),
            clock::both(self.expires_at, now)
        )
    }
}
