//! A backup's file: what is in it, and that it is what was written.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cattery_authority::backup::{Backup, BackupError, BackupFile, BackupWriter, Contents};
use cattery_authority::config::StoreSettings;
use cattery_authority::init::{InitOptions, InitUnseal, STORE_FILE, initialize};
use cattery_authority::records::key;
use cattery_authority::seal::{KeyFile, Passphrase, Sealer, unseal};
use cattery_authority::store::{MAX_OPERATIONS, MAX_PAGE, Store, Transaction};
use rand::{RngExt as _, SeedableRng as _};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::support::{NOW, open_store, plain_csr};

/// A cluster's store and what opens it.
pub(crate) async fn made(dir: &Path) -> (Arc<dyn Store>, Sealer) {
    let home = dir.join("authority");
    let options = InitOptions {
        dir: home.clone(),
        trust_domain: "example.org".into(),
        listen: "127.0.0.1:7443".into(),
        addresses: Vec::new(),
        store: StoreSettings::Embedded,
        unseal: InitUnseal::KeyFile(dir.join("unseal.key")),
        operator: "eve".into(),
        operator_csr: plain_csr(),
        now: NOW,
    };
    initialize(options).await.unwrap();
    let store: Arc<dyn Store> = Arc::new(open_store(&home.join(STORE_FILE)));
    let sealer = unseal(&*store, key_file(dir)).await.unwrap();
    (store, sealer)
}

pub(crate) fn key_file(dir: &Path) -> KeyFile {
    KeyFile::read(dir.join("unseal.key")).unwrap()
}

pub(crate) async fn written(store: &dyn Store, sealer: &Sealer, path: &Path) {
    let mut file = BackupFile::create(path).unwrap();
    let mut writer = BackupWriter::begin(store, sealer, NOW).await.unwrap();
    while let Some(lines) = writer.next().await.unwrap() {
        file.write(&lines).unwrap();
    }
    file.finish().unwrap();
}

/// A backup of a small cluster.
async fn small(dir: &TempDir) -> (PathBuf, Sealer) {
    let (store, sealer) = made(dir.path()).await;
    let path = dir.path().join("a.backup");
    written(&*store, &sealer, &path).await;
    (path, sealer)
}

#[tokio::test]
async fn everything_is_in_it_but_what_is_void_in_a_new_incarnation() {
    let dir = TempDir::new().unwrap();
    let (store, sealer) = made(dir.path()).await;
    let binary: Vec<u8> = (0..=255).collect();
    let mut more = Transaction::new().put("ca/2", binary.clone());
    for void in [
        "session/a",
        "leader",
        "op/1",
        "join/1",
        "authority/1",
        "lease/user/alice//1",
        "revoked/1",
    ] {
        more = more.put(void, "void");
    }
    more = more.put("contact/1", "kept");
    store.commit(more).await.unwrap();
    // More than a page.
    for first in (0..MAX_PAGE + 100).step_by(MAX_OPERATIONS) {
        let some = (first..first + MAX_OPERATIONS).fold(Transaction::new(), |t, i| {
            t.put(format!("grant/user/u{i}//photos"), "{}")
        });
        store.commit(some).await.unwrap();
    }
    let path = dir.path().join("a.backup");
    written(&*store, &sealer, &path).await;
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let backup = Backup::open(&path).unwrap();
    let header = backup.header();
    assert_eq!(
        (header.incarnation, header.last_epoch, header.made_at),
        (1, 1, NOW)
    );
    assert_eq!(
        header.revision,
        store.commit(Transaction::new()).await.unwrap()
    );
    assert!(header.audit["authority-1"].seq > 0);
    let again = backup.unseal(key_file(dir.path())).await.unwrap();
    let contents = backup.check(&again).unwrap();
    let grants = (MAX_PAGE + 100).div_ceil(MAX_OPERATIONS) * MAX_OPERATIONS;
    let expected = Contents {
        operators: 1,
        grants: grants as u64,
        ..Contents::default()
    };
    assert_eq!(contents, expected);
    let mut items = backup.items(&again).unwrap();
    let mut keys = Vec::new();
    while let Some(item) = items.read().unwrap() {
        if item.key == "ca/2" {
            assert_eq!(item.value, binary);
        }
        keys.push(item.key);
    }
    keys.retain(|key| !key.starts_with(key::GRANTS));
    let kept = [
        "ca/1",
        "ca/2",
        "contact/1",
        "epoch/0000000001",
        "meta/cas",
        "meta/cluster",
        "meta/epochs",
        "meta/seal",
        "operator/eve",
    ];
    assert_eq!(keys, kept);
}

#[tokio::test]
async fn a_file_that_was_changed_is_refused_wherever_it_was() {
    let dir = TempDir::new().unwrap();
    let (path, sealer) = small(&dir).await;
    let good = fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        let path = dir.path().join("changed");
        fs::write(&path, bytes).unwrap();
        let checked = Backup::open(&path).and_then(|backup| backup.check(&sealer));
        checked.err().map(|error| error.to_string())
    };
    assert_eq!(refused(&good), None);
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    for _ in 0..300 {
        let mut bytes = good.clone();
        let at = random.random_range(0..bytes.len());
        bytes[at] ^= random.random_range(1..=255_u8);
        let said = refused(&bytes).unwrap_or_else(|| panic!("byte {at} was changed"));
        assert!(!said.contains('\n'), "{said}");
    }
    let lines: Vec<&[u8]> = good.split_inclusive(|byte| *byte == b'\n').collect();
    for at in 0..lines.len() {
        let mut without = lines.clone();
        without.remove(at);
        assert!(refused(&without.concat()).is_some(), "without line {at}");
        let mut twice = lines.clone();
        twice.insert(at, lines[at]);
        assert!(refused(&twice.concat()).is_some(), "with line {at} twice");
    }
    for len in 0..good.len() {
        assert!(refused(&good[..len]).is_some(), "cut at {len}");
    }
    let more = [&good[..], b"{\"key\":\"x\",\"text\":\"y\"}\n"].concat();
    let said = refused(&more).unwrap();
    assert!(said.contains("something follows"), "{said}");
}

#[tokio::test]
async fn what_is_no_backup_or_a_newer_one_is_told_apart() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("x");
    for content in [
        &b""[..],
        b"hello\n",
        b"{}\n",
        b"{\"cattery_backup\":1}\n",
        &[7; 1_000_000],
    ] {
        fs::write(&path, content).unwrap();
        let error = Backup::open(&path).err().unwrap();
        assert!(matches!(error, BackupError::NotOne { .. }), "{error}");
    }
    fs::write(
        &path,
        "{\"cattery_backup\":2,\"version\":\"9.9\",\"more\":[]}\n",
    )
    .unwrap();
    let said = Backup::open(&path).err().unwrap().to_string();
    assert!(
        said.contains("version 9.9") && said.contains("use the newer version"),
        "{said}"
    );
    let error = Backup::open(&dir.path().join("none")).err().unwrap();
    assert!(matches!(error, BackupError::File { .. }), "{error}");
}

#[tokio::test]
async fn only_what_seals_the_cluster_opens_it() {
    let dir = TempDir::new().unwrap();
    let (path, _) = small(&dir).await;
    let other = TempDir::new().unwrap();
    let (_, theirs) = small(&other).await;
    let backup = Backup::open(&path).unwrap();
    let wrong = backup.unseal(key_file(other.path())).await.err().unwrap();
    assert!(matches!(wrong, BackupError::WrongKey { .. }), "{wrong}");
    let passphrase = Passphrase::new(Zeroizing::new("correct horse battery".into()));
    let wrong = backup.unseal(passphrase).await.err().unwrap();
    assert!(
        wrong.to_string().contains("sealed with a key file"),
        "{wrong}"
    );
    let wrong = backup.check(&theirs).unwrap_err();
    assert!(
        wrong.to_string().contains("its MAC is another one"),
        "{wrong}"
    );
}

#[tokio::test]
async fn a_file_is_at_its_place_whole_or_not_at_all() {
    let dir = TempDir::new().unwrap();
    let (path, sealer) = small(&dir).await;
    let before = fs::read(&path).unwrap();
    let error = BackupFile::create(&path).err().unwrap();
    assert!(matches!(error, BackupError::Exists { .. }), "{error}");

    let new = dir.path().join("new");
    let files = || fs::read_dir(dir.path()).unwrap().count();
    let count = files();
    for end in [0, 1, before.len() / 2, before.len() - 1] {
        let mut file = BackupFile::create(&new).unwrap();
        file.write(&before[..end]).unwrap();
        assert!(
            matches!(file.finish(), Err(BackupError::Unfinished)),
            "{end}"
        );
    }
    let mut late = BackupFile::create(&new).unwrap();
    late.write(&before).unwrap();
    drop(BackupFile::create(&new).unwrap());
    assert_eq!(files(), count + 1, "nothing but what is being written");
    fs::write(&new, "somebody else's").unwrap();
    assert!(matches!(late.finish(), Err(BackupError::Exists { .. })));
    assert_eq!(fs::read(&new).unwrap(), b"somebody else's");
    assert_eq!(files(), count + 1);
    Backup::open(&path).unwrap().check(&sealer).unwrap();
}

#[tokio::test]
async fn a_backup_is_of_one_moment() {
    let dir = TempDir::new().unwrap();
    let (store, sealer) = made(dir.path()).await;
    let put = |number: u32| {
        Transaction::new()
            .put("user/a", number.to_string())
            .put("user/z", number.to_string())
    };
    store.commit(put(0)).await.unwrap();
    let mut writer = BackupWriter::begin(&*store, &sealer, NOW).await.unwrap();
    let mut file = BackupFile::create(&dir.path().join("b")).unwrap();
    let mut number = 0;
    while let Some(lines) = writer.next().await.unwrap() {
        number += 1;
        store.commit(put(number)).await.unwrap();
        file.write(&lines).unwrap();
    }
    file.finish().unwrap();
    let backup = Backup::open(&dir.path().join("b")).unwrap();
    let mut items = backup.items(&sealer).unwrap();
    while let Some(item) = items.read().unwrap() {
        assert!(!item.key.starts_with("user/") || item.value == b"0");
    }
}
