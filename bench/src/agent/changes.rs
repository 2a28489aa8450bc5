//! How long answers take while what they rest on changes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use cattery_proto::v1::{
    ChangeKeyScheduleRequest, EpochState, GetKeyScheduleRequest, KeyCommand, KeySchedule,
    Revocation, RevocationKind, RevokeRequest, StepRefusal,
};
use cattery_report::{Measured, Page};
use cattery_tests::{api::Operator, wait::until_async};
use tokio::time::interval;

use super::{
    Extent, calls,
    load::{Load as _, Paced, Took},
    place::Place,
};

/// Calls per second, which the agent has at ease.
const CALLS: f64 = 10_000.0;
const ASKERS: usize = 32;
/// Of the authority's largest request, and how often: 10,000 ids a second.
const IDS: usize = 500;
const EVERY: Duration = Duration::from_millis(50);

/// What happens meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    Rotation,
    Revocations,
}

const ALL: [Change; 3] = [Change::Nothing, Change::Rotation, Change::Revocations];

/// A section about it.
///
/// # Errors
/// Something fails, or a good token is refused.
pub(crate) async fn measure(page: &mut Page, place: &mut Place, extent: Extent) -> Result<()> {
    let mut took = ALL.map(|_| Vec::new());
    let mut reached = Vec::new();
    for round in 0..=extent.change_rounds {
        for turn in 0..ALL.len() {
            let which = (round + turn) % ALL.len();
            let (its, ids) = one(place, ALL[which], extent.change_lasting).await?;
            if round > 0 {
                took[which].push(its);
                reached.extend((ids > 0.0).then_some(ids));
            }
        }
    }
    page.section(
        "While keys and revocations change",
        &format!(
            "{CALLS:.0} calls of `Verify` a second in {ASKERS} places on the same connections, {} rounds of {} ms of each kind in turns, microseconds. A rotation is an epoch that is activated, \
             of which the agent hears, and the next one, which it gets prepared within a second. Revocations are new ids of tokens, {IDS} in each call to the authority, \
             {:.0} a second. The authority and who asks it to share the machine with the agent: what their work takes from its cores shows.",
            extent.change_rounds,
            extent.change_lasting.as_millis(),
            Measured::of(&reached),
        ),
    );
    let of = |which: usize, of: fn(&Took) -> Duration| {
        let values = took[which]
            .iter()
            .map(|its| of(its).as_nanos() as f64 / 1e3);
        Measured::of(&values.collect::<Vec<_>>())
    };
    let quiet = of(0, |its| its.p99);
    let names = ["quiet", "during a rotation", "during revocations"];
    page.table(
        &["Verify", "p50", "p99", "p99, ratio to quiet"],
        names.into_iter().enumerate().map(|(which, name)| {
            let p99 = of(which, |its| its.p99);
            vec![
                name.to_owned(),
                format!("{:.0}", of(which, |its| its.p50)),
                format!("{p99:.0}"),
                format!("{:.2}", p99.over(&quiet)),
            ]
        }),
    );
    Ok(())
}

/// What calls took, and how many ids a second were revoked meanwhile.
async fn one(place: &mut Place, change: Change, lasting: Duration) -> Result<(Took, f64)> {
    let mut operator = place.cluster.operator.clone();
    if change == Change::Rotation {
        settled(&mut operator).await?;
    }
    let [agent, _] = place.sides();
    let mut load = Paced {
        calls: calls::verify_at(place, agent, ASKERS),
        per_second: CALLS,
    };
    let changing = async {
        match change {
            Change::Nothing => Ok(0.0),
            Change::Rotation => {
                step(&mut operator, KeyCommand::Activate).await?;
                settled(&mut operator).await?;
                Ok(0.0)
            }
            Change::Revocations => revoke(&mut operator, lasting).await,
        }
    };
    let (took, ids) = tokio::join!(load.run(lasting), changing);
    if change == Change::Rotation {
        place.renew().await?;
        step(&mut place.cluster.operator, KeyCommand::Retire).await?;
    }
    Ok((took?, ids?))
}

async fn revoke(operator: &mut Operator, lasting: Duration) -> Result<f64> {
    let began = Instant::now();
    let mut due = interval(EVERY);
    let mut count = 0_u32;
    while began.elapsed() < lasting {
        due.tick().await;
        let revocation = |_| Revocation {
            kind: RevocationKind::Token.into(),
            principal: "user/alice".to_owned(),
            id: rand::random::<[u8; 16]>().to_vec(),
            not_after: 0,
        };
        let request = RevokeRequest {
            revocations: (0..IDS).map(revocation).collect(),
            wait: false,
        };
        operator.admin.revoke(request).await?;
        count += 1;
    }
    Ok(f64::from(count) * IDS as f64 / began.elapsed().as_secs_f64())
}

/// Waits until the next epoch is prepared, as the authority sees to by itself, and the agent has it.
async fn settled(operator: &mut Operator) -> Result<()> {
    let operator = &*operator;
    let look = || {
        let mut admin = operator.admin.clone();
        async move {
            let answer = admin.get_key_schedule(GetKeyScheduleRequest::default());
            let schedule = answer.await?.into_inner().schedule.context("a schedule")?;
            Ok(is_settled(&schedule).then_some(()))
        }
    };
    until_async("the agent has the next epoch", look).await
}

fn is_settled(schedule: &KeySchedule) -> bool {
    let newest = schedule.keys.first();
    newest.is_some_and(|key| key.state() == EpochState::Prepared)
        && schedule.live_agents == schedule.holding
}

async fn step(operator: &mut Operator, command: KeyCommand) -> Result<()> {
    let request = ChangeKeyScheduleRequest {
        command: command.into(),
        force: true,
        ..Default::default()
    };
    let answer = operator.admin.change_key_schedule(request).await?;
    match answer.into_inner().refusal() {
        StepRefusal::Unspecified => Ok(()),
        refusal => bail!("{command:?} is refused: {refusal:?}"),
    }
}
