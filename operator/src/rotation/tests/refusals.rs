//! What is refused at once, and what `--force` makes of it.

use super::*;

#[tokio::test(start_paused = true)]
async fn missing_agents_are_named_and_a_second_run_goes_on() {
    let mut cluster = Cluster::prepared(2, &["a2"]);
    let (ended, _) = cluster.drive(plan(Aim::Rotate)).await;
    let ended = ended.unwrap();
    match &ended.how {
        How::Refused(blocked) => {
            assert_eq!(blocked.refusal, Refusal::AgentsMissing);
            assert_eq!(
                (&blocked.agents[..], blocked.agent_count),
                (&[behind("a2")][..], 1)
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(ended.schedule.active(), Some(3));

    let mut cluster = cluster.then([Event::Holds("a2")]);
    let look = super::super::source::Source::schedule(&mut cluster).await;
    assert!(look.is_ok());
    let (ended, _) = cluster.drive(plan(Aim::Rotate)).await;
    assert_eq!(ended.unwrap().schedule.active(), Some(4));
    assert_eq!(cluster.commands(), [Command::Activate; 2]);
}

#[tokio::test(start_paused = true)]
async fn patience_with_a_new_key_ends() {
    let mut cluster = Cluster::new(2).then([Event::Holds("a1")]);
    let (ended, _) = cluster.drive(plan(Aim::Rotate)).await;
    assert_eq!(refusal(&ended.unwrap()), Refusal::AgentsMissing);
    assert_eq!(cluster.commands(), [Command::Prepare, Command::Activate]);
}

#[tokio::test(start_paused = true)]
async fn force_ends_what_drains_and_leaves_agents_behind() {
    let start = || Cluster::prepared(2, &["a2"]).draining(5_000);
    let (ended, _) = start().drive(plan(Aim::Rotate)).await;
    assert_eq!(refusal(&ended.unwrap()), Refusal::StillDraining);

    let mut cluster = start();
    let (ended, _) = cluster.drive(forcing(Aim::Rotate)).await;
    let ended = ended.unwrap();
    assert_eq!(ended.how, How::Reached);
    assert_eq!(cluster.commands(), [Command::Retire, Command::Activate]);
    assert!(ended.steps.iter().all(|taken| taken.forced));
    assert_eq!(ended.steps[1].left_behind, [behind("a2")]);

    // What is for agents is not for leases.
    let mut cluster = start();
    let (ended, _) = cluster.drive(forcing(Aim::Activate)).await;
    assert_eq!(refusal(&ended.unwrap()), Refusal::StillDraining);
    assert_eq!(cluster.commands(), [Command::Activate]);
}

#[tokio::test(start_paused = true)]
async fn no_key_is_made_that_cannot_be_used_for_long() {
    let mut cluster = Cluster::new(1).draining(5_000);
    let (ended, _) = cluster.drive(plan(Aim::Rotate)).await;
    let ended = ended.unwrap();
    assert_eq!(refusal(&ended), Refusal::StillDraining);
    assert_eq!((cluster.asked.len(), ended.schedule.prepared()), (0, None));
}

#[tokio::test(start_paused = true)]
async fn single_steps_say_what_stands_against_them() {
    for (mut cluster, plan, expected) in [
        (
            Cluster::prepared(1, &[]),
            plan(Aim::Prepare),
            Refusal::AlreadyPrepared,
        ),
        (
            Cluster::new(1),
            plan(Aim::Activate),
            Refusal::NothingPrepared,
        ),
        (
            Cluster::new(1),
            waiting(Aim::Activate),
            Refusal::NothingPrepared,
        ),
        (Cluster::new(1), plan(Aim::Retire), Refusal::NothingDraining),
        (
            Cluster::new(1).draining(5_000),
            plan(Aim::Retire),
            Refusal::LeasesOut,
        ),
    ] {
        let (ended, _) = cluster.drive(plan).await;
        assert_eq!(refusal(&ended.unwrap()), expected);
        assert_eq!(cluster.asked.len(), 1);
    }
    let mut cluster = Cluster::new(1).draining(5_000);
    let (ended, _) = cluster.drive(forcing(Aim::Retire)).await;
    assert_eq!(ended.unwrap().how, How::Reached);
    let (ended, _) = Cluster::new(1).drive(plan(Aim::Prepare)).await;
    assert_eq!(ended.unwrap().how, How::Reached);
}

#[tokio::test(start_paused = true)]
async fn two_operators_do_not_rotate_twice() {
    let replaced = [Event::Other(Command::Replace)];
    let mut cluster = Cluster::prepared(2, &["a2"]).then(replaced);
    let (ended, _) = cluster.drive(waiting(Aim::Rotate)).await;
    assert_eq!(refusal(&ended.unwrap()), Refusal::Changed);
    assert_eq!(cluster.asked, []);

    // Between the look at the start and the step.
    let mut cluster = Cluster::new(0);
    let start = cluster.schedule.clone();
    let _ = cluster.drive(plan(Aim::Rotate)).await;
    let course = super::super::course::Course::new(plan(Aim::Rotate), &start);
    let stop = tokio::sync::watch::channel(0).1;
    let mut stop = super::super::stop::Stop::counted_by(stop);
    let mut shown = super::super::testkit::Shown::default();
    let ended = super::super::drive::drive(&mut cluster, course, start, &mut shown, &mut stop);
    assert_eq!(refusal(&ended.await.unwrap()), Refusal::Changed);
    assert_eq!(cluster.schedule.active(), Some(4));
}

#[tokio::test(start_paused = true)]
async fn without_waiting_a_lost_answer_says_where_to_look() {
    let mut cluster = Cluster::prepared(1, &[]);
    cluster.lose = 1;
    let (ended, _) = cluster.drive(plan(Aim::Rotate)).await;
    let error = format!("{:#}", ended.err().unwrap());
    assert!(
        error.contains("`cattery epoch list`") && error.contains("no authority answers"),
        "{error}"
    );
}
