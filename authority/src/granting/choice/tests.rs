use proptest::prelude::*;

use super::*;
use crate::records::{ActiveRecord, LineRecord, NameState};

fn service(name: &str) -> ServiceRecord {
    ServiceRecord {
        name: name.to_owned(),
        keys: LineRecord {
            last: 0,
            prepared: None,
            active: ActiveRecord {
                number: 0,
                since: 1,
            },
            draining: None,
        },
        registration: 3,
        version: 0,
        state: NameState::Active,
        created_at: 1,
        changed: 1,
    }
}

/// A grant with one of two conditions.
fn candidate(group: Option<&str>, service: &str, condition: u8) -> Candidate {
    let principal = group.map_or("user/alice".to_owned(), |group| format!("group/{group}"));
    Candidate {
        group: group.map(str::to_owned),
        grant: GrantRecord {
            principal,
            registration: 0,
            service: service.to_owned(),
            service_registration: if service.ends_with('*') { 0 } else { 3 },
            caveats: vec![vec![condition]],
            max_lease_seconds: None,
            created_at: 1,
        },
    }
}

/// Whose grant for what applies to `photos-eu`.
fn chosen(candidates: &[Candidate]) -> Option<(Option<String>, String)> {
    match choose(&service("photos-eu"), candidates) {
        Choice::Applies(one) => Some((one.group.clone(), one.grant.service.clone())),
        Choice::Nothing | Choice::Tied(..) => None,
    }
}

#[test]
fn the_closest_one_applies() {
    // Each one goes before all that follow it.
    let order = [
        candidate(None, "photos-eu", 1),
        candidate(None, "photos-eu*", 2),
        candidate(None, "photos-*", 3),
        candidate(None, "*", 4),
        candidate(Some("a"), "photos-eu", 5),
        candidate(Some("z"), "photos-eu*", 6),
        candidate(Some("a"), "photos-*", 7),
        candidate(Some("z"), "p*", 8),
        candidate(Some("a"), "*", 9),
    ];
    for first in 0..order.len() {
        let mut some = order[first..].to_vec();
        some.push(candidate(None, "mail", 10));
        some.push(candidate(Some("a"), "photos-eu-*", 11));
        let one = &order[first];
        let expected = Some((one.group.clone(), one.grant.service.clone()));
        assert_eq!(chosen(&some), expected);
        some.reverse();
        assert_eq!(chosen(&some), expected);
    }
    assert_eq!(chosen(&[]), None);
    assert_eq!(chosen(&[candidate(None, "mail", 1)]), None);
}

#[test]
fn groups_that_say_different_things_give_nothing() {
    let (a, b) = (
        candidate(Some("a"), "photos-*", 1),
        candidate(Some("b"), "photos-*", 2),
    );
    // Not even what both would allow, or a grant that is less close.
    let wide = candidate(Some("a"), "*", 3);
    assert_eq!(chosen(&[b.clone(), a.clone(), wide.clone()]), None);
    // One that goes before both of them decides.
    let own = candidate(None, "*", 4);
    assert!(chosen(&[a.clone(), b.clone(), own]).is_some());
    let closer = candidate(Some("c"), "photos-eu", 5);
    assert!(chosen(&[a.clone(), b, closer]).is_some());
    // Where they say the same it does not matter whose it is.
    let same = candidate(Some("b"), "photos-*", 1);
    let applies = Some((Some("a".to_owned()), "photos-*".to_owned()));
    assert_eq!(chosen(&[same, a, wide]), applies);
}

#[test]
fn a_service_that_came_later_is_another_one_but_for_patterns() {
    let mut old = candidate(None, "photos-eu", 1);
    old.grant.service_registration = 2;
    assert_eq!(chosen(&[old.clone()]), None);
    let pattern = candidate(Some("a"), "photos*", 1);
    assert!(chosen(&[old, pattern]).is_some());
}

/// At most one grant for each group and pattern, as the store has them.
fn some_grants() -> impl Strategy<Value = Vec<Candidate>> {
    let group = prop::sample::select(vec![None, Some("a"), Some("b"), Some("c")]);
    let patterns = vec![
        "photos-eu",
        "photos-eu*",
        "photos-*",
        "p*",
        "*",
        "mail",
        "m*",
    ];
    let one = (group, prop::sample::select(patterns), 0..2_u8);
    prop::collection::vec(one, 0..12).prop_map(|all| {
        let mut some: Vec<Candidate> = Vec::new();
        for (group, pattern, condition) in all {
            let one = candidate(group, pattern, condition);
            let is_new = |known: &Candidate| {
                known.group != one.group || known.grant.service != one.grant.service
            };
            if some.iter().all(is_new) {
                some.push(one);
            }
        }
        some
    })
}

/// What is chosen, without a place in a list.
fn told(choice: &Choice<'_>) -> Result<Option<Candidate>, ()> {
    match choice {
        Choice::Applies(one) => Ok(Some((*one).clone())),
        Choice::Nothing => Ok(None),
        Choice::Tied(..) => Err(()),
    }
}

proptest! {
    #[test]
    fn the_order_in_which_they_are_read_does_not_matter(
        (grants, shuffled) in some_grants().prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        let service = service("photos-eu");
        prop_assert_eq!(told(&choose(&service, &grants)), told(&choose(&service, &shuffled)));
    }

    /// The store is read in stages, and no more of it once one of them has an answer.
    #[test]
    fn what_is_read_later_does_not_change_an_answer(grants in some_grants()) {
        let service = service("photos-eu");
        let whole = told(&choose(&service, &grants));
        let exact = |one: &Candidate| one.group.is_none() && one.grant.prefix().is_none();
        let own = |one: &Candidate| one.group.is_none();
        for stage in [exact, own] {
            let some: Vec<Candidate> = grants.iter().filter(|one| stage(one)).cloned().collect();
            match choose(&service, &some) {
                Choice::Nothing => {}
                answer => prop_assert_eq!(told(&answer), whole.clone()),
            }
        }
    }

    /// Where a grant applies, it names the service, and none goes before it.
    #[test]
    fn each_has_a_standing(grants in some_grants()) {
        let service = service("photos-eu");
        let ordered = in_order(&service, &grants);
        let choice = choose(&service, &grants);
        let tied = matches!(choice, Choice::Tied(..));
        let standings: Vec<_> = ordered.iter().map(|one| one.standing(ordered[0], tied)).collect();
        let applies = standings.iter().filter(|one| **one == Standing::Applies).count();
        prop_assert_eq!(applies, usize::from(matches!(choice, Choice::Applies(_))));
        let of_tied = standings.iter().filter(|one| **one == Standing::Tied).count();
        prop_assert_eq!(of_tied > 1, tied);
    }
}
