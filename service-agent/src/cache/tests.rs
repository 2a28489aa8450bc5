use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use cattery_core::Revocations as _;
use cattery_proto::v1::EpochState;

use super::*;
use crate::keys::{KeyRecord, Material};
use crate::position::Position;

fn set() -> KeySet {
    let record = |epoch, state| KeyRecord {
        epoch,
        generation: 1,
        state,
        not_after: u64::from(epoch),
        key: Zeroizing::new([epoch.to_be_bytes()[3]; 32]),
    };
    KeySet::new(&Material {
        position: Position {
            incarnation: 3,
            sequence: 12,
        },
        keys: vec![
            record(5, EpochState::Draining),
            record(6, EpochState::Active),
        ],
        least_versions: vec![("user/alice".into(), 4)],
    })
    .unwrap()
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
    open("photos").save(&set(), contact, true).unwrap();

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

    let refused = |cache: Cache, now| cache.load(now).map(|_| ()).unwrap_err();
    assert!(matches!(
        refused(open("photos"), contact.wall - 60),
        CacheError::Clock
    ));
    assert!(matches!(
        refused(open("mail"), contact.wall),
        CacheError::Open(_)
    ));
    fs::write(&config.file, [FORMER_MAGIC, &[0; 64]].concat()).unwrap();
    let former = refused(open("photos"), contact.wall);
    assert!(matches!(former, CacheError::Former(_)));
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
