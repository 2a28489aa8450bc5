//! What people and programs read.

use serde_json::{Value, json};

use super::*;
use crate::rotation::{explain, preview::preview};

/// What a command says, with `!` before the line that goes behind `cattery: `.
async fn said(mut cluster: Cluster, plan: Plan) -> String {
    let ended = cluster.drive(plan).await.0.unwrap();
    text(explain::lines(&ended))
}

/// What it says in a dry run.
async fn would(mut cluster: Cluster, plan: Plan) -> String {
    let now = cluster.schedule.clone();
    let preview = preview(&mut cluster, plan, now).await.unwrap();
    let text = text(explain::preview_lines(&preview));
    let text = text.strip_suffix("This was a dry run: nothing was changed.");
    text.unwrap().trim_end().to_owned()
}

fn text(lines: Result<Vec<String>, explain::Why>) -> String {
    match lines {
        Ok(lines) => lines.join("\n"),
        Err(why) => format!("! {}\n{}", why.why, why.then.join("\n"))
            .trim_end()
            .to_owned(),
    }
}

const A2: &str =
    "  agent a2 of photos, last heard 1970-01-01T00:15:00Z, goes on until 1970-01-01T11:06:40Z";

#[tokio::test(start_paused = true)]
async fn a_rotation_says_what_drains_until_when() {
    assert_eq!(
        said(Cluster::prepared(2, &[]), plan(Aim::Rotate)).await,
        "Epoch 4 is active.\n\
         Epoch 3 drains until 1970-01-01T12:16:40Z (in 12 hours), and is retired by itself then. To wait for that: cattery epoch \
         retire --wait"
    );
    let photos = Plan {
        keys: Keys::Service("photos".parse().unwrap()),
        ..plan(Aim::Rotate)
    };
    assert_eq!(
        said(Cluster::prepared(2, &[]), photos).await,
        "Generation 4 of service/photos is active.\n\
         Generation 3 of service/photos drains until 1970-01-01T12:16:40Z (in 12 hours), and is retired by itself then; `cattery \
         service show photos` shows it"
    );
}

#[tokio::test(start_paused = true)]
async fn missing_agents_come_with_what_helps() {
    let expected = format!(
        "! epoch 4 is not active yet: 1 of 2 agents that are alive does not have it\n\
         {A2}\n\
         Epoch 3 stays active, and nothing is half done. What helps:\n\
         \x20 cattery epoch rotate --wait    goes on as soon as they have it; who stays away is left behind when its time is over\n\
         \x20 cattery epoch rotate --force   leaves them behind: until they hear of it, they answer 503 to tokens of epoch 4\n\
         \x20 bring them back                they take the key by themselves, and then `cattery epoch rotate` goes on\n\
         \x20 cattery agent evict a2         for one that is gone for good: it loses access, and its service's key is replaced"
    );
    let start = || Cluster::prepared(2, &["a2"]);
    assert_eq!(said(start(), plan(Aim::Rotate)).await, expected);
    assert_eq!(would(start(), plan(Aim::Rotate)).await, expected);
    let photos = Plan {
        keys: Keys::Service("photos".parse().unwrap()),
        ..plan(Aim::Rotate)
    };
    let line = said(start(), photos).await;
    assert!(
        line.contains("  cattery service rotate-key photos --wait "),
        "{line}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_drains_comes_with_what_helps() {
    let start = || Cluster::prepared(2, &["a2"]).draining(5_000);
    assert_eq!(
        said(start(), plan(Aim::Rotate)).await,
        format!(
            "! epoch 4 is not active yet: epoch 2 drains until 1970-01-01T01:23:20Z (in 67 minutes)\n\
             Besides, these do not have epoch 4 yet:\n\
             {A2}\n\
             What helps:\n\
             \x20 cattery epoch rotate --wait    waits for that, and goes on\n\
             \x20 cattery epoch rotate --force   retires epoch 2 at once: user keys from it are dead, and SDKs fetch new ones by \
             themselves; leaves those agents behind"
        )
    );
    assert_eq!(
        said(start(), plan(Aim::Retire)).await,
        "! epoch 2 is not retired yet: leases of it can be out until 1970-01-01T01:23:20Z (in 67 minutes); it is retired by \
         itself then\n\
         \x20 cattery epoch retire --wait    waits for that\n\
         \x20 cattery epoch retire --force   retires epoch 2 at once: user keys from it are dead, and SDKs fetch new ones by \
         themselves"
    );
    let line = said(
        Cluster::prepared(2, &[]).draining(5_000),
        plan(Aim::Activate),
    )
    .await;
    assert!(line.contains("\n  cattery epoch retire --force "), "{line}");
}

#[tokio::test(start_paused = true)]
async fn force_says_whom_it_leaves_behind() {
    let start = || Cluster::prepared(2, &["a2"]).draining(5_000);
    assert_eq!(
        said(start(), forcing(Aim::Rotate)).await,
        format!(
            "Epoch 2 is retired, whatever leases of it were out: user keys from it are dead, and SDKs fetch new ones by \
             themselves.\n\
             Agents that may accept it until they hear of that:\n\
             {A2}\n\
             Epoch 4 is active.\n\
             Left behind, and answering 503 to tokens of epoch 4 until they hear of it:\n\
             {A2}\n\
             Epoch 3 drains until 1970-01-01T12:16:40Z (in 12 hours), and is retired by itself then. To wait for that: cattery \
             epoch retire --wait"
        )
    );
    assert_eq!(
        would(start(), forcing(Aim::Rotate)).await,
        format!(
            "Epoch 2 would be retired, whatever leases of it are out: user keys from it would be dead, and SDKs fetch new ones \
             by themselves.\n\
             Agents that could accept it until they hear of that:\n\
             {A2}\n\
             Epoch 4 would become active, and epoch 3 would drain: user keys from it stay good until they end.\n\
             Agents that would be left behind, and answer 503 to tokens of it until they hear of it:\n\
             {A2}"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_what_is_waited_for() {
    assert_eq!(
        would(
            Cluster::prepared(2, &["a2"]).draining(5_000),
            waiting(Aim::Rotate)
        )
        .await,
        format!(
            "It would wait until no lease of epoch 2 is out, 1970-01-01T01:23:20Z (in 67 minutes).\n\
             It would wait for 1 agent, each until it has the key or the time here is over:\n\
             {A2}\n\
             Epoch 4 would become active, and epoch 3 would drain: user keys from it stay good until they end."
        )
    );
    assert_eq!(
        would(Cluster::new(2), waiting(Aim::Rotate)).await,
        "Epoch 4 would be prepared, and 2 agents would get its key.\n\
         Epoch 4 would become active, and epoch 3 would drain: user keys from it stay good until they end."
    );
    assert_eq!(
        would(Cluster::new(2), waiting(Aim::Retire)).await,
        "Nothing drains."
    );
}

#[tokio::test(start_paused = true)]
async fn an_emergency_says_what_dies_and_who_may_not_hear() {
    let start = || {
        let mut cluster = Cluster::prepared(1, &[]).draining(5_000);
        cluster.schedule.live_agent_count = 1;
        cluster
    };
    assert_eq!(
        would(start(), plan(Aim::Replace)).await,
        "Epoch 5 becomes active at once, and these are retired: epoch 4 (prepared), epoch 3 (active), epoch 2 (draining).\n\
         Every user key and token in the cluster is dead. SDKs fetch new keys by themselves, all of them at once; who uses \
         `cattery mint` logs in again.\n\
         Agents that are connected hear of it within seconds. One that is cut off accepts what was signed before until it \
         hears, and until the time here at the latest:\n\
         \x20 agent a1 of photos, last heard 1970-01-01T00:15:00Z, goes on until 1970-01-01T11:06:40Z"
    );
    assert_eq!(
        said(start(), plan(Aim::Replace)).await,
        "Epoch 5 is active, and all epochs before it are retired: every user key and token from before is dead.\n\
         Agents that may accept older keys until they hear of it, which those that are connected do within seconds:\n\
         \x20 agent a1 of photos, last heard 1970-01-01T00:15:00Z, goes on until 1970-01-01T11:06:40Z\n\
         Who has heard: cattery epoch list"
    );
    let heard = start().then([Event::Holds("a1")]);
    let text = said(heard, waiting(Aim::Replace)).await;
    assert!(
        text.ends_with("nobody accepts what was signed before."),
        "{text}"
    );
}

#[tokio::test(start_paused = true)]
async fn who_was_overtaken_or_interrupted_knows_where_things_are() {
    let replaced = Cluster::prepared(2, &["a2"]).then([Event::Other(Command::Replace)]);
    assert_eq!(
        said(replaced, waiting(Aim::Rotate)).await,
        "! epoch 5 is active by now, and not epoch 3 as when this command began: another operator or the automatic rotation was \
         faster\n\
         Nothing more was done. `cattery epoch list` shows how things are; run this again only if the keys should turn over once \
         more."
    );
    let interrupted = Cluster::prepared(2, &["a2"]).then([Event::Interrupt]);
    assert_eq!(
        said(interrupted, waiting(Aim::Rotate)).await,
        "! interrupted, and nothing is half done: epoch 3 is active, epoch 4 is prepared (1 of 2 live agents hold it)\n\
         To go on: cattery epoch rotate --wait"
    );
    let mut urged = Cluster::prepared(2, &[]);
    urged.urge = 2;
    assert_eq!(
        said(urged, plan(Aim::Activate)).await,
        "! interrupted while a step was on its way: it has happened whole or not at all, and `cattery epoch list` tells"
    );
}

#[test]
fn a_list_names_who_is_missing() {
    let cluster = Cluster::prepared(9, &["a1", "a2", "a3", "a4", "a5", "a6", "a7"]).draining(5_000);
    let list = explain::list(&Keys::Cluster, &cluster.schedule);
    let below: Vec<&str> = list.split("\n\n").nth(1).unwrap().lines().collect();
    assert!(
        below[0].starts_with(
            "2 of 9 live agents hold epoch 4; missing: agent a1 of photos (last heard 1970-01-01T00:15:00Z, goes on until \
             1970-01-01T11:06:40Z), "
        ) && below[0].ends_with(", and 2 more"),
        "{list}"
    );
    assert_eq!(
        below[1..],
        ["Epoch 2 drains, and is retired by itself at 1970-01-01T01:23:20Z (in 67 minutes)"]
    );
}

#[test]
fn what_comes_from_the_network_cannot_steer_a_terminal() {
    let mut cluster = Cluster::prepared(1, &["a\u{1b}[2J"]);
    cluster.schedule.behind[0].service = "x\ny".to_owned();
    let list = explain::list(&Keys::Cluster, &cluster.schedule);
    assert!(list.contains(r"agent a\u{1b}[2J of x\u{a}y"), "{list}");
}

#[test]
fn long_ids_are_cut_where_there_is_little_room() {
    let name = |id: &str| behind(id).short_name();
    assert_eq!(name("0123456789abcdef"), "agent 01234567… of photos");
    assert_eq!(name("01234567"), "agent 01234567 of photos");
    assert_eq!(name("éééééééé\u{1b}"), "agent éééééééé… of photos");
}

#[tokio::test(start_paused = true)]
async fn programs_get_all_of_it() {
    let mut cluster = Cluster::prepared(2, &["a2"]);
    let ended = cluster.drive(plan(Aim::Rotate)).await.0.unwrap();
    let value = serde_json::to_value(ended.report()).unwrap();
    let waits_for = json!([{
        "agent_id": "a2", "service": "photos", "last_contact": 900, "until": 40_000,
    }]);
    for (field, expected) in [
        ("command", json!("rotate")),
        ("done", json!(false)),
        ("dry_run", json!(false)),
        ("possible", Value::Null),
        ("refusal", json!("agents_missing")),
        ("waits_for", waits_for.clone()),
        ("waits_for_count", json!(1)),
        ("steps", json!([])),
    ] {
        assert_eq!(value[field], expected, "{field}: {value}");
    }
    assert_eq!(value["schedule"]["behind"], waits_for);
    assert_eq!(value["schedule"]["keys"][0]["state"], "prepared");

    let now = cluster.schedule.clone();
    let preview = preview(&mut cluster, forcing(Aim::Rotate), now)
        .await
        .unwrap();
    let value = serde_json::to_value(preview.report()).unwrap();
    assert_eq!(
        (&value["possible"], &value["done"]),
        (&json!(true), &json!(false))
    );
    assert_eq!(value["steps"][0]["left_behind_count"], 1);
}
