//! Revocation by id: what is refused, when, and what outlives what.

use std::os::unix::fs::PermissionsExt as _;

use cattery_agent::CacheConfig;
use cattery_core::{RequestFacts, RevocableId};
use cattery_proto::v1;
use cattery_sdk::sealing::ReceiverKey;
use cattery_sdk::verify::Verifier;
use v1::EpochState::Active;

use crate::authority::{Script, until};
use crate::town::{Town, mint_as};

/// What all tokens of these tests have in common: their principals tell them apart.
const LEASE: RevocableId = RevocableId::Lease([5; 8]);
const TOKEN: RevocableId = RevocableId::Token([6; 16]);
const HANDED_OUT: RevocableId = RevocableId::HandedOut([0x11; 16]);
const CAVEAT: &str = "revocation=11111111111111111111111111111111";

fn token(name: &str) -> String {
    mint_as(&format!("user/{name}"), 1, &[CAVEAT])
}

fn user(number: usize) -> String {
    format!("user/u{number}")
}

/// Revokes the tokens of so many users, each at a position of its own.
fn revoke_many(script: &mut Script, numbers: impl IntoIterator<Item = usize>) {
    for number in numbers {
        script.revoke(&user(number), &TOKEN);
    }
}

fn with_cache(config: &mut cattery_agent::Config, folder: &std::path::Path) {
    let key_file = folder.join("cache.key");
    std::fs::write(&key_file, [3; 32]).unwrap();
    std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o400)).unwrap();
    config.cache = Some(CacheConfig {
        file: folder.join("cache"),
        key_file,
    });
}

async fn started(town: &mut Town) {
    let token = town.authority.join_token();
    town.start(Some(&token)).await.unwrap();
}

async fn digest(town: &Town) -> (u64, Vec<u8>) {
    let status = town.status().await;
    (status.revoked_ids, status.revoked_ids_digest)
}

#[tokio::test]
async fn each_kind_is_refused_by_every_face() {
    let uid = rustix::process::getuid().as_raw();
    let town = Town::new(|config, _| config.in_process.uids = vec![uid]).await;
    let socket = town.agent.as_ref().unwrap().socket();
    let process = Verifier::in_process("photos", socket).await.unwrap();
    let facts = RequestFacts::default();
    for name in ["leased", "tokened", "handed"] {
        assert!(town.verify(&token(name)).await.is_ok());
        assert!(process.verify(&token(name), &facts).await.is_ok());
    }
    town.authority.change(|script| {
        script.deltas = true;
        script.revoke("user/leased", &LEASE);
        script.revoke("user/tokened", &TOKEN);
        script.revoke("user/handed", &HANDED_OUT);
    });
    for name in ["leased", "tokened", "handed"] {
        until("the agent refuses it", async || {
            town.verify(&token(name)).await.is_err()
        })
        .await;
        assert_eq!(town.verify(&token(name)).await.unwrap_err(), "revoked");
        let answer = town.auth(&token(name)).await;
        assert_eq!((answer.status, answer.body()), (401, "revoked\n"));
        until("the process refuses it", async || {
            process.verify(&token(name), &facts).await.is_err()
        })
        .await;
        let refused = process.verify(&token(name), &facts).await.unwrap_err();
        assert_eq!(refused.code(), "revoked");
    }
    for name in ["alice", "leased2"] {
        assert!(town.verify(&token(name)).await.is_ok());
        assert!(process.verify(&token(name), &facts).await.is_ok());
    }
}

#[tokio::test]
async fn all_there_is_is_not_used_before_all_of_it_has_come() {
    let mut town = Town::empty(with_cache).await;
    {
        let mut script = town.authority.script();
        script.part = 2;
        script.holds_parts = true;
        revoke_many(&mut script, 0..5);
    }
    started(&mut town).await;
    until("a part has come, and a beat after it", async || {
        let script = town.authority.script();
        let last = script.beats.last().map(|beat| beat.request.beat);
        script.news == 1 && last >= Some(4)
    })
    .await;
    assert_eq!(
        town.verify(&token("alice")).await.unwrap_err(),
        "unavailable"
    );
    assert!(!town.status().await.ready);
    assert!(!town.path("cache").exists());
    assert!(!town.config.dir.join("seen.json").exists());
    let holds = |script: &Script| script.beats.iter().any(|beat| beat.holds().is_some());
    assert!(!holds(&town.authority.script()));

    // What an authority does not finish to tell, another stream begins anew.
    town.authority.end_streams();
    until("another stream has told a part", async || {
        town.authority.script().news == 2
    })
    .await;
    town.authority.change(|script| script.holds_parts = false);
    town.acknowledges(7).await;
    assert!(town.verify(&token("alice")).await.is_ok());
    for number in 0..5 {
        let refused = town.verify(&mint_as(&user(number), 1, &[])).await;
        assert_eq!(refused.unwrap_err(), "revoked");
    }
    let holds = town
        .authority
        .script()
        .beats
        .iter()
        .find_map(|beat| beat.holds());
    assert_eq!(holds, Some(7), "no part was acknowledged");
}

#[tokio::test]
async fn what_changed_is_used_part_by_part() {
    let mut town = Town::empty(|_, _| {}).await;
    town.authority.script().deltas = true;
    started(&mut town).await;
    town.acknowledges(1).await;
    town.authority.change(|script| {
        script.part = 1;
        script.holds_parts = true;
        revoke_many(script, 0..3);
    });
    town.acknowledges(3).await;
    let refused = async |number| town.verify(&mint_as(&user(number), 1, &[])).await.is_err();
    assert!(refused(0).await && !refused(1).await);
    town.authority.change(|script| script.holds_parts = false);
    town.acknowledges(6).await;
    assert!(refused(1).await && refused(2).await);
    assert_eq!(town.authority.script().streams, 1);
}

#[tokio::test]
async fn an_agent_that_has_keys_goes_on_with_them_while_all_there_is_comes() {
    let mut town = Town::empty(|_, _| {}).await;
    revoke_many(&mut town.authority.script(), 0..6);
    started(&mut town).await;
    town.acknowledges(7).await;
    // All of it comes in parts, the first ones at positions below what the agent has seen.
    town.authority.change(|script| {
        script.part = 2;
        script.holds_parts = true;
        script.epochs = vec![(1, Active, 0), (2, Active, 0)];
        revoke_many(script, 6..7);
    });
    until("a part has come, and a beat after it", async || {
        let script = town.authority.script();
        let sent = script.beats.last().map(|beat| beat.request.beat);
        script.news == 2 && sent >= Some(5)
    })
    .await;
    assert_eq!(
        town.verify(&mint_as(&user(5), 1, &[])).await.unwrap_err(),
        "revoked"
    );
    assert!(town.verify(&token("alice")).await.is_ok());
    assert!(town.verify(&mint_as("user/alice", 2, &[])).await.is_err());
    town.authority.change(|script| script.holds_parts = false);
    town.acknowledges(10).await;
    assert!(town.verify(&mint_as("user/alice", 2, &[])).await.is_ok());
    assert_eq!(
        town.verify(&mint_as(&user(6), 1, &[])).await.unwrap_err(),
        "revoked"
    );
    assert_eq!(town.authority.script().streams, 1);
}

#[tokio::test]
async fn a_restart_with_the_cache_alone_refuses_what_was_refused() {
    let mut town = Town::empty(with_cache).await;
    town.authority.script().deltas = true;
    revoke_many(&mut town.authority.script(), 0..1);
    started(&mut town).await;
    town.acknowledges(2).await;
    for number in 1..20 {
        let mut sequence = 0;
        town.authority.change(|script| {
            script.sequence -= 1;
            revoke_many(script, [number]);
            sequence = script.sequence;
        });
        town.acknowledges(sequence).await;
    }
    let before = digest(&town).await;
    assert_eq!(before.0, 20);
    town.authority.lose_answers();
    town.stop().await;
    for _ in 0..2 {
        town.start(None).await.unwrap();
        town.wait_ready().await;
        assert_eq!(digest(&town).await, before);
        for number in [0, 7, 19] {
            let refused = town.verify(&mint_as(&user(number), 1, &[])).await;
            assert_eq!(refused.unwrap_err(), "revoked");
        }
        assert!(town.verify(&token("alice")).await.is_ok());
        town.stop().await;
    }
    // With an authority it goes on from there.
    town.authority.script().lose_answers = false;
    town.authority.script().holds_parts = true;
    town.start(None).await.unwrap();
    town.wait_ready().await;
    town.authority.change(|script| revoke_many(script, [20]));
    until("it is refused", async || {
        town.verify(&mint_as(&user(20), 1, &[])).await.is_err()
    })
    .await;
    assert_eq!(digest(&town).await.0, 21);
}

/// Whatever moment a power cut chooses: the mark first, since what is on disk when the cache is read may be newer.
fn copy(town: &Town, name: &str) -> (std::path::PathBuf, std::path::PathBuf) {
    let (dir, cache) = (town.path(name), town.path(&format!("{name}.cache")));
    std::fs::create_dir(&dir).unwrap();
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700)).unwrap();
    for file in ["seen.json", "identity.json", "identity.key"] {
        std::fs::copy(town.config.dir.join(file), dir.join(file)).unwrap();
    }
    std::fs::copy(town.path("cache"), &cache).unwrap();
    (dir, cache)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_in_a_storm_costs_neither_the_cache_nor_what_was_refused() {
    const EACH: usize = 60;
    let mut town = Town::empty(with_cache).await;
    {
        let mut script = town.authority.script();
        (script.deltas, script.part) = (true, 1);
    }
    started(&mut town).await;
    town.acknowledges(1).await;
    let mut copies = Vec::new();
    for cut in 0..5 {
        let numbers = cut * EACH..(cut + 1) * EACH;
        let seen = numbers.start + 7 * (cut + 1);
        town.authority.change(|script| revoke_many(script, numbers));
        until("a part of it is refused", async || {
            town.verify(&mint_as(&user(seen), 1, &[])).await.is_err()
        })
        .await;
        copies.push((copy(&town, &format!("cut{cut}")), seen));
    }
    town.authority.lose_answers();
    town.stop().await;
    for ((dir, cache), seen) in copies {
        town.config.socket = dir.join("agent.sock");
        town.config.dir = dir;
        town.config.cache.as_mut().unwrap().file = cache;
        town.start(None).await.unwrap();
        town.wait_ready().await;
        let refused = town.verify(&mint_as(&user(seen), 1, &[])).await;
        assert_eq!(refused.unwrap_err(), "revoked");
        assert!(town.verify(&token("alice")).await.is_ok());
        town.stop().await;
    }
}

#[tokio::test]
async fn a_cache_that_lacks_what_was_in_use_is_not_used() {
    let mut town = Town::new(with_cache).await;
    town.acknowledges(1).await;
    town.stop().await;
    let in_the_way = town.path("cache.new");
    std::fs::create_dir(&in_the_way).unwrap();
    town.start(None).await.unwrap();
    town.authority.change(|script| revoke_many(script, [0]));
    until(
        "it is refused, whether it can be cached or not",
        async || {
            town.verify(&mint_as(&user(0), 1, &[]))
                .await
                .err()
                .as_deref()
                == Some("revoked")
        },
    )
    .await;
    town.authority.lose_answers();
    town.stop().await;
    std::fs::remove_dir(&in_the_way).unwrap();
    town.start(None).await.unwrap();
    town.authority.refuses().await;
    let refused = town.verify(&mint_as(&user(0), 1, &[])).await;
    assert_eq!(refused.unwrap_err(), "unavailable");
}

#[tokio::test]
async fn another_incarnation_begins_with_what_it_says() {
    let town = Town::new(|_, _| {}).await;
    town.authority.change(|script| revoke_many(script, 0..3));
    town.acknowledges(5).await;
    // In this one, nothing comes back.
    town.authority.change(|script| script.revoked.clear());
    town.acknowledges(6).await;
    assert_eq!(digest(&town).await.0, 3);
    town.authority.change(|script| {
        (script.incarnation, script.sequence) = (2, 0);
        script.epochs = vec![(2, Active, 0)];
        script.revocation_key = vec![8; 16];
    });
    until("the restore is believed", async || {
        town.verify(&mint_as(&user(0), 2, &[])).await.is_ok()
    })
    .await;
    assert_eq!(digest(&town).await, (0, vec![0; 16]));
}

#[tokio::test]
async fn agents_that_were_told_the_same_say_the_same() {
    let at_once = Town::new(|_, _| {}).await;
    at_once
        .authority
        .change(|script| revoke_many(script, 0..50));
    let mut bit_by_bit = Town::empty(|_, _| {}).await;
    {
        let mut script = bit_by_bit.authority.script();
        (script.deltas, script.part) = (true, 7);
    }
    started(&mut bit_by_bit).await;
    for numbers in [30..50, 0..10, 10..30] {
        bit_by_bit
            .authority
            .change(|script| revoke_many(script, numbers));
        let sequence = bit_by_bit.authority.script().sequence;
        bit_by_bit.acknowledges(sequence).await;
    }
    at_once.acknowledges(52).await;
    let (one, two) = (digest(&at_once).await, digest(&bit_by_bit).await);
    assert_eq!(one, two);
    assert_eq!((one.0, one.1.len()), (50, 16));
    assert_ne!(one.1, [0; 16]);
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_what_is_held_stays() {
    let town = Town::new(|_, _| {}).await;
    town.authority.change(|script| revoke_many(script, 0..1));
    town.acknowledges(3).await;
    let before = digest(&town).await;
    town.authority.change(|script| {
        revoke_many(script, 1..2);
        script.revoked[1].1.fingerprint.pop();
    });
    town.authority.is_asked_again(2).await;
    assert_eq!(digest(&town).await, before);
    assert!(town.verify(&mint_as(&user(1), 1, &[])).await.is_ok());
    assert!(town.verify(&mint_as(&user(0), 1, &[])).await.is_err());
    town.authority.change(|script| {
        script.revoked.truncate(1);
        revoke_many(script, 1..2);
    });
    until("it is told right", async || {
        town.verify(&mint_as(&user(1), 1, &[])).await.is_err()
    })
    .await;
}

#[tokio::test]
async fn a_storm_of_news_starves_nothing() {
    const MANY: usize = 1_000;
    let mut town = Town::empty(|_, _| {}).await;
    {
        let mut script = town.authority.script();
        (script.deltas, script.part) = (true, 1);
    }
    started(&mut town).await;
    town.acknowledges(1).await;
    let began = std::time::Instant::now();
    town.authority.change(|script| revoke_many(script, 0..MANY));
    let all = u64::try_from(MANY).unwrap() + 2;
    let last = town.acknowledges(all).await;
    println!(
        "{MANY} news in {:?}, {} beats",
        began.elapsed(),
        last.request.beat
    );
    assert_eq!(last.stream, 1);
    assert!(town.verify(&token("alice")).await.is_ok());
    assert_eq!(digest(&town).await.0, all - 2);
}

#[tokio::test]
async fn processes_are_told_what_is_new_and_all_of_it_where_that_is_not_known() {
    const MANY: usize = 200_000;
    let uid = rustix::process::getuid().as_raw();
    let mut town = Town::empty(|config, _| config.in_process.uids = vec![uid]).await;
    town.authority.script().deltas = true;
    revoke_many(&mut town.authority.script(), 0..MANY);
    started(&mut town).await;
    town.wait_ready().await;
    let receiver = ReceiverKey::generate().unwrap();
    let ask = async |since| {
        let request = v1::GetVerificationKeysRequest {
            receiver_public_key: receiver.public_key(),
            since,
        };
        let mut client = town.client().max_decoding_message_size(usize::MAX);
        client
            .get_verification_keys(request)
            .await
            .unwrap()
            .into_inner()
    };
    let began = std::time::Instant::now();
    let whole = ask(None).await;
    println!("all of {MANY} in {:?}", began.elapsed());
    assert!(whole.revoked_ids_whole);
    assert_eq!(
        (whole.revoked_ids.len(), whole.revocation_key),
        (MANY, vec![9; 16])
    );
    town.authority.change(|script| revoke_many(script, [MANY]));
    until("the agent knows it", async || {
        town.verify(&mint_as(&user(MANY), 1, &[])).await.is_err()
    })
    .await;
    let added = ask(whole.position).await;
    assert_eq!(
        (added.revoked_ids_whole, added.revoked_ids.len()),
        (false, 1)
    );
    let nothing = ask(added.position).await;
    assert_eq!(
        (nothing.revoked_ids_whole, nothing.revoked_ids.len()),
        (false, 0)
    );
    for (incarnation, sequence) in [(1, 1), (1, u64::MAX), (0, 9), (2, 9)] {
        let position = v1::Position {
            incarnation,
            sequence,
        };
        let unknown = ask(Some(position)).await;
        assert!(unknown.revoked_ids_whole, "{position:?}");
    }
    let socket = town.agent.as_ref().unwrap().socket();
    let began = std::time::Instant::now();
    let process = Verifier::in_process("photos", socket).await.unwrap();
    println!("taken in {:?}", began.elapsed());
    let facts = RequestFacts::default();
    let refused = process
        .verify(&mint_as(&user(MANY / 2), 1, &[]), &facts)
        .await;
    assert_eq!(refused.unwrap_err().code(), "revoked");
    assert!(process.verify(&token("alice"), &facts).await.is_ok());
}
