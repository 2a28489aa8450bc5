//! What always holds, and what has to happen somewhere for that to mean anything.

use cattery_core::epoch::{Command, Invariant};
use stateright::Property;

use crate::model::Town;
use crate::state::{NOW, Numbers, Pending, State};

pub(crate) const USED_ONCE: &str = "no number is used twice";
pub(crate) const IN_ORDER: &str = "at most one number is in each state";
pub(crate) const KEYS: &str = "the keys are those of the live numbers";
pub(crate) const LEASE_WITHIN_EPOCH: &str = "no lease outlives its epoch";
pub(crate) const ACCEPTED: &str = "every live agent accepts every valid token";
pub(crate) const RETIRED: &str = "what an agent heard was retired it never accepts again";

pub(crate) fn always<const AGENTS: usize>() -> Vec<Property<Town<AGENTS>>> {
    vec![
        Property::always(USED_ONCE, |_, state: &State<AGENTS>| {
            !state.history.used_twice
        }),
        Property::always(IN_ORDER, |_, state: &State<AGENTS>| {
            Invariant::numbers_in_order(&state.store.line.parts())
        }),
        Property::always(KEYS, |_, state: &State<AGENTS>| {
            state.store.keys == state.store.line.live()
        }),
        Property::always(LEASE_WITHIN_EPOCH, |_, state: &State<AGENTS>| {
            let parts = state.store.line.parts();
            (0..)
                .zip(&state.history.leases)
                .all(|(number, end)| Invariant::lease_within_epoch(&parts, number, (*end).into()))
        }),
        Property::always(ACCEPTED, |town: &Town<AGENTS>, state: &State<AGENTS>| {
            if AGENTS == 0 {
                return wanted(town, state).except(state.store.line.live()) == Numbers::default();
            }
            state.agents.iter().all(|agent| match agent.answers_from() {
                None => true,
                Some((place, live)) => {
                    let excused = |number| {
                        agent.left.is_some_and(|(left, _)| left == number)
                            || state
                                .history
                                .sudden
                                .is_some_and(|(sudden, at)| sudden == number && place < at)
                    };
                    let missing = wanted(town, state).except(live);
                    (0..8).all(|number| !missing.has(number) || excused(number))
                }
            })
        }),
        Property::always(RETIRED, |_, state: &State<AGENTS>| {
            state.agents.iter().all(|agent| {
                agent
                    .answers_from()
                    .is_none_or(|(_, live)| !live.meets(agent.retired))
            })
        }),
    ]
}

/// Numbers of which there are tokens that have to pass.
fn wanted<const AGENTS: usize>(town: &Town<AGENTS>, state: &State<AGENTS>) -> Numbers {
    let line = state.store.line.parts();
    let out = if town.0.lease.is_some() {
        Numbers::of(
            (0..)
                .zip(&state.history.leases)
                .filter(|(_, end)| **end > 0)
                .map(|(number, _)| number),
        )
    } else {
        Numbers::of(
            [line.active.number]
                .into_iter()
                .chain(line.draining.map(|draining| draining.number)),
        )
    };
    out.except(state.history.burnt)
}

pub(crate) const ROTATED: &str = "a rotation is complete";
pub(crate) const TOO_LATE: &str = "the store refuses what a frozen authority decided";
pub(crate) const LEFT_SAFELY: &str = "an agent past its budget is not waited for";
pub(crate) const LEFT_BY_FORCE: &str = "an agent is left behind by force";
pub(crate) const OLD_ANSWER: &str = "an answer comes from before an agent's mark";
pub(crate) const OUTLIVED: &str = "the last lease passes as long as it can";
pub(crate) const CROSSED: &str = "an agent goes over to the restored cluster";

pub(crate) fn sometimes<const AGENTS: usize>(town: &Town<AGENTS>) -> Vec<Property<Town<AGENTS>>> {
    let mut properties = vec![Property::sometimes(ROTATED, |_, state: &State<AGENTS>| {
        state.store.line.active == 2
            && state.store.line.draining.is_none()
            && !state.history.burnt.has(1)
    })];
    if town.0.lease.is_some() {
        properties.push(Property::sometimes(TOO_LATE, |_, state: &State<AGENTS>| {
            state
                .authorities
                .iter()
                .any(|authority| authority.pending == Some(Pending::Doomed))
        }));
        properties.push(Property::sometimes(
            OUTLIVED,
            |town: &Town<AGENTS>, state: &State<AGENTS>| {
                let lease = u8::try_from(town.0.timing.leeway).unwrap();
                state
                    .store
                    .line
                    .draining
                    .is_some_and(|(number, not_after)| {
                        state.history.leases[usize::from(number)] == not_after - lease
                            && not_after > NOW
                    })
            },
        ));
    }
    if AGENTS > 0 {
        properties.push(Property::sometimes(
            LEFT_SAFELY,
            |_, state: &State<AGENTS>| {
                state.agents.iter().any(|agent| {
                    agent.renewed.is_none()
                        && agent.left.is_none()
                        && state.history.sudden.is_none()
                        && agent
                            .held
                            .is_some_and(|(_, live)| !live.has(state.store.line.active))
                })
            },
        ));
        properties.push(Property::sometimes(
            OLD_ANSWER,
            |_, state: &State<AGENTS>| {
                state.agents.iter().any(|agent| {
                    let mut mail = agent.mail.iter().flatten();
                    mail.any(|envelope| envelope.body.answered() < agent.mark)
                })
            },
        ));
    }
    if AGENTS > 0 && town.0.commands.contains(&Command::Activate { force: true }) {
        properties.push(Property::sometimes(
            LEFT_BY_FORCE,
            |_, state: &State<AGENTS>| {
                let active = state.store.line.active;
                state.agents.iter().any(|agent| {
                    agent.left.is_some_and(|(left, _)| left == active)
                        && agent
                            .answers_from()
                            .is_some_and(|(_, live)| !live.has(active))
                })
            },
        ));
    }
    if town.0.restore {
        properties.push(Property::sometimes(CROSSED, |_, state: &State<AGENTS>| {
            state.store.incarnation == 1
                && state.agents.iter().any(|agent| {
                    agent.retired.has(1)
                        && agent.answers_from().is_some_and(|(place, _)| place.0 == 1)
                })
        }));
    }
    properties
}
