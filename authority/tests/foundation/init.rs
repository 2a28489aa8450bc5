//! A cluster's first step.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use cattery_authority::audit::Changes;
use cattery_authority::ca::Ca;
use cattery_authority::config::{Config, StoreSettings};
use cattery_authority::init::{
    AUDIT_DIR, InitError, InitOptions, InitOutcome, InitUnseal, STORE_FILE, initialize, prepare,
};
use cattery_authority::records::{
    ClusterRecord, EpochRecord, EpochsRecord, OperatorRecord, Record as _, Role, key,
};
use cattery_authority::seal::{KeyFile, Passphrase, unseal};
use cattery_authority::store::Store as _;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use zeroize::Zeroizing;

use crate::support::{NOW, NOW_MS, open_audit, open_store, plain_csr};

fn options(dir: &Path) -> InitOptions {
    InitOptions {
        store: StoreSettings::Embedded,
        dir: dir.join("authority"),
        trust_domain: "example.org".into(),
        listen: "127.0.0.1:7443".into(),
        addresses: vec!["cattery.example:7443".into()],
        unseal: InitUnseal::KeyFile(dir.join("authority/unseal.key")),
        operator: "eve".into(),
        operator_csr: plain_csr(),
        now: NOW,
    }
}

async fn init(dir: &TempDir) -> Result<InitOutcome, InitError> {
    initialize(options(dir.path())).await
}

#[tokio::test]
async fn everything_is_there_and_opens() {
    let dir = TempDir::new().unwrap();
    let made = init(&dir).await.unwrap();
    let home = dir.path().join("authority");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home), 0o700);
    for file in [
        "authority.toml",
        "store.redb",
        "unseal.key",
        "audit/authority-1.log",
    ] {
        assert_eq!(mode(&home.join(file)), 0o600, "{file}");
    }
    assert_eq!(
        fs::read_dir(&home).unwrap().count(),
        4,
        "nothing else is left"
    );

    let config = Config::load(&home).unwrap();
    assert_eq!(config, made.config);
    let store = std::sync::Arc::new(open_store(&home.join(STORE_FILE)));
    let sealer = unseal(&*store, KeyFile::read(home.join("unseal.key")).unwrap())
        .await
        .unwrap();
    assert_eq!(sealer.cluster_id(), config.cluster_id.to_string());
    let ca = Ca::load(&*store, &sealer).await.unwrap();
    let value = async |key: &str| store.get(key).await.unwrap().unwrap().value;
    let cluster = ClusterRecord::decode(key::CLUSTER, &value(key::CLUSTER).await).unwrap();
    assert_eq!(
        (cluster.cluster_id, cluster.trust_domain.as_str()),
        (config.cluster_id, "example.org")
    );
    let epoch = EpochRecord::decode("epoch", &value(&key::epoch(1)).await).unwrap();
    assert_eq!(
        (epoch.number, epoch.activated_at, epoch.not_after),
        (1, Some(NOW), None)
    );
    let live = EpochsRecord::decode("epochs", &value(key::EPOCHS_LIVE).await).unwrap();
    let line = live.line.to_line().unwrap();
    assert_eq!(
        (line.active().number, line.last(), line.prepared()),
        (1, 1, None)
    );
    assert_eq!(
        sealer
            .open(&key::root(1), &value(&key::root(1)).await)
            .unwrap()
            .len(),
        32
    );
    let operator = OperatorRecord::decode("eve", &value(&key::operator("eve")).await).unwrap();
    let device = operator.device.unwrap();
    assert_eq!(operator.role, Role::Admin);

    let identity = made.operator;
    assert_eq!(
        (identity.subject.as_str(), &identity.device_id),
        ("operator/eve", &device.id)
    );
    assert_eq!(identity.not_after, device.certificate_not_after);
    let told = identity.cluster.unwrap();
    assert_eq!(told.trust_bundle, [ca.certificate().to_vec()]);
    assert_eq!(
        (told.addresses, told.trust_domain),
        (
            vec!["cattery.example:7443".to_owned()],
            "example.org".to_owned()
        )
    );
    let (_, certificate) = x509_parser::parse_x509_certificate(&identity.certificate).unwrap();
    assert_eq!(
        device.keys.current.0,
        <[u8; 32]>::from(Sha256::digest(certificate.public_key().raw))
    );

    let (audit, dangling) = open_audit(&home.join(AUDIT_DIR), &config.authority_id);
    let changes = Changes::new(store, audit, dangling, 1);
    changes.settle(NOW_MS).await.unwrap();
    assert_eq!(changes.audit().head().seq, 2);
}

#[tokio::test]
async fn a_cluster_is_never_made_over_another() {
    let dir = TempDir::new().unwrap();
    init(&dir).await.unwrap();
    let home = dir.path().join("authority");
    let before = fs::read(home.join("authority.toml")).unwrap();
    let error = init(&dir).await.err().unwrap();
    assert!(matches!(error, InitError::Exists { .. }), "{error}");

    fs::remove_file(home.join("authority.toml")).unwrap();
    let store = fs::read(home.join(STORE_FILE)).unwrap();
    let error = init(&dir).await.err().unwrap();
    assert!(matches!(error, InitError::Leftover { .. }), "{error}");
    assert!(
        error.to_string().contains("restore its authority.toml"),
        "{error}"
    );
    assert_eq!(fs::read(home.join(STORE_FILE)).unwrap(), store);

    fs::write(home.join("authority.toml"), &before).unwrap();
    Config::load(&home).unwrap();
}

#[tokio::test]
async fn an_init_that_was_cut_off_starts_nothing_and_the_next_one_does_it() {
    // What each crash leaves: nothing moved, the store moved, both moved.
    for moved in [&[][..], &[STORE_FILE], &[STORE_FILE, AUDIT_DIR]] {
        let dir = TempDir::new().unwrap();
        let first = init(&dir).await.unwrap();
        let home = dir.path().join("authority");
        let workshop = home.join(".init");
        fs::create_dir(&workshop).unwrap();
        fs::rename(home.join("authority.toml"), workshop.join("authority.toml")).unwrap();
        for name in [STORE_FILE, AUDIT_DIR] {
            if !moved.contains(&name) {
                fs::rename(home.join(name), workshop.join(name)).unwrap();
            }
        }
        assert!(Config::load(&home).is_err());
        let second = init(&dir).await.unwrap();
        assert_ne!(first.config.cluster_id, second.config.cluster_id);
        let store = open_store(&home.join(STORE_FILE));
        let cluster = ClusterRecord::decode(
            key::CLUSTER,
            &store.get(key::CLUSTER).await.unwrap().unwrap().value,
        )
        .unwrap();
        assert_eq!(cluster.cluster_id, second.config.cluster_id);
        assert!(!workshop.exists());
    }
    // Earlier still: before the configuration was written, and after it was moved.
    let dir = TempDir::new().unwrap();
    let workshop = dir.path().join("authority/.init");
    fs::create_dir_all(workshop.join(AUDIT_DIR)).unwrap();
    fs::write(workshop.join(STORE_FILE), "half").unwrap();
    init(&dir).await.unwrap();
    fs::create_dir(&workshop).unwrap();
    assert!(matches!(init(&dir).await, Err(InitError::Exists { .. })));
}

#[tokio::test]
async fn what_is_prepared_and_not_finished_is_no_cluster() {
    let dir = TempDir::new().unwrap();
    let prepared = prepare(options(dir.path())).await.unwrap();
    assert_eq!(prepared.operator().subject, "operator/eve");
    assert!(Config::load(&dir.path().join("authority")).is_err());
    drop(prepared);
    let made = init(&dir).await.unwrap();
    Config::load(&made.config.dir).unwrap();
}

#[tokio::test]
async fn wrong_options_make_nothing() {
    type Wrong = fn(&mut InitOptions);
    let wrong: [(&str, Wrong); 6] = [
        ("trust_domain", |o| o.trust_domain = "Example.org".into()),
        ("listen", |o| o.listen = "here".into()),
        ("addresses", |o| o.addresses = vec!["x:0".into()]),
        ("operator's name", |o| o.operator = "Eve!".into()),
        ("certificate request", |o| o.operator_csr.truncate(50)),
        ("passphrase", |o| {
            o.unseal = InitUnseal::Passphrase(Zeroizing::new("short".into()));
        }),
    ];
    for (name, make_wrong) in wrong {
        let dir = TempDir::new().unwrap();
        let mut options = options(dir.path());
        make_wrong(&mut options);
        let error = initialize(options).await.err().unwrap().to_string();
        assert!(error.contains(name), "{name}: {error}");
        assert!(!dir.path().join("authority/authority.toml").exists());
        init(&dir).await.expect("the next one works");
    }
}

#[tokio::test]
async fn a_passphrase_and_an_existing_key_file_serve_too() {
    let dir = TempDir::new().unwrap();
    let mut with = options(dir.path());
    with.unseal = InitUnseal::Passphrase(Zeroizing::new("correct horse battery".into()));
    with.addresses.clear();
    let made = initialize(with).await.unwrap();
    assert_eq!(made.operator.cluster.unwrap().addresses, ["127.0.0.1:7443"]);
    let store = open_store(&made.config.dir.join(STORE_FILE));
    unseal(
        &store,
        Passphrase::new(Zeroizing::new("correct horse battery".into())),
    )
    .await
    .unwrap();

    let other = TempDir::new().unwrap();
    KeyFile::create(other.path().join("k")).unwrap();
    let mut with = options(other.path());
    with.unseal = InitUnseal::KeyFile(other.path().join("k"));
    let made = initialize(with).await.unwrap();
    let store = open_store(&made.config.dir.join(STORE_FILE));
    unseal(&store, KeyFile::read(other.path().join("k")).unwrap())
        .await
        .unwrap();
    fs::set_permissions(other.path(), fs::Permissions::from_mode(0o700)).unwrap();
}

#[tokio::test]
async fn a_folder_that_others_may_write_to_is_refused() {
    let dir = TempDir::new().unwrap();
    let home = dir.path().join("authority");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(matches!(init(&dir).await, Err(InitError::Exposed { .. })));
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
    init(&dir).await.unwrap();
}
