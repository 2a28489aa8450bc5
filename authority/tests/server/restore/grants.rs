//! Grants, groups and memberships that were taken away since a backup.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_back_a_grant_or_a_group() {
    let mut cluster = Cluster::start().await;
    for name in ["mail", "photos", "photos-eu"] {
        cluster.add_service(name).await;
    }
    for group in ["dev", "ops"] {
        cluster.add_group(group).await;
    }
    for user in ["alice", "bob"] {
        cluster.add_user(user).await;
        for group in ["dev", "ops"] {
            cluster.join_group(group, user).await.unwrap();
        }
    }
    for (grantee, services) in [
        ("group/ops", "photos"),
        ("group/dev", "mail"),
        ("user/alice", "photos-*"),
        ("user/bob", "*"),
    ] {
        cluster.grant(grantee, services, &[], 0).await.unwrap();
    }
    let (_, alice) = cluster.api_key("alice").await;
    let (_, bob) = cluster.api_key("bob").await;
    assert_eq!(cluster.all(&alice).await.len(), 3);
    let backup = cluster.backup().await;

    cluster.leave("ops", "bob", None).await.unwrap();
    let (name, ending) = ("dev".to_owned(), None);
    let request = RemoveGroupRequest { name, ending };
    cluster.admin().remove_group(request).await.unwrap();
    cluster
        .remove("user/alice", "photos-*", None)
        .await
        .unwrap();
    let narrow = Some(&["method=GET"][..]);
    cluster
        .set("user/bob", "*", narrow, None, None)
        .await
        .unwrap();
    cluster.add_group("new").await;
    cluster.stop().await;

    let mut elsewhere = cluster.elsewhere();
    let options = elsewhere.options(&backup, &[cluster.audit_log()]).await;
    let report = elsewhere.restored(options).await;
    let expected = [
        "grant_removed service/* (principal user/bob)",
        "grant_removed service/photos-* (principal user/alice)",
        "group_member_removed group/ops (member user/bob)",
        "group_removed group/dev",
    ];
    assert_eq!(repeated(&report), expected);
    assert_eq!(report.unknown, 0);
    assert_eq!(report.gone_count, 1);
    // She is in `ops` still. bob's conditions of before do not come back.
    let keys = async |api_key| elsewhere.all(api_key).await;
    assert_eq!(keys(&alice).await, ["photos"]);
    assert_eq!(keys(&bob).await, [""; 0]);

    // A restore of the same backup from what that one says knows it, too.
    elsewhere.stop().await;
    let mut third = elsewhere.elsewhere();
    let options = third.options(&backup, &[elsewhere.audit_log()]).await;
    let report = third.restored(options).await;
    assert_eq!(repeated(&report), expected);
}
