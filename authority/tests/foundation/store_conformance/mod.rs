//! What every store has to do. Each case gets an empty store from the factory.

mod sessions;
mod watches;

use std::sync::Arc;
use std::time::Duration;

use cattery_authority::store::{
    BootTime, Entry, MAX_KEY, MAX_OPERATIONS, MAX_PAGE, MAX_PAGE_BYTES, MAX_TRANSACTION, MAX_VALUE,
    Store, StoreError, Transaction, list_all,
};

type Shared = Arc<dyn Store>;

/// Runs all cases.
pub(crate) async fn conforms<F: Future<Output = Shared>>(empty: impl Fn() -> F) {
    what_is_put_is_got(empty().await).await;
    several_keys_are_read_at_one_moment(empty().await).await;
    revisions_go_up_and_entries_know_theirs(empty().await).await;
    checks_decide_all_or_nothing(empty().await).await;
    a_transaction_without_changes_only_checks(empty().await).await;
    lists_are_pages_in_byte_order(empty().await).await;
    long_lists_come_whole(empty().await).await;
    limits_hold_and_what_is_within_them_fits(empty().await).await;
    pages_are_bounded_by_bytes(empty().await).await;
    a_page_is_of_one_revision(empty().await).await;
    a_snapshot_stays_as_it_was(empty().await).await;
    what_is_no_transaction_is_refused(empty().await).await;
    watches::a_watch_tells_what_each_transaction_changed(empty().await).await;
    watches::a_watch_begins_where_a_list_was_read(empty().await).await;
    watches::a_watch_loses_nothing_when_nobody_waits(empty().await).await;
    sessions::what_is_in_a_session_ends_with_it(empty().await).await;
    sessions::a_session_keeps_what_is_put_in_it_last(empty().await).await;
    what_is_too_late_does_not_happen(empty().await).await;
    one_of_many_racers_wins_each_round(empty().await).await;
    a_future_that_is_dropped_leaves_all_or_nothing(empty().await).await;
}

async fn value(store: &Shared, key: &str) -> Option<Vec<u8>> {
    store.get(key).await.unwrap().map(|entry| entry.value)
}

async fn put(store: &Shared, key: &str, value: &[u8]) -> u64 {
    store
        .commit(Transaction::new().put(key, value))
        .await
        .unwrap()
}

async fn what_is_put_is_got(store: Shared) {
    assert!(store.get("a").await.unwrap().is_none());
    put(&store, "a", b"").await;
    assert_eq!(value(&store, "a").await.unwrap(), b"");
    let binary: Vec<u8> = (0..=255).collect();
    put(&store, "ключ/1", &binary).await;
    assert_eq!(value(&store, "ключ/1").await.unwrap(), binary);
    store
        .commit(Transaction::new().delete("a").delete("never there"))
        .await
        .unwrap();
    assert!(store.get("a").await.unwrap().is_none());
}

async fn several_keys_are_read_at_one_moment(store: Shared) {
    let keys = ["b", "never there", "a", "b"].map(str::to_owned);
    assert_eq!(store.get_all(&keys).await.unwrap(), [const { None }; 4]);
    assert!(store.get_all(&[]).await.unwrap().is_empty());
    let both = |value: u8| {
        let value = vec![value];
        Transaction::new().put("a", value.clone()).put("b", value)
    };
    store.commit(both(0)).await.unwrap();
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            for value in 1..50 {
                store.commit(both(value)).await.unwrap();
            }
        })
    };
    loop {
        let is_last = writer.is_finished();
        let found = store.get_all(&keys).await.unwrap();
        let found: Vec<_> = found.into_iter().collect();
        let [Some(b), None, Some(a), Some(again)] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!((&a.value, a.revision), (&b.value, b.revision));
        assert_eq!((&b.key[..], b), ("b", again));
        if is_last {
            assert_eq!(a.value, [49]);
            break;
        }
    }
    writer.await.unwrap();
    let many = vec!["a".to_owned(); MAX_OPERATIONS];
    assert_eq!(store.get_all(&many).await.unwrap().len(), MAX_OPERATIONS);
    let many = vec!["a".to_owned(); MAX_OPERATIONS + 1];
    let too_many = store.get_all(&many).await;
    assert!(matches!(too_many, Err(StoreError::TooLarge { .. })));
}

async fn revisions_go_up_and_entries_know_theirs(store: Shared) {
    let first = put(&store, "a", b"1").await;
    let second = store
        .commit(Transaction::new().put("b", "1").put("c", "1"))
        .await
        .unwrap();
    assert!(second > first);
    let at = async |key: &str| store.get(key).await.unwrap().unwrap().revision;
    assert_eq!(
        (at("a").await, at("b").await, at("c").await),
        (first, second, second)
    );
    let third = put(&store, "b", b"1").await;
    assert!(third > second);
    assert_eq!(
        (at("a").await, at("b").await, at("c").await),
        (first, third, second)
    );
    store.commit(Transaction::new().delete("b")).await.unwrap();
    let again = put(&store, "b", b"2").await;
    assert!(again > third, "a key that comes back is a new one");
}

async fn checks_decide_all_or_nothing(store: Shared) {
    let revision = put(&store, "a", b"1").await;
    let conflict = async |transaction: Transaction| match store.commit(transaction).await {
        Err(StoreError::Conflict { key }) => key,
        other => panic!("no conflict but {other:?}"),
    };
    assert_eq!(
        conflict(Transaction::new().absent("a").put("b", "2").delete("a")).await,
        "a"
    );
    assert_eq!(
        conflict(
            Transaction::new()
                .unchanged("a", revision + 1)
                .put("b", "2")
        )
        .await,
        "a"
    );
    assert_eq!(
        conflict(Transaction::new().unchanged("none", 1).put("b", "2")).await,
        "none"
    );
    let two = Transaction::new()
        .unchanged("a", revision)
        .absent("a")
        .put("b", "2");
    assert_eq!(conflict(two).await, "a");
    let second = Transaction::new()
        .absent("none")
        .unchanged("a", revision)
        .unchanged("gone", revision)
        .unchanged("gone too", revision)
        .put("b", "2");
    assert_eq!(conflict(second).await, "gone", "the first that fails");
    assert_eq!(value(&store, "a").await.unwrap(), b"1");
    assert!(value(&store, "b").await.is_none());

    let good = Transaction::new()
        .unchanged("a", revision)
        .absent("b")
        .put("a", "2")
        .put("b", "2");
    store.commit(good.clone()).await.unwrap();
    assert_eq!(
        conflict(good).await,
        "a",
        "the same transaction does not happen twice"
    );
    let checked = store.get("a").await.unwrap().unwrap().revision;
    store.commit(Transaction::new().delete("a")).await.unwrap();
    assert_eq!(
        conflict(Transaction::new().unchanged("a", checked).put("a", "3")).await,
        "a"
    );
}

async fn a_transaction_without_changes_only_checks(store: Shared) {
    let revision = put(&store, "a", b"1").await;
    for checks in [
        Transaction::new().unchanged("a", revision),
        Transaction::new().absent("b"),
        Transaction::new(),
    ] {
        assert!(store.commit(checks).await.unwrap() >= revision);
    }
    assert!(store.commit(Transaction::new().absent("a")).await.is_err());
    let unchanged = Transaction::new().unchanged("a", revision);
    store.commit(unchanged).await.unwrap();
}

async fn lists_are_pages_in_byte_order(store: Shared) {
    for key in ["a", "a/", "a/2", "a/10", "a/Ж", "a0", "b/1"] {
        put(&store, key, key.as_bytes()).await;
    }
    let keys = async |prefix: &str, after: Option<&str>, limit: usize| -> Vec<String> {
        let page = store.list(prefix, after, limit).await.unwrap();
        let entries = page.entries;
        assert!(entries.iter().all(
                |entry| entry.value == entry.key.as_bytes() && entry.revision <= page.revision
            ));
        entries.into_iter().map(|entry| entry.key).collect()
    };
    let more = async |prefix: &str, after: Option<&str>, limit: usize| {
        store.list(prefix, after, limit).await.unwrap().more
    };
    assert!(more("a/", None, 3).await && more("a/", None, 0).await);
    assert!(more("a/", Some("a/"), 2).await);
    assert!(!more("a/", None, 4).await && !more("a/", Some("a/Ж"), 4).await);
    assert!(!more("c", None, 0).await);
    assert_eq!(keys("a/", None, 10).await, ["a/", "a/10", "a/2", "a/Ж"]);
    assert_eq!(keys("a/", None, 2).await, ["a/", "a/10"]);
    assert_eq!(keys("a/", Some("a/10"), 2).await, ["a/2", "a/Ж"]);
    assert_eq!(
        keys("a/", Some("a/11"), 1).await,
        ["a/2"],
        "the key to go on from need not be there"
    );
    assert_eq!(keys("a/", Some("a/Ж"), 9).await, [""; 0]);
    assert_eq!(
        keys("a/", Some("a"), 9).await.len(),
        4,
        "a key before the prefix"
    );
    assert_eq!(
        keys("a/", Some("z"), 9).await,
        [""; 0],
        "a key behind the prefix"
    );
    assert_eq!(keys("", None, 99).await.len(), 7);
    assert_eq!(keys("a/", None, 0).await, [""; 0]);
    assert_eq!(keys("c", None, 9).await, [""; 0]);
}

async fn long_lists_come_whole(store: Shared) {
    let count = MAX_PAGE + 40;
    for first in (0..count).step_by(MAX_OPERATIONS) {
        let some = first..count.min(first + MAX_OPERATIONS);
        let transaction = some.fold(Transaction::new(), |t, i| {
            t.put(format!("n/{i:06}"), i.to_string())
        });
        store.commit(transaction).await.unwrap();
    }
    put(&store, "n0", b"not below").await;
    let page = store.list("n/", None, usize::MAX).await.unwrap();
    assert_eq!((page.entries.len(), page.more), (MAX_PAGE, true));
    let all = list_all(&*store, "n/").await.unwrap();
    assert_eq!(all.len(), count);
    assert!(all.windows(2).all(|pair| pair[0].key < pair[1].key));
}

async fn limits_hold_and_what_is_within_them_fits(store: Shared) {
    let too_large = async |transaction: Transaction| {
        assert!(matches!(
            store.commit(transaction).await,
            Err(StoreError::TooLarge { .. })
        ));
    };
    let key = "k".repeat(MAX_KEY);
    let long = vec![7; MAX_VALUE];
    put(&store, &key, &long).await;
    assert_eq!(value(&store, &key).await.unwrap(), long);
    too_large(Transaction::new().put(format!("{key}k"), "")).await;
    too_large(Transaction::new().absent(format!("{key}k"))).await;
    too_large(Transaction::new().put("k", vec![7; MAX_VALUE + 1])).await;
    assert!(matches!(
        store.get(&format!("{key}k")).await,
        Err(StoreError::TooLarge { .. })
    ));

    let full = (0..MAX_OPERATIONS / 2).fold(Transaction::new(), |t, i| {
        t.absent(format!("m/{i}")).put(format!("m/{i}"), "x")
    });
    assert_eq!(full.room(), 0);
    too_large(full.clone().delete("one more")).await;
    store.commit(full).await.unwrap();

    let heavy = |values: usize| {
        (0..values).fold(Transaction::new(), |t, i| {
            t.put(format!("h/{i}"), vec![7; MAX_VALUE])
        })
    };
    too_large(heavy(MAX_TRANSACTION / MAX_VALUE)).await;
    store
        .commit(heavy(MAX_TRANSACTION / MAX_VALUE - 1))
        .await
        .unwrap();
}

async fn what_is_no_transaction_is_refused(store: Shared) {
    let twice = Transaction::new().put("a", "1").delete("a");
    assert!(matches!(
        store.commit(twice).await,
        Err(StoreError::Invalid(_))
    ));
    assert!(matches!(
        store.commit(Transaction::new().put("", "1")).await,
        Err(StoreError::Invalid(_))
    ));
    assert!(matches!(store.get("").await, Err(StoreError::Invalid(_))));
    let never = Transaction::new().unchanged("a", 0).put("a", "1");
    assert!(matches!(
        store.commit(never).await,
        Err(StoreError::Invalid(_))
    ));
}

async fn what_is_too_late_does_not_happen(store: Shared) {
    let put_by = |until| Transaction::new().put("a", "1").only_until(until);
    let now = BootTime::now();
    let error = store.commit(put_by(now)).await.unwrap_err();
    assert!(error.nothing_happened(), "{error:?}");
    assert!(matches!(error, StoreError::TooLate), "{error:?}");
    assert!(value(&store, "a").await.is_none());
    let hour = Duration::from_secs(3600);
    store.commit(put_by(now.after(hour))).await.unwrap();
}

async fn one_of_many_racers_wins_each_round(store: Shared) {
    put(&store, "counter", b"0").await;
    let racers = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut won = 0;
            while won < 5 {
                let seen = store.get("counter").await.unwrap().unwrap();
                let next: u32 = std::str::from_utf8(&seen.value)
                    .unwrap()
                    .parse::<u32>()
                    .unwrap()
                    + 1;
                let step = Transaction::new()
                    .unchanged("counter", seen.revision)
                    .put("counter", next.to_string());
                match store.commit(step).await {
                    Ok(_) => won += 1,
                    Err(StoreError::Conflict { .. }) => {}
                    Err(e) => panic!("{e}"),
                }
            }
        })
    });
    for racer in racers.collect::<Vec<_>>() {
        racer.await.unwrap();
    }
    assert_eq!(value(&store, "counter").await.unwrap(), b"40");
}

async fn a_future_that_is_dropped_leaves_all_or_nothing(store: Shared) {
    for i in 0..50 {
        let pair = Transaction::new()
            .put(format!("x/{i}"), "1")
            .put(format!("y/{i}"), "1");
        let _ = tokio::time::timeout(std::time::Duration::from_micros(i * 20), store.commit(pair))
            .await;
    }
    put(&store, "last", b"").await;
    for i in 0..50 {
        let x = value(&store, &format!("x/{i}")).await;
        assert_eq!(x, value(&store, &format!("y/{i}")).await);
    }
}

async fn pages_are_bounded_by_bytes(store: Shared) {
    let sizes = [MAX_VALUE; 6]
        .into_iter()
        .chain([1; 5])
        .chain([MAX_VALUE; 6]);
    for (i, size) in sizes.enumerate() {
        put(&store, &format!("p/{i:02}"), &vec![7; size]).await;
    }
    let mut after = None;
    let mut seen = 0;
    loop {
        let page = store.list("p/", after.as_deref(), MAX_PAGE).await.unwrap();
        let bytes = |entry: &Entry| entry.key.len() + entry.value.len();
        assert!(page.entries.iter().map(bytes).sum::<usize>() <= MAX_PAGE_BYTES);
        assert!(!page.entries.is_empty());
        seen += page.entries.len();
        after = page.entries.last().map(|entry| entry.key.clone());
        if !page.more {
            break;
        }
    }
    assert_eq!(seen, 17);
    assert_eq!(list_all(&*store, "p/").await.unwrap().len(), 17);
}

async fn a_snapshot_stays_as_it_was(store: Shared) {
    let count = MAX_PAGE + 5;
    for first in (0..count).step_by(MAX_OPERATIONS) {
        let some = first..count.min(first + MAX_OPERATIONS);
        let transaction = some.fold(Transaction::new(), |t, i| {
            t.put(format!("s/{i:06}"), "before")
        });
        store.commit(transaction).await.unwrap();
    }
    let before = put(&store, "other", b"before").await;
    let snapshot = store.snapshot().await.unwrap();
    assert!(snapshot.revision() >= before);
    put(&store, "s/000000", b"after").await;
    put(&store, "s/new", b"after").await;
    let gone = Transaction::new().delete("s/001003");
    store.commit(gone).await.unwrap();

    let mut all: Vec<Entry> = Vec::new();
    loop {
        let after = all.last().map(|entry| entry.key.clone());
        let page = snapshot.list("s/", after.as_deref()).await.unwrap();
        assert_eq!(page.revision, snapshot.revision());
        all.extend(page.entries);
        if !page.more {
            break;
        }
    }
    assert_eq!(all.len(), count);
    assert!(
        all.iter()
            .all(|entry| entry.value == b"before" && entry.revision <= before)
    );
    let whole = snapshot.list("", None).await.unwrap();
    assert_eq!(whole.entries[0].key, "other");
    let none = snapshot.list("s/", Some("z")).await.unwrap();
    assert!(none.entries.is_empty() && !none.more);
}

async fn a_page_is_of_one_revision(store: Shared) {
    put(&store, "x", b"0").await;
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for i in 0..100 {
                let both = Transaction::new()
                    .put("x", i.to_string())
                    .put("y", i.to_string());
                store.commit(both).await.unwrap();
            }
        }
    });
    while !writer.is_finished() {
        let page = store.list("", None, 9).await.unwrap();
        if let [x, y] = page.entries.as_slice() {
            assert_eq!((&x.value, x.revision), (&y.value, y.revision));
            assert!(page.revision >= x.revision);
        }
    }
    writer.await.unwrap();
}
