//! With all guards in place, nothing is found.

use stateright::{Checker, Model};

use crate::model::Town;
use crate::scope::{AGENTS, LEASES, RESTORE, Scope};

fn nothing_is_found<const AGENTS: usize>(scope: Scope) {
    let checker = Town::<AGENTS>(scope)
        .checker()
        .threads(2)
        .spawn_dfs()
        .join();
    println!(
        "{}: {} states, depth {}",
        scope.name,
        checker.unique_state_count(),
        checker.max_depth()
    );
    checker.assert_properties();
}

#[test]
fn leases() {
    nothing_is_found::<0>(LEASES);
}

#[test]
fn agents() {
    nothing_is_found::<1>(AGENTS);
}

#[test]
fn restore() {
    nothing_is_found::<1>(RESTORE);
}
