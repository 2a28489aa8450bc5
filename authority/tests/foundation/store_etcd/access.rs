//! Logins, rights, certificates and space.

use cattery_authority::store::{
    Etcd as EtcdStore, EtcdUser, StoreError, Transaction, WatchError, list_all,
};
use cattery_tests::etcd::{Etcd, Version};
use cattery_tests::wait;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::{impatient, is, put, store, told, value};

const USER: &str = "authority";
const PASSWORD: &str = "its password";

async fn guarded(dir: &TempDir) -> Etcd {
    let mut etcd = Etcd::start(Version::V3_5, dir.path()).await.unwrap();
    etcd.require_login(USER, PASSWORD, "/c/").await.unwrap();
    etcd
}

async fn refusal(etcd: &Etcd, user: Option<(&str, &str)>) -> String {
    let mut options = etcd.options("/c/").unwrap();
    options.user = user.map(|(name, password)| EtcdUser {
        name: name.to_owned(),
        password: Zeroizing::new(password.to_owned()),
    });
    match EtcdStore::connect(options).await.err().unwrap() {
        refused @ StoreError::Refused { .. } => refused.to_string(),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_login_that_is_not_taken_is_said_with_its_remedy() {
    let dir = TempDir::new().unwrap();
    let etcd = guarded(&dir).await;
    for (user, remedy) in [
        (Some((USER, "wrong")), "password_file"),
        (Some(("nobody", PASSWORD)), "password_file"),
        (None, "set user and password_file"),
    ] {
        let said = refusal(&etcd, user).await;
        assert!(said.contains(remedy) && !said.contains(PASSWORD), "{said}");
    }
    let open = TempDir::new().unwrap();
    let open = Etcd::start(Version::V3_4, open.path()).await.unwrap();
    let said = refusal(&open, Some((USER, PASSWORD))).await;
    assert!(said.contains("enable authentication"), "{said}");
}

#[tokio::test]
async fn a_login_that_ran_out_is_made_again() {
    let dir = TempDir::new().unwrap();
    let etcd = guarded(&dir).await;
    let store = store(&etcd, "/c/").await;
    let start = put(&store, "k", "0").await.unwrap();
    let mut watch = store.watch("", start).await.unwrap();
    for round in 0..3 {
        // Every token of theirs is forgotten.
        let mut auth = etcd.client().await.unwrap().auth_client();
        auth.user_change_password(USER, PASSWORD).await.unwrap();
        let next = round.to_string();
        put(&store, "k", &next).await.unwrap();
        assert_eq!(value(&store, "k").await.unwrap().unwrap(), next);
        assert_eq!(told(&mut watch).await.unwrap(), is("k", &next));
    }
}

#[tokio::test]
async fn without_the_right_nothing_happens_and_that_is_certain() {
    let dir = TempDir::new().unwrap();
    let etcd = guarded(&dir).await;
    let store = store(&etcd, "/c/").await;
    put(&store, "k", "before").await.unwrap();
    etcd.revoke("/c/").await.unwrap();
    let error = put(&store, "k", "refused").await.unwrap_err();
    assert!(error.nothing_happened(), "{error:?}");
    assert!(error.to_string().contains("grant the role"), "{error}");
    let mut watch = store.watch("", 1).await.unwrap();
    let error = told(&mut watch).await.unwrap_err();
    assert!(
        matches!(error, WatchError::Lost(StoreError::Refused { .. })),
        "{error:?}"
    );
    etcd.grant("/c/").await.unwrap();
    assert_eq!(value(&store, "k").await.unwrap().unwrap(), "before");
    put(&store, "k", "after").await.unwrap();
}

#[tokio::test]
async fn an_etcd_without_space_says_so_and_still_answers() {
    let dir = TempDir::new().unwrap();
    let etcd = Etcd::new(Version::V3_5, dir.path(), 1)
        .unwrap()
        .with_argument("--quota-backend-bytes=4194304");
    let etcd = etcd.started().await.unwrap();
    let store = store(&etcd, "/c/").await;
    let long = vec![7; 200_000];
    let mut written = 0;
    let error = loop {
        let put = Transaction::new().put(format!("k/{written:03}"), long.as_slice());
        match store.commit(put).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 100);
    };
    let StoreError::Unavailable(source) = &error else {
        panic!("{error:?}");
    };
    let said = source.to_string();
    assert!(said.contains("compact and defragment"), "{said}");
    // With the change that fills it, etcd says that, and makes it.
    let there = list_all(&*store, "k/").await.unwrap().len();
    assert!(there == written || there == written + 1, "{there}");
}

#[tokio::test]
async fn tls_that_does_not_fit_says_why() {
    let dir = TempDir::new().unwrap();
    let etcd = Etcd::new(Version::V3_5, dir.path(), 1)
        .and_then(Etcd::with_tls)
        .unwrap();
    let etcd = etcd.started().await.unwrap();
    let elsewhere = TempDir::new().unwrap();
    let other = Etcd::new(Version::V3_5, elsewhere.path(), 1)
        .and_then(Etcd::with_tls)
        .unwrap();

    let mut stranger = etcd.options("/c/").unwrap();
    stranger.tls.as_mut().unwrap().client = None;
    let mut impostor = other.options("/c/").unwrap();
    impostor.endpoints = etcd.endpoints();
    for (options, why) in [(stranger, "ertificate"), (impostor, "ertificate")] {
        let error = EtcdStore::connect(impatient(options)).await.err().unwrap();
        let StoreError::Unavailable(source) = &error else {
            panic!("{error:?}");
        };
        assert!(source.to_string().contains(why), "{source}");
    }
    wait::until_async("a good one", || async {
        Ok(EtcdStore::connect(etcd.options("/c/")?).await.ok())
    })
    .await
    .unwrap();
}
