//! Secrets at rest.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use cattery_authority::seal::{
    self, KeyFile, META_KEY, MasterKey, Passphrase, SealError, SealMeta, Sealer, UnsealMethod,
};
use cattery_authority::store::Transaction;
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::support::embedded;

const CLUSTER: &str = "00112233445566778899aabbccddeeff";

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(Zeroizing::new(text.to_owned()))
}

fn key_file(dir: &TempDir) -> (PathBuf, KeyFile) {
    let path = dir.path().join("key");
    let key = KeyFile::create(&path).unwrap();
    (path, key)
}

fn refusal<T>(result: Result<T, SealError>) -> SealError {
    result.err().expect("it was not refused")
}

#[test]
fn what_was_sealed_opens_at_its_path_alone() {
    let sealer = Sealer::new(&MasterKey::generate().unwrap(), CLUSTER).unwrap();
    for plaintext in [&b""[..], b"secret", &[7; 100_000]] {
        let sealed = sealer.seal("root/1", plaintext).unwrap();
        assert_eq!(
            sealer.open("root/1", &sealed).unwrap().as_slice(),
            plaintext
        );
        assert!(matches!(
            refusal(sealer.open("root/2", &sealed)),
            SealError::Opened { .. }
        ));
    }
    assert_ne!(
        sealer.seal("a", b"x").unwrap(),
        sealer.seal("a", b"x").unwrap()
    );
}

#[test]
fn every_bit_of_a_sealed_value_matters() {
    let sealer = Sealer::new(&MasterKey::generate().unwrap(), CLUSTER).unwrap();
    let sealed = sealer.seal("root/1", b"root key").unwrap();
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(sealer.open("root/1", &changed).is_err(), "bit {bit}");
    }
    for len in 0..sealed.len() {
        assert!(
            sealer.open("root/1", &sealed[..len]).is_err(),
            "{len} bytes"
        );
    }
    assert!(
        sealer
            .open("root/1", &[&sealed[..], &[0]].concat())
            .is_err()
    );
}

#[test]
fn another_cluster_or_master_key_opens_nothing() {
    let master = MasterKey::generate().unwrap();
    let sealed = Sealer::new(&master, CLUSTER)
        .unwrap()
        .seal("a", b"x")
        .unwrap();
    assert!(
        Sealer::new(&master, "ff")
            .unwrap()
            .open("a", &sealed)
            .is_err()
    );
    let other = Sealer::new(&MasterKey::generate().unwrap(), CLUSTER).unwrap();
    assert!(other.open("a", &sealed).is_err());
}

#[tokio::test]
async fn a_key_file_opens_the_store_again() {
    let dir = TempDir::new().unwrap();
    let (path, key) = key_file(&dir);
    let (sealer, meta) = seal::create(CLUSTER, &key).unwrap();
    let store = embedded(&dir);
    assert!(matches!(
        refusal(seal::unseal(&*store, KeyFile::read(&path).unwrap()).await),
        SealError::NoCluster
    ));
    store
        .commit(Transaction::new().put(META_KEY, meta.encode()))
        .await
        .unwrap();
    let again = seal::unseal(&*store, KeyFile::read(&path).unwrap())
        .await
        .unwrap();
    let sealed = sealer.seal("a", b"x").unwrap();
    assert_eq!(again.open("a", &sealed).unwrap().as_slice(), b"x");
    assert_eq!(again.cluster_id(), CLUSTER);

    let other = TempDir::new().unwrap();
    let error = refusal(seal::unseal(&*store, key_file(&other).1).await);
    assert!(matches!(error, SealError::Wrong { .. }));
    assert!(
        error.to_string().contains("another cluster's")
            && error.to_string().contains("correct `key_file`"),
        "{error}"
    );
    let error = refusal(seal::unseal(&*store, passphrase("correct horse battery")).await);
    assert!(matches!(error, SealError::OtherMethod { .. }), "{error}");
}

#[test]
fn a_passphrase_opens_the_store_again() {
    let (sealer, meta) = seal::create(CLUSTER, &passphrase("correct horse battery")).unwrap();
    let meta = SealMeta::decode(&meta.encode()).unwrap();
    let master = passphrase("correct horse battery").unwrap(&meta).unwrap();
    let sealed = sealer.seal("a", b"x").unwrap();
    assert_eq!(
        Sealer::new(&master, CLUSTER)
            .unwrap()
            .open("a", &sealed)
            .unwrap()
            .as_slice(),
        b"x"
    );

    let error = refusal(passphrase("correct horse batterie").unwrap(&meta));
    assert!(
        error.to_string().contains("passphrase") && error.to_string().contains("type it again"),
        "{error}"
    );
    let error = refusal(seal::create(CLUSTER, &passphrase("short")));
    assert!(
        matches!(error, SealError::ShortPassphrase { .. }),
        "{error}"
    );
}

#[test]
fn what_the_store_says_of_its_sealing_is_bounded_and_bound() {
    let (_, meta) = seal::create(CLUSTER, &passphrase("correct horse battery")).unwrap();
    let text = String::from_utf8(meta.encode()).unwrap();
    let unwrap = |text: &str| {
        let meta = SealMeta::decode(text.as_bytes())?;
        passphrase("correct horse battery").unwrap(&meta)
    };
    assert!(unwrap(&text).is_ok());
    for (from, to) in [
        ("\"m_kib\":65536", "\"m_kib\":4294967295"),
        ("\"m_kib\":65536", "\"m_kib\":8"),
        ("\"t\":3", "\"t\":1000000"),
        ("\"p\":1", "\"p\":0"),
        ("\"version\":1", "\"version\":2"),
        ("\"wrapped\":\"", "\"wrapped\":\"!"),
        ("{\"version\"", "{\"more\":1,\"version\""),
    ] {
        assert!(text.contains(from), "{text}");
        let error = refusal(unwrap(&text.replace(from, to)));
        assert!(matches!(error, SealError::Meta(_)), "{to}: {error}");
    }
    for (from, to) in [
        ("\"t\":3", "\"t\":4"),
        (CLUSTER, "11112233445566778899aabbccddeeff"),
    ] {
        assert!(
            matches!(
                refusal(unwrap(&text.replace(from, to))),
                SealError::Wrong { .. }
            ),
            "{to}"
        );
    }
    assert!(SealMeta::decode(b"").is_err());
}

#[test]
fn a_key_file_is_its_owners_alone() {
    let dir = TempDir::new().unwrap();
    let (path, _) = key_file(&dir);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("catmaster1_") && text.len() == 11 + 43 + 1);
    for (mode, good) in [
        (0o600, true),
        (0o400, true),
        (0o640, false),
        (0o604, false),
        (0o620, false),
        (0o700, true),
    ] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        match KeyFile::read(&path) {
            Ok(_) => assert!(good, "{mode:o}"),
            Err(e) => assert!(
                !good && matches!(e, SealError::Exposed { .. }),
                "{mode:o}: {e}"
            ),
        }
    }
    assert!(
        matches!(
            refusal(KeyFile::create(&path)),
            SealError::File { what: "make", .. }
        ),
        "nothing is overwritten"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "nothing else is left behind"
    );
}

#[test]
fn what_is_no_key_file_is_refused() {
    let dir = TempDir::new().unwrap();
    let (path, _) = key_file(&dir);
    let good = fs::read_to_string(&path).unwrap();
    for bad in [
        "",
        "catmaster1_",
        &good[..53],
        &good.replace("catmaster1_", "catmaster2_"),
        &format!("{good}\n"),
        &"x".repeat(10_000),
    ] {
        fs::write(&path, bad).unwrap();
        let error = refusal(KeyFile::read(&path));
        assert!(
            matches!(error, SealError::KeyFile { .. }),
            "{bad:?}: {error}"
        );
        assert!(
            bad.len() < 20 || !error.to_string().contains(&bad[11..20]),
            "the error shows the key"
        );
    }
    assert!(matches!(
        refusal(KeyFile::read(dir.path())),
        SealError::KeyFile { .. }
    ));
    assert!(matches!(
        refusal(KeyFile::read(dir.path().join("none"))),
        SealError::File { .. }
    ));
}

#[test]
fn what_is_not_text_or_not_a_file_is_no_key_file_either() {
    let dir = TempDir::new().unwrap();
    let (path, _) = key_file(&dir);
    fs::write(&path, [0xff; 54]).unwrap();
    let error = refusal(KeyFile::read(&path));
    assert!(
        error
            .to_string()
            .contains("restore the file that `cattery init` made"),
        "{error}"
    );
    // Nobody ever writes to it.
    let pipe = dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let error = refusal(KeyFile::read(&pipe));
    assert!(matches!(error, SealError::KeyFile { .. }), "{error}");
}

#[test]
fn a_key_file_is_written_through_no_link() {
    let dir = TempDir::new().unwrap();
    let (path, other) = (dir.path().join("key"), dir.path().join("other"));
    fs::write(&other, "precious").unwrap();
    std::os::unix::fs::symlink(&other, dir.path().join("key.new")).unwrap();
    KeyFile::create(&path).unwrap();
    assert_eq!(fs::read_to_string(&other).unwrap(), "precious");
}

#[test]
fn a_passphrase_is_one_line_and_nothing_of_it_is_lost() {
    let read = |bytes: &[u8]| seal::read_passphrase(bytes, "a test").map(|text| text.to_string());
    let longest = "x".repeat(1024);
    for (given, taken) in [
        ("correct horse", "correct horse"),
        ("correct horse\n", "correct horse"),
        ("correct horse\r\n", "correct horse"),
        ("  correct horse\t\n", "  correct horse\t"),
        (longest.as_str(), longest.as_str()),
        (&format!("{longest}\r\n"), longest.as_str()),
    ] {
        assert_eq!(read(given.as_bytes()).unwrap(), taken, "{given:?}");
    }
    for (bad, why) in [
        (&b""[..], "it is empty"),
        (b"\r\n", "it is empty"),
        (b"one\ntwo", "more than one line"),
        (b"one\n\n", "more than one line"),
        (b"one\rtwo\n", "more than one line"),
        (format!("{longest}x\n").as_bytes(), "longer than 1024 bytes"),
        ("x".repeat(100_000).as_bytes(), "longer than 1024 bytes"),
        (b"caf\xe9", "not UTF-8"),
    ] {
        let error = refusal(read(bad)).to_string();
        assert!(error.contains(why) && error.contains("a test"), "{error}");
    }
}

#[test]
fn a_passphrase_file_is_its_owners_alone() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("p");
    let error = refusal(seal::passphrase_from_file(&path));
    assert!(
        error.to_string().contains(path.to_str().unwrap()),
        "{error}"
    );
    fs::write(&path, "correct horse \r\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let error = refusal(seal::passphrase_from_file(&path));
    assert!(error.to_string().contains("mode 0640"), "{error}");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let read = seal::passphrase_from_file(&path).unwrap();
    assert_eq!(*read, "correct horse ");
}
