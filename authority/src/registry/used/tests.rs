use super::*;
use crate::registry::testkit::{NOW, registry};

fn used(mark: u8, attempt: u8) -> Used<'static> {
    Used {
        service: "photos",
        mark: Hex([mark; 32]),
        not_after: NOW + 60,
        attempt: [attempt; 16],
    }
}

#[tokio::test]
async fn a_mark_is_spent_once_and_by_the_attempt_that_did_it() {
    let dir = tempfile::tempdir().unwrap();
    let (registry, _) = registry(&dir).await;
    let spend = async |used: Used<'_>| registry.spend(&used, NOW).await.unwrap();
    assert_eq!(spend(used(1, 1)).await, Spent::Now);
    assert_eq!(spend(used(1, 1)).await, Spent::Now, "made again");
    assert_eq!(spend(used(1, 2)).await, Spent::Before);
    assert_eq!(spend(used(2, 2)).await, Spent::Now);
    let mail = Used {
        service: "mail",
        ..used(1, 2)
    };
    assert_eq!(spend(mail).await, Spent::Now, "another service's");
    let far = Used {
        not_after: NOW + LONGEST + 1,
        ..used(3, 3)
    };
    let refused = registry.spend(&far, NOW).await;
    assert!(matches!(refused, Err(Failure::Invalid(_))), "{refused:?}");
}

#[tokio::test]
async fn what_was_forgotten_is_not_taken_again_whatever_a_clock_shows() {
    let dir = tempfile::tempdir().unwrap();
    let (registry, store) = registry(&dir).await;
    // Another authority, which has not heard how far is swept.
    let other = Registry {
        uses: Arc::default(),
        ..registry.clone()
    };
    let late = Used {
        not_after: NOW + 500,
        ..used(2, 1)
    };
    for used in [&used(1, 1), &late] {
        assert_eq!(other.spend(used, NOW).await.unwrap(), Spent::Now);
    }
    let marks = async || store.list(key::USED, None, 10).await.unwrap().entries.len();
    assert_eq!(registry.sweep_used(NOW + 59 + KEPT).await.unwrap(), 0);
    assert_eq!(marks().await, 2);
    assert_eq!(registry.sweep_used(NOW + 60 + KEPT).await.unwrap(), 1);
    assert_eq!(marks().await, 1);
    for registry in [&registry, &other] {
        let again = registry.spend(&used(1, 2), NOW).await.unwrap();
        assert_eq!(again, Spent::Before);
        let fresh = Used {
            not_after: NOW + 500,
            ..used(7, 1)
        };
        assert_eq!(registry.spend(&fresh, NOW).await.unwrap(), Spent::Now);
    }
    assert_eq!(registry.sweep_used(u64::MAX).await.unwrap(), 2);
    assert_eq!(registry.sweep_used(u64::MAX).await.unwrap(), 0);
    assert_eq!(marks().await, 0);
}

#[tokio::test]
async fn many_are_swept() {
    let dir = tempfile::tempdir().unwrap();
    let (registry, _) = registry(&dir).await;
    for mark in 0..200 {
        registry.spend(&used(mark, 1), NOW).await.unwrap();
    }
    assert_eq!(registry.sweep_used(NOW + 60 + KEPT).await.unwrap(), 200);
}
