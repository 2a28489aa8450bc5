use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use cattery_core::{RevocationKey, Revocations as _};
use cattery_proto::v1::EpochState;
use zeroize::Zeroizing;

use super::*;
use crate::keys::{KeyRecord, Material};
use crate::position::Position;

const FIRST: Position = Position {
    incarnation: 3,
    sequence: 12,
};

fn set() -> KeySet {
    let ids = RevokedIds::new().with([(id(1), 90), (id(2), u64::MAX)]);
    with(
        Revoked::new(RevocationKey::from_bytes([9; 16]), ids, FIRST),
        FIRST,
    )
}

fn with(revoked: Revoked, position: Position) -> KeySet {
    let record = |epoch, state| KeyRecord {
        epoch,
        generation: 1,
        state,
        not_after: u64::from(epoch),
        key: Zeroizing::new([epoch.to_be_bytes()[3]; 32]),
    };
    KeySet::new(&Material {
        position,
        as_of: position,
        keys: vec![
            record(5, EpochState::Draining),
            record(6, EpochState::Active),
        ],
        least_versions: vec![("user/alice".into(), 4)],
        revoked,
    })
    .unwrap()
}

/// What news makes of a set that revokes so many more ids.
fn more(set: &KeySet, count: u64) -> KeySet {
    let mut position = set.position();
    position.sequence += 1;
    let added = (0..count).map(|number| {
        let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bytes = [spread.to_be_bytes(), position.sequence.to_be_bytes()].concat();
        (Fingerprint(bytes.try_into().unwrap()), 90)
    });
    with(set.revoked().and(added.collect(), position), position)
}

fn id(byte: u8) -> Fingerprint {
    Fingerprint([byte; 16])
}

/// A folder with a key file, and a cache in it.
fn cache(temp: &tempfile::TempDir) -> Cache {
    let config = CacheConfig {
        file: temp.path().join("cache"),
        key_file: temp.path().join("key"),
    };
    key_file(&config.key_file, 1, 0o400);
    let key = CacheKey::read(&config).unwrap();
    Cache::new(&config, key, "photos".parse().unwrap())
}

fn loaded(temp: &tempfile::TempDir) -> KeySet {
    let cached = cache(temp).load(Moment::now().wall).unwrap();
    cached.unwrap().set
}

fn said(set: &KeySet) -> (Position, u64, [u8; 16]) {
    let (count, digest) = set.revoked().ids().digest(0);
    (set.position(), count, digest)
}

fn key_file(path: &Path, byte: u8, mode: u32) {
    let _ = fs::remove_file(path);
    fs::write(path, [byte; 32]).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn keys_and_the_time_of_the_last_contact_come_back() {
    let temp = tempfile::tempdir().unwrap();
    let config = CacheConfig {
        file: temp.path().join("cache"),
        key_file: temp.path().join("key"),
    };
    key_file(&config.key_file, 1, 0o400);
    let open = |service: &str| {
        let key = CacheKey::read(&config).unwrap();
        Cache::new(&config, key, service.parse().unwrap())
    };
    let contact = Moment::now();
    assert!(open("photos").load(contact.wall).unwrap().is_none());
    open("photos").save(&set(), Some(contact)).unwrap();

    let bytes = fs::read(&config.file).unwrap();
    assert!(
        !bytes.windows(16).any(|window| window == [6; 16]),
        "a key in the clear"
    );
    let cached = open("photos").load(contact.wall + 100).unwrap().unwrap();
    assert_eq!(cached.since_contact, Duration::from_secs(100));
    assert_eq!(
        (cached.set.held(), cached.set.mark()),
        (set().held(), set().mark())
    );
    assert_eq!(cached.set.expose(6, 1), Some(&[6; 32]));
    assert_eq!(cached.set.least_version("user/alice"), 4);
    assert_eq!(said(&cached.set), said(&set()));
    assert_eq!(cached.set.revoked().key().expose(), &[9; 16]);
    let kept = cached.set.revoked().ids().without_ended(u64::MAX);
    assert!(kept.contains(&id(2)) && !kept.contains(&id(1)));

    let refused = |mut cache: Cache, now| cache.load(now).map(|_| ()).unwrap_err();
    assert!(matches!(
        refused(open("photos"), contact.wall - 60),
        CacheError::Clock
    ));
    assert!(matches!(
        refused(open("mail"), contact.wall),
        CacheError::Open(_)
    ));
    for magic in [&b"cattery.cache.1"[..], b"cattery.cache.2"] {
        fs::write(&config.file, [magic, &[0; 64]].concat()).unwrap();
        let former = refused(open("photos"), contact.wall);
        assert!(matches!(former, CacheError::Former(_)));
    }
    fs::write(&config.file, &bytes).unwrap();
    key_file(&config.key_file, 2, 0o400);
    assert!(matches!(
        refused(open("photos"), contact.wall),
        CacheError::Open(_)
    ));
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let config = CacheConfig {
        file: temp.path().join("cache"),
        key_file: temp.path().join("key"),
    };
    let refused = || CacheKey::read(&config).map(|_| ()).unwrap_err();
    assert!(matches!(refused(), CacheError::KeyFile(_)));
    key_file(&config.key_file, 1, 0o440);
    assert!(refused().to_string().contains("mode 0440"), "{}", refused());
    fs::write(&config.key_file, "short").unwrap();
    fs::set_permissions(&config.key_file, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(matches!(refused(), CacheError::KeyFileSize(_)));
}

#[test]
fn a_cache_without_a_folder_is_refused_at_once() {
    let temp = tempfile::tempdir().unwrap();
    let config = CacheConfig {
        file: temp.path().join("none/cache"),
        key_file: temp.path().join("key"),
    };
    key_file(&config.key_file, 1, 0o400);
    let refused = CacheKey::read(&config).map(|_| ()).unwrap_err();
    assert!(matches!(refused, CacheError::Folder(_)), "{refused}");
}

#[test]
fn news_is_appended_and_now_and_then_all_is_written_anew() {
    let temp = tempfile::tempdir().unwrap();
    let mut cache = cache(&temp);
    let size = || fs::metadata(temp.path().join("cache")).unwrap().len();
    let mut set = more(&set(), 20_000);
    cache.save(&set, Some(Moment::now())).unwrap();
    let whole = size();
    assert!(whole > 20_000 * 20);
    let mut appended = 0;
    while size() >= whole && appended < 100_000 {
        set = more(&set, 5_000);
        let before = size();
        cache.save(&set, None).unwrap();
        assert_eq!(said(&loaded(&temp)), said(&set));
        appended += 5_000;
        if size() < before + 5_000 * 20 {
            break;
        }
        assert!(size() < before + 5_000 * 21);
    }
    assert!((15_000..60_000).contains(&appended), "{appended}");
}

#[test]
fn what_was_half_written_is_not_there_and_is_not_built_on() {
    let temp = tempfile::tempdir().unwrap();
    let mut first = cache(&temp);
    let one = set();
    first.save(&one, Some(Moment::now())).unwrap();
    let before = fs::read(temp.path().join("cache")).unwrap();
    let two = more(&one, 3);
    first.save(&two, None).unwrap();
    let after = fs::read(temp.path().join("cache")).unwrap();
    assert_eq!(after[..before.len()], before[..], "it is appended");
    for len in before.len()..after.len() {
        fs::write(temp.path().join("cache"), &after[..len]).unwrap();
        assert_eq!(said(&loaded(&temp)), said(&one), "{len}");
    }
    let three = more(&two, 3);
    first.save(&three, None).unwrap();
    assert_eq!(said(&loaded(&temp)), said(&three));
    // Frames of one file are not good in another one, nor in another place.
    let mut swapped = fs::read(temp.path().join("cache")).unwrap();
    swapped.extend(&after[before.len()..]);
    fs::write(temp.path().join("cache"), swapped).unwrap();
    assert_eq!(said(&loaded(&temp)), said(&three));
}

#[test]
fn a_file_that_went_is_written_anew() {
    let temp = tempfile::tempdir().unwrap();
    let mut cache = cache(&temp);
    let one = set();
    cache.save(&one, Some(Moment::now())).unwrap();
    fs::remove_file(temp.path().join("cache")).unwrap();
    let two = more(&one, 1);
    cache.save(&two, None).unwrap();
    assert_eq!(said(&loaded(&temp)), said(&two));
    let restored = Position {
        incarnation: 4,
        sequence: 0,
    };
    let key = RevocationKey::from_bytes([8; 16]);
    let three = with(Revoked::new(key, RevokedIds::new(), restored), restored);
    cache.save(&three, None).unwrap();
    assert_eq!(said(&loaded(&temp)), (restored, 0, [0; 16]));
}
