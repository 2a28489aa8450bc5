//! Somebody who holds the service key of every epoch for ever: an agent of the service that turned.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use cattery_core::{KeyId, ServiceKey, TokenSpec, UserKey};
use cattery_proto::v1::{
    FollowServiceKeysRequest, Position, service_keys_client::ServiceKeysClient,
};
use cattery_sdk::{
    connect::Connector,
    identity::KeyPair,
    portable::JoinToken,
    sealing::{INFO_SERVICE_KEY, ReceiverKey},
    tls::{Identity, Trust},
};
use cattery_tests::{api, fleet::Fleet, town};
use rand::seq::IteratorRandom as _;
use tokio::{sync::mpsc, time::sleep};
use tokio_stream::wrappers::ReceiverStream;
use zeroize::Zeroizing;

/// The service that it spies on.
pub(super) const SERVICE: &str = "photos";
/// It behaves: activation waits for it as for any agent.
const BEAT: Duration = Duration::from_millis(500);

/// What it holds.
pub(super) struct Spy {
    connector: Connector,
    budget: u64,
    keys: Mutex<BTreeMap<u32, Zeroizing<[u8; 32]>>>,
}

impl Spy {
    pub(super) async fn enroll(fleet: &Fleet, budget: u64) -> Result<Arc<Self>> {
        let text = fleet.admin.ok(&["service", "join-token", SERVICE], "")?;
        let token = JoinToken::parse(&text)?;
        let key = KeyPair::generate()?;
        let identity = api::enroll(&token, &key).await?;
        let addresses = fleet.authorities.iter().map(|a| a.addr.to_string());
        let trust = Trust::Bundle(identity.cluster.context("a cluster")?.trust_bundle);
        let client = Identity::new(identity.certificate, key.pkcs8());
        Ok(Arc::new(Self {
            connector: Connector::new(addresses.collect(), &trust, Some(&client))?,
            budget,
            keys: Mutex::default(),
        }))
    }

    /// Follows the keys for as long as this runs, from whichever authority answers.
    pub(super) async fn follow(self: Arc<Self>) {
        loop {
            let _ = self.follow_one().await;
            self.connector.avoid();
            sleep(BEAT).await;
        }
    }

    async fn follow_one(&self) -> Result<()> {
        let receiver = ReceiverKey::generate()?;
        let (beats, queue) = mpsc::channel(4);
        let mut number = 1;
        let first = FollowServiceKeysRequest {
            beat: number,
            receiver_public_key: receiver.public_key(),
            outage_budget_seconds: self.budget,
            ..Default::default()
        };
        beats.send(first).await?;
        let mut calls = ServiceKeysClient::new(self.connector.channel());
        let answers = calls.follow_service_keys(ReceiverStream::new(queue));
        let mut answers = tokio::time::timeout(BEAT * 8, answers).await??.into_inner();
        let mut holds: Option<Position> = None;
        loop {
            let answer = tokio::time::timeout(BEAT * 8, answers.message()).await??;
            let answer = answer.context("the stream ended")?;
            if let Some(news) = answer.news {
                for key in &news.keys {
                    if let Some(sealed) = &key.sealed_key {
                        let opened = receiver.open(INFO_SERVICE_KEY, sealed)?;
                        let bytes: [u8; 32] = opened[..].try_into()?;
                        self.lock().insert(key.epoch, Zeroizing::new(bytes));
                    }
                }
                holds = news.position;
            } else {
                sleep(BEAT).await;
            }
            number += 1;
            let beat = FollowServiceKeysRequest {
                beat: number,
                holds,
                ..Default::default()
            };
            beats.send(beat).await?;
        }
    }

    /// A token that some epoch's service key makes good for an hour, and that epoch.
    pub(super) fn forge(&self) -> Result<Option<(u32, String)>> {
        let keys = self.lock();
        let Some((epoch, key)) = keys.iter().choose(&mut rand::rng()) else {
            return Ok(None);
        };
        let now = town::now()?;
        let id = KeyId {
            epoch: *epoch,
            service: SERVICE,
            generation: 0,
            principal: "user/mallory",
            version: 0,
            expires_at: now + 3600,
            lease_id: rand::random(),
        };
        let user_key = UserKey::issue(&ServiceKey::from_bytes(key), &id, &[])?;
        let spec = TokenSpec {
            not_before: now,
            not_after: now + 60,
            token_id: rand::random(),
            ..TokenSpec::default()
        };
        let mut token = String::new();
        user_key.mint(&spec, &mut token)?;
        Ok(Some((*epoch, token)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u32, Zeroizing<[u8; 32]>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
