//! With all guards in place, nothing breaks, and all that should happen somewhere does.

use stateright::{Checker, Model};

use crate::model::Town;
use crate::scope::{AGENTS, CACHED, LEASES, PAIR, RESTORE, Scope, TOGETHER, TWICE};

fn nothing_breaks<const COUNT: usize>(scope: Scope) {
    let search = Town::<COUNT>(scope).checker().threads(2).spawn_dfs();
    let checker = search.join();
    let states = checker.unique_state_count();
    println!("{}: {states} states", scope.name);
    checker.assert_properties();
}

#[test]
fn leases() {
    nothing_breaks::<0>(LEASES);
}

#[test]
fn agents() {
    nothing_breaks::<1>(AGENTS);
}

#[test]
fn twice() {
    nothing_breaks::<1>(TWICE);
}

#[test]
fn cached() {
    nothing_breaks::<1>(CACHED);
}

#[test]
fn pair() {
    nothing_breaks::<2>(PAIR);
}

#[test]
fn together() {
    nothing_breaks::<1>(TOGETHER);
}

#[test]
fn restore() {
    nothing_breaks::<1>(RESTORE);
}
