//! Following the keys over one stream: what is taken, what is acknowledged when, and when the agent goes elsewhere.

use cattery_core::RequestFacts;
use cattery_sdk::verify::Verifier;
use v1::EpochState::{Active, Draining, Prepared};

use cattery_proto::v1;

use crate::authority::until;
use crate::town::{Town, mint, mint_as, now};

#[tokio::test]
async fn the_first_beat_says_who_asks_and_the_second_what_it_holds() {
    let town = Town::new(|_, _| {}).await;
    town.acknowledges(1).await;
    let beats = town.authority.script().beats.clone();
    let (first, second) = (&beats[0].request, &beats[1].request);
    assert_eq!((first.beat, first.holds, first.look), (1, None, false));
    assert_eq!(first.receiver_public_key.len(), 32);
    assert_eq!(first.outage_budget_seconds, 12 * 3_600);
    assert_eq!(first.version, env!("CARGO_PKG_VERSION"));
    let expected = v1::FollowServiceKeysRequest {
        beat: 2,
        holds: Some(v1::Position {
            incarnation: 1,
            sequence: 1,
        }),
        ..Default::default()
    };
    assert_eq!(*second, expected);
}

#[tokio::test]
async fn what_changed_is_taken_and_acknowledged_at_once() {
    let mut town = Town::empty(|_, _| {}).await;
    town.authority.script().beat_after_seconds = 300;
    town.authority.script().deltas = true;
    let token = town.authority.join_token();
    town.start(Some(&token)).await.unwrap();
    town.acknowledges(1).await;
    town.authority.change(|script| {
        script.epochs = vec![(1, Active, 0), (2, Prepared, 0)];
        script.least_versions = vec![("user/bob", 1)];
    });
    let acknowledged = town.acknowledges(2).await;
    // No other beat was due, and no other stream was needed.
    assert_eq!((acknowledged.stream, acknowledged.request.beat), (1, 3));
    assert!(town.verify(&mint(1)).await.is_ok() && town.verify(&mint(2)).await.is_ok());
    for principal in ["user/bob", "user/mallory"] {
        let token = mint_as(principal, 1, &[]);
        assert_eq!(town.verify(&token).await.unwrap_err(), "revoked");
    }
    let seen = std::fs::read_to_string(town.config.dir.join("seen.json"));
    let expected = "{\"incarnation\":1,\"sequence\":2,\"epoch\":2}\n";
    assert_eq!(seen.unwrap(), expected);
}

#[tokio::test]
async fn keys_that_are_not_listed_are_gone() {
    let mut town = Town::empty(|_, _| {}).await;
    town.authority.script().epochs = vec![(1, Draining, now() + 600), (2, Active, 0)];
    let token = town.authority.join_token();
    town.start(Some(&token)).await.unwrap();
    town.acknowledges(1).await;
    assert!(town.verify(&mint(1)).await.is_ok());
    for (deltas, epochs) in [(true, vec![2, 3]), (false, vec![3])] {
        town.authority.script().deltas = deltas;
        town.authority.change(|script| {
            script.epochs = epochs.iter().map(|epoch| (*epoch, Active, 0)).collect();
        });
        let sequence = town.authority.script().sequence;
        town.acknowledges(sequence).await;
        let held = town.status().await.epochs.into_iter();
        assert_eq!(held.map(|held| held.epoch).collect::<Vec<_>>(), epochs);
    }
    assert_eq!(town.verify(&mint(1)).await.unwrap_err(), "retired_epoch");
}

#[tokio::test]
async fn a_gap_makes_it_ask_for_everything() {
    let town = Town::new(|_, _| {}).await;
    town.acknowledges(1).await;
    town.authority.change(|script| {
        script.epochs = vec![(1, Active, 0), (2, Prepared, 0)];
        (script.since, script.sequence) = (Some(4), 5);
    });
    let acknowledged = town.acknowledges(5).await;
    assert!(acknowledged.stream > 1);
    let beats = town.authority.script().beats.clone();
    let mut again = beats.iter().filter(|beat| beat.stream == 2);
    let first = again.next().unwrap();
    assert_eq!((first.request.beat, first.holds()), (1, None));
    assert_ne!(
        first.request.receiver_public_key,
        beats[0].request.receiver_public_key
    );
    assert!(town.verify(&mint(2)).await.is_ok());
}

#[tokio::test]
async fn a_stream_that_comes_back_says_what_it_holds() {
    let town = Town::new(|_, _| {}).await;
    town.acknowledges(1).await;
    town.authority.end_streams();
    until("it is back", async || {
        town.authority
            .last_beat()
            .is_some_and(|beat| beat.stream == 2)
    })
    .await;
    let beats = town.authority.script().beats.clone();
    let first = beats.iter().find(|beat| beat.stream == 2).unwrap();
    assert_eq!((first.request.beat, first.holds()), (1, Some(1)));
    assert!(town.verify(&mint(1)).await.is_ok());
}

#[tokio::test]
async fn an_authority_that_stops_or_stays_silent_is_left_for_another() {
    let mut town = Town::empty(|_, _| {}).await;
    let twin = town.authority.twin().await;
    let token = town.authority.join_token();
    town.start(Some(&token)).await.unwrap();
    town.wait_ready().await;
    let is_here = town.authority.script().open > 0;
    let (first, second) = if is_here {
        (&town.authority, &twin)
    } else {
        (&twin, &town.authority)
    };
    first.end_streams();
    until("it is at the other one", async || {
        second.script().open == 1 && first.script().open == 0
    })
    .await;
    second.script().ignores_beats = true;
    until("it is back at the first one", async || {
        first.script().open == 1
    })
    .await;
    assert!(town.verify(&mint(1)).await.is_ok());
}

#[tokio::test]
async fn what_an_authority_says_by_itself_is_no_contact() {
    let town = Town::new(|config, _| {
        config.outage_budget = std::time::Duration::from_secs(600);
    })
    .await;
    town.acknowledges(1).await;
    town.authority.script().ignores_beats = true;
    let mut epoch = 1;
    until("it hears much, and no answer", async || {
        epoch += 1;
        let known = epoch;
        town.authority
            .change(|script| script.epochs = vec![(known, Active, 0)]);
        until("it is told", async || {
            town.verify(&mint(known)).await.is_ok()
        })
        .await;
        let status = town.status().await;
        assert!(status.ready);
        status.last_contact_seconds.unwrap() >= 2
    })
    .await;
    assert_eq!(town.authority.script().streams, 1);
}

#[tokio::test]
async fn many_tokens_of_an_unknown_epoch_cause_one_look() {
    let mut town = Town::empty(|_, _| {}).await;
    {
        let mut script = town.authority.script();
        script.ignores_looks = true;
        script.beat_after_seconds = 300;
    }
    let token = town.authority.join_token();
    town.start(Some(&token)).await.unwrap();
    town.acknowledges(1).await;
    let looks = || {
        let script = town.authority.script();
        script.beats.iter().filter(|beat| beat.request.look).count()
    };
    until("it looks", async || {
        assert_eq!(town.verify(&mint(7)).await.unwrap_err(), "unknown_epoch");
        looks() > 0
    })
    .await;
    for _ in 0..50 {
        assert_eq!(town.verify(&mint(7)).await.unwrap_err(), "unknown_epoch");
    }
    assert_eq!(looks(), 1, "one is not answered yet");
}

#[tokio::test]
async fn an_acknowledgement_speaks_for_processes_that_verify_by_themselves() {
    let uid = rustix::process::getuid().as_raw();
    let town = Town::new(|config, _| config.in_process.uids = vec![uid]).await;
    let socket = town.agent.as_ref().unwrap().socket();
    let process = Verifier::in_process("photos", socket).await.unwrap();
    town.acknowledges(1).await;
    town.authority
        .change(|script| script.epochs = vec![(1, Active, 0), (2, Prepared, 0)]);
    until("the agent holds it", async || {
        town.verify(&mint(2)).await.is_ok()
    })
    .await;
    town.acknowledges(2).await;
    let facts = RequestFacts::default();
    assert!(process.verify(&mint(2), &facts).await.is_ok());
    // Beats went on meanwhile, and did not make the authority tell everything again.
    assert_eq!(town.authority.script().streams, 1);
}

#[tokio::test]
async fn a_new_certificate_is_shown_on_a_new_stream() {
    let mut town = Town::empty(|_, _| {}).await;
    town.authority.script().certificate_seconds = 3;
    let token = town.authority.join_token();
    town.start(Some(&token)).await.unwrap();
    town.acknowledges(1).await;
    until("there is another stream", async || {
        let script = town.authority.script();
        script.renewals > 0 && script.streams > 1
    })
    .await;
    assert!(town.verify(&mint(1)).await.is_ok());
    let status = town.status().await;
    assert!(status.ready, "{:?}", status.notes);
}

#[tokio::test]
async fn clocks_that_differ_are_told() {
    let mut town = Town::empty(|_, _| {}).await;
    town.authority.script().ahead_seconds = 100;
    let token = town.authority.join_token();
    town.start(Some(&token)).await.unwrap();
    until("the difference is known", async || {
        let status = town.status().await;
        let differs = status.notes.iter().any(|note| note.contains("check NTP"));
        differs && (98_000..102_000).contains(&status.clock_difference_ms)
    })
    .await;
}
