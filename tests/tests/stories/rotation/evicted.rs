//! A leaked key, rehearsed: an agent falls into wrong hands, and whoever has it signs with its key as anybody.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use cattery_core::{KeyId, ServiceKey, UserKey};
use cattery_proto::v1::{EpochState, GetVerificationKeysRequest};
use cattery_sdk::sealing::{INFO_SERVICE_KEY, ReceiverKey};
use cattery_tests::{
    agent::{Agent, CONFIG},
    api,
    town::{mint, now},
};

use super::{
    Place,
    place::{says, status},
};
use crate::{block_on, say_now};

#[test]
fn what_is_forged_with_a_leaked_key_is_refused_once_the_others_heard() -> Result<()> {
    let uid = rustix::process::getuid().as_raw();
    let place = Place::new(&format!("[in_process]\nallow_uids = [{uid}]\n"))?;
    let leaked = leaked_keys(&place.second)?;
    ensure!(!leaked.is_empty(), "the second agent holds keys");
    let alice = place.fresh_key("photos")?;
    // The danger is real.
    let forged = leaked[0].forge()?;
    let answer = place.town.agent.forward_auth(&mint(&forged)?)?;
    ensure!(
        answer.status == 200 && answer.header("x-cat-principal") == Some("user/somebody-else"),
        "{answer:?}"
    );

    let id = place.second_id.as_str();
    let asked = place.run(&["agent", "evict", id])?;
    ensure!(asked.code == 1, "{asked:?}");
    says(&asked.err, &["nothing was done", "--yes"])?;
    ensure!(status(&place.town.agent, &forged)? == 200);

    let said = place.run(&["agent", "evict", id, "--yes"])?;
    let evicted = Instant::now();
    ensure!(said.code == 0, "{said:?}");
    says(
        &said.err,
        &["loses access", "It keeps what it knows", "is dead"],
    )?;
    says(&said.out, &[id, "Generation 1 of service/photos is active"])?;
    place.refuses(&place.town.agent, &forged)?;
    say_now(&format!(
        "what was forged with the leaked key is refused {} ms after the eviction",
        evicted.elapsed().as_millis()
    ));
    for leaked in &leaked {
        let answer = status(&place.town.agent, &leaked.forge()?)?;
        ensure!(answer == 401, "epoch {}: {answer}", leaked.epoch);
    }

    // What alice had is dead as well, and she gets a new one; other services do not notice.
    ensure!(status(&place.town.agent, &alice)? == 401);
    let alice = place.fresh_key("photos")?;
    place.accepts(&place.town.agent, &alice)?;
    ensure!(status(&place.films, &place.fresh_key("films")?)? == 200);

    // In its place comes one that never knew the old key.
    let mut third = Agent::new(place.town.folder(), "third", CONFIG)?;
    let join_token = place.ok(&["service", "join-token", "photos"])?;
    third.start(Some(&join_token))?;
    ensure!(status(&third, &forged)? == 401 && status(&third, &alice)? == 200);
    says(&place.ok(&["agent", "list", "photos"])?, &[id, "evicted"])?;
    let again = place.run(&["agent", "evict", id, "--yes"])?;
    ensure!(
        again.code == 1 && again.err.contains("evicted before"),
        "{again:?}"
    );
    Ok(())
}

#[test]
fn an_agent_that_was_given_up_costs_nobody_anything() -> Result<()> {
    let place = Place::new("")?;
    let alice = place.fresh_key("photos")?;
    let said = place.ok(&["agent", "evict", &place.second_id, "--planned", "--yes"])?;
    says(&said, &["Generation 1 of service/photos is prepared"])?;
    cattery_tests::wait::until("the new generation is active", || {
        let new = place.fresh_key("photos")?;
        Ok((new.id().generation == 1).then_some(()))
    })?;
    place.accepts(&place.town.agent, &place.fresh_key("photos")?)?;
    ensure!(
        status(&place.town.agent, &alice)? == 200,
        "the old one drains"
    );
    Ok(())
}

/// S of one epoch, and the names that go with it.
struct Leaked {
    key: ServiceKey,
    epoch: u32,
    generation: u32,
}

impl Leaked {
    /// A key of somebody who never asked for one.
    fn forge(&self) -> Result<UserKey> {
        let id = KeyId {
            epoch: self.epoch,
            service: "photos",
            generation: self.generation,
            principal: "user/somebody-else",
            version: 0,
            expires_at: now()? + 3_600,
            lease_id: rand::random(),
        };
        Ok(UserKey::issue(&self.key, &id, &[])?)
    }
}

/// All that an agent knows, the active epoch first.
fn leaked_keys(agent: &Agent) -> Result<Vec<Leaked>> {
    block_on(async {
        let receiver = ReceiverKey::generate()?;
        let request = GetVerificationKeysRequest {
            receiver_public_key: receiver.public_key(),
            ..Default::default()
        };
        let mut agent = api::agent(&agent.socket)?;
        let mut keys = agent
            .get_verification_keys(request)
            .await?
            .into_inner()
            .keys;
        keys.sort_by_key(|key| key.state() != EpochState::Active);
        let leak = |key: &cattery_proto::v1::ServiceKey| {
            let sealed = key.sealed_key.as_ref().context("a sealed key")?;
            let bytes = receiver.open(INFO_SERVICE_KEY, sealed)?;
            let bytes: &[u8; 32] = bytes[..].try_into().context("32 bytes")?;
            Ok(Leaked {
                key: ServiceKey::from_bytes(bytes),
                epoch: key.epoch,
                generation: key.generation,
            })
        };
        keys.iter().map(leak).collect()
    })
}
