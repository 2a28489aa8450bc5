//! What users do without an operator: API keys of their own making, and taking back what they hold.

use cattery_core::RevocableId;
use cattery_proto::v1::user_keys_client::UserKeysClient;
use cattery_proto::v1::*;
use cattery_sdk::connect::Connector;
use cattery_sdk::portable::ApiKey as ApiKeyText;
use cattery_sdk::sealing::{INFO_API_KEY, ReceiverKey};
use cattery_sdk::tls::Trust;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::harness::{Cluster, caveat, now, refused, wait_until};
use crate::revoking::{follower, ids, key};

impl Cluster {
    fn own(&self, api_key: &ApiKeyText) -> UserKeysClient<Channel> {
        let trust = Trust::Fingerprint(api_key.ca_sha256);
        let connector = Connector::new(vec![self.address()], &trust, None).unwrap();
        UserKeysClient::new(connector.channel())
    }

    pub(crate) async fn make(
        &self,
        api_key: &ApiKeyText,
        ttl_seconds: u64,
        caveats: &[&str],
    ) -> Result<(ApiKey, ApiKeyText), Status> {
        let receiver = ReceiverKey::generate().unwrap();
        let request = CreateOwnApiKeyRequest {
            caveats: caveats.iter().map(|text| caveat(text)).collect(),
            ttl_seconds,
            receiver_public_key: receiver.public_key(),
        };
        let mut calls = self.own(api_key);
        let answer = calls.create_own_api_key(by(api_key, request)).await?;
        let answer = answer.into_inner();
        let text = receiver.open(INFO_API_KEY, &answer.sealed_api_key.unwrap());
        let text = ApiKeyText::parse(std::str::from_utf8(&text.unwrap()).unwrap()).unwrap();
        Ok((answer.api_key.unwrap(), text))
    }

    async fn end(&self, api_key: &ApiKeyText, id: &str) -> Result<RevokeOwnApiKeyResponse, Status> {
        let request = RevokeOwnApiKeyRequest { id: id.to_owned() };
        let mut calls = self.own(api_key);
        let answer = calls.revoke_own_api_key(by(api_key, request)).await?;
        Ok(answer.into_inner())
    }

    async fn listed(&self, api_key: &ApiKeyText) -> Vec<(String, String)> {
        let request = by(api_key, ListOwnApiKeysRequest {});
        let answer = self.own(api_key).list_own_api_keys(request).await;
        let keys = answer.unwrap().into_inner().api_keys.into_iter();
        keys.map(|key| (key.id, key.state)).collect()
    }

    async fn take_back(
        &self,
        api_key: &ApiKeyText,
        revocations: Vec<OwnRevocation>,
    ) -> Result<u32, Status> {
        let request = by(api_key, RevokeOwnRequest { revocations });
        let answer = self.own(api_key).revoke_own(request).await?;
        Ok(answer.into_inner().added)
    }
}

fn by<T>(api_key: &ApiKeyText, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {}", *api_key.to_text());
    let metadata = request.metadata_mut();
    metadata.insert("authorization", bearer.parse().unwrap());
    request
}

fn handed_out(id: [u8; 16]) -> OwnRevocation {
    OwnRevocation {
        kind: RevocationKind::HandedOut.into(),
        id: id.to_vec(),
        not_after: 0,
    }
}

/// alice, who may call photos under one condition.
async fn alice() -> Cluster {
    let cluster = Cluster::start().await;
    cluster.add_service("photos").await;
    cluster.add_user("alice").await;
    cluster
        .grant("user/alice", "photos", &["scope=photos.read"], 0)
        .await
        .unwrap();
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_makes_an_api_key_that_is_no_wider_and_lasts_no_longer() {
    let cluster = alice().await;
    let narrow = cluster.narrow_api_key("alice", 1000, vec![caveat("method=GET")]);
    let (parent, text) = narrow.await.unwrap();
    let (child, childs) = cluster.make(&text, 600, &["path=/metrics"]).await.unwrap();
    assert_eq!((&child.parent, &*child.user), (&parent.id, "alice"));
    assert_eq!(
        child.caveats,
        [caveat("method=GET"), caveat("path=/metrics")]
    );
    assert_eq!(child.expires_at, child.created_at + 600);
    // Without a length it ends with its parent.
    let (other, _) = cluster.make(&text, 0, &[]).await.unwrap();
    assert_eq!(other.expires_at, parent.expires_at);
    let keys = cluster.user_keys(&childs, &["photos"], 0).await.unwrap();
    let user_key = keys[0].1.as_ref().unwrap();
    assert_eq!(
        user_key.id().expires_at,
        child.expires_at,
        "no lease outlives it"
    );
    let caveats: Vec<String> = user_key
        .caveats()
        .map(|one| one.unwrap().to_string())
        .collect();
    assert_eq!(
        caveats,
        ["scope=photos.read", "method=GET", "path=/metrics"]
    );

    refused(
        cluster.make(&text, 2000, &[]).await,
        Code::FailedPrecondition,
        "ends in",
    );
    refused(
        cluster.make(&childs, 0, &[]).await,
        Code::PermissionDenied,
        "makes no others",
    );
    let many: Vec<String> = (0..8).map(|number| format!("path=/{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let full = cluster.make(&text, 0, &many).await;
    refused(
        full,
        Code::InvalidArgument,
        "The first 1 are those of the API key",
    );
    // Only somebody with an API key has some of their own.
    let agent = cluster.agent("photos").await;
    let mut calls = UserKeysClient::new(cluster.channel(Some(&agent.client)));
    let listed = calls.list_own_api_keys(ListOwnApiKeysRequest {}).await;
    refused(listed, Code::Unauthenticated, "takes an API key");

    let active = |id: &str| (id.to_owned(), "active".to_owned());
    let all = [active(&parent.id), active(&child.id), active(&other.id)];
    assert_eq!(cluster.listed(&text).await, all);
    assert_eq!(cluster.listed(&childs).await, [active(&child.id)]);
    let request = ListApiKeysRequest {
        user: "alice".into(),
    };
    let answer = cluster.admin().list_api_keys(request).await.unwrap();
    let keys = answer.into_inner().api_keys;
    assert_eq!(keys.iter().filter(|key| key.parent == parent.id).count(), 2);
    let made: Vec<_> = cluster
        .audit()
        .into_iter()
        .filter(|record| record["action"] == "api_key_created" && record["actor"] == "user/alice")
        .collect();
    assert_eq!(made.len(), 2, "{made:?}");
    assert_eq!(made[0]["fields"]["parent"], *parent.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_api_key_made_ends_with_it_and_its_leases_do() {
    let cluster = alice().await;
    let agent = cluster.agent("photos").await;
    let (parent, text) = cluster.api_key("alice").await;
    let (_, plain) = cluster.api_key("alice").await;
    let (child, childs) = cluster.make(&text, 0, &[]).await.unwrap();
    let (_, others) = cluster.make(&plain, 0, &[]).await.unwrap();
    let mut lease = Vec::new();
    for api_key in [&text, &childs, &others] {
        let keys = cluster.user_keys(api_key, &["photos"], 0).await.unwrap();
        lease.push(keys[0].1.as_ref().unwrap().id().lease_id);
    }
    let (mut told, first) = follower(&cluster, &agent.client).await;
    let revocation_key = key(&first);
    let print = |lease| revocation_key.fingerprint("user/alice", &RevocableId::Lease(lease));
    // A child takes nothing else along, and nobody ends another's.
    for (by, id) in [
        (&childs, &parent.id),
        (&others, &child.id),
        (&plain, &child.id),
    ] {
        refused(
            cluster.end(by, id).await,
            Code::NotFound,
            "cattery api-key list",
        );
    }
    let (spare, spares) = cluster.make(&text, 0, &[]).await.unwrap();
    let ended = cluster.end(&spares, &spare.id).await.unwrap();
    assert_eq!((ended.leases, ended.children), (0, 0));
    assert_eq!(ended.api_key.unwrap().state, "revoked");

    let answer = cluster.end(&text, &parent.id).await.unwrap();
    assert_eq!((answer.leases, answer.children), (2, 1));
    let news = told.news().await.unwrap();
    let mut expected = [print(lease[0]), print(lease[1])];
    let mut found = ids(&news);
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    for ended in [&text, &childs] {
        let keys = cluster.user_keys(ended, &["photos"], 0).await.map(|_| ());
        refused(keys, Code::Unauthenticated, "was revoked");
        refused(
            cluster.make(ended, 0, &[]).await,
            Code::Unauthenticated,
            "was revoked",
        );
    }
    cluster.user_keys(&others, &["photos"], 0).await.unwrap();

    // An operator's end of it says the same, once more.
    let request = RevokeApiKeyRequest {
        id: parent.id,
        wait: false,
    };
    let again = cluster
        .admin()
        .revoke_api_key(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!((again.leases, again.children), (2, 0));
    let revoked = cluster.audit().into_iter().find(|record| {
        record["action"] == "api_key_revoked" && record["fields"]["children"].is_string()
    });
    assert_eq!(revoked.unwrap()["fields"]["children"], *child.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_user_made_ends_when_the_user_does() {
    let cluster = alice().await;
    let (_, text) = cluster.api_key_for("alice", 3).await;
    let (child, childs) = cluster.make(&text, 0, &[]).await.unwrap();
    wait_until(child.expires_at).await;
    let expired = cluster.user_keys(&childs, &["photos"], 0).await.map(|_| ());
    refused(expired, Code::Unauthenticated, "expired");
    let (_, text) = cluster.api_key("alice").await;
    let (_, childs) = cluster.make(&text, 0, &[]).await.unwrap();
    let request = DisableUserRequest {
        name: "alice".into(),
    };
    cluster.admin().disable_user(request).await.unwrap();
    // Whoever gets the name next does not get what was made under it.
    cluster.add_user("alice").await;
    let gone = cluster.user_keys(&childs, &["photos"], 0).await.map(|_| ());
    refused(gone, Code::Unauthenticated, "works no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_two_at_a_time() {
    let cluster = alice().await;
    let (parent, text) = cluster.api_key("alice").await;
    // Many at once lose no count.
    let (mut made, mut full) = (Vec::new(), 0);
    while full == 0 {
        let eight = [(); 8].map(|()| cluster.make(&text, 0, &[]));
        for result in futures_in_order(eight).await {
            match result {
                Ok((key, _)) => made.push(key.id),
                Err(status) if status.code() == Code::Aborted => {}
                Err(status) => {
                    assert!(status.message().contains("is the most"), "{status:?}");
                    full += 1;
                }
            }
        }
    }
    assert_eq!(made.len(), 32);
    assert_eq!(cluster.listed(&text).await.len(), 33);
    cluster.end(&text, &made[7]).await.unwrap();
    cluster.make(&text, 0, &[]).await.unwrap();
    refused(
        cluster.make(&text, 0, &[]).await,
        Code::FailedPrecondition,
        "32",
    );
    // All in one transaction.
    let answer = cluster.end(&text, &parent.id).await.unwrap();
    assert_eq!(answer.children, 32);
}

/// All of them at the same time.
async fn futures_in_order<T: Send, F: Future<Output = T>>(futures: [F; 8]) -> Vec<T> {
    let [a, b, c, d, e, f, g, h] = futures;
    let all = tokio::join!(a, b, c, d, e, f, g, h);
    vec![all.0, all.1, all.2, all.3, all.4, all.5, all.6, all.7]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_takes_back_their_own_and_nothing_else() {
    let mut cluster = alice().await;
    let agent = cluster.agent("photos").await;
    let (_, text) = cluster.api_key("alice").await;
    let (mut told, first) = follower(&cluster, &agent.client).await;
    let print = |id: RevocableId| key(&first).fingerprint("user/alice", &id);
    let token = OwnRevocation {
        kind: RevocationKind::Token.into(),
        id: vec![2; 16],
        not_after: now() + 60,
    };
    let lease = OwnRevocation {
        kind: RevocationKind::Lease.into(),
        id: vec![3; 8],
        not_after: 0,
    };
    let all = vec![handed_out([1; 16]), token, lease, handed_out([1; 16])];
    assert_eq!(cluster.take_back(&text, all).await.unwrap(), 3);
    let news = told.news().await.unwrap();
    let (mut found, mut expected) = (
        ids(&news),
        [
            print(RevocableId::HandedOut([1; 16])),
            print(RevocableId::Token([2; 16])),
            print(RevocableId::Lease([3; 8])),
        ],
    );
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    let again = cluster.take_back(&text, vec![handed_out([1; 16])]).await;
    assert_eq!(again.unwrap(), 0);

    // Whoever holds a narrower one takes nothing away.
    let (_, childs) = cluster.make(&text, 0, &[]).await.unwrap();
    let narrow = cluster.narrow_api_key("alice", 0, vec![caveat("method=GET")]);
    for narrow in [childs, narrow.await.unwrap().1] {
        let taken = cluster.take_back(&narrow, vec![handed_out([4; 16])]).await;
        refused(taken, Code::PermissionDenied, "is narrowed");
    }
    for bad in [
        vec![],
        vec![OwnRevocation {
            id: vec![1; 8],
            ..handed_out([0; 16])
        }],
        (0..=100).map(|number| handed_out([number; 16])).collect(),
    ] {
        let taken = cluster.take_back(&text, bad).await;
        refused(taken, Code::InvalidArgument, "");
    }

    // So much and no more, also after a restart, while agents have to remember it.
    let of = |batch: u8| {
        (0..100).map(move |number| {
            let mut id = [batch; 16];
            id[0] = number;
            handed_out(id)
        })
    };
    for batch in 10..19 {
        let taken = cluster.take_back(&text, of(batch).collect()).await;
        assert_eq!(taken.unwrap(), 100);
    }
    cluster.restart().await;
    let most = of(20).take(97).collect();
    assert_eq!(cluster.take_back(&text, most).await.unwrap(), 97);
    let over = cluster.take_back(&text, vec![handed_out([5; 16])]).await;
    refused(over, Code::FailedPrecondition, "1000 is the most");
    let own = cluster
        .audit()
        .into_iter()
        .filter(|record| record["action"] == "ids_revoked" && record["actor"] == "user/alice");
    assert_eq!(own.count(), 11);
    // Nobody else's count.
    cluster.add_user("bob").await;
    let (_, bobs) = cluster.api_key("bob").await;
    assert_eq!(
        cluster
            .take_back(&bobs, vec![handed_out([5; 16])])
            .await
            .unwrap(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn fetching_keys_goes_on_while_the_api_key_makes_others() {
    let cluster = alice().await;
    let (_, parent) = cluster.api_key("alice").await;
    let making = async {
        for _ in 0..10 {
            cluster.make(&parent, 0, &[]).await.unwrap();
        }
    };
    let fetching = async {
        for _ in 0..20 {
            let keys = cluster.user_keys(&parent, &["photos"], 0).await.unwrap();
            assert!(keys[0].1.is_some());
        }
    };
    tokio::join!(making, fetching, async {
        for _ in 0..20 {
            cluster.user_keys(&parent, &["photos"], 0).await.unwrap();
        }
    });
}
