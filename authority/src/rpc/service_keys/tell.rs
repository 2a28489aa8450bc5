//! What is new for one agent, and what it was told already.

use cattery_core::ServiceName;
use cattery_core::epoch::{Line, Position};
use cattery_proto::v1;
use cattery_sdk::sealing::{INFO_SERVICE_KEY, seal};

use crate::act::now_ms;
use crate::cluster::Authority;
use crate::failure::Failure;
use crate::meters::{IssuanceResult, Kind};
use crate::news::{News, ServiceNews};

/// What an agent was told: all up to a place, these keys among it.
#[derive(Clone)]
pub(super) struct Told {
    /// What it holds once it has it.
    pub(super) position: Position,
    /// All but the revoked ids it was told up to there. These come in pieces.
    as_of: Position,
    /// By epoch and generation. `None`: those of that place, whichever they were.
    keys: Option<Vec<(u32, u32)>>,
}

impl Told {
    /// Of an agent that says what it holds.
    pub(super) fn held(position: Position) -> Self {
        Self {
            position,
            as_of: position,
            keys: None,
        }
    }

    /// Whether there is more to tell at once.
    pub(super) fn is_part(&self) -> bool {
        self.position < self.as_of
    }
}

/// What is new.
pub(super) struct Tidings {
    pub(super) message: v1::ServiceNews,
    /// What the agent was told once it has this.
    pub(super) told: Told,
}

/// Numbers and states of all keys of a service that are live.
pub(super) fn live_keys(epochs: &Line, generations: &Line) -> Vec<v1::ServiceKey> {
    let mut keys = Vec::new();
    for epoch in stages(epochs) {
        for generation in stages(generations) {
            // Whatever ends first, or begins last.
            let stage = match (epoch.rank, generation.rank) {
                (a, b) if a >= b => epoch,
                _ => generation,
            };
            let ends = [epoch.not_after, generation.not_after];
            keys.push(v1::ServiceKey {
                epoch: epoch.number,
                generation: generation.number,
                state: stage.state().into(),
                not_after: ends.into_iter().filter(|end| *end != 0).min().unwrap_or(0),
                sealed_key: None,
            });
        }
    }
    keys
}

/// As the audit log has them: `incarnation/epoch.generation`.
pub(super) fn names(incarnation: u64, keys: &[v1::ServiceKey]) -> Vec<String> {
    keys.iter()
        .map(|key| format!("{incarnation}/{}.{}", key.epoch, key.generation))
        .collect()
}

/// What is new since an agent was told something, or ever; `None` for nothing.
pub(super) async fn tidings(
    authority: &Authority,
    news: &News,
    name: &ServiceName,
    service: &ServiceNews,
    told: Option<&Told>,
    receiver: &[u8],
) -> Result<Option<Tidings>, Failure> {
    let told = told.filter(|told| told.position.incarnation == news.position.incarnation);
    let since = told.map_or(0, |told| told.as_of.sequence);
    let keys_changed = news.keys_changed_since(service, since);
    let cluster_changed = told.is_none() || news.cluster_changed_since(since);
    let least_versions = news.least_versions_since(since);
    let held = told.map_or(0, |told| told.position.sequence);
    let revoked = news.revoked.since(held, now_ms() / 1000);
    if let Some(told) = told
        && !told.is_part()
        && !keys_changed
        && !cluster_changed
        && least_versions.is_empty()
        && revoked.told.is_empty()
        && !news.is_awaited_after(held)
    {
        return Ok(None);
    }
    let as_of = news.position;
    let place = Position {
        sequence: revoked.more_after.unwrap_or(as_of.sequence),
        ..as_of
    };
    let mut keys = live_keys(&news.epochs, &service.generations);
    let numbers: Vec<_> = keys.iter().map(|key| (key.epoch, key.generation)).collect();
    for key in &mut keys {
        let holds = match told.map(|told| &told.keys) {
            Some(Some(held)) => held.contains(&(key.epoch, key.generation)),
            Some(None) => !keys_changed,
            None => false,
        };
        if holds {
            continue;
        }
        let secret = authority
            .root_keys
            .service_key(key.epoch, name, key.generation)
            .await?;
        key.sealed_key = Some(seal(receiver, INFO_SERVICE_KEY, secret.expose())?);
        let issued = (Kind::ServiceKey, IssuanceResult::Issued);
        authority.meters.issuance.add(issued);
    }
    let message = v1::ServiceNews {
        since: told.map(|told| position(told.position)),
        position: Some(position(place)),
        service: name.as_str().to_owned(),
        cluster: cluster_changed.then(|| authority.describe(news)),
        keys,
        least_versions: least_versions
            .iter()
            .map(|least| v1::LeastVersion {
                principal: least.principal.clone(),
                version: least.version,
            })
            .collect(),
        revocation_key: match told {
            Some(_) => Vec::new(),
            None => authority.bulletin.revocation_key().expose().to_vec(),
        },
        revoked_ids: revoked
            .told
            .iter()
            .map(|told| v1::RevokedId {
                fingerprint: told.fingerprint.0.to_vec(),
                ends_at: told.ends_at,
            })
            .collect(),
        more: revoked.more_after.is_some(),
        as_of: Some(position(as_of)),
    };
    Ok(Some(Tidings {
        message,
        told: Told {
            position: place,
            as_of,
            keys: Some(numbers),
        },
    }))
}

/// As the proto has it.
fn position(position: Position) -> v1::Position {
    v1::Position {
        incarnation: position.incarnation,
        sequence: position.sequence,
    }
}

/// A number of a line, and where it is in its life.
#[derive(Clone, Copy)]
struct Stage {
    number: u32,
    rank: Rank,
    not_after: u64,
}

/// Of two, the greater one says what a key of both is good for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Active,
    Prepared,
    Draining,
}

impl Stage {
    fn state(self) -> v1::EpochState {
        match self.rank {
            Rank::Active => v1::EpochState::Active,
            Rank::Prepared => v1::EpochState::Prepared,
            Rank::Draining => v1::EpochState::Draining,
        }
    }
}

fn stages(line: &Line) -> impl Iterator<Item = Stage> + use<> {
    let draining = line.draining().map(|draining| Stage {
        number: draining.number,
        rank: Rank::Draining,
        not_after: draining.not_after,
    });
    let active = Stage {
        number: line.active().number,
        rank: Rank::Active,
        not_after: 0,
    };
    let prepared = line.prepared().map(|prepared| Stage {
        number: prepared.number,
        rank: Rank::Prepared,
        not_after: 0,
    });
    draining.into_iter().chain([active]).chain(prepared)
}

#[cfg(test)]
mod tests {
    use cattery_core::epoch::{Active, Draining, Parts, Prepared};

    use super::*;

    fn line(prepared: Option<u32>, active: u32, draining: Option<(u32, u64)>) -> Line {
        Line::from_parts(Parts {
            last: prepared.unwrap_or(active),
            prepared: prepared.map(|number| Prepared {
                number,
                since: 1,
                position: 1,
            }),
            active: Active {
                number: active,
                since: 1,
            },
            draining: draining.map(|(number, not_after)| Draining {
                number,
                since: 1,
                not_after,
            }),
        })
        .unwrap()
    }

    #[test]
    fn a_key_is_good_for_what_its_epoch_and_its_generation_both_are() {
        let keys = live_keys(
            &line(Some(4), 3, Some((2, 500))),
            &line(None, 1, Some((0, 400))),
        );
        let shown: Vec<_> = keys
            .iter()
            .map(|key| (key.epoch, key.generation, key.state(), key.not_after))
            .collect();
        use v1::EpochState::{Active, Draining, Prepared};
        assert_eq!(
            shown,
            [
                (2, 0, Draining, 400),
                (2, 1, Draining, 500),
                (3, 0, Draining, 400),
                (3, 1, Active, 0),
                (4, 0, Draining, 400),
                (4, 1, Prepared, 0),
            ]
        );
    }
}
