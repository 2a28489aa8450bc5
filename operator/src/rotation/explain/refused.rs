//! Why a step did not happen, and what helps.

use super::{Why, bare_command, choices};
use crate::{
    clock,
    rotation::{
        agents::{counted, lines},
        course::{Aim, Plan},
        keys::Keys,
        report::Blocked,
        schedule::Schedule,
        step::Refusal,
    },
};

/// Why `blocked` stands against `plan` where things are as `now` says.
pub(super) fn why(plan: &Plan, seen: Option<u32>, blocked: &Blocked, now: &Schedule) -> Why {
    let keys = &plan.keys;
    match blocked.refusal {
        Refusal::AgentsMissing => agents_missing(plan, blocked, now),
        Refusal::StillDraining => still_draining(plan, blocked, now),
        Refusal::LeasesOut => leases_out(plan, blocked, now),
        Refusal::Changed => changed(keys, seen, now),
        Refusal::AlreadyPrepared => Why::only(format!(
            "{} is prepared already: `{}` makes it active",
            next(keys, now),
            keys.rotate()
        )),
        Refusal::NothingPrepared => Why::only(format!(
            "nothing is prepared: `cattery epoch prepare` makes the next {}, and `{}` does both steps",
            keys.unit(),
            keys.rotate()
        )),
        Refusal::NothingDraining => Why::only(format!(
            "nothing drains, so there is nothing to retire: `{}` shows all there is",
            keys.list()
        )),
        Refusal::Exhausted => Why::only(format!(
            "there is no number left for another {}: {}",
            keys.unit(),
            match keys {
                Keys::Cluster => "this cluster has to be replaced by a new one",
                Keys::Service(_) => "the service needs another name",
            }
        )),
        Refusal::Unknown => Why::only(
            "the authority said no, for a reason that this program does not know: is it newer? Nothing was done"
                .to_owned(),
        ),
    }
}

impl Why {
    fn only(why: String) -> Self {
        let then = Vec::new();
        Self { why, then }
    }
}

fn agents_missing(plan: &Plan, blocked: &Blocked, now: &Schedule) -> Why {
    let (command, new) = (bare_command(plan), next(&plan.keys, now));
    let mut then = lines(&blocked.agents, blocked.agent_count);
    let stays = now.active().map_or_else(String::new, |active| {
        format!("{} stays active, and ", plan.keys.named_first(active))
    });
    then.push(match plan.keys {
        Keys::Cluster => format!("{stays}nothing is half done. What helps:"),
        Keys::Service(_) => {
            format!("{stays}{new} follows by itself as soon as they have it. What helps besides:")
        }
    });
    let id = match &blocked.agents[..] {
        [only] => crate::plain::plain(&only.agent_id),
        _ => "ID".to_owned(),
    };
    then.extend(choices(&[
        (
            format!("{command} --wait"),
            "goes on as soon as they have it; who stays away is left behind when its time is over"
                .to_owned(),
        ),
        (
            format!("{command} --force"),
            format!(
                "leaves them behind: until they hear of it, they answer 503 to tokens of {new}"
            ),
        ),
        (
            "bring them back".to_owned(),
            format!("they take the key by themselves, and then `{command}` goes on"),
        ),
        (
            format!("cattery agent evict {id}"),
            "for one that is gone for good: it loses access, and its service's key is replaced"
                .to_owned(),
        ),
    ]));
    Why {
        why: format!(
            "{new} is not active yet: {} of {} that {} alive {} not have it",
            blocked.agent_count,
            counted(now.live_agent_count),
            if now.live_agent_count == 1 {
                "is"
            } else {
                "are"
            },
            if blocked.agent_count == 1 {
                "does"
            } else {
                "do"
            },
        ),
        then,
    }
}

fn still_draining(plan: &Plan, blocked: &Blocked, now: &Schedule) -> Why {
    let (command, old) = (bare_command(plan), draining(&plan.keys, now));
    let new = next(&plan.keys, now);
    let force = match plan.aim {
        Aim::Rotate => format!("{command} --force"),
        _ => "cattery epoch retire --force".to_owned(),
    };
    let mut then = Vec::new();
    if !now.behind.is_empty() {
        then.push(format!("Besides, these do not have {new} yet:"));
        then.extend(lines(&now.behind, now.behind_count()));
        then.push("What helps:".to_owned());
    }
    then.extend(choices(&[
        (
            format!("{command} --wait"),
            "waits for that, and goes on".to_owned(),
        ),
        (
            force,
            match (plan.aim, now.behind_count()) {
                (Aim::Rotate, 1..) => {
                    format!("{}; leaves those agents behind", cost_of_retiring(&old))
                }
                _ => cost_of_retiring(&old),
            },
        ),
    ]));
    Why {
        why: format!(
            "{new} is not active yet: {old} drains{}",
            until(blocked.until.or(now.retires_at), now)
        ),
        then,
    }
}

fn leases_out(plan: &Plan, blocked: &Blocked, now: &Schedule) -> Why {
    let (command, old) = (bare_command(plan), draining(&plan.keys, now));
    Why {
        why: format!(
            "{old} is not retired yet: leases of it can be out{}; it is retired by itself then",
            until(blocked.until.or(now.retires_at), now)
        ),
        then: choices(&[
            (format!("{command} --wait"), "waits for that".to_owned()),
            (format!("{command} --force"), cost_of_retiring(&old)),
        ]),
    }
}

fn changed(keys: &Keys, seen: Option<u32>, now: &Schedule) -> Why {
    let name = |number: Option<u32>| number.map_or_else(|| "none".to_owned(), |n| keys.named(n));
    Why {
        why: format!(
            "{} is active by now, and not {} as when this command began: another operator or the automatic rotation was \
             faster",
            name(now.active()),
            name(seen)
        ),
        then: vec![format!(
            "Nothing more was done. `{}` shows how things are; run this again only if the keys should turn over once more.",
            keys.list()
        )],
    }
}

/// What it costs to retire a key with leases out.
fn cost_of_retiring(old: &str) -> String {
    format!(
        "retires {old} at once: user keys from it are dead, and SDKs fetch new ones by themselves"
    )
}

fn next(keys: &Keys, now: &Schedule) -> String {
    now.prepared().map_or_else(
        || format!("the next {}", keys.unit()),
        |number| keys.named(number),
    )
}

fn draining(keys: &Keys, now: &Schedule) -> String {
    now.draining().map_or_else(
        || format!("the last {}", keys.unit()),
        |number| keys.named(number),
    )
}

fn until(at: Option<u64>, now: &Schedule) -> String {
    at.map_or_else(String::new, |at| {
        format!(" until {}", clock::both(at, now.server_time))
    })
}
