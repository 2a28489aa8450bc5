use std::time::Duration;

use cattery_authority::store::{SessionId, StoreError, Transaction};

use super::watches::told;
use super::{Shared, put, value};

/// Long enough for the slowest machine, and the time after which a test that expects the end of one gives up.
const TTL: Duration = Duration::from_secs(60);

async fn until_gone(store: &Shared, key: &str) {
    let mut watch = store.watch(key, 1).await.unwrap();
    while value(store, key).await.is_some() {
        told(&mut watch).await;
    }
}

async fn in_session(store: &Shared, key: &str, session: SessionId) -> Result<u64, StoreError> {
    let transaction = Transaction::new()
        .put_in_session(key, "here", session)
        .put("beat", key);
    store.commit(transaction).await
}

pub(super) async fn what_is_in_a_session_ends_with_it(store: Shared) {
    put(&store, "s/stays", b"1").await;
    let session = store.open_session(TTL).await.unwrap();
    let other = store.open_session(TTL).await.unwrap();
    assert!(session.is_live() && other.is_live());
    assert_ne!(session.id(), other.id());
    let mine = in_session(&store, "s/mine", session.id()).await.unwrap();
    in_session(&store, "s/other", other.id()).await.unwrap();
    let rests = Transaction::new().unchanged("s/mine", mine).put("a", "1");
    store.commit(rests.clone()).await.unwrap();

    let id = session.id();
    drop(session);
    until_gone(&store, "s/mine").await;
    let error = store.commit(rests).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    let error = in_session(&store, "s/late", id).await.unwrap_err();
    assert!(matches!(error, StoreError::SessionEnded), "{error:?}");
    assert_eq!(
        value(&store, "beat").await.unwrap(),
        b"s/other",
        "all or nothing"
    );
    assert!(value(&store, "s/late").await.is_none());
    assert!(value(&store, "s/other").await.is_some());
    assert!(value(&store, "s/stays").await.is_some());
    assert!(other.is_live());
}

pub(super) async fn a_session_keeps_what_is_put_in_it_last(store: Shared) {
    let first = store.open_session(TTL).await.unwrap();
    let second = store.open_session(TTL).await.unwrap();
    for key in ["taken", "freed", "last"] {
        in_session(&store, key, first.id()).await.unwrap();
    }
    in_session(&store, "taken", second.id()).await.unwrap();
    put(&store, "freed", b"here").await;
    drop(first);
    until_gone(&store, "last").await;
    assert!(value(&store, "taken").await.is_some());
    assert!(value(&store, "freed").await.is_some());
    drop(second);
    until_gone(&store, "taken").await;
    assert!(value(&store, "freed").await.is_some());
}
