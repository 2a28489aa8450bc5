//! Keys come and go: rotation, fallbacks, and the in-process face.

use cattery_proto::v1;
use cattery_sdk::sealing::{INFO_SERVICE_KEY, ReceiverKey};
use v1::EpochState::{Active, Draining, Prepared};

use crate::authority::{Authority, root, until};
use crate::town::{Town, mint, now};

#[tokio::test]
async fn a_token_of_a_newer_epoch_brings_its_key_in() {
    let mut town = Town::empty(|_, _| {}).await;
    town.authority.script().beat_after_seconds = 300;
    let token = town.authority.join_token();
    town.start(Some(&token)).await.unwrap();
    town.acknowledges(1).await;
    {
        let mut script = town.authority.script(); // and nobody is told
        script.epochs = vec![(1, Draining, now() + 600), (2, Active, 0), (3, Prepared, 0)];
        script.sequence += 1;
    }
    assert_eq!(town.verify(&mint(2)).await.unwrap_err(), "unknown_epoch");
    until("the key is there", || async {
        town.verify(&mint(2)).await.is_ok()
    })
    .await;
    assert!(town.verify(&mint(1)).await.is_ok() && town.verify(&mint(3)).await.is_ok());
    let status = town.status().await;
    let epochs: Vec<_> = status
        .epochs
        .iter()
        .map(|held| (held.epoch, held.state()))
        .collect();
    assert_eq!(epochs, [(1, Draining), (2, Active), (3, Prepared)]);
}

#[tokio::test]
async fn an_authority_that_fell_back_is_not_believed() {
    let mut town = Town::new(|_, _| {}).await;
    let say = |authority: &Authority, epoch, incarnation, sequence| {
        authority.change(|script| {
            script.epochs = vec![(epoch, Active, 0)];
            (script.incarnation, script.sequence) = (incarnation, sequence);
        });
    };
    say(&town.authority, 5, 1, 9);
    until("epoch 5 is there", || async {
        town.verify(&mint(5)).await.is_ok()
    })
    .await;
    assert_eq!(town.verify(&mint(1)).await.unwrap_err(), "retired_epoch");
    say(&town.authority, 1, 1, 8);
    town.authority.is_asked_again(1).await;
    assert!(town.verify(&mint(5)).await.is_ok());
    // Nor after a restart.
    town.stop().await;
    town.start(None).await.unwrap();
    town.authority.is_asked_again(2).await;
    assert_eq!(town.verify(&mint(1)).await.unwrap_err(), "unavailable");
    // Nor after a restore that numbers its epochs from what the backup knew.
    say(&town.authority, 1, 2, 1);
    town.authority.is_asked_again(2).await;
    assert_eq!(town.verify(&mint(1)).await.unwrap_err(), "unavailable");
    // A restore that numbers above what was there is believed, with a sequence of its own.
    say(&town.authority, 6, 2, 0);
    until("the restore is believed", || async {
        town.verify(&mint(6)).await.is_ok()
    })
    .await;
    let seen = std::fs::read_to_string(town.config.dir.join("seen.json"));
    let expected = "{\"incarnation\":2,\"sequence\":0,\"epoch\":6}\n";
    assert_eq!(seen.unwrap(), expected);
}

#[tokio::test]
async fn peers_that_are_named_verify_for_themselves() {
    let uid = rustix::process::getuid().as_raw();
    let town = Town::new(|config, _| {
        config.in_process.uids = vec![uid];
        config.leeway_seconds = 0;
        config.forward_from = vec!["service/web".parse().unwrap()];
    })
    .await;
    let receiver = ReceiverKey::generate().unwrap();
    let request = v1::GetVerificationKeysRequest {
        receiver_public_key: receiver.public_key(),
        since: None,
    };
    let answer = town
        .client()
        .get_verification_keys(request)
        .await
        .unwrap()
        .into_inner();
    let opened = receiver.open(
        INFO_SERVICE_KEY,
        answer.keys[0].sealed_key.as_ref().unwrap(),
    );
    let key = root(1).service_key(&"photos".parse().unwrap(), 0);
    assert_eq!(opened.unwrap()[..], key.expose()[..]);
    assert_eq!((answer.leeway_seconds, answer.least_versions.len()), (0, 1));
    assert!(answer.good_for_seconds > 11 * 3_600);
    assert_eq!(answer.forward_from, ["service/web"]);

    let once = |mark, not_before| v1::UseOnceRequest {
        mark: vec![mark; 32],
        token: vec![mark; 32],
        lease_id: vec![1; 8],
        principal: "user/alice".into(),
        not_before,
        not_after: not_before + 60,
    };
    let mut client = town.client();
    let mut code = async |request| {
        client
            .use_once(request)
            .await
            .map(|answer| answer.into_inner().code)
    };
    assert_eq!(
        code(once(1, now() - 1_000)).await.unwrap(),
        "replayed",
        "before the start"
    );
    let mut spent = once(1, 0);
    until("the second of the start is over", async || {
        spent = once(spent.mark[0] + 1, now());
        code(spent.clone()).await.unwrap().is_empty()
    })
    .await;
    assert_eq!(code(spent).await.unwrap(), "replayed");

    let change: [fn(&mut v1::UseOnceRequest); 5] = [
        |once| _ = once.mark.pop(),
        |once| once.principal = "alice".into(),
        |once| once.not_after += 3_600,
        |once| once.not_after = once.not_before - 1,
        |once| (once.not_before, once.not_after) = (now() + 1_000, now() + 1_060),
    ];
    for change in change {
        let mut bad = once(0, now());
        change(&mut bad);
        let refused = code(bad).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument, "{refused}");
    }
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_keeps_no_newer_key_away() {
    let town = Town::new(|_, _| {}).await;
    let in_the_way = town.config.dir.join("seen.json.new");
    std::fs::create_dir(&in_the_way).unwrap();
    town.authority
        .change(|script| script.epochs = vec![(5, Active, 0)]);
    until("epoch 5 is there", async || {
        town.verify(&mint(5)).await.is_ok()
    })
    .await;
    std::fs::remove_dir(&in_the_way).unwrap();
    until("what was seen is saved after all", async || {
        let seen = std::fs::read_to_string(town.config.dir.join("seen.json"));
        seen.unwrap().contains("\"epoch\":5")
    })
    .await;
}
