//! Dry runs.

use super::*;
use crate::rotation::preview::{Preview, preview};

async fn tried(cluster: &mut Cluster, plan: Plan) -> Preview {
    let now = cluster.schedule.clone();
    let preview = preview(cluster, plan, now.clone()).await.unwrap();
    assert_eq!(cluster.schedule, now, "a dry run changed something");
    assert!(cluster.asked.iter().all(|step| step.dry_run));
    preview
}

fn steps(preview: &Preview) -> Vec<(Command, Option<u32>)> {
    preview
        .steps
        .iter()
        .map(|taken| (taken.command, taken.number))
        .collect()
}

#[tokio::test]
async fn what_would_go_well_is_told_step_by_step() {
    let would = tried(&mut Cluster::new(2), plan(Aim::Rotate)).await;
    assert_eq!(would.refused, None);
    let both = [(Command::Prepare, Some(4)), (Command::Activate, Some(4))];
    assert_eq!(steps(&would), both);

    let would = tried(&mut Cluster::prepared(2, &[]), plan(Aim::Rotate)).await;
    assert_eq!(
        (would.refused.is_none(), steps(&would)),
        (true, vec![both[1]])
    );

    let would = tried(&mut Cluster::new(1).draining(5_000), forcing(Aim::Retire)).await;
    assert_eq!(steps(&would), [(Command::Retire, Some(2))]);

    let would = tried(&mut Cluster::prepared(2, &[]), plan(Aim::Replace)).await;
    assert_eq!(steps(&would), [(Command::Replace, Some(5))]);
    assert_eq!(would.steps[0].left_behind_count, 2);
}

#[tokio::test]
async fn what_would_be_refused_is_waited_for_or_forced() {
    let start = || Cluster::prepared(2, &["a2"]).draining(5_000);
    let refused = |preview: &Preview| preview.refused.as_ref().map(|blocked| blocked.refusal);

    let would = tried(&mut start(), plan(Aim::Rotate)).await;
    assert_eq!(
        (refused(&would), steps(&would)),
        (Some(Refusal::StillDraining), vec![])
    );

    let would = tried(&mut Cluster::new(1).draining(5_000), plan(Aim::Rotate)).await;
    assert_eq!(
        (refused(&would), steps(&would)),
        (Some(Refusal::StillDraining), vec![])
    );

    let would = tried(&mut start(), waiting(Aim::Rotate)).await;
    let waits: Vec<_> = would.waits.iter().map(|blocked| blocked.refusal).collect();
    assert_eq!(waits, [Refusal::StillDraining, Refusal::AgentsMissing]);
    assert_eq!(refused(&would), None);

    let would = tried(&mut start(), forcing(Aim::Rotate)).await;
    assert_eq!(refused(&would), None);
    let both = [(Command::Retire, Some(2)), (Command::Activate, Some(4))];
    assert_eq!(steps(&would), both);
    assert_eq!(would.steps[1].left_behind, [behind("a2")]);

    let would = tried(&mut Cluster::prepared(2, &["a2"]), plan(Aim::Activate)).await;
    assert_eq!(refused(&would), Some(Refusal::AgentsMissing));
    let would = tried(&mut Cluster::prepared(2, &["a2"]), waiting(Aim::Activate)).await;
    assert_eq!((refused(&would), would.waits.len()), (None, 1));
    let would = tried(&mut Cluster::new(2), plan(Aim::Activate)).await;
    assert_eq!(refused(&would), Some(Refusal::NothingPrepared));
}
