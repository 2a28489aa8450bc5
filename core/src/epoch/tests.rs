use super::*;

const NOW: u64 = 1_790_000_000;
const LEASE: u64 = 3_600;
const TIMING: Timing = Timing {
    leeway: 30,
    confirmed: 5,
    session: 10,
};

fn facts<'a>(now: u64, agents: &'a [AgentView<'a>]) -> Facts<'a> {
    Facts {
        now,
        position: 7,
        leases_end: now + LEASE,
        agents,
    }
}

fn agent(id: &str, live_until: u64, acknowledged: u64) -> AgentView<'_> {
    AgentView {
        id,
        live_until,
        acknowledged,
    }
}

fn stepped(line: &Line, command: Command, now: u64) -> Line {
    line.step(command, &facts(now, &[]), &TIMING).unwrap().line
}

const ACTIVATE: Command = Command::Activate { force: false };
const RETIRE: Command = Command::Retire { force: false };

fn prepared() -> Line {
    stepped(&Line::first(1, NOW), Command::Prepare, NOW)
}

fn draining() -> Line {
    stepped(&prepared(), ACTIVATE, NOW)
}

fn not_after() -> u64 {
    draining().draining().unwrap().not_after
}

#[test]
fn prepare_makes_the_next_number_and_says_since_which_position() {
    let step = Line::first(0, NOW)
        .step(Command::Prepare, &facts(NOW + 9, &[]), &TIMING)
        .unwrap();
    assert_eq!(
        step.line.prepared(),
        Some(Prepared {
            number: 1,
            since: NOW + 9,
            position: 7
        })
    );
    assert_eq!(
        step.line.active(),
        Active {
            number: 0,
            since: NOW
        }
    );
    assert_eq!(step.line.last(), 1);
    assert_eq!(step.actions, [Action::MakeKey(1)]);
    let again = step.line.step(Command::Prepare, &facts(NOW, &[]), &TIMING);
    assert_eq!(again, Err(Refused::AlreadyPrepared { number: 1 }));
}

#[test]
fn numbers_run_out_without_an_overflow() {
    let last = Line::first(u32::MAX, NOW);
    for command in [Command::Prepare, Command::Replace] {
        assert_eq!(
            last.step(command, &facts(NOW, &[]), &TIMING),
            Err(Refused::Exhausted)
        );
    }
    assert_eq!(Line::restored(u32::MAX, NOW), Err(Refused::Exhausted));
    assert_eq!(last.due(NOW, None, &TIMING), None);
}

#[test]
fn activate_needs_something_prepared() {
    let refused =
        Line::first(1, NOW).step(Command::Activate { force: true }, &facts(NOW, &[]), &TIMING);
    assert_eq!(refused, Err(Refused::NothingPrepared));
}

#[test]
fn activate_lets_the_old_number_drain_for_the_greatest_lease_and_the_overlap() {
    let step = prepared()
        .step(ACTIVATE, &facts(NOW + 50, &[]), &TIMING)
        .unwrap();
    let not_after = NOW + 50 + LEASE + 2 * 30 + 5 + 10;
    assert_eq!(
        step.line.draining(),
        Some(Draining {
            number: 1,
            since: NOW + 50,
            not_after
        })
    );
    assert_eq!(
        step.line.active(),
        Active {
            number: 2,
            since: NOW + 50
        }
    );
    assert_eq!(step.line.prepared(), None);
    assert_eq!(step.actions, []);
}

#[test]
fn activate_waits_for_every_live_agent_and_names_the_missing() {
    let agents = [
        agent("has-it", NOW + 100, 7),
        agent("lacks-it", NOW + 100, 6),
        agent("to-the-last-second", NOW, 0),
        agent("long-gone", NOW - 1, 0),
    ];
    let missing = vec![
        LeftBehind {
            id: "lacks-it".into(),
            until: NOW + 100,
        },
        LeftBehind {
            id: "to-the-last-second".into(),
            until: NOW,
        },
    ];
    let refused = prepared().step(ACTIVATE, &facts(NOW, &agents), &TIMING);
    assert_eq!(refused, Err(Refused::AgentsMissing(missing.clone())));
    let forced = prepared().step(
        Command::Activate { force: true },
        &facts(NOW, &agents),
        &TIMING,
    );
    assert_eq!(forced.unwrap().left_behind, missing);
}

#[test]
fn activate_never_drops_a_draining_number_not_even_with_force() {
    let line = stepped(&draining(), Command::Prepare, NOW);
    for force in [false, true] {
        let refused = line.step(Command::Activate { force }, &facts(NOW, &[]), &TIMING);
        assert_eq!(
            refused,
            Err(Refused::StillDraining {
                number: 1,
                until: not_after() + 30
            })
        );
    }
}

#[test]
fn retire_waits_for_the_leases_and_the_leeway() {
    let until = not_after() + 30;
    let early = draining().step(RETIRE, &facts(until - 1, &[]), &TIMING);
    assert_eq!(early, Err(Refused::LeasesOut { number: 1, until }));
    let step = draining()
        .step(RETIRE, &facts(until, &[]), &TIMING)
        .unwrap();
    assert_eq!(step.line.draining(), None);
    assert_eq!(step.actions, [Action::DestroyKey(1)]);
    let nothing = step
        .line
        .step(Command::Retire { force: true }, &facts(until, &[]), &TIMING);
    assert_eq!(nothing, Err(Refused::NothingDraining));
}

#[test]
fn a_forced_retire_says_who_goes_on_accepting() {
    let agents = [agent("live", NOW + 100, 7), agent("gone", NOW - 1, 7)];
    let force = Command::Retire { force: true };
    let step = draining()
        .step(force, &facts(NOW, &agents), &TIMING)
        .unwrap();
    assert_eq!(step.line.draining(), None);
    assert_eq!(
        step.left_behind,
        [LeftBehind {
            id: "live".into(),
            until: NOW + 100
        }]
    );
    let late = draining()
        .step(force, &facts(not_after() + 30, &agents), &TIMING)
        .unwrap();
    assert_eq!(late.left_behind, []);
}

#[test]
fn replace_destroys_everything_and_takes_a_fresh_number() {
    let line = stepped(&draining(), Command::Prepare, NOW);
    let agents = [agent("live", NOW + 100, 7)];
    let step = line
        .step(Command::Replace, &facts(NOW + 1, &agents), &TIMING)
        .unwrap();
    assert_eq!(step.line, Line::first(4, NOW + 1));
    let destroyed = [1, 2, 3].map(Action::DestroyKey);
    assert_eq!(
        step.actions,
        [&destroyed[..], &[Action::MakeKey(4)]].concat()
    );
    assert_eq!(
        step.left_behind,
        [LeftBehind {
            id: "live".into(),
            until: NOW + 100
        }]
    );
}

#[test]
fn a_restored_line_is_above_everything_seen() {
    assert_eq!(Line::restored(41, NOW), Ok(Line::first(42, NOW)));
}

#[test]
fn automatic_rotation_retires_then_prepares_then_activates() {
    let due = |line: &Line, now, period| line.due(now, period, &TIMING);
    assert_eq!(due(&Line::first(1, NOW), NOW, None), Some(Command::Prepare));
    assert_eq!(due(&prepared(), NOW + 99, Some(100)), None);
    assert_eq!(due(&prepared(), NOW + 100, Some(100)), Some(ACTIVATE));
    assert_eq!(due(&prepared(), u64::MAX, None), None);
    let line = stepped(&draining(), Command::Prepare, NOW);
    let until = not_after() + 30;
    assert_eq!(due(&line, until - 1, Some(100)), None);
    assert_eq!(due(&line, until, Some(100)), Some(RETIRE));
    assert_eq!(prepared().rotation_due_at(100), NOW + 100);
}

#[test]
fn a_line_from_the_store_is_checked() {
    let whole = stepped(&draining(), Command::Prepare, NOW).parts();
    assert_eq!(Line::from_parts(whole).map(|line| line.parts()), Ok(whole));
    let broken = [
        Parts { last: 2, ..whole },
        Parts {
            active: Active {
                number: 1,
                since: NOW,
            },
            ..whole
        },
        Parts {
            active: Active {
                number: 3,
                since: NOW,
            },
            ..whole
        },
    ];
    for parts in broken {
        let invariant = Invariant::OrderOfNumbers;
        assert_eq!(Line::from_parts(parts), Err(Broken { invariant, parts }));
    }
}

#[test]
fn numbers_that_come_back_break_an_invariant() {
    let line = Line::first(3, NOW).parts();
    let used = Some(Prepared {
        number: 2,
        since: NOW,
        position: 1,
    });
    for back in [
        Line::first(2, NOW).parts(),
        Parts { last: 2, ..line },
        Parts {
            prepared: used,
            ..line
        },
    ] {
        assert!(!Invariant::numbers_go_up(&line, &back));
    }
    assert!(Invariant::numbers_go_up(
        &line,
        &stepped(&Line::first(3, NOW), Command::Prepare, NOW).parts()
    ));
}

#[test]
fn a_lease_ends_within_its_epoch() {
    let parts = draining().parts();
    assert!(Invariant::lease_within_epoch(&parts, 1, not_after()));
    assert!(!Invariant::lease_within_epoch(&parts, 1, not_after() + 1));
    assert!(Invariant::lease_within_epoch(&parts, 2, u64::MAX));
}

#[test]
fn leases_are_issued_on_a_view_of_a_moment_ago_and_from_the_active_number() {
    assert_eq!(may_issue(&draining(), 5, &TIMING), Ok(Issue { number: 2 }));
    assert_eq!(
        may_issue(&draining(), 6, &TIMING),
        Err(Stale { ago: 6, limit: 5 })
    );
}

#[test]
fn an_agent_is_live_for_its_budget_after_the_latest_contact_that_it_can_have_had() {
    assert_eq!(live_until(NOW, 100, 7, &TIMING), NOW + 100 + 7 + 30);
    let contact = |at, sequence| Contact {
        at,
        position: Position {
            incarnation: 0,
            sequence,
        },
    };
    let to_store = |stored, Contact { at, position }| contact_to_store(stored, at, position, 7);
    let (stored, first) = (Some(contact(NOW, 5)), contact(NOW, 1));
    assert_eq!(to_store(None, first), Ok(Some(first)));
    assert_eq!(to_store(stored, contact(NOW + 7, 6)), Ok(None));
    assert_eq!(
        to_store(stored, contact(NOW + 8, 6)),
        Ok(Some(contact(NOW + 8, 6)))
    );
    assert_eq!(to_store(stored, contact(NOW - 100, 5)), Ok(None));
    assert!(to_store(stored, contact(NOW + 8, 4)).is_err());
    assert_eq!(contact_at_restore(NOW, &TIMING), NOW + 30);
}

#[test]
fn an_agent_takes_nothing_below_its_mark() {
    let position = |incarnation, sequence| Position {
        incarnation,
        sequence,
    };
    let mark = position(2, 9);
    assert!(mark.accepts(mark));
    assert!(mark.accepts(position(3, 1)));
    assert!(!mark.accepts(position(2, 8)));
    assert!(!mark.accepts(position(1, 99)));
}

#[test]
fn an_answer_renews_the_budget_of_who_holds_what_it_speaks_of() {
    let held = Position {
        incarnation: 2,
        sequence: 9,
    };
    assert!(held.is_renewed_by(held));
    assert!(held.is_renewed_by(Position {
        sequence: 8,
        ..held
    }));
    assert!(!held.is_renewed_by(Position {
        sequence: 10,
        ..held
    }));
    assert!(!held.is_renewed_by(Position {
        incarnation: 1,
        ..held
    }));
    assert!(!held.is_renewed_by(Position {
        incarnation: 3,
        sequence: 1
    }));
    assert_eq!(held.sequence_in(2), 9);
    assert_eq!(held.sequence_in(3), 0);
}

#[test]
fn nothing_overflows() {
    let most = Timing {
        leeway: u64::MAX,
        confirmed: u64::MAX,
        session: u64::MAX,
    };
    assert_eq!(most.overlap(), u64::MAX);
    assert_eq!(live_until(u64::MAX, u64::MAX, u64::MAX, &most), u64::MAX);
    let contact = Contact {
        at: u64::MAX,
        position: Position::default(),
    };
    let stored = contact_to_store(Some(contact), u64::MAX, contact.position, u64::MAX);
    assert_eq!(stored, Ok(None));
    let facts = Facts {
        now: u64::MAX,
        position: u64::MAX,
        leases_end: u64::MAX,
        agents: &[],
    };
    let line = prepared().step(ACTIVATE, &facts, &most).unwrap().line;
    assert_eq!(line.due(NOW, Some(u64::MAX), &most), Some(Command::Prepare));
    assert!(
        line.step(RETIRE, &Facts { now: NOW, ..facts }, &most)
            .is_err()
    );
}

#[test]
fn a_refusal_names_a_few_agents_and_counts_the_rest() {
    let ids: Vec<String> = (0..8).map(|n| format!("agent-{n}")).collect();
    let agents: Vec<_> = ids.iter().map(|id| agent(id, NOW, 0)).collect();
    let refused = prepared()
        .step(ACTIVATE, &facts(NOW, &agents), &TIMING)
        .unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("8 live agents have"), "{text}");
    assert!(
        text.contains("agent-4 (live until 1790000000) and 3 more"),
        "{text}"
    );
}
