//! What it costs to replace keys at once.

use crate::rotation::{agents, keys::Keys, preview::Preview, schedule::State};

/// What dies, and who may not hear of it at once.
pub(crate) fn lines(preview: &Preview) -> Vec<String> {
    let (keys, now) = (&preview.plan.keys, &preview.now);
    let Some(taken) = preview.steps.first() else {
        return Vec::new();
    };
    let ended: Vec<String> = now
        .keys
        .iter()
        .filter(|key| key.state != State::Retired)
        .map(|key| format!("{} ({})", keys.named(key.number), key.state.name()))
        .collect();
    let whose = match keys {
        Keys::Cluster => "in the cluster".to_owned(),
        Keys::Service(name) => format!("for service/{name}"),
    };
    let mut lines = vec![
        format!(
            "{} becomes active at once, and these are retired: {}.",
            keys.named_first(taken.number.unwrap_or_default()),
            ended.join(", ")
        ),
        format!(
            "Every user key and token {whose} is dead. SDKs fetch new keys by themselves, all of them at once; who uses \
             `cattery mint` logs in again."
        ),
    ];
    if taken.left_behind_count == 0 {
        lines.push("No agent is alive: nobody accepts what was signed before.".to_owned());
        return lines;
    }
    lines.push(
        "Agents that are connected hear of it within seconds. One that is cut off accepts what was signed before until it hears, \
         and until the time here at the latest:"
            .to_owned(),
    );
    // Those not heard of for the longest time are the ones to worry about.
    let mut behind = taken.left_behind.clone();
    behind.sort_by_key(|agent| agent.last_contact);
    lines.extend(agents::lines(&behind, taken.left_behind_count));
    lines
}
