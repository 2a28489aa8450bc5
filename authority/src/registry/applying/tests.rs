use super::*;
use crate::act::Act;
use crate::granting::{Grantee, ServicePattern};
use crate::registry::Conditions;
use crate::registry::testkit::registry;

struct Place {
    registry: Registry,
    act: Act,
    alice: Principal,
    _dir: tempfile::TempDir,
}

impl Place {
    /// alice, who is in `ops`, and some services.
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (registry, _) = registry(&dir).await;
        let act = Act::new(String::new(), "operator/root".into());
        for name in ["mail", "photos", "photos-eu", "photos-us"] {
            let name = name.parse().unwrap();
            registry.add_service(&act, &name).await.unwrap();
        }
        let user = "alice".parse().unwrap();
        registry.add_user(&act, &user).await.unwrap();
        let ops = "ops".parse().unwrap();
        registry.add_group(&act, &ops).await.unwrap();
        registry
            .add_group_member(&act, &ops, "alice")
            .await
            .unwrap();
        Self {
            registry,
            act,
            alice: Principal::user(&user),
            _dir: dir,
        }
    }

    async fn grant(&self, grantee: &str, services: &str) {
        let grantee: Grantee = grantee.parse().unwrap();
        let services: ServicePattern = services.parse().unwrap();
        let conditions = Conditions::default();
        let registry = &self.registry;
        let added = registry.add_grant(&self.act, &grantee, &services, conditions);
        added.await.unwrap();
    }

    async fn applying(&self) -> Applying<'_> {
        Applying::to(&self.registry, &self.alice, 0).await.unwrap()
    }
}

#[tokio::test]
async fn no_more_is_read_than_it_takes() {
    let place = Place::new().await;
    for (grantee, services) in [
        ("user/alice", "mail"),
        ("user/alice", "photos*"),
        ("group/ops", "*"),
    ] {
        place.grant(grantee, services).await;
    }
    let mut applying = place.applying().await;
    let mut under = async |name: &str| {
        let service = place.registry.service(name).await.unwrap().record;
        let grant = applying.under(&service).await.unwrap().unwrap();
        let read = (applying.patterns.is_some(), applying.of_groups.is_some());
        (grant.principal, grant.service, read)
    };
    let alice = "user/alice".to_owned();
    let exact = (alice.clone(), "mail".to_owned(), (false, false));
    assert_eq!(under("mail").await, exact);
    let pattern = (alice, "photos*".to_owned(), (true, false));
    assert_eq!(under("photos-eu").await, pattern);
    let name = "other".parse().unwrap();
    place.registry.add_service(&place.act, &name).await.unwrap();
    let group = ("group/ops".to_owned(), "*".to_owned(), (true, true));
    assert_eq!(under("other").await, group);
}

#[tokio::test]
async fn all_services_are_no_more_than_one_call_takes() {
    let place = Place::new().await;
    place.grant("user/alice", "photos-eu").await;
    place.grant("group/ops", "photos-*").await;
    let registry = &place.registry;
    registry
        .disable_service(&place.act, "photos-us")
        .await
        .unwrap();
    let services = async |most| place.applying().await.services(most).await.unwrap();
    assert_eq!(services(256).await, ["photos-eu"]);
    place.grant("user/alice", "*").await;
    assert_eq!(services(256).await, ["mail", "photos", "photos-eu"]);
    assert_eq!(services(3).await.len(), 3);
    assert!(services(2).await.len() > 2);
}

#[tokio::test]
async fn what_was_read_ahead_is_used_and_seen_to_be_outdated() {
    let place = Place::new().await;
    let (registry, act) = (&place.registry, &place.act);
    place.grant("group/ops", "*").await;
    let keys = vec![key::GRANTS_CHANGED.to_owned(), key::user("alice")];
    let read = registry.reading(keys).await.unwrap();
    let user = read.user("alice").await.unwrap();
    let principal = "user/alice".parse().unwrap();
    let (grantee, all) = ("group/ops".parse().unwrap(), "*".parse().unwrap());
    registry.remove_grant(act, &grantee, &all).await.unwrap();
    let applying = Applying::to(&read, &principal, user.record.registration);
    let applying = applying.await.unwrap();
    assert!(applying.is_outdated(registry).await.unwrap());
    let late = applying.rest(Transaction::new().put("key", "value"));
    let late = registry.note(late).await;
    assert!(matches!(late, Err(Failure::Contended)), "{late:?}");
}

#[tokio::test]
async fn whatever_takes_something_away_makes_it_outdated() {
    let place = Place::new().await;
    let (registry, act) = (&place.registry, &place.act);
    let ops = "ops".parse().unwrap();
    let grantee = "group/ops".parse().unwrap();
    let all = "*".parse().unwrap();
    let before = place.applying().await;
    place.grant("group/ops", "*").await;
    assert!(!before.is_outdated(registry).await.unwrap(), "it only gave");
    let fewer = Conditions {
        max_lease: Some(Some(std::time::Duration::from_secs(60))),
        ..Conditions::default()
    };
    registry
        .set_grant(act, &grantee, &all, fewer.clone())
        .await
        .unwrap();
    assert!(before.is_outdated(registry).await.unwrap());
    let before = place.applying().await;
    registry
        .set_grant(act, &grantee, &all, fewer)
        .await
        .unwrap();
    assert!(
        !before.is_outdated(registry).await.unwrap(),
        "nothing changed"
    );
    registry.remove_grant(act, &grantee, &all).await.unwrap();
    assert!(before.is_outdated(registry).await.unwrap());
    let before = place.applying().await;
    registry
        .remove_group_member(act, &ops, "alice")
        .await
        .unwrap();
    assert!(before.is_outdated(registry).await.unwrap());
    let before = place.applying().await;
    registry.remove_group(act, &ops).await.unwrap();
    assert!(before.is_outdated(registry).await.unwrap());
}
