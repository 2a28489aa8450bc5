//! With one guard taken out, the named property breaks.

use cattery_core::epoch::Guard;
use stateright::{Checker, HasDiscoveries, Model};

use crate::model::Town;
use crate::properties::{ACCEPTED, KEYS, LEASE_WITHIN_EPOCH, RETIRED, USED_ONCE};
use crate::scope::{AGENTS, LEASES, RESTORE, Scope};

fn breaks<const AGENTS: usize>(scope: Scope, guard: Guard, property: &'static str) {
    let checker = Town::<AGENTS>(scope.without(guard))
        .checker()
        .finish_when(HasDiscoveries::AnyOf([property].into()))
        .spawn_bfs()
        .join();
    let states = checker.unique_state_count();
    let path = checker.discovery(property);
    let path = path
        .unwrap_or_else(|| panic!("without {guard:?}: not found in {states} states: {property}"));
    println!("without {guard:?}, after {states} states, not so: {property}");
    for event in path.into_actions() {
        println!("    {event:?}");
    }
}

macro_rules! guards {
    ($($name:ident: $agents:literal, $scope:expr, $guard:ident, $property:ident;)*) => {
        $(#[test] fn $name() { breaks::<$agents>($scope, Guard::$guard, $property); })*
    };
}

guards! {
    nothing_prepared: 0, LEASES, NothingPrepared, KEYS;
    nothing_draining: 0, LEASES, NothingDraining, ACCEPTED;
    leases_over: 0, LEASES, LeasesOver, ACCEPTED;
    forgiveness: 0, LEASES, Forgiveness, ACCEPTED;
    issuer_skew: 0, LEASES, IssuerSkew, ACCEPTED;
    agent_skew: 0, LEASES, AgentSkew, ACCEPTED;
    view_age: 0, LEASES, ViewAge, ACCEPTED;
    session_age: 0, LEASES, SessionAge, ACCEPTED;
    confirmed_view: 0, LEASES, ConfirmedView, LEASE_WITHIN_EPOCH;
    step_rests_on_line: 0, LEASES, StepRestsOnLine, USED_ONCE;
    rests_on_session: 0, LEASES, RestsOnSession, LEASE_WITHIN_EPOCH;
    agents_acknowledged: 1, AGENTS, AgentsAcknowledged, ACCEPTED;
    granularity: 1, AGENTS, Granularity, ACCEPTED;
    contact_skew: 1, AGENTS, ContactSkew, ACCEPTED;
    mark_never_falls: 1, AGENTS, MarkNeverFalls, ACCEPTED;
    answers_go_forward: 1, AGENTS, AnswersGoForward, ACCEPTED;
    holds_what_it_heard: 1, AGENTS, HoldsWhatItHeard, ACCEPTED;
    hand_out_rests_on_line: 1, AGENTS, HandOutRestsOnLine, ACCEPTED;
    contact_rests_on_record: 1, AGENTS, ContactRestsOnRecord, ACCEPTED;
    contact_before_answer: 1, AGENTS, ContactBeforeAnswer, ACCEPTED;
    agents_after_line: 1, AGENTS, AgentsAfterLine, ACCEPTED;
    budget_from_asking: 1, AGENTS, BudgetFromAsking, ACCEPTED;
    mark_before_acknowledging: 1, AGENTS, MarkBeforeAcknowledging, ACCEPTED;
    incarnation_first: 1, RESTORE, IncarnationFirst, RETIRED;
    acknowledged_here: 1, RESTORE, AcknowledgedHere, ACCEPTED;
    above_all_seen: 1, RESTORE, AboveAllSeen, USED_ONCE;
    restore_skew: 1, RESTORE, RestoreSkew, ACCEPTED;
    restore_counts_agents: 1, RESTORE, RestoreCountsAgents, ACCEPTED;
}
