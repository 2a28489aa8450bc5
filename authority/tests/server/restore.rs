//! From a backup and the audit logs to a cluster that goes on.

mod grants;

use std::fs;
use std::path::{Path, PathBuf};

use cattery_authority::backup::{Backup, BackupFile};
use cattery_authority::config::{Config, Unseal};
use cattery_authority::restore::{
    NewOperator, Prepared, Report, RestoreError, RestoreOptions, Settings, prepare,
};
use cattery_authority::seal::KeyFile;
use cattery_proto::v1::*;
use cattery_sdk::identity::KeyPair;
use cattery_sdk::tls::Identity as Client;
use tonic::Code;

use crate::harness::{Cluster, Enrolled, now, refused, settled};

impl Cluster {
    /// Takes a backup, as `cattery backup` does.
    async fn backup(&self) -> PathBuf {
        let path = self
            .dir
            .path()
            .join(format!("{}.backup", self.audit().len()));
        let answer = self.admin().backup(BackupRequest {}).await.unwrap();
        let mut pieces = answer.into_inner();
        let mut file = BackupFile::create(&path).unwrap();
        while let Some(BackupResponse { piece }) = pieces.message().await.unwrap() {
            file.write(&piece).unwrap();
        }
        file.finish().unwrap();
        path
    }

    fn audit_log(&self) -> PathBuf {
        self.authority_dir().join("audit/authority-1.log")
    }

    /// A restore into the place of this one.
    async fn options(&self, backup: &Path, logs: &[PathBuf]) -> RestoreOptions {
        let backup = Backup::open(backup).unwrap();
        let key = self.dir.path().join("unseal.key");
        let sealer = backup.unseal(KeyFile::read(&key).unwrap()).await.unwrap();
        let settings = Settings::new_directory(
            backup.header(),
            &self.authority_dir(),
            Unseal::KeyFile(key),
            None,
            |config| config.listen = "127.0.0.1:0".into(),
        );
        RestoreOptions {
            settings: settings.unwrap(),
            backup,
            sealer,
            audit_logs: logs.to_vec(),
            without_audit_log: false,
            accept_audit_loss: false,
            above_epoch: 0,
            above_incarnation: 0,
            operator: None,
            store: None,
            now: now(),
        }
    }

    /// Restores what the options say, and starts it.
    async fn restored(&mut self, options: RestoreOptions) -> Report {
        let report = prepare(options).await.unwrap().finish().await.unwrap();
        self.restart().await;
        report
    }
}

async fn refusal(options: RestoreOptions) -> RestoreError {
    prepare(options).await.err().expect("it was not refused")
}

fn repeated(report: &Report) -> Vec<String> {
    let mut all: Vec<String> = report.repeated.iter().map(ToString::to_string).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_goes_on_elsewhere_as_another_incarnation() {
    let mut cluster = Cluster::start().await;
    let agent = cluster.agent("photos").await;
    cluster.add_user("alice").await;
    cluster
        .grant("user/alice", "photos", &["path=/a"], 0)
        .await
        .unwrap();
    let (_, api_key) = cluster.api_key("alice").await;
    let mut follower = cluster.follow(&agent.client, None).await.unwrap();
    let held = follower.news().await.unwrap();
    let before = follower.open(&held);
    cluster.user_keys(&api_key, &["photos"], 0).await.unwrap();
    let request = RevokeRequest {
        revocations: vec![Revocation {
            kind: RevocationKind::Token.into(),
            principal: "user/alice".into(),
            id: vec![1; 16],
            not_after: 0,
        }],
        wait: true,
    };
    cluster.admin().revoke(request).await.unwrap();
    let backup = cluster.backup().await;
    cluster.stop().await;

    let mut elsewhere = cluster.elsewhere();
    let options = elsewhere.options(&backup, &[cluster.audit_log()]).await;
    let report = elsewhere.restored(options).await;
    assert_eq!(report.incarnation, 2);
    assert!(
        report.repeated.is_empty() && report.missing_logs.is_empty(),
        "{report:?}"
    );
    assert_eq!((report.contents.services, report.contents.users), (1, 1));

    // The agent that held more takes the new one, all of it.
    let mut follower = elsewhere
        .follow(&agent.client, held.position)
        .await
        .unwrap();
    let news = follower.news().await.unwrap();
    assert!(news.since.is_none() && news.cluster.is_some());
    assert_eq!(news.position.unwrap().incarnation, 2);
    let keys = follower.open(&news);
    assert!(
        keys.iter()
            .all(|key| key.0 == report.epoch || key.0 == report.epoch + 1),
        "{keys:?}"
    );
    let old: Vec<u32> = before.iter().map(|key| key.0).collect();
    assert!(old.iter().all(|epoch| *epoch < report.epoch), "{old:?}");
    assert!(keys.iter().all(|key| key.1 == 1), "a fresh generation");
    // What was leased and revoked is void with its epoch.
    assert!(news.revoked_ids.is_empty());
    assert_eq!(news.revocation_key.len(), 16);
    assert_ne!(news.revocation_key, held.revocation_key);
    follower.beat(news.position).await.unwrap();
    let user = elsewhere
        .user_keys(&api_key, &["photos"], 0)
        .await
        .unwrap()
        .remove(0)
        .1
        .unwrap();
    assert_eq!((user.id().epoch, user.id().generation), (report.epoch, 1));
    assert_eq!(user.caveats().count(), 1);
    let request = ListLeasesRequest {
        principal: "user/alice".into(),
    };
    let leases = elsewhere.admin().list_leases(request).await.unwrap();
    let leases = leases.into_inner().leases;
    assert_eq!(leases.len(), 1);
    assert_eq!(leases[0].lease_id, user.id().lease_id);

    let schedule = elsewhere.schedule("").await;
    let retired = schedule
        .keys
        .iter()
        .filter(|key| key.state() == EpochState::Retired);
    assert_eq!(retired.count(), old.len());
    // The log goes on, and says what happened.
    assert_eq!(elsewhere.audited("cluster_created"), 2 - 1);
    assert_eq!(elsewhere.audited("cluster_restored"), 1);
    assert_eq!(elsewhere.audited("backup_made"), 1);
    let status = elsewhere
        .admin()
        .get_cluster_status(GetClusterStatusRequest {})
        .await;
    assert_eq!(status.unwrap().into_inner().incarnation, 2);
    let report = elsewhere.admin().verify_audit(VerifyAuditRequest {}).await;
    assert!(report.unwrap().into_inner().intact);
    elsewhere.restart().await;
    elsewhere.service_keys(&agent.client).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_away_since_is_taken_away_again() {
    let mut cluster = Cluster::start().await;
    let good = cluster.agent("photos").await;
    let evicted = cluster.agent("photos").await;
    let disabled = cluster.agent("mail").await;
    for user in ["alice", "bob", "carol"] {
        cluster.add_user(user).await;
        cluster
            .grant(&format!("user/{user}"), "photos", &[], 0)
            .await
            .unwrap();
    }
    let (kept, alice) = cluster.api_key("alice").await;
    let (revoked, alice_too) = cluster.api_key("alice").await;
    // Two that alice made: each ends with the one that it was made with.
    let (made, made_text) = cluster.make(&alice_too, 0, &[]).await.unwrap();
    let (_, kept_text) = cluster.make(&alice, 0, &[]).await.unwrap();
    let (_, bob) = cluster.api_key("bob").await;
    let (_, carol) = cluster.api_key("carol").await;
    let oscar = cluster.operator("oscar", "operator").await;
    let ada = cluster.operator("ada", "admin").await;
    let unused = cluster.join_token("photos").await;
    let backup = cluster.backup().await;

    let mut admin = cluster.admin();
    let name = || "bob".to_owned();
    admin
        .disable_user(DisableUserRequest { name: name() })
        .await
        .unwrap();
    for _ in 0..3 {
        let name = "carol".to_owned();
        admin.revoke_user(RevokeUserRequest { name }).await.unwrap();
    }
    admin
        .revoke_api_key(RevokeApiKeyRequest {
            id: revoked.id.clone(),
            wait: false,
        })
        .await
        .unwrap();
    let request = RemoveGrantRequest {
        principal: "user/alice".into(),
        service: "photos".into(),
        ending: None,
    };
    admin.remove_grant(request).await.unwrap();
    let name = "oscar".to_owned();
    admin
        .revoke_operator(RevokeOperatorRequest { name })
        .await
        .unwrap();
    let request = EvictAgentRequest {
        agent_id: evicted.identity.device_id.clone(),
        planned: false,
    };
    admin.evict_agent(request).await.unwrap();
    let name = "mail".to_owned();
    admin
        .disable_service(DisableServiceRequest { name })
        .await
        .unwrap();
    // What was given meanwhile.
    let key = KeyPair::generate().unwrap();
    cluster.enroll(&unused, &key).await.unwrap();
    cluster.add_user("dave").await;
    cluster.grant("user/dave", "photos", &[], 0).await.unwrap();
    let name = "dave".to_owned();
    admin
        .disable_user(DisableUserRequest { name })
        .await
        .unwrap();
    cluster.stop().await;

    let mut elsewhere = cluster.elsewhere();
    let options = elsewhere.options(&backup, &[cluster.audit_log()]).await;
    let report = elsewhere.restored(options).await;
    let agent = &evicted.identity.device_id;
    let mut api_keys =
        [&revoked.id, &made.id].map(|id| format!("api_key_revoked user/alice (api_key {id})"));
    api_keys.sort();
    let [first, second] = api_keys;
    let expected = [
        format!("agent_evicted service/photos (agent {agent})"),
        first,
        second,
        "grant_removed service/photos (principal user/alice)".to_owned(),
        "operator_revoked operator/oscar".to_owned(),
        "service_disabled service/mail (version 1)".to_owned(),
        "user_disabled user/bob (version 1)".to_owned(),
        "user_revoked user/carol (version 3)".to_owned(),
    ];
    assert_eq!(repeated(&report), expected);
    assert_eq!(report.unknown, 1, "dave is nobody");
    let gone = |action: &str, subject: &str| (action.to_owned(), subject.to_owned());
    for given in [
        gone("user_added", "user/dave"),
        gone("grant_added", "service/photos"),
        gone("agent_enrolled", "service/photos"),
    ] {
        assert!(report.gone.contains(&given), "{given:?}: {:?}", report.gone);
    }
    assert_eq!(report.gone_count, 3);

    let no_access = "gives no access any more";
    for agent in [&evicted, &disabled] {
        let keys = elsewhere.service_keys(&agent.client).await;
        refused(keys.map(drop), Code::PermissionDenied, no_access);
    }
    elsewhere.service_keys(&good.client).await.unwrap();
    let list = async |client: &Client| {
        let answer = elsewhere
            .admin_as(client)
            .list_users(ListUsersRequest {})
            .await;
        answer.map(|answer| answer.into_inner().users)
    };
    refused(list(&oscar.client).await, Code::PermissionDenied, no_access);
    let users = list(&ada.client).await.unwrap();
    let shown: Vec<_> = users
        .iter()
        .map(|u| (u.name.as_str(), u.state.as_str(), u.version))
        .collect();
    assert_eq!(
        shown,
        [
            ("alice", "active", 0),
            ("bob", "disabled", 1),
            ("carol", "active", 3)
        ]
    );
    let ask = async |key| elsewhere.user_keys(key, &["photos"], 0).await;
    for ended in [&alice_too, &made_text] {
        let keys = ask(ended).await.map(drop);
        refused(keys, Code::Unauthenticated, "was revoked");
    }
    ask(&kept_text).await.unwrap();
    refused(
        ask(&bob).await.map(drop),
        Code::Unauthenticated,
        "was disabled",
    );
    assert!(
        ask(&alice).await.unwrap()[0].1.is_none(),
        "{kept:?} has no grant"
    );
    let keys = ask(&carol).await.unwrap();
    assert_eq!(keys[0].1.as_ref().unwrap().id().version, 3);
    // An invitation that was used is not good again, and neither is any other.
    let other = KeyPair::generate().unwrap();
    refused(
        elsewhere.enroll(&unused, &other).await.map(drop),
        Code::Unauthenticated,
        "not valid",
    );
    // A service that comes back has yet another key.
    let back = elsewhere.add_service("mail").await;
    assert_eq!(back.generation, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_remembers_what_earlier_ones_took_away() {
    let mut cluster = Cluster::start().await;
    for user in ["alice", "bob"] {
        cluster.add_user(user).await;
    }
    let backup = cluster.backup().await;
    let revoke = |name: &str| RevokeUserRequest { name: name.into() };
    cluster.admin().revoke_user(revoke("alice")).await.unwrap();
    cluster.stop().await;
    let mut second = cluster.elsewhere();
    let options = second.options(&backup, &[cluster.audit_log()]).await;
    second.restored(options).await;
    second.admin().revoke_user(revoke("bob")).await.unwrap();
    second.stop().await;

    // The same backup again; the first log is in the second one.
    let mut third = second.elsewhere();
    let options = third.options(&backup, &[second.audit_log()]).await;
    let report = third.restored(options).await;
    assert_eq!(report.incarnation, 3);
    let expected = [
        "user_revoked user/alice (version 1)",
        "user_revoked user/bob (version 1)",
    ];
    assert_eq!(repeated(&report), expected);
    third.stop().await;

    // A log that has only what a restore repeated, since the one before it was lost.
    let mut fourth = cluster.elsewhere();
    let mut options = fourth.options(&backup, &[]).await;
    options.without_audit_log = true;
    options.above_incarnation = 3;
    let report = fourth.restored(options).await;
    assert_eq!(
        (report.incarnation, report.missing_logs.as_slice()),
        (4, &["authority-1".to_owned()][..])
    );
    assert!(report.repeated.is_empty());
    assert_eq!(fourth.audit()[0]["action"], "incarnation_entered");
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_above_all_that_anybody_has_seen() {
    let mut cluster = Cluster::start().await;
    let agent = cluster.agent("photos").await;
    let backup = cluster.backup().await;
    for _ in 0..3 {
        cluster.step("", KeyCommand::Replace, false).await;
        cluster.step("photos", KeyCommand::Replace, false).await;
    }
    let last = cluster.service_keys(&agent.client).await.unwrap().1;
    let (epoch, generation) = last.iter().map(|key| (key.0, key.1)).max().unwrap();
    cluster.stop().await;
    let mut elsewhere = cluster.elsewhere();
    let options = elsewhere.options(&backup, &[cluster.audit_log()]).await;
    let report = elsewhere.restored(options).await;
    assert!(report.epoch > epoch, "{} and {epoch}", report.epoch);
    let keys = elsewhere.service_keys(&agent.client).await.unwrap().1;
    assert!(
        keys.iter().all(|key| key.1 > generation),
        "{keys:?} and {generation}"
    );
    elsewhere.stop().await;

    let mut told = cluster.elsewhere();
    let mut options = told.options(&backup, &[cluster.audit_log()]).await;
    options.above_epoch = 70;
    options.above_incarnation = 40;
    let report = told.restored(options).await;
    assert_eq!((report.incarnation, report.epoch), (41, 71));
    told.service_keys(&agent.client).await.unwrap();
    let place = cluster.elsewhere();
    let mut options = place.options(&backup, &[cluster.audit_log()]).await;
    options.above_epoch = u32::MAX;
    let error = refusal(options).await;
    assert!(matches!(error, RestoreError::Numbers(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_needed_and_has_to_be_intact() {
    let mut cluster = Cluster::start().await;
    cluster.add_user("alice").await;
    let backup = cluster.backup().await;
    let name = || "alice".to_owned();
    cluster
        .admin()
        .revoke_user(RevokeUserRequest { name: name() })
        .await
        .unwrap();
    cluster.add_user("bob").await;
    cluster.stop().await;
    let elsewhere = cluster.elsewhere();
    let with = async |logs: &[PathBuf]| elsewhere.options(&backup, logs).await;

    let error = refusal(with(&[]).await).await;
    let said = error.to_string();
    assert!(
        said.contains("authority-1") && said.contains("--without-audit-log"),
        "{said}"
    );
    // Under another name it is still its authority's.
    let copy = elsewhere.dir.path().join("copy of a log");
    fs::copy(cluster.audit_log(), &copy).unwrap();
    let error = refusal(with(&[copy.clone(), cluster.audit_log()]).await).await;
    assert!(matches!(error, RestoreError::SecondLog { .. }), "{error}");
    let other = Cluster::start().await;
    let error = refusal(with(&[other.audit_log()]).await).await;
    assert!(
        matches!(error, RestoreError::BrokenLog { .. }),
        "another cluster's: {error}"
    );
    fs::write(elsewhere.dir.path().join("no log"), "hello\n").unwrap();
    let error = refusal(with(&[elsewhere.dir.path().join("no log")]).await).await;
    assert!(matches!(error, RestoreError::OthersLog { .. }), "{error}");

    // A record is changed behind the revocation.
    let text = fs::read_to_string(&copy).unwrap();
    fs::write(&copy, text.replace("user/bob", "user/eve")).unwrap();
    let error = refusal(with(std::slice::from_ref(&copy)).await).await;
    let said = error.to_string();
    assert!(matches!(error, RestoreError::BrokenLog { .. }), "{said}");
    assert!(said.contains("--accept-audit-loss"), "{said}");
    let mut options = with(&[copy]).await;
    options.accept_audit_loss = true;
    let mut elsewhere = elsewhere;
    let report = elsewhere.restored(options).await;
    assert_eq!(repeated(&report), ["user_revoked user/alice (version 1)"]);
    assert!(report.logs[0].problem.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn intents_without_an_outcome_count_as_done() {
    let mut cluster = Cluster::start().await;
    cluster.add_user("alice").await;
    let backup = cluster.backup().await;
    let name = "alice".to_owned();
    cluster
        .admin()
        .disable_user(DisableUserRequest { name })
        .await
        .unwrap();
    cluster.stop().await;
    let text = fs::read_to_string(cluster.audit_log()).unwrap();
    let intent = text.find("user_disabled").unwrap();
    let end = intent + text[intent..].find('\n').unwrap() + 1;
    fs::write(cluster.audit_log(), &text[..end + 20]).unwrap();
    let mut elsewhere = cluster.elsewhere();
    let options = elsewhere.options(&backup, &[cluster.audit_log()]).await;
    let report = elsewhere.restored(options).await;
    assert_eq!(repeated(&report), ["user_disabled user/alice (version 1)"]);
    elsewhere.stop().await;
    // And still do when a restored store said that it does not have them.
    let mut third = cluster.elsewhere();
    let options = third.options(&backup, &[elsewhere.audit_log()]).await;
    assert_eq!(
        repeated(&third.restored(options).await),
        ["user_disabled user/alice (version 1)"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_there_before_all_of_it_is() {
    let mut cluster = Cluster::start().await;
    cluster.add_user("alice").await;
    let backup = cluster.backup().await;
    cluster.stop().await;
    let mut elsewhere = cluster.elsewhere();
    let dropped: Prepared = prepare(elsewhere.options(&backup, &[cluster.audit_log()]).await)
        .await
        .unwrap();
    assert!(Config::load(&elsewhere.authority_dir()).is_err());
    assert!(!elsewhere.authority_dir().join("store.redb").exists());
    let error = refusal(elsewhere.options(&backup, &[cluster.audit_log()]).await).await;
    assert!(
        error.to_string().contains("`restore` is at work"),
        "{error}"
    );
    drop(dropped);
    let options = elsewhere.options(&backup, &[cluster.audit_log()]).await;
    elsewhere.restored(options).await;
    elsewhere.stop().await;
    let error = refusal(elsewhere.options(&backup, &[cluster.audit_log()]).await).await;
    assert!(
        error.to_string().contains("already holds a cluster"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_nobody_could_administer_takes_a_new_admin() {
    let mut cluster = Cluster::start().await;
    let backup = cluster.backup().await;
    cluster.operator("ada", "admin").await;
    // Who revoked root is somebody that the backup does not know.
    let name = "root".to_owned();
    cluster
        .admin()
        .revoke_operator(RevokeOperatorRequest { name })
        .await
        .unwrap();
    cluster.stop().await;
    let mut elsewhere = cluster.elsewhere();
    let logs = [cluster.audit_log()];
    let error = refusal(elsewhere.options(&backup, &logs).await).await;
    assert!(error.to_string().contains("--operator NAME"), "{error}");
    let key = KeyPair::generate().unwrap();
    let mut options = elsewhere.options(&backup, &logs).await;
    options.operator = Some(NewOperator {
        name: "eve".into(),
        csr: key.csr().unwrap(),
    });
    let prepared = prepare(options).await.unwrap();
    let identity = prepared.operator().unwrap().clone();
    prepared.finish().await.unwrap();
    elsewhere.restart().await;
    let eve = Client::new(identity.certificate, key.pkcs8());
    let all = elsewhere
        .admin_as(&eve)
        .list_operators(ListOperatorsRequest {})
        .await;
    let all = all.unwrap().into_inner().operators;
    let shown: Vec<_> = all
        .iter()
        .map(|o| (o.name.as_str(), o.state.as_str(), o.role.as_str()))
        .collect();
    assert_eq!(
        shown,
        [("eve", "active", "admin"), ("root", "revoked", "admin")]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_admins_take_backups_and_one_at_a_time() {
    let cluster = Cluster::start().await;
    let oscar = cluster.operator("oscar", "operator").await;
    let asked = cluster
        .admin_as(&oscar.client)
        .backup(BackupRequest {})
        .await;
    refused(asked, Code::PermissionDenied, "takes the role `admin`");
    assert_eq!(cluster.audited("backup_made"), 0);
    cluster.backup().await;
    assert_eq!(cluster.audited("backup_made"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_rotation_waits_for_agents_that_only_the_backup_knows() {
    let mut cluster = Cluster::start().await;
    let back = cluster.agent("photos").await;
    let away = cluster.agent("photos").await;
    let silent = cluster.agent("mail").await;
    let evicted = cluster.agent("mail").await;
    for agent in [&back, &away, &evicted] {
        cluster.service_keys(&agent.client).await.unwrap();
    }
    let backup = cluster.backup().await;
    let request = EvictAgentRequest {
        agent_id: evicted.identity.device_id.clone(),
        planned: false,
    };
    cluster.admin().evict_agent(request).await.unwrap();
    cluster.stop().await;

    let mut elsewhere = cluster.elsewhere();
    let options = elsewhere.options(&backup, &[cluster.audit_log()]).await;
    let restored_at = options.now;
    elsewhere.restored(options).await;
    let mut follower = elsewhere.follow(&back.client, None).await.unwrap();
    let news = follower.news().await.unwrap();
    follower.beat(news.position).await.unwrap();
    settled(&elsewhere, "", |schedule| {
        schedule.keys[0].state() == EpochState::Prepared && schedule.live_agents == 3
    })
    .await;
    let answer = elsewhere.step("", KeyCommand::Activate, false).await;
    assert_eq!(answer.refusal(), StepRefusal::AgentsMissing);
    let until: std::collections::HashMap<&str, u64> = answer
        .agents
        .iter()
        .inspect(|agent| assert!(agent.last_contact == 0 || agent.agent_id == id(&back)))
        .map(|agent| (agent.agent_id.as_str(), agent.until))
        .collect();
    assert!(until[id(&away)] >= restored_at + crate::follower::BUDGET);
    assert!(until[id(&silent)] >= restored_at + 12 * 3600);
    assert!(!until.contains_key(id(&evicted)));

    for agent in [&away, &silent] {
        let request = EvictAgentRequest {
            agent_id: id(agent).to_owned(),
            planned: true,
        };
        elsewhere.admin().evict_agent(request).await.unwrap();
    }
    loop {
        let answer = elsewhere.step("", KeyCommand::Activate, false).await;
        if answer.done {
            break;
        }
        assert_eq!(answer.agents.len(), 1, "{answer:?}");
        let news = follower.news().await.unwrap();
        follower.beat(news.position).await.unwrap();
    }
}

fn id(agent: &Enrolled) -> &str {
    &agent.identity.device_id
}
