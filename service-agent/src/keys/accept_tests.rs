use cattery_core::Revocations as _;
use cattery_sdk::sealing::seal;

use super::*;

/// An agent of `photos` that takes what it is offered.
struct Taker {
    receiver: ReceiverKey,
    seen: Mark,
}

impl Taker {
    fn new() -> Self {
        Self {
            receiver: ReceiverKey::generate().unwrap(),
            seen: Mark::default(),
        }
    }

    fn key(&self, epoch: u32, generation: u32) -> v1::ServiceKey {
        v1::ServiceKey {
            sealed_key: seal(
                &self.receiver.public_key(),
                INFO_SERVICE_KEY,
                &[epoch.to_be_bytes()[3]; 32],
            )
            .ok(),
            ..held(epoch, generation)
        }
    }

    /// All there is at a position of incarnation 1: the key of this epoch.
    fn whole(&self, sequence: u64, epoch: u32) -> v1::ServiceNews {
        v1::ServiceNews {
            position: at(1, sequence),
            service: "photos".into(),
            keys: vec![self.key(epoch, 0)],
            revocation_key: vec![9; 16],
            ..Default::default()
        }
    }

    fn take(&self, news: &v1::ServiceNews, former: Option<&KeySet>) -> Result<KeySet, Rejected> {
        let photos = "photos".parse().unwrap();
        accept(news, &self.receiver, &photos, self.seen, former)
    }

    fn refused(&self, news: &v1::ServiceNews, former: Option<&KeySet>) -> Rejected {
        self.take(news, former).map(|_| ()).unwrap_err()
    }
}

/// A key without its bytes.
fn held(epoch: u32, generation: u32) -> v1::ServiceKey {
    v1::ServiceKey {
        epoch,
        generation,
        state: v1::EpochState::Active.into(),
        ..Default::default()
    }
}

#[allow(clippy::unnecessary_wraps)] // as messages have it
fn at(incarnation: u64, sequence: u64) -> Option<v1::Position> {
    Some(v1::Position {
        incarnation,
        sequence,
    })
}

fn least(principal: &str, version: u32) -> v1::LeastVersion {
    v1::LeastVersion {
        principal: principal.into(),
        version,
    }
}

fn epochs(set: &KeySet) -> Vec<u32> {
    set.held().iter().map(|held| held.epoch).collect()
}

#[test]
fn all_there_is_replaces_what_was() {
    let taker = Taker::new();
    let first = taker.take(&taker.whole(4, 1), None).unwrap();
    assert_eq!(first.expose(1, 0), Some(&[1; 32]));
    assert_eq!(first.position(), at(1, 4).unwrap().into());
    let second = taker.take(&taker.whole(9, 2), Some(&first)).unwrap();
    assert_eq!(epochs(&second), [2]);
    assert_eq!(second.position(), at(1, 9).unwrap().into());
}

#[test]
fn what_changed_is_added_and_what_is_not_listed_goes() {
    let taker = Taker::new();
    let mut whole = taker.whole(4, 1);
    whole.keys.push(taker.key(2, 0));
    whole.least_versions = vec![least("user/alice", 3), least("user/bob", 1)];
    let former = taker.take(&whole, None).unwrap();
    let mut news = taker.whole(5, 3);
    (news.since, news.revocation_key) = (at(1, 4), vec![]);
    news.keys.push(held(2, 0));
    news.least_versions = vec![least("user/bob", 2)];
    let set = taker.take(&news, Some(&former)).unwrap();
    assert_eq!(epochs(&set), [2, 3]);
    assert_eq!(set.expose(2, 0), Some(&[2; 32]), "as it was held");
    assert_eq!(set.expose(3, 0), Some(&[3; 32]));
    let version = |principal| set.least_version(principal);
    assert_eq!((version("user/alice"), version("user/bob")), (3, 2));
}

#[test]
fn a_gap_is_noticed() {
    let taker = Taker::new();
    let former = taker.take(&taker.whole(4, 1), None).unwrap();
    let news = |since, position| v1::ServiceNews {
        since,
        position,
        keys: vec![held(1, 0)],
        ..taker.whole(0, 1)
    };
    let refused = |news, former| taker.refused(&news, former);
    assert!(matches!(
        refused(news(at(1, 5), at(1, 6)), Some(&former)),
        Rejected::Gap { .. }
    ));
    assert!(matches!(
        refused(news(at(1, 4), at(1, 6)), None),
        Rejected::Gap { held: None, .. }
    ));
    assert!(matches!(
        refused(news(at(2, 3), at(2, 6)), Some(&former)),
        Rejected::Gap { .. }
    ));
    for (since, position) in [
        (at(1, 4), at(1, 4)),
        (at(1, 4), at(1, 3)),
        (at(1, 4), at(2, 5)),
    ] {
        assert!(matches!(
            refused(news(since, position), Some(&former)),
            Rejected::NoStep { .. }
        ));
    }
    let mut unknown = news(at(1, 4), at(1, 5));
    unknown.keys.push(held(2, 0));
    assert!(matches!(
        refused(unknown, Some(&former)),
        Rejected::NoKey { epoch: 2, .. }
    ));
}

#[test]
fn what_was_taken_may_be_told_again() {
    let mut taker = Taker::new();
    let first = taker.take(&taker.whole(4, 1), None).unwrap();
    let mut news = taker.whole(5, 2);
    (news.since, news.revocation_key) = (at(1, 4), vec![]);
    news.keys.push(held(1, 0));
    let second = taker.take(&news, Some(&first)).unwrap();
    taker.seen = second.mark();
    let again = taker.take(&news, Some(&second)).unwrap();
    assert!(again.says_as(&second) && again.position() == second.position());
    let whole = taker.take(&taker.whole(5, 2), Some(&second)).unwrap();
    assert_eq!(epochs(&whole), [2]);
}

#[test]
fn nothing_below_what_was_seen_is_taken() {
    let mut taker = Taker::new();
    taker.seen = Mark {
        position: at(1, 5).unwrap().into(),
        epoch: 4,
    };
    assert!(taker.take(&taker.whole(5, 4), None).is_ok());
    assert!(matches!(
        taker.refused(&taker.whole(4, 9), None),
        Rejected::Older { .. }
    ));
    let reused = Rejected::OlderEpoch {
        offered: 3,
        seen: 4,
    };
    let refused = taker.refused(&taker.whole(6, 3), None);
    assert_eq!(refused.to_string(), reused.to_string());
    let restored = |epoch| v1::ServiceNews {
        position: at(2, 0),
        ..taker.whole(0, epoch)
    };
    assert!(taker.take(&restored(5), None).is_ok());
    let refused = taker.refused(&restored(3), None).to_string();
    assert!(
        refused.contains("restore it with an epoch above 4"),
        "{refused}"
    );
}

#[test]
fn another_services_and_damaged_news_are_refused() {
    let taker = Taker::new();
    let refused = |change: fn(&mut v1::ServiceNews)| {
        let mut news = taker.whole(1, 1);
        change(&mut news);
        taker.refused(&news, None)
    };
    assert!(matches!(
        refused(|news| news.service = "mail".into()),
        Rejected::Service(_)
    ));
    assert!(matches!(
        refused(|news| news.position = None),
        Rejected::NoPosition
    ));
    assert!(matches!(
        refused(|news| news.keys[0].sealed_key = None),
        Rejected::NoKey { .. }
    ));
    assert!(matches!(
        refused(|news| {
            let sealed = news.keys[0].sealed_key.as_mut().unwrap();
            sealed.ciphertext.pop();
        }),
        Rejected::Sealed { .. }
    ));
    let mut long = taker.whole(1, 1);
    let public = taker.receiver.public_key();
    long.keys[0].sealed_key = seal(&public, INFO_SERVICE_KEY, &[9; 33]).ok();
    assert!(matches!(
        taker.refused(&long, None),
        Rejected::Length { epoch: 1 }
    ));
}

#[test]
fn a_key_that_is_held_is_no_part_of_all_there_is() {
    let taker = Taker::new();
    let former = taker.take(&taker.whole(4, 1), None).unwrap();
    let mut whole = taker.whole(5, 1);
    whole.keys[0].sealed_key = None;
    assert!(matches!(
        taker.refused(&whole, Some(&former)),
        Rejected::NoKey { .. }
    ));
}

#[test]
fn what_was_revoked_does_not_come_back_within_an_incarnation() {
    let taker = Taker::new();
    let offer = |generation, version, position| {
        let mut news = taker.whole(0, 1);
        news.position = position;
        news.keys = vec![taker.key(1, generation)];
        news.least_versions = vec![least("user/alice", version)];
        news
    };
    let held = taker.take(&offer(3, 7, at(1, 1)), None).unwrap();
    assert!(matches!(
        taker.refused(&offer(2, 7, at(1, 2)), Some(&held)),
        Rejected::OlderGeneration { offered: 2, .. }
    ));
    let next = taker.take(&offer(3, 6, at(1, 2)), Some(&held)).unwrap();
    assert_eq!(next.least_version("user/alice"), 7);
    let restored = taker.take(&offer(2, 6, at(2, 0)), Some(&held)).unwrap();
    assert_eq!(restored.least_version("user/alice"), 6);
}

fn revoked(byte: u8) -> v1::RevokedId {
    v1::RevokedId {
        fingerprint: vec![byte; 16],
        ends_at: 90,
    }
}

/// What is revoked in a set, by the first byte.
fn ids(set: &KeySet) -> Vec<u8> {
    let mut ids: Vec<_> = set.revoked().ids().iter().map(|(id, _)| id.0[0]).collect();
    ids.sort_unstable();
    ids
}

#[test]
fn revoked_ids_add_up_within_an_incarnation() {
    let taker = Taker::new();
    let offer = |byte, position, since: Option<v1::Position>| v1::ServiceNews {
        position,
        since,
        revoked_ids: vec![revoked(byte)],
        revocation_key: vec![9; if since.is_none() { 16 } else { 0 }],
        ..taker.whole(0, 1)
    };
    let first = taker.take(&offer(1, at(1, 4), None), None).unwrap();
    let delta = offer(2, at(1, 5), at(1, 4));
    let second = taker.take(&delta, Some(&first)).unwrap();
    assert_eq!((ids(&first), ids(&second)), (vec![1], vec![1, 2]));
    assert!(!second.says_as(&first));
    let again = taker.take(&delta, Some(&second)).unwrap();
    assert!(again.says_as(&second));
    let whole = taker
        .take(&offer(3, at(1, 6), None), Some(&second))
        .unwrap();
    assert_eq!(ids(&whole), [1, 2, 3], "nothing comes back");
    let since = |set: &KeySet, sequence| {
        let position = at(1, sequence).unwrap().into();
        set.revoked_since(position).map(|ids| ids.len())
    };
    assert_eq!(since(&second, 4), Some(1));
    assert_eq!((since(&second, 5), since(&second, 6)), (Some(0), None));
    assert_eq!((since(&whole, 5), since(&whole, 6)), (None, Some(0)));
    let mut restored = offer(4, at(2, 0), None);
    restored.revocation_key = vec![8; 16];
    let restored = taker.take(&restored, Some(&whole)).unwrap();
    assert_eq!(ids(&restored), [4]);
}

#[test]
fn damaged_revocations_are_refused() {
    let taker = Taker::new();
    let former = taker.take(&taker.whole(4, 1), None).unwrap();
    let refused = |change: fn(&mut v1::ServiceNews)| {
        let mut news = taker.whole(5, 1);
        news.revoked_ids = vec![revoked(1)];
        change(&mut news);
        taker.refused(&news, Some(&former)).to_string()
    };
    let key = refused(|news| news.revocation_key.clear());
    assert_eq!(key, "the revocation key has 0 bytes, and not 16");
    let key = refused(|news| news.revocation_key.push(0));
    assert_eq!(key, "the revocation key has 17 bytes, and not 16");
    let key = refused(|news| (news.since, news.revocation_key) = (at(1, 4), vec![9; 15]));
    assert_eq!(key, "the revocation key has 15 bytes, and not 16");
    let other = refused(|news| news.revocation_key[0] = 0);
    assert!(
        other.contains("not the one that this agent holds"),
        "{other}"
    );
    let id = refused(|news| _ = news.revoked_ids[0].fingerprint.pop());
    assert_eq!(
        id,
        "a revoked id has a fingerprint of 15 bytes, and not of 16"
    );
}

#[test]
fn keys_are_as_of_a_place_that_ids_may_be_behind() {
    let mut taker = Taker::new();
    let key = taker.whole(0, 3);
    let part = |position, as_of, since| v1::ServiceNews {
        position,
        as_of,
        since,
        more: true,
        revoked_ids: vec![revoked(1)],
        ..key.clone()
    };
    let first = taker.take(&part(at(1, 2), at(1, 9), None), None).unwrap();
    assert_eq!(first.position().sequence, 2);
    assert_eq!(first.mark().position.sequence, 9);
    // An agent that has seen all of that takes parts that go less far, and nothing from an authority that is behind.
    taker.seen = first.mark();
    let next = part(at(1, 5), at(1, 9), at(1, 2));
    let next = taker.take(&next, Some(&first)).unwrap();
    assert_eq!(next.position().sequence, 5);
    let behind = part(at(1, 5), at(1, 8), at(1, 2));
    assert!(matches!(
        taker.refused(&behind, Some(&first)),
        Rejected::Older { .. }
    ));
    for (position, as_of) in [(at(1, 5), at(1, 4)), (at(1, 5), at(2, 9))] {
        let wrong = part(position, as_of, at(1, 2));
        assert!(matches!(
            taker.refused(&wrong, Some(&first)),
            Rejected::Ahead { .. }
        ));
    }
}
