use std::time::Duration;

use cattery_authority::store::{Change, Changes, Transaction, Watch};

use super::{Shared, put};

/// What a watch tells next, with each key's value.
pub(super) async fn told(watch: &mut Watch) -> (u64, Vec<(String, Option<Vec<u8>>)>) {
    let told = watch.next();
    let Changes { revision, changes } = tokio::time::timeout(PATIENCE, told)
        .await
        .expect("the watch tells nothing")
        .unwrap();
    let changes = changes.into_iter().map(|change| match change {
        Change::Put(entry) => {
            assert_eq!(entry.revision, revision);
            (entry.key, Some(entry.value))
        }
        Change::Deleted { key } => (key, None),
    });
    (revision, changes.collect())
}

const PATIENCE: Duration = Duration::from_secs(30);

fn is(key: &str, value: &str) -> (String, Option<Vec<u8>>) {
    (key.to_owned(), Some(value.as_bytes().to_vec()))
}

fn gone(key: &str) -> (String, Option<Vec<u8>>) {
    (key.to_owned(), None)
}

pub(super) async fn a_watch_tells_what_each_transaction_changed(store: Shared) {
    let before = put(&store, "w/a", b"1").await;
    let mut all = store.watch("", before).await.unwrap();
    let mut some = store.watch("w/", before).await.unwrap();
    let both = Transaction::new()
        .put("w/b", "1")
        .delete("w/a")
        .put("x", "1");
    let first = store.commit(both).await.unwrap();
    let second = put(&store, "x", b"2").await;
    let nothing = Transaction::new().delete("w/never");
    store.commit(nothing).await.unwrap();
    let third = put(&store, "w/b", b"").await;

    let sorted = |(revision, mut changes): (u64, Vec<_>)| {
        changes.sort();
        (revision, changes)
    };
    assert_eq!(
        sorted(told(&mut all).await),
        (first, vec![gone("w/a"), is("w/b", "1"), is("x", "1")])
    );
    assert_eq!(told(&mut all).await, (second, vec![is("x", "2")]));
    assert_eq!(told(&mut all).await, (third, vec![is("w/b", "")]));
    assert_eq!(
        sorted(told(&mut some).await),
        (first, vec![gone("w/a"), is("w/b", "1")])
    );
    assert_eq!(told(&mut some).await, (third, vec![is("w/b", "")]));
}

pub(super) async fn a_watch_begins_where_a_list_was_read(store: Shared) {
    for i in 0..20 {
        put(&store, "k", i.to_string().as_bytes()).await;
    }
    let page = store.list("k", None, 1).await.unwrap();
    let mut watch = store.watch("k", page.revision).await.unwrap();
    let mut again = store.watch("k", page.entries[0].revision).await.unwrap();
    let next = put(&store, "k", b"next").await;
    assert_eq!(told(&mut watch).await, (next, vec![is("k", "next")]));
    assert_eq!(told(&mut again).await, (next, vec![is("k", "next")]));
}

pub(super) async fn a_watch_loses_nothing_when_nobody_waits(store: Shared) {
    let start = put(&store, "n", b"").await;
    let mut watch = store.watch("n", start).await.unwrap();
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for i in 0..200_u32 {
                put(&store, "n", i.to_string().as_bytes()).await;
            }
        }
    });
    let mut next: u32 = 0;
    while next < 200 {
        // Gives up on most of its waits.
        let wait = Duration::from_micros(u64::from(next % 7) * 100);
        if let Ok(changes) = tokio::time::timeout(wait, watch.next()).await {
            let value = next.to_string().into_bytes();
            assert!(
                matches!(&changes.unwrap().changes[..], [Change::Put(entry)] if entry.value == value)
            );
            next += 1;
        }
    }
    writer.await.unwrap();
}
