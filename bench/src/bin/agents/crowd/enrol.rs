//! From join tokens to agents.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use cattery_proto::v1::{self, enrollment_client::EnrollmentClient};
use cattery_sdk::{
    identity::KeyPair,
    portable::JoinToken,
    tls::{Identity, Trust},
};
use tokio::{sync::Semaphore, task::JoinSet, time::sleep};

use super::{
    agent::Agent,
    attempts::{Refused, Tally},
    pace::Pace,
    report,
    way::Way,
};
use crate::messages::Report;

/// Agents that enrol at the same time.
const AT_ONCE: usize = 64;
/// Words on how far it is.
const STEPS: usize = 20;

/// An agent for each join token, numbered from `first` on.
///
/// # Errors
/// One of them is refused for good.
pub(super) async fn all(
    join_tokens: Vec<String>,
    first: usize,
    tally: &Arc<Tally>,
) -> Result<Vec<Arc<Agent>>> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let of = join_tokens.len();
    let mut enrolling = JoinSet::new();
    for (number, join_token) in (first..).zip(join_tokens) {
        let (places, tally) = (Arc::clone(&places), Arc::clone(tally));
        enrolling.spawn(async move {
            let _place = places.acquire().await?;
            one(number, &join_token, tally).await
        });
    }
    let mut agents = Vec::with_capacity(of);
    while let Some(agent) = enrolling.join_next().await {
        agents.push(Arc::new(agent??));
        let done = agents.len();
        if done % of.div_ceil(STEPS) == 0 {
            report(&Report::Progress { done, of })?;
        }
    }
    Ok(agents)
}

async fn one(number: usize, join_token: &str, tally: Arc<Tally>) -> Result<Agent> {
    let join_token = JoinToken::parse(join_token)?;
    let address = join_token.addresses.first().context("an address")?;
    let authority: SocketAddr = address.parse().context("the authority's address")?;
    let key = KeyPair::generate()?;
    let way = Way::new(
        number,
        authority,
        &Trust::Fingerprint(join_token.ca_sha256),
        None,
    )?;
    let identity = certificate(&way, &join_token, &key, &tally).await?;
    let cluster = identity.cluster.context("an identity without a cluster")?;
    let way = Way::new(
        number,
        authority,
        &Trust::Bundle(cluster.trust_bundle),
        Some(&Identity::new(identity.certificate, key.pkcs8())),
    )?;
    let service = identity.subject.strip_prefix("service/");
    let service = service.context("a join token of an agent")?.to_owned();
    Ok(Agent::new(way, service, tally))
}

/// Asks with the same key until there is an answer: a join token is for one key.
async fn certificate(
    way: &Way,
    join_token: &JoinToken,
    key: &KeyPair,
    tally: &Tally,
) -> Result<v1::Identity> {
    let request = v1::EnrollRequest {
        join_token_id: join_token.id.to_vec(),
        join_token_secret: join_token.secret.to_vec(),
        csr: key.csr()?,
    };
    let mut pace = Pace::default();
    loop {
        tally.begun();
        let answer = EnrollmentClient::new(way.channel())
            .enroll(request.clone())
            .await;
        let status = match answer {
            Ok(answer) => {
                let identity = answer.into_inner().identity;
                return identity.context("an answer without an identity");
            }
            Err(status) => status,
        };
        match Refused::of(&status) {
            Refused::ForGood(why) => bail!("an agent cannot enrol: {why}"),
            refused @ Refused::ForNow(_) => tally.refused(refused),
        }
        sleep(pace.over(Duration::ZERO)).await;
    }
}
