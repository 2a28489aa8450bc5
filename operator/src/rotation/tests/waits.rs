//! What passes with time, and what happens meanwhile.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_key_that_everybody_holds_becomes_active() {
    let mut cluster = Cluster::prepared(2, &[]);
    let (ended, shown) = cluster.drive(plan(Aim::Rotate)).await;
    let ended = ended.unwrap();
    assert_eq!(ended.how, How::Reached);
    assert_eq!(cluster.commands(), [Command::Activate]);
    assert_eq!(cluster.asked[0].expect_active, Some(3));
    assert_eq!(
        (ended.schedule.active(), ended.schedule.draining()),
        (Some(4), Some(3))
    );
    assert_eq!(shown.0, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn agents_that_are_connected_take_a_new_key_without_being_waited_for() {
    let mut cluster = Cluster::new(2).then([Event::Holds("a1"), Event::Holds("a2")]);
    let (ended, shown) = cluster.drive(plan(Aim::Rotate)).await;
    assert_eq!(ended.unwrap().how, How::Reached);
    assert_eq!(cluster.commands(), [Command::Prepare, Command::Activate]);
    assert_eq!(
        shown.0,
        [
            "0 of 2 live agents hold epoch 4; waiting for agent a1 of photos (11 hours at most), agent a2 of photos (11 hours at \
             most)",
            "1 of 2 live agents hold epoch 4; waiting for agent a2 of photos (11 hours at most)",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn the_authority_is_asked_for_a_step_only_when_it_can_happen() {
    let looks = (0..3_600).map(|at| Event::Time(1_000 + at));
    let mut cluster = Cluster::prepared(2, &["a1"]).then(looks);
    cluster.events.push_back(Event::Holds("a1"));
    let (ended, _) = cluster.drive(waiting(Aim::Rotate)).await;
    assert_eq!(ended.unwrap().how, How::Reached);
    assert_eq!(cluster.commands(), [Command::Activate]);
}

#[tokio::test(start_paused = true)]
async fn a_drained_key_is_retired_on_the_way() {
    for leader in [false, true] {
        let mut cluster = Cluster::prepared(1, &[])
            .draining(5_000)
            .then([Event::Time(4_999), Event::Time(5_000)]);
        if leader {
            cluster.events.pop_back();
            cluster.events.push_back(Event::Other(Command::Retire));
        }
        let (ended, shown) = cluster.drive(waiting(Aim::Rotate)).await;
        assert_eq!(ended.unwrap().how, How::Reached);
        let asked: &[Command] = match leader {
            true => &[Command::Activate],
            false => &[Command::Retire, Command::Activate],
        };
        assert_eq!(cluster.commands(), asked);
        assert!(cluster.asked.iter().all(|step| !step.force));
        assert!(
            shown.0[0].ends_with("leases of epoch 2 are still out for 67 minutes"),
            "{shown:?}",
            shown = shown.0
        );
    }
}

#[tokio::test(start_paused = true)]
async fn force_that_waits_leaves_agents_behind_and_no_lease() {
    let plan = Plan {
        force: true,
        ..waiting(Aim::Rotate)
    };
    let mut cluster = Cluster::prepared(2, &["a2"])
        .draining(5_000)
        .then([Event::Time(5_000)]);
    let (ended, _) = cluster.drive(plan).await;
    let ended = ended.unwrap();
    assert_eq!(ended.how, How::Reached);
    let asked: Vec<_> = cluster
        .asked
        .iter()
        .map(|step| (step.command, step.force))
        .collect();
    assert_eq!(asked, [(Command::Retire, false), (Command::Activate, true)]);
    assert_eq!(ended.steps[1].left_behind, [behind("a2")]);
}

#[tokio::test(start_paused = true)]
async fn an_authority_that_dies_is_no_failure() {
    let mut cluster =
        Cluster::prepared(1, &["a1"]).then([Event::Away, Event::Away, Event::Holds("a1")]);
    let (ended, shown) = cluster.drive(waiting(Aim::Rotate)).await;
    assert_eq!(ended.unwrap().how, How::Reached);
    assert_eq!(
        shown
            .0
            .iter()
            .filter(|line| line.starts_with("lost: "))
            .count(),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn a_step_whose_answer_got_lost_is_not_taken_twice() {
    for (mut cluster, aim, active) in [
        (Cluster::prepared(1, &[]), Aim::Rotate, 4),
        (Cluster::new(0), Aim::Rotate, 4),
        (Cluster::prepared(1, &[]), Aim::Activate, 4),
        (Cluster::prepared(1, &[]).draining(10), Aim::Retire, 3),
        (Cluster::new(0), Aim::Replace, 4),
    ] {
        cluster.lose = 1;
        let (ended, _) = cluster.drive(waiting(aim)).await;
        let ended = ended.unwrap();
        assert_eq!(ended.how, How::Reached, "{aim:?}");
        assert_eq!(ended.schedule.active(), Some(active), "{aim:?}");
        let mut commands = cluster.commands();
        commands.dedup();
        assert_eq!(commands.len(), cluster.asked.len(), "{aim:?}: {commands:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_the_same_key_is_served_by_the_one_who_was_faster() {
    let events = || [Event::Holds("a1"), Event::Other(Command::Activate)];
    let mut cluster = Cluster::prepared(2, &["a1", "a2"]).then(events());
    let (ended, _) = cluster.drive(waiting(Aim::Rotate)).await;
    assert_eq!(ended.unwrap().how, How::Reached);
    assert_eq!(cluster.commands(), [Command::Activate; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_time_does_not_mend_ends_it() {
    let mut cluster = Cluster::prepared(1, &["a1"]).then([Event::Away, Event::Revoked]);
    let (ended, _) = cluster.drive(waiting(Aim::Rotate)).await;
    assert_eq!(ended.err().unwrap().to_string(), "no access");
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_comes_between_two_steps() {
    let mut cluster = Cluster::prepared(1, &["a1"]).then([Event::Interrupt, Event::Holds("a1")]);
    let (ended, _) = cluster.drive(waiting(Aim::Rotate)).await;
    assert_eq!(ended.unwrap().how, How::Interrupted { in_doubt: None });
    assert_eq!(cluster.asked, []);

    // During the first of two steps.
    let mut cluster = Cluster::new(0);
    cluster.urge = 1;
    let (ended, _) = cluster.drive(waiting(Aim::Rotate)).await;
    assert_eq!(ended.unwrap().how, How::Interrupted { in_doubt: None });
    assert_eq!(cluster.commands(), [Command::Prepare]);

    // During the last one.
    let mut cluster = Cluster::prepared(1, &[]);
    cluster.urge = 1;
    let (ended, _) = cluster.drive(waiting(Aim::Rotate)).await;
    assert_eq!(ended.unwrap().how, How::Reached);

    let mut cluster = Cluster::prepared(1, &[]);
    cluster.urge = 2;
    let (ended, _) = cluster.drive(waiting(Aim::Rotate)).await;
    let in_doubt = Some(Command::Activate);
    assert_eq!(ended.unwrap().how, How::Interrupted { in_doubt });
}

#[tokio::test(start_paused = true)]
async fn retiring_waits_for_leases() {
    let mut cluster = Cluster::new(1)
        .draining(5_000)
        .then([Event::Time(4_000), Event::Time(5_000)]);
    let (ended, _) = cluster.drive(waiting(Aim::Retire)).await;
    let ended = ended.unwrap();
    assert_eq!(
        (&ended.how, ended.steps[0].number),
        (&How::Reached, Some(2))
    );
    assert_eq!(cluster.commands(), [Command::Retire]);

    let (ended, _) = Cluster::new(1).drive(waiting(Aim::Retire)).await;
    assert_eq!(ended.unwrap().how, How::Reached);
}

#[tokio::test(start_paused = true)]
async fn replacing_can_wait_until_everybody_heard() {
    // Whoever holds what was prepared after it, did.
    let mut cluster = Cluster::prepared(2, &[])
        .draining(9_000)
        .then([Event::Holds("a2"), Event::Holds("a1")]);
    let (ended, shown) = cluster.drive(waiting(Aim::Replace)).await;
    let ended = ended.unwrap();
    assert_eq!(ended.how, How::Reached);
    assert_eq!(cluster.commands(), [Command::Replace, Command::Prepare]);
    assert_eq!((ended.schedule.active(), shown.0.len()), (Some(5), 2));
    let retired = |number| ended.schedule.is_retired(number);
    assert!(retired(2) && retired(3) && retired(4));
}
