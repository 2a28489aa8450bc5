//! `cattery dev --once`: the whole path, step by step, with what was found at each.

use anyhow::{Context as _, bail, ensure};
use cattery_core::{Caveat, ServiceName, TokenSpec, attenuate_token};
use cattery_proto::v1::{self, VerifiedCaller, verify_response::Result as Verdict};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{
    http,
    town::{SERVICE, Town},
};
use crate::{agent, clock, commands::Context, exit::Done, random, user_keys};

/// How long the token lasts, seconds.
const TTL: u64 = 60;
const PATH: &str = "/albums/7";

#[derive(Serialize)]
struct Walk {
    ok: bool,
    steps: Vec<Step>,
    verified: Option<Verified>,
}

#[derive(Serialize)]
struct Step {
    step: &'static str,
    ok: bool,
    said: String,
}

#[derive(Serialize)]
struct Verified {
    principal: String,
    token_id: String,
    epoch: u32,
    not_after: u64,
    lease_id: String,
}

/// Runs it. A step that fails ends it.
pub(super) async fn walk(town: &Town<'_>, context: &Context) -> anyhow::Result<Done> {
    let mut walk = Walk {
        ok: false,
        steps: Vec::new(),
        verified: None,
    };
    match walk.all(town).await {
        Ok(()) => walk.ok = true,
        Err((step, error)) => walk.steps.push(Step {
            step,
            ok: false,
            said: format!("{error:#}"),
        }),
    }
    context.out.show(&walk, Walk::describe)?;
    Ok(if walk.ok { Done::Well } else { Done::Refused })
}

type Failed = (&'static str, anyhow::Error);

impl Walk {
    async fn all(&mut self, town: &Town<'_>) -> Result<(), Failed> {
        self.did("start", Ok(started(town)))?;
        self.did("enrol", enrolled(town).await)?;
        let service: ServiceName = SERVICE
            .parse()
            .map_err(|error| ("lease", anyhow::Error::from(error)))?;
        let lease = user_keys::key_for(&town.home, &service, clock::now() + TTL).await;
        let key = self.did("lease", lease.map(|key| (leased(&key), key)))?;
        let (token, said) = mint(&key).map_err(|error| ("mint", error))?;
        self.did("mint", Ok((said, ())))?;
        let caller = self.did("verify", verified(town, &token).await)?;
        self.verified = Some(Verified {
            principal: caller.principal,
            token_id: hex::encode(&caller.token_id),
            epoch: caller.epoch,
            not_after: caller.not_after,
            lease_id: hex::encode(&caller.lease_id),
        });
        self.did("call", called(town, &token, key.id().principal).await)?;
        self.did("narrow", narrowed(town, &token).await)?;
        self.did("tamper", tampered(town, &token).await)
    }

    fn did<T>(
        &mut self,
        step: &'static str,
        done: anyhow::Result<(String, T)>,
    ) -> Result<T, Failed> {
        let (said, value) = done.map_err(|error| (step, error))?;
        self.steps.push(Step {
            step,
            ok: true,
            said,
        });
        Ok(value)
    }

    fn describe(&self) -> String {
        let mut text = String::new();
        for Step { step, ok, said } in &self.steps {
            text += &format!(
                "{}  {step:<7} {said}\n",
                if *ok { "ok    " } else { "FAILED" }
            );
        }
        text += if self.ok {
            "\nThe whole path works.\n"
        } else {
            "\nThe path is broken there.\n"
        };
        text
    }
}

fn started(town: &Town<'_>) -> (String, ()) {
    let which = if town.is_new {
        "a new cluster"
    } else {
        "the cluster that was there"
    };
    let said = format!(
        "{which}: authority at {}, agent at {}, {SERVICE} at http://{}",
        town.authority_addr(),
        town.socket().display(),
        town.upstream_addr()
    );
    (said, ())
}

async fn enrolled(town: &Town<'_>) -> anyhow::Result<(String, ())> {
    let mut agent = agent::connect(town.socket()).await?;
    let status = agent.get_status(v1::GetStatusRequest {}).await;
    let status = status
        .map_err(|status| agent::refused(town.socket(), &status))?
        .into_inner();
    ensure!(
        status.ready,
        "the agent is not ready: {}",
        status.notes.join("; ")
    );
    let epochs: Vec<String> = status
        .epochs
        .iter()
        .map(|held| held.epoch.to_string())
        .collect();
    let said = format!(
        "agent {} of service/{} has a certificate until {}, and the keys of epoch {}",
        status.agent_id,
        status.service,
        clock::both(status.certificate_not_after, clock::now()),
        epochs.join(", ")
    );
    Ok((said, ()))
}

fn leased(key: &cattery_core::UserKey) -> String {
    let id = key.id();
    format!(
        "{} has a key for {}: lease {}, until {}",
        id.principal,
        id.service,
        hex::encode(id.lease_id),
        clock::both(id.expires_at, clock::now())
    )
}

fn mint(key: &cattery_core::UserKey) -> anyhow::Result<(Zeroizing<String>, String)> {
    let now = clock::now();
    let spec = TokenSpec {
        not_before: now,
        not_after: now + TTL,
        token_id: random::id()?,
        ..TokenSpec::default()
    };
    let mut token = Zeroizing::new(String::new());
    key.mint(&spec, &mut token)?;
    let said = format!(
        "signed without the network: a token of {} characters, for {TTL} seconds",
        token.len()
    );
    Ok((token, said))
}

async fn ask(town: &Town<'_>, token: &str) -> anyhow::Result<Verdict> {
    let mut agent = agent::connect(town.socket()).await?;
    let facts = v1::RequestFacts {
        method: Some("GET".to_owned()),
        path_and_query: Some(PATH.to_owned()),
        ..Default::default()
    };
    let request = v1::VerifyRequest {
        presentation: token.to_owned(),
        facts: Some(facts),
        ..Default::default()
    };
    let answer = agent.verify(request).await;
    let answer = answer.map_err(|status| agent::refused(town.socket(), &status))?;
    answer
        .into_inner()
        .result
        .context("the agent gave no answer")
}

async fn verified(town: &Town<'_>, token: &str) -> anyhow::Result<(String, VerifiedCaller)> {
    match ask(town, token).await? {
        Verdict::Caller(caller) => {
            let said = format!(
                "the agent says {}, token {}, epoch {}, until {}",
                caller.principal,
                hex::encode(&caller.token_id),
                caller.epoch,
                clock::both(caller.not_after, clock::now())
            );
            Ok((said, caller))
        }
        Verdict::Denial(denial) => bail!("the agent refused the token: {}", denial.code),
        Verdict::Invalid(why) => bail!("the agent did not look at the token: {why}"),
    }
}

async fn called(town: &Town<'_>, token: &str, principal: &str) -> anyhow::Result<(String, ())> {
    let answer = http::get(town.upstream_addr(), PATH, token).await?;
    let said = format!(
        "GET {PATH} with the token: {} {}",
        answer.status, answer.body
    );
    ensure!(
        answer.status == 200 && answer.body == format!("Hello {principal}"),
        "{said}"
    );
    Ok((said, ()))
}

async fn narrowed(town: &Town<'_>, token: &str) -> anyhow::Result<(String, ())> {
    let mut narrow = Zeroizing::new(String::new());
    let caveat = Caveat::PathPrefix("/shared".into());
    attenuate_token(token, &caveat, &mut narrow)?;
    let answer = http::get(town.upstream_addr(), PATH, &narrow).await?;
    let said = format!(
        "GET {PATH} with the token narrowed to {caveat}: {} {}",
        answer.status,
        answer.why()
    );
    ensure!(answer.status == 403, "{said}");
    Ok((said, ()))
}

async fn tampered(town: &Town<'_>, token: &str) -> anyhow::Result<(String, ())> {
    let changed = Zeroizing::new(change_last(token).context("the token is too short")?);
    let Verdict::Denial(denial) = ask(town, &changed).await? else {
        bail!("the agent accepted a token whose tag was changed");
    };
    let answer = http::get(town.upstream_addr(), PATH, &changed).await?;
    let said = format!(
        "the same token with its tag changed: {} {}",
        answer.status, denial.code
    );
    ensure!(answer.status == 401 && denial.code == "bad_tag", "{said}");
    Ok((said, ()))
}

/// Changes a character of the tag, which the last 43 hold, and leaves the last alone: it may have bits that have to be 0.
fn change_last(token: &str) -> Option<String> {
    let (start, end) = token.split_at_checked(token.len().checked_sub(8)?)?;
    let first = end.chars().next()?;
    let other = if first == 'A' { 'B' } else { 'A' };
    Some(format!("{start}{other}{}", end.get(1..)?))
}
