use super::*;
use crate::registry::testkit::{NOW, csr, registry_with_ca};

const LIFETIMES: Lifetimes = Lifetimes {
    agent: Duration::from_secs(3600),
    operator: Duration::from_secs(3600),
};

fn act(now: u64) -> Act {
    let mut act = Act::new("r".into(), String::new());
    act.time_ms = now * 1000;
    act
}

#[tokio::test]
async fn a_secret_that_two_keys_come_with_is_recorded_once() {
    let dir = tempfile::tempdir().unwrap();
    let (registry, _, signers) = registry_with_ca(&dir).await;
    let name: ServiceName = "photos".parse().unwrap();
    registry.add_service(&act(NOW), &name).await.unwrap();
    let ttl = Duration::from_secs(3600);
    let made = registry.create_join_token(&act(NOW), &name, ttl).await;
    let (token, secret) = made.unwrap();
    let keys = [csr(), csr()].map(|csr| RequestedKey::from_csr(&csr).unwrap());
    let come = async |key: &RequestedKey, secret: &[u8], now: u64| {
        let join = Join {
            id: token.id.0,
            secret_sha256: Sha256::digest(secret).into(),
            key,
        };
        let enrolled = registry.enroll(&act(now), &signers, LIFETIMES, &join).await;
        enrolled.map_err(|failure| failure.to_string())
    };
    let reused = || {
        let log = std::fs::read_to_string(registry.audit().path()).unwrap();
        log.matches("\"join_token_reused\"").count()
    };
    let first = come(&keys[0], &secret[..], NOW).await.ok().unwrap();
    // Whose answer got lost.
    let again = come(&keys[0], &secret[..], NOW).await.ok().unwrap();
    assert_eq!(first.device_id, again.device_id);
    let wrong = come(&keys[1], b"guessed", NOW).await.err().unwrap();
    assert_eq!(reused(), 0);
    for now in [NOW, NOW + 60, NOW + 7200] {
        let refused = come(&keys[1], &secret[..], now).await.err().unwrap();
        assert_eq!(refused, wrong, "the answer tells nothing");
        assert_eq!(reused(), 1);
    }
}

#[tokio::test]
async fn a_token_whose_agent_is_forgotten_makes_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let (registry, store, signers) = registry_with_ca(&dir).await;
    let name: ServiceName = "photos".parse().unwrap();
    registry.add_service(&act(NOW), &name).await.unwrap();
    let ttl = Duration::from_secs(90 * 24 * 3600);
    let made = registry.create_join_token(&act(NOW), &name, ttl).await;
    let (token, secret) = made.unwrap();
    let key = RequestedKey::from_csr(&csr()).unwrap();
    let join = Join {
        id: token.id.0,
        secret_sha256: Sha256::digest(*secret).into(),
        key: &key,
    };
    let come = async |now: u64| registry.enroll(&act(now), &signers, LIFETIMES, &join).await;
    let enrolled = come(NOW).await.ok().unwrap();
    let later = NOW + 31 * 24 * 3600;
    assert_eq!(registry.sweep(later, None).await.unwrap(), 1);
    let agent = store.get(&key::agent(&enrolled.device_id)).await.unwrap();
    assert!(agent.is_none());
    assert!(come(later).await.is_err());
}
