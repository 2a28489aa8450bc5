//! From an authority's news to a set of keys: everything is checked before anything replaces what is held.

use cattery_core::{Fingerprint, RevocationKey, RevokedIds, ServiceName};
use cattery_proto::v1;
use cattery_sdk::sealing::{INFO_SERVICE_KEY, ReceiverKey};
use zeroize::Zeroizing;

use super::held::KeySet;
use super::record::{KeyRecord, Material};
use super::rejected::Rejected;
use super::revoked::Revoked;
use crate::position::Position;
use crate::state::Mark;

/// Opens and checks news: all there is, or what changed since a position that the set held is not behind. An authority may
/// tell again what the agent has taken and not yet acknowledged.
///
/// Nothing comes back: nothing that is as of below the position that was `seen`, and no epoch below that; within one incarnation, no generation below one that is
/// held, no version below one that is known to be the least, and no id that was revoked.
///
/// # Errors
/// The first thing that is wrong with it.
pub(crate) fn accept(
    news: &v1::ServiceNews,
    receiver: &ReceiverKey,
    service: &ServiceName,
    seen: Mark,
    former: Option<&KeySet>,
) -> Result<KeySet, Rejected> {
    if news.service != service.as_str() {
        return Err(Rejected::Service(news.service.escape_debug().collect()));
    }
    let position: Position = news.position.ok_or(Rejected::NoPosition)?.into();
    let as_of = news.as_of.map_or(position, Position::from);
    if as_of.incarnation != position.incarnation || as_of < position {
        return Err(Rejected::Ahead { position, as_of });
    }
    if as_of < seen.position {
        return Err(Rejected::Older {
            offered: as_of,
            seen: seen.position,
        });
    }
    let base = match news.since {
        None => None,
        Some(since) => Some(base(since.into(), position, former)?),
    };
    let former = former.filter(|former| former.position().incarnation == position.incarnation);
    let keys = news.keys.iter().map(|key| record(key, receiver, base));
    let set = KeySet::new(&Material {
        position,
        as_of,
        keys: keys.collect::<Result<_, _>>()?,
        least_versions: least_versions(news, former),
        revoked: revoked(news, position, former)?,
    })?;
    not_below(&set, seen)?;
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

/// Whether a set may be used by an agent that has `seen` this.
///
/// # Errors
/// [`Rejected::Older`] or [`Rejected::OlderEpoch`].
pub(crate) fn not_below(set: &KeySet, seen: Mark) -> Result<(), Rejected> {
    let offered = set.mark();
    if offered.position < seen.position {
        let (offered, seen) = (offered.position, seen.position);
        return Err(Rejected::Older { offered, seen });
    }
    if offered.epoch < seen.epoch {
        let (offered, seen) = (offered.epoch, seen.epoch);
        return Err(Rejected::OlderEpoch { offered, seen });
    }
    Ok(())
}

/// The set that news with `since` adds to.
fn base(since: Position, position: Position, former: Option<&KeySet>) -> Result<&KeySet, Rejected> {
    if since.incarnation != position.incarnation || since.sequence >= position.sequence {
        return Err(Rejected::NoStep { since, position });
    }
    let held = former.map(KeySet::position);
    former
        .filter(|former| former.position().incarnation == since.incarnation)
        .filter(|former| former.position() >= since)
        .ok_or(Rejected::Gap { since, held })
}

/// What the news says, on top of what was known.
fn least_versions(news: &v1::ServiceNews, former: Option<&KeySet>) -> Vec<(String, u32)> {
    let told = news
        .least_versions
        .iter()
        .map(|least| (least.principal.clone(), least.version));
    let known = former.into_iter().flat_map(KeySet::least_versions);
    let known = known.map(|(principal, version)| (principal.to_owned(), version));
    told.chain(known).collect()
}

/// The revoked ids of the news, on top of those that were known.
fn revoked(
    news: &v1::ServiceNews,
    position: Position,
    former: Option<&KeySet>,
) -> Result<Revoked, Rejected> {
    let former = former.map(KeySet::revoked);
    let key = match (news.revocation_key.as_slice(), former) {
        ([], Some(former)) if news.since.is_some() => *former.key(),
        (bytes, _) => {
            let wrong = |_| Rejected::RevocationKey { len: bytes.len() };
            RevocationKey::from_bytes(bytes.try_into().map_err(wrong)?)
        }
    };
    if former.is_some_and(|former| *former.key() != key) {
        return Err(Rejected::OtherRevocationKey);
    }
    let added = news.revoked_ids.iter().map(|revoked| {
        let bytes = revoked.fingerprint.as_slice();
        let wrong = |_| Rejected::Fingerprint { len: bytes.len() };
        let fingerprint = bytes.try_into().map_err(wrong)?;
        Ok((Fingerprint(fingerprint), revoked.ends_at))
    });
    let added = added.collect::<Result<Vec<_>, Rejected>>()?;
    Ok(match former {
        Some(former) if news.since.is_some() => former.and(added, position),
        Some(former) => Revoked::new(key, former.ids().with(added), position),
        None => Revoked::new(key, RevokedIds::new().with(added), position),
    })
}

fn record(
    key: &v1::ServiceKey,
    receiver: &ReceiverKey,
    base: Option<&KeySet>,
) -> Result<KeyRecord, Rejected> {
    let (epoch, generation) = (key.epoch, key.generation);
    let mut bytes = Zeroizing::new([0; 32]);
    if let Some(sealed) = &key.sealed_key {
        let opened = receiver
            .open(INFO_SERVICE_KEY, sealed)
            .map_err(|why| Rejected::Sealed { epoch, why })?;
        if opened.len() != bytes.len() {
            return Err(Rejected::Length { epoch });
        }
        bytes.copy_from_slice(&opened);
    } else {
        let held = base.and_then(|base| base.expose(epoch, generation));
        bytes.copy_from_slice(held.ok_or(Rejected::NoKey { epoch, generation })?);
    }
    Ok(KeyRecord {
        epoch,
        generation,
        state: key.state(),
        not_after: key.not_after,
        key: bytes,
    })
}

#[cfg(test)]
#[path = "accept_tests.rs"]
mod tests;
