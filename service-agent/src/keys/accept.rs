//! From an authority's answer to a set of keys: everything is checked before anything replaces what is held.

use cattery_core::{NameError, ServiceName};
use cattery_locked::LockError;
use cattery_proto::v1;
use cattery_sdk::sealing::{INFO_SERVICE_KEY, ReceiverKey, SealingError};
use zeroize::Zeroizing;

use super::held::KeySet;
use super::record::{KeyRecord, Material};
use crate::state::Mark;

/// Why a set of keys is not taken. What is held stays.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejected {
    /// It is another service's.
    #[error("the keys are those of service `{0}`, not of this one")]
    Service(String),
    /// There is none.
    #[error("there is no key in it")]
    Empty,
    /// A key twice.
    #[error("epoch {epoch}, generation {generation} is in it twice")]
    Twice {
        /// Its epoch.
        epoch: u32,
        /// Its generation.
        generation: u32,
    },
    /// An epoch that is not live.
    #[error("epoch {epoch} is not live, and yet its key is in it")]
    State {
        /// Which.
        epoch: u32,
    },
    /// A key does not open.
    #[error("the key of epoch {epoch}: {why}")]
    Sealed {
        /// Which.
        epoch: u32,
        /// Why.
        why: SealingError,
    },
    /// A key of another length than 32 bytes, or none.
    #[error("the key of epoch {epoch} has not 32 bytes")]
    Length {
        /// Which.
        epoch: u32,
    },
    /// A least version for no principal.
    #[error("a revocation names no principal: {0}")]
    Principal(NameError),
    /// It is older than what this agent has seen.
    #[error(
        "it is at {offered}, and this agent has seen {seen}: an authority fell back (an old backup?)"
    )]
    Older {
        /// How new it is.
        offered: Mark,
        /// How new the newest was.
        seen: Mark,
    },
    /// A generation that was replaced is back.
    #[error(
        "epoch {epoch} is at generation {offered}, and this agent holds generation {held}: an authority fell back (an old backup?)"
    )]
    OlderGeneration {
        /// Its epoch.
        epoch: u32,
        /// The newest one in it.
        offered: u32,
        /// The newest one that is held.
        held: u32,
    },
    /// Memory.
    #[error(transparent)]
    Lock(#[from] LockError),
}

/// Opens and checks an answer. Within one incarnation, nothing that was revoked comes back: no generation below one that is
/// held, no version below one that is known to be the least.
///
/// # Errors
/// The first thing that is wrong with it.
pub(crate) fn accept(
    response: &v1::GetServiceKeysResponse,
    receiver: &ReceiverKey,
    service: &ServiceName,
    seen: Mark,
    former: Option<&KeySet>,
) -> Result<KeySet, Rejected> {
    if response.service != service.as_str() {
        return Err(Rejected::Service(response.service.escape_debug().collect()));
    }
    let keys = response.keys.iter().map(|key| open(key, receiver));
    let mut material = Material {
        incarnation: response.incarnation,
        keys: keys.collect::<Result<_, _>>()?,
        least_versions: response
            .least_versions
            .iter()
            .map(|least| (least.principal.clone(), least.version))
            .collect(),
    };
    let former = former.filter(|former| former.mark().incarnation == response.incarnation);
    if let Some(former) = former {
        let least = former.least_versions();
        let least = least.map(|(principal, version)| (principal.to_owned(), version));
        material.least_versions.extend(least);
    }
    let set = KeySet::new(&material)?;
    let offered = set.mark();
    if offered < seen {
        return Err(Rejected::Older { offered, seen });
    }
    for held in former.into_iter().flat_map(KeySet::held) {
        match set.newest_generation(held.epoch) {
            Some(offered) if offered < held.generation => {
                return Err(Rejected::OlderGeneration {
                    epoch: held.epoch,
                    offered,
                    held: held.generation,
                });
            }
            Some(_) | None => {}
        }
    }
    Ok(set)
}

fn open(key: &v1::ServiceKey, receiver: &ReceiverKey) -> Result<KeyRecord, Rejected> {
    let epoch = key.epoch;
    let sealed = key.sealed_key.as_ref().ok_or(Rejected::Length { epoch })?;
    let opened = receiver
        .open(INFO_SERVICE_KEY, sealed)
        .map_err(|why| Rejected::Sealed { epoch, why })?;
    let mut bytes = Zeroizing::new([0; 32]);
    if opened.len() != bytes.len() {
        return Err(Rejected::Length { epoch });
    }
    bytes.copy_from_slice(&opened);
    Ok(KeyRecord {
        epoch,
        generation: key.generation,
        state: key.state(),
        not_after: key.not_after,
        key: bytes,
    })
}

#[cfg(test)]
mod tests {
    use cattery_core::Revocations as _;
    use cattery_sdk::sealing::seal;

    use super::*;

    fn response(receiver: &ReceiverKey, epoch: u32) -> v1::GetServiceKeysResponse {
        v1::GetServiceKeysResponse {
            service: "photos".into(),
            incarnation: 1,
            keys: vec![v1::ServiceKey {
                epoch,
                state: v1::EpochState::Active.into(),
                sealed_key: seal(&receiver.public_key(), INFO_SERVICE_KEY, &[9; 32]).ok(),
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    fn mark(epoch: u32) -> Mark {
        Mark {
            incarnation: 1,
            epoch,
        }
    }

    #[test]
    fn a_good_answer_is_taken_and_an_older_one_is_not() {
        let (receiver, photos) = (ReceiverKey::generate().unwrap(), "photos".parse().unwrap());
        let set = accept(&response(&receiver, 4), &receiver, &photos, mark(4), None).unwrap();
        assert_eq!(set.expose(&set.held()[0]), Some(&[9; 32]));
        let older = accept(&response(&receiver, 4), &receiver, &photos, mark(5), None);
        assert!(matches!(older, Err(Rejected::Older { .. })));
    }

    #[test]
    fn another_services_and_damaged_answers_are_refused() {
        let (receiver, photos) = (ReceiverKey::generate().unwrap(), "photos".parse().unwrap());
        let mut other = response(&receiver, 1);
        other.service = "mail".into();
        assert!(matches!(
            accept(&other, &receiver, &photos, mark(0), None),
            Err(Rejected::Service(_))
        ));
        let mut cut = response(&receiver, 1);
        cut.keys[0].sealed_key.as_mut().unwrap().ciphertext.pop();
        assert!(matches!(
            accept(&cut, &receiver, &photos, mark(0), None),
            Err(Rejected::Sealed { .. })
        ));
        let mut none = response(&receiver, 1);
        none.keys[0].sealed_key = None;
        assert!(matches!(
            accept(&none, &receiver, &photos, mark(0), None),
            Err(Rejected::Length { .. })
        ));
    }

    #[test]
    fn what_was_revoked_does_not_come_back_within_an_incarnation() {
        let (receiver, photos) = (ReceiverKey::generate().unwrap(), "photos".parse().unwrap());
        let at = |generation, version, incarnation| {
            let mut response = response(&receiver, 1);
            response.incarnation = incarnation;
            response.keys[0].generation = generation;
            response.least_versions = vec![v1::LeastVersion {
                principal: "user/alice".into(),
                version,
            }];
            response
        };
        let take = |offered, former| accept(&offered, &receiver, &photos, mark(1), former);
        let held = take(at(3, 7, 1), None).unwrap();
        assert!(matches!(
            take(at(2, 7, 1), Some(&held)),
            Err(Rejected::OlderGeneration { offered: 2, .. })
        ));
        let next = take(at(3, 6, 1), Some(&held)).unwrap();
        assert_eq!(next.least_version("user/alice"), 7);
        let restored = take(at(2, 6, 2), Some(&held)).unwrap();
        assert_eq!(restored.least_version("user/alice"), 6);
    }
}
