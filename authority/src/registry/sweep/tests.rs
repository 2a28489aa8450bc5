use std::sync::Arc;

use super::*;
use crate::records::{DeviceKeys, DeviceState, Hex, Subject};
use crate::registry::testkit::{NOW, registry};
use crate::store::{Store, list_all};

fn token(number: u8) -> JoinTokenRecord {
    JoinTokenRecord {
        id: Hex([number; 8]),
        subject: Subject::Service("photos".into()),
        secret_sha256: Hex([0; 32]),
        created_at: NOW - 3600,
        expires_at: NOW,
        used_by: None,
        reused_at: None,
    }
}

fn api_key(number: u8, expires_at: Option<u64>, revoked_at: Option<u64>) -> ApiKeyRecord {
    ApiKeyRecord {
        id: Hex([number; 8]),
        user: "alice".into(),
        registration: 0,
        secret_sha256: Hex([0; 32]),
        created_at: NOW - 3600,
        expires_at,
        revoked_at,
    }
}

fn agent() -> AgentRecord {
    AgentRecord {
        id: "1".into(),
        service: "photos".into(),
        state: DeviceState::Active,
        keys: DeviceKeys::only(Hex([0; 32])),
        certificate_not_after: NOW,
        enrolled_at: NOW - 3600,
        last_contact: NOW - 60,
        handed_out: Vec::new(),
    }
}

async fn keys(store: &Arc<dyn Store>) -> Vec<String> {
    let all = list_all(&**store, "").await.unwrap();
    all.into_iter().map(|entry| entry.key).collect()
}

#[tokio::test]
async fn each_kind_goes_when_its_time_is_past() {
    let dir = tempfile::tempdir().unwrap();
    let (registry, store) = registry(&dir);
    let least = LeastVersionRecord {
        principal: "user/alice".into(),
        version: 1,
        raised_at: NOW,
    };
    let records = [
        (key::join_token(&Hex([1; 8])), token(1).encode()),
        (
            key::api_key(&Hex([2; 8])),
            api_key(2, Some(NOW), None).encode(),
        ),
        (
            key::api_key(&Hex([3; 8])),
            api_key(3, Some(NOW), Some(NOW)).encode(),
        ),
        (key::api_key(&Hex([4; 8])), api_key(4, None, None).encode()),
        (key::agent("1"), agent().encode()),
        (key::least_version("user/alice"), least.encode()),
    ];
    let put = records
        .iter()
        .fold(Transaction::new(), |transaction, (key, value)| {
            transaction.put(key, value.as_slice())
        });
    store.commit(put).await.unwrap();
    // What is left after each of these times.
    for (after, left) in [
        (0, 6),
        (DAY - 1, 6),
        (DAY, 4),
        (30 * DAY - 1, 4),
        (30 * DAY, 2),
        (91 * DAY - 1, 2),
        (91 * DAY, 1),
        (10_000 * DAY, 1),
    ] {
        registry.sweep(NOW + after).await.unwrap();
        assert_eq!(keys(&store).await.len(), left, "after {after} s");
    }
    assert_eq!(keys(&store).await, [key::api_key(&Hex([4; 8]))]);
}

#[tokio::test]
async fn more_than_fits_into_a_transaction_goes_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (registry, store) = registry(&dir);
    for number in 0..=99 {
        let key = key::join_token(&Hex([number; 8]));
        let put = Transaction::new().put(key, token(number).encode());
        store.commit(put).await.unwrap();
    }
    assert_eq!(registry.sweep(NOW + DAY).await.unwrap(), 100);
    assert_eq!(registry.sweep(NOW + DAY).await.unwrap(), 0);
    assert!(keys(&store).await.is_empty());
}
