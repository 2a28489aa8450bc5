//! What always holds, and what has to happen somewhere for that to mean anything.

use cattery_core::epoch::{Command, Invariant};
use stateright::Property;

use crate::model::Town;
use crate::numbers::Numbers;
use crate::scope::Scope;
use crate::state::{Agent, History, NOW, Pending, State};

pub(crate) const USED_ONCE: &str = "no number is used twice";
pub(crate) const IN_ORDER: &str = "at most one number is in each state";
pub(crate) const KEYS: &str = "the keys are those of the live numbers";
pub(crate) const LEASE_WITHIN_EPOCH: &str = "no lease outlives its epoch";
pub(crate) const ACCEPTED: &str = "every live agent accepts every valid token";
pub(crate) const RETIRED: &str = "what an agent heard was retired it never accepts again";

pub(crate) fn always<const AGENTS: usize>() -> Vec<Property<Town<AGENTS>>> {
    vec![
        Property::always(USED_ONCE, |_, it: &State<AGENTS>| !it.history.used_twice),
        Property::always(IN_ORDER, |_, it: &State<AGENTS>| {
            Invariant::numbers_in_order(&it.store.line.parts())
        }),
        Property::always(KEYS, |_, it: &State<AGENTS>| {
            it.store.keys == it.store.line.live()
        }),
        Property::always(LEASE_WITHIN_EPOCH, |_, it: &State<AGENTS>| {
            let parts = it.store.line.parts();
            let mut leases = (0..).zip(it.history.leases);
            leases.all(|(number, end)| Invariant::lease_within_epoch(&parts, number, end.into()))
        }),
        Property::always(ACCEPTED, |town: &Town<AGENTS>, it: &State<AGENTS>| {
            let valid = it.valid(&town.0);
            let by_agents = it.agents.iter().all(|agent| agent.accepts_all(valid, it));
            by_agents && (AGENTS > 0 || valid.except(it.store.line.live()) == Numbers::default())
        }),
        Property::always(RETIRED, |_, it: &State<AGENTS>| {
            it.agents.iter().all(Agent::keeps_to_what_it_heard)
        }),
    ]
}

impl<const AGENTS: usize> State<AGENTS> {
    /// Numbers with tokens that have to pass.
    fn valid(&self, scope: &Scope) -> Numbers {
        let out = if scope.lease.is_some() {
            let leases = (0..).zip(self.history.leases);
            Numbers::of(leases.filter(|(_, end)| *end > 0).map(|(number, _)| number))
        } else {
            let draining = self.store.line.draining.map(|(number, _)| number);
            Numbers::of(
                draining
                    .into_iter()
                    .chain([self.store.line.active])
                    .map(u32::from),
            )
        };
        out.except(self.history.burnt)
    }
}

impl Agent {
    fn accepts_all<const AGENTS: usize>(&self, valid: Numbers, state: &State<AGENTS>) -> bool {
        let Some((_, live)) = self.accepts() else {
            return true;
        };
        let mut missing = valid.except(live).each();
        missing.all(|number| self.is_excused(number, &state.history))
    }

    /// Left behind by force until a certain time, or not aware yet of what came without warning.
    fn is_excused(&self, number: u8, history: &History) -> bool {
        let left = self.left.is_some_and(|(left, _)| left == number);
        let unaware = |at| self.held.is_none_or(|(place, _)| place < at);
        let sudden = history.sudden;
        left || sudden.is_some_and(|(sudden, at)| sudden == number && unaware(at))
    }

    fn keeps_to_what_it_heard(&self) -> bool {
        self.accepts()
            .is_none_or(|(_, live)| !live.meets(self.retired))
    }

    fn lacks(&self, number: u8) -> bool {
        self.held.is_some_and(|(_, live)| !live.has(number))
    }
}

const ROTATED: &str = "a rotation is complete";
const REFUSED: &str = "the store refuses what a frozen authority decided";
const LAST_LEASE: &str = "a lease ends as late as its epoch allows";
const LEFT_SAFELY: &str = "an agent past its budget is not waited for";
const LEFT_BY_FORCE: &str = "an agent is left behind by force";
const OLD_ANSWER: &str = "an answer comes from before an agent's mark";
const CROSSED: &str = "an agent goes over to the restored cluster";

pub(crate) fn sometimes<const AGENTS: usize>(town: &Town<AGENTS>) -> Vec<Property<Town<AGENTS>>> {
    let scope = town.0;
    let does = |command| scope.commands.contains(&command);
    let mut all = Vec::new();
    if does(Command::Retire { force: false }) {
        all.push(Property::sometimes(ROTATED, |_, it: &State<AGENTS>| {
            let line = it.store.line;
            line.active == 2 && line.draining.is_none() && !it.history.burnt.has(1)
        }));
    }
    if scope.lease.is_some() {
        all.push(Property::sometimes(REFUSED, |_, it: &State<AGENTS>| {
            let mut pending = it.authorities.iter().flat_map(|it| &it.pending);
            pending.any(|pending| *pending == Pending::Doomed)
        }));
        all.push(Property::sometimes(
            LAST_LEASE,
            |town: &Town<AGENTS>, it: &State<AGENTS>| {
                it.store.line.draining.is_some_and(|(number, not_after)| {
                    let end = it.history.leases[usize::from(number)];
                    end > NOW && end == not_after - town.0.leeway()
                })
            },
        ));
    }
    if AGENTS > 0 {
        all.push(Property::sometimes(LEFT_SAFELY, |_, it: &State<AGENTS>| {
            let gone = |agent: &Agent| agent.renewed.is_none() && agent.left.is_none();
            let left = |agent: &Agent| gone(agent) && agent.lacks(it.store.line.active);
            it.history.sudden.is_none() && it.agents.iter().any(left)
        }));
        all.push(Property::sometimes(OLD_ANSWER, |_, it: &State<AGENTS>| {
            let old = |agent: &Agent| {
                let mut mail = agent.mail.iter().flatten();
                mail.any(|answer| answer.place < agent.mark)
            };
            it.agents.iter().any(old)
        }));
    }
    if AGENTS > 0 && does(Command::Activate { force: true }) {
        all.push(Property::sometimes(
            LEFT_BY_FORCE,
            |_, it: &State<AGENTS>| {
                let left = |agent: &Agent| agent.left.is_some() && agent.accepts().is_some();
                let mut agents = it.agents.iter();
                agents.any(|agent| left(agent) && agent.lacks(it.store.line.active))
            },
        ));
    }
    if scope.restore {
        all.push(Property::sometimes(CROSSED, |_, it: &State<AGENTS>| {
            let mut agents = it.agents.iter().filter(|agent| agent.retired.has(1));
            agents.any(|agent| agent.accepts().is_some_and(|(place, _)| place.0 == 1))
        }));
    }
    all
}
