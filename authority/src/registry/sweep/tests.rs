use std::sync::Arc;

use cattery_core::epoch::Timing;

use super::*;
use crate::act::Act;
use crate::granting::Grantee;
use crate::records::{
    DeviceKeys, DeviceState, Hex, Leased, RevocableIdRecord, RevokedEntry, Subject,
};
use crate::registry::testkit::{NOW, registry};
use crate::registry::{Applying, Conditions, Revocation, Revoking};
use crate::store::{Store, list_all};

fn token(number: u8) -> JoinTokenRecord {
    JoinTokenRecord {
        id: Hex([number; 8]),
        subject: Subject::Service("photos".into()),
        registration: 0,
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
        caveats: Vec::new(),
        parent: None,
        children: Vec::new(),
    }
}

fn agent() -> AgentRecord {
    AgentRecord {
        id: "1".into(),
        service: "photos".into(),
        state: DeviceState::Active,
        keys: DeviceKeys::only(Hex([0; 32])),
        certificate_not_after: NOW,
        ca: 1,
        enrolled_at: NOW - 3600,
        registration: 0,
    }
}

async fn keys(store: &Arc<dyn Store>) -> Vec<String> {
    // Beside those that every registry has.
    let own = ["meta/", "session/", "ca/"];
    let all = list_all(&**store, "").await.unwrap();
    let keys = all.into_iter().map(|entry| entry.key);
    keys.filter(|key| !own.iter().any(|own| key.starts_with(own)))
        .collect()
}

#[tokio::test]
async fn each_kind_goes_when_its_time_is_past() {
    let dir = tempfile::tempdir().unwrap();
    let (registry, store) = registry(&dir).await;
    let least = LeastVersionRecord {
        principal: "user/alice".into(),
        version: 1,
        raised_at: NOW,
        changed: 1,
    };
    let contact = ContactRecord {
        agent: "1".into(),
        service: "photos".into(),
        registration: 0,
        last_contact: NOW - DAY,
        outage_budget: DAY,
        incarnation: 1,
        told: 1,
        acknowledged: 1,
        handed_out: Vec::new(),
        version: String::new(),
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
        (key::contact("1"), contact.encode()),
    ];
    let put = records
        .iter()
        .fold(Transaction::new(), |transaction, (key, value)| {
            transaction.put(key, value.as_slice())
        });
    store.commit(put).await.unwrap();
    // What is left after each of these times.
    for (after, left) in [
        (0, 7),
        (DAY - 1, 7),
        (DAY, 5),
        (30 * DAY - 1, 5),
        (30 * DAY, 2),
        (91 * DAY - 1, 2),
        (91 * DAY, 1),
        (10_000 * DAY, 1),
    ] {
        registry.sweep(NOW + after, None).await.unwrap();
        assert_eq!(keys(&store).await.len(), left, "after {after} s");
    }
    assert_eq!(keys(&store).await, [key::api_key(&Hex([4; 8]))]);
}

#[tokio::test]
async fn an_agent_is_kept_for_as_long_as_it_may_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let (registry, store) = registry(&dir).await;
    let put = Transaction::new().save(&key::agent("1"), &agent());
    store.commit(put).await.unwrap();
    let (year, week) = (365 * DAY, 7 * DAY);
    for (after, window, removed) in [
        (30 * DAY - 1, week, 0),
        (30 * DAY, year, 0),
        (year - 1, year, 0),
        (year, year, 1),
    ] {
        let window = Some(Duration::from_secs(window));
        let swept = registry.sweep(NOW + after, window).await.unwrap();
        assert_eq!(swept, removed, "after {after} s");
    }
}

#[tokio::test]
async fn more_than_fits_into_a_transaction_goes_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (registry, store) = registry(&dir).await;
    for number in 0..=99 {
        let key = key::join_token(&Hex([number; 8]));
        let put = Transaction::new().put(key, token(number).encode());
        store.commit(put).await.unwrap();
    }
    assert_eq!(registry.sweep(NOW + DAY, None).await.unwrap(), 100);
    assert_eq!(registry.sweep(NOW + DAY, None).await.unwrap(), 0);
    assert!(keys(&store).await.is_empty());
}

fn leases(principal: &str, count: u8, now: u64, length: u64) -> LeasesRecord {
    let lease = |number| Leased {
        id: Hex([number; 8]),
        service: format!("service-{number}"),
        expires_at: now + length,
        grant: None,
    };
    LeasesRecord {
        principal: principal.into(),
        proof: "api-key/1".into(),
        under: None,
        issued_at: now,
        leases: (0..count).map(lease).collect(),
    }
}

#[tokio::test]
async fn a_year_of_issuing_and_revoking_leaves_no_more_than_a_few_days_of_it() {
    const TIMING: Timing = crate::timing::timing(Duration::from_secs(30));
    let dir = tempfile::tempdir().unwrap();
    let (registry, store) = registry(&dir).await;
    let alice = "user/alice".parse().unwrap();
    let how = Revoking {
        timing: &TIMING,
        wait: false,
        because: None,
        own: Some(&alice),
    };
    let mut most = 0;
    for day in 0..365 {
        let mut act = Act::new(String::new(), "operator/root".into());
        act.time_ms = (NOW + day * DAY) * 1000;
        let issued = leases("user/alice", 250, act.now(), 3600);
        let alice = "user/alice".parse().unwrap();
        let applying = Applying::to(&registry, &alice, 0).await.unwrap();
        registry
            .note_leases(&act, &applying, &issued)
            .await
            .unwrap();
        let revoked = issued.leases.iter().map(|lease| Revocation {
            principal: "user/alice".parse().unwrap(),
            id: RevocableIdRecord::Lease(lease.id),
            not_after: None,
        });
        let revoked: Vec<_> = revoked.collect();
        registry.revoke_ids(&act, &revoked, how).await.unwrap();
        registry.sweep(act.now(), None).await.unwrap();
        // What each transaction leaves for the log's sake goes with the next one.
        most = most.max(keys(&store).await.len());
    }
    // A record of each kind a day, for two days, alice's count, and those of the log.
    assert!(most <= 4 + 1 + 3, "{most} records");
    registry.sweep(NOW + 367 * DAY, None).await.unwrap();
    let left =
        [key::LEASES, key::REVOKED, key::OWN_REVOKED].map(|prefix| list_all(&*store, prefix));
    for left in left {
        assert!(left.await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn leases_and_what_revoked_them_go_when_the_last_of_them_ended() {
    let dir = tempfile::tempdir().unwrap();
    let (registry, store) = registry(&dir).await;
    let mut issued = leases("user/alice", 2, NOW, 60);
    issued.leases[0].expires_at = NOW + DAY;
    let entry = |ends_at| RevokedEntry {
        principal: "user/alice".into(),
        id: RevocableIdRecord::Token(Hex([1; 16])),
        ends_at,
    };
    let revoked = RevokedRecord {
        changed: 7,
        entries: vec![entry(NOW + 2 * DAY), entry(NOW)],
    };
    let put = Transaction::new()
        .save(
            &key::leases("user/alice", NOW * 1000, &Hex([1; 8])),
            &issued,
        )
        .save(&key::revoked(7), &revoked);
    store.commit(put).await.unwrap();
    for (after, left) in [
        (0, 2),
        (2 * DAY - 1, 2),
        (2 * DAY, 1),
        (3 * DAY - 1, 1),
        (3 * DAY, 0),
    ] {
        registry.sweep(NOW + after, None).await.unwrap();
        assert_eq!(keys(&store).await.len(), left, "after {after} s");
    }
}

#[tokio::test]
async fn what_was_made_for_an_earlier_holder_of_a_name_goes() {
    let dir = tempfile::tempdir().unwrap();
    let (registry, store) = registry(&dir).await;
    let act = Act::new(String::new(), "operator/root".into());
    let (alice, bob) = ("alice".parse().unwrap(), "bob".parse().unwrap());
    let (ops, dev) = ("ops".parse().unwrap(), "dev".parse().unwrap());
    for name in ["photos", "mail"] {
        registry
            .add_service(&act, &name.parse().unwrap())
            .await
            .unwrap();
    }
    for user in [&alice, &bob] {
        registry.add_user(&act, user).await.unwrap();
        registry.add_group(&act, &ops).await.ok();
        let name = user.as_str();
        registry.add_group_member(&act, &ops, name).await.unwrap();
    }
    registry.add_group(&act, &dev).await.unwrap();
    registry
        .add_group_member(&act, &dev, "alice")
        .await
        .unwrap();
    let grants = [
        ("user/alice", "photos"),
        ("user/alice", "*"),
        ("user/bob", "*"),
        ("group/ops", "ph*"),
        ("group/dev", "mail"),
    ];
    let add = async |(grantee, services): (&str, &str)| {
        let grantee: Grantee = grantee.parse().unwrap();
        let services = services.parse().unwrap();
        let added = registry.add_grant(&act, &grantee, &services, Conditions::default());
        added.await.unwrap()
    };
    for grant in grants {
        add(grant).await;
    }
    let now = act.now();
    assert_eq!(registry.sweep(now, None).await.unwrap(), 0);

    registry.disable_user(&act, "bob").await.unwrap();
    registry.remove_group(&act, &ops).await.unwrap();
    registry.disable_service(&act, "photos").await.unwrap();
    // bob's membership, the group's grant, alice's for the service. She is in another group, so hers stays for a while.
    assert_eq!(registry.sweep(now, None).await.unwrap(), 3);
    let left = |prefix| list_all(&*store, prefix);
    let left = [left(key::GRANTS).await, left(key::USER_GROUPS).await];
    let left: Vec<String> = left
        .into_iter()
        .flat_map(|all| all.unwrap())
        .map(|entry| entry.key)
        .collect();
    let expected = [
        "grant/group/dev//mail",
        "grant/user/alice//*",
        "grant/user/bob//*",
        "user-groups/alice",
    ];
    assert_eq!(left, expected);

    // What is made for those who come after them stays.
    registry
        .add_service(&act, &"photos".parse().unwrap())
        .await
        .unwrap();
    registry.add_user(&act, &bob).await.unwrap();
    assert_eq!(
        registry.sweep(now, None).await.unwrap(),
        1,
        "bob's of before"
    );
    registry.add_group(&act, &ops).await.unwrap();
    registry.add_group_member(&act, &ops, "bob").await.unwrap();
    for grant in [grants[0], grants[2], grants[3]] {
        add(grant).await;
    }
    assert_eq!(registry.sweep(now, None).await.unwrap(), 0);
}
