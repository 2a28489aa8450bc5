//! With one guard taken out, the named property breaks.

use cattery_core::epoch::Guard;
use stateright::{Checker, HasDiscoveries, Model};

use crate::model::Town;
use crate::properties::{ACCEPTED, KEYS, LEASE_WITHIN_EPOCH, RETIRED, USED_ONCE};
use crate::scope::{AGENTS, LEASES, RESTORE, Scope};

macro_rules! guards {
    ($($name:ident: $guard:ident, $agents:literal in $scope:ident, $property:ident;)*) => {
        $(
            #[test]
            fn $name() {
                breaks::<$agents>($scope, Guard::$guard, $property);
            }
        )*

        const SHOWN: &[Guard] = &[$(Guard::$guard),*];
    };
}

guards! {
    nothing_prepared: NothingPrepared, 0 in LEASES, KEYS;
    nothing_draining: NothingDraining, 0 in LEASES, ACCEPTED;
    agents_acknowledged: AgentsAcknowledged, 1 in AGENTS, ACCEPTED;
    leases_over: LeasesOver, 0 in LEASES, ACCEPTED;
    forgiveness: Forgiveness, 0 in LEASES, ACCEPTED;
    issuer_skew: IssuerSkew, 0 in LEASES, ACCEPTED;
    agent_skew: AgentSkew, 0 in LEASES, ACCEPTED;
    view_age: ViewAge, 0 in LEASES, ACCEPTED;
    session_age: SessionAge, 0 in LEASES, ACCEPTED;
    confirmed_view: ConfirmedView, 0 in LEASES, LEASE_WITHIN_EPOCH;
    granularity: Granularity, 1 in AGENTS, ACCEPTED;
    contact_skew: ContactSkew, 1 in AGENTS, ACCEPTED;
    mark_never_falls: MarkNeverFalls, 1 in AGENTS, ACCEPTED;
    incarnation_first: IncarnationFirst, 1 in RESTORE, RETIRED;
    answers_go_forward: AnswersGoForward, 1 in AGENTS, ACCEPTED;
    holds_what_it_heard: HoldsWhatItHeard, 1 in AGENTS, ACCEPTED;
    acknowledged_here: AcknowledgedHere, 1 in RESTORE, ACCEPTED;
    restore_counts_agents: RestoreCountsAgents, 1 in RESTORE, ACCEPTED;
    restore_skew: RestoreSkew, 1 in RESTORE, ACCEPTED;
    step_rests_on_line: StepRestsOnLine, 0 in LEASES, USED_ONCE;
    rests_on_session: RestsOnSession, 0 in LEASES, LEASE_WITHIN_EPOCH;
    hand_out_rests_on_line: HandOutRestsOnLine, 1 in AGENTS, ACCEPTED;
    contact_rests_on_record: ContactRestsOnRecord, 1 in AGENTS, ACCEPTED;
    contact_before_answer: ContactBeforeAnswer, 1 in AGENTS, ACCEPTED;
    agents_after_line: AgentsAfterLine, 1 in AGENTS, ACCEPTED;
    budget_from_asking: BudgetFromAsking, 1 in AGENTS, ACCEPTED;
    mark_before_acknowledging: MarkBeforeAcknowledging, 1 in AGENTS, ACCEPTED;
    above_all_seen: AboveAllSeen, 1 in RESTORE, USED_ONCE;
}

fn breaks<const COUNT: usize>(scope: Scope, guard: Guard, property: &'static str) {
    let checker = Town::<COUNT>(scope.without(guard))
        .checker()
        .finish_when(HasDiscoveries::AnyOf([property].into()))
        .spawn_bfs()
        .join();
    let states = checker.unique_state_count();
    let Some(path) = checker.discovery(property) else {
        panic!("without {guard:?}, in {states} states, it always holds that {property}");
    };
    println!("without {guard:?}, after {states} states, it does not hold that {property}:");
    for event in path.into_actions() {
        println!("    {event:?}");
    }
}

#[test]
fn every_guard_is_shown_and_documented() {
    let document = include_str!("../../../docs/epochs.md");
    for guard in Guard::ALL {
        assert!(SHOWN.contains(&guard), "no test takes out {guard:?}");
        let row = format!("| `{guard:?}` |");
        assert!(document.contains(&row), "docs/epochs.md lacks {guard:?}");
    }
}
