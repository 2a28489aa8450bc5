use cattery_core::epoch::Line;

use super::*;
use crate::records::Der;

const DAY: u64 = 24 * 3600;
const YEAR: u64 = 365 * DAY;
/// When the first CA was made.
const BORN: u64 = 1_790_000_000;
const LEASE: u64 = 90 * DAY;
const OWN: u64 = 7 * DAY;
const TIMING: Timing = Timing {
    leeway: 30,
    confirmed: 5,
    session: 22,
};

fn ca(number: u32, not_before: u64, life: u64) -> CaRecord {
    CaRecord {
        number,
        certificate: Der(vec![1]),
        not_before,
        not_after: not_before + life,
        cross: None,
    }
}

/// Ten years, as usual.
fn first() -> Cas {
    Cas {
        line: Line::first(1, BORN),
        prepared: None,
        active: ca(1, BORN, 10 * YEAR),
        draining: None,
    }
}

fn rollover(cas: &Cas) -> Rollover<'_> {
    Rollover {
        cas,
        leases: Leases {
            greatest: LEASE,
            draining_until: BORN + DAY,
        },
        authority_lifetime: OWN,
        timing: &TIMING,
    }
}

fn facts(now: u64) -> Facts<'static> {
    Facts {
        now,
        position: 7,
        agents: &[],
        needed: Needed::default(),
    }
}

/// After a step; a CA that it makes lives for `life`.
fn after(cas: &Cas, command: Command, facts: &Facts<'_>, life: u64) -> Cas {
    let step = rollover(cas).step(command, facts).unwrap();
    let mut all: Vec<CaRecord> = cas.all().cloned().collect();
    if command == Command::Prepare {
        all.push(ca(step.line.last(), facts.now, life));
    }
    let find = |number: Option<u32>| {
        let mut all = all.iter();
        all.find(|ca| Some(ca.number) == number).cloned()
    };
    Cas {
        prepared: find(step.line.prepared().map(|ca| ca.number)),
        active: find(Some(step.line.active().number)).unwrap(),
        draining: find(step.line.draining().map(|ca| ca.number)),
        line: step.line,
    }
}

#[test]
fn a_whole_turn_takes_its_steps_by_itself() {
    let mut cas = first();
    let (mut now, mut steps) = (BORN, Vec::new());
    while now < BORN + 21 * YEAR {
        if let Some(command) = rollover(&cas).due(now) {
            cas = after(&cas, command, &facts(now), 10 * YEAR);
            steps.push((command, (now - BORN) / DAY));
        }
        now += DAY / 2;
    }
    let life = 3650;
    let (prepare, activate, retire) = (
        Command::Prepare,
        Command::Activate { force: false },
        Command::Retire { force: false },
    );
    let (made, wait, shown) = (life * 2 / 3, 90, 7);
    let turn = |at| {
        [
            (prepare, at),
            (activate, at + wait),
            (retire, at + wait + shown),
        ]
    };
    let expected: Vec<_> = [turn(made), turn(2 * made), turn(3 * made)].concat();
    assert_eq!(steps.len(), expected.len(), "{steps:?}");
    for ((command, day), (wanted, at)) in steps.iter().zip(expected) {
        assert_eq!(*command, wanted, "{steps:?}");
        assert!(day.abs_diff(at) <= 3, "day {day}, not {at}");
    }
}

#[test]
fn it_begins_with_the_last_third() {
    let cas = first();
    let third = BORN + 10 * YEAR - 10 * YEAR / 3;
    assert_eq!(rollover(&cas).due(third - 1), None);
    assert_eq!(rollover(&cas).due(third + 1), Some(Command::Prepare));
    assert_eq!(rollover(&cas).due(u64::MAX), Some(Command::Prepare));
}

#[test]
fn it_signs_when_everybody_can_have_heard_of_it_and_agents_say_so() {
    let cas = after(&first(), Command::Prepare, &facts(BORN), 10 * YEAR);
    let told = BORN + TIMING.overlap() + LEASE;
    let sign = Command::Activate { force: false };
    assert_eq!(rollover(&cas).may_activate_at(), Some(told));
    assert_eq!(rollover(&cas).due(told - 1), None);
    assert_eq!(rollover(&cas).due(told), Some(sign));
    let early = rollover(&cas).step(sign, &facts(told - 1));
    assert_eq!(early, Err(Refused::TooSoon { until: told }));

    let agent = |acknowledged, live_until| AgentView {
        id: "a",
        live_until,
        acknowledged,
    };
    let step = |agents: &[AgentView<'_>], force| {
        let facts = Facts {
            agents,
            ..facts(told)
        };
        rollover(&cas).step(Command::Activate { force }, &facts)
    };
    let behind = step(&[agent(6, told)], false);
    assert!(matches!(behind, Err(Refused::AgentsMissing(agents)) if agents[0].id == "a"));
    assert!(step(&[agent(7, told)], false).is_ok());
    assert!(step(&[agent(6, told - 1)], false).is_ok(), "it is gone");
    let forced = step(&[agent(6, told)], true).unwrap();
    assert_eq!(forced.left_behind.len(), 1);
    let draining = forced.line.draining().unwrap();
    assert_eq!(draining.not_after, told + OWN + TIMING.overlap());
    // Leases of an epoch that drains may be longer.
    let mut long = rollover(&cas);
    long.leases.draining_until = told + DAY;
    assert_eq!(long.may_activate_at(), Some(told + DAY));
    // An operator may force it at once.
    let at_once = rollover(&cas).step(Command::Activate { force: true }, &facts(BORN));
    assert!(at_once.is_ok());
}

#[test]
fn the_one_before_goes_when_nobody_needs_it() {
    let prepared = after(&first(), Command::Prepare, &facts(BORN), 10 * YEAR);
    let sign = Command::Activate { force: true };
    let cas = after(&prepared, sign, &facts(BORN), 10 * YEAR);
    let shown = BORN + OWN + TIMING.overlap() + TIMING.leeway;
    let retire = Command::Retire { force: false };
    assert_eq!(rollover(&cas).due(shown - 1), None);
    assert_eq!(rollover(&cas).due(shown), Some(retire));
    let early = rollover(&cas).step(retire, &facts(shown - 1));
    let (number, until) = (1, shown);
    assert_eq!(early, Err(Refused::StillShown { number, until }));

    let needed = Needed {
        operators: 2,
        until: shown + DAY,
        ..Needed::default()
    };
    let step = |command, now| {
        let facts = Facts {
            needed,
            ..facts(now)
        };
        rollover(&cas).step(command, &facts)
    };
    assert_eq!(
        step(retire, shown),
        Err(Refused::StillNeeded { number, needed })
    );
    assert!(step(retire, shown + DAY).is_ok());
    assert!(step(Command::Retire { force: true }, BORN).is_ok());
    let needed = Needed {
        by_all_admins: true,
        ..needed
    };
    let facts = Facts {
        needed,
        ..facts(shown + DAY)
    };
    let locks_out = rollover(&cas).step(Command::Retire { force: true }, &facts);
    assert_eq!(locks_out, Err(Refused::AllAdmins { number }));
    let why = step(retire, shown).unwrap_err().to_string();
    assert!(
        why.contains("2 operators") && why.contains("force"),
        "{why}"
    );
}

#[test]
fn what_nobody_lets_go_of_does_not_hold_up_a_ca_that_ends() {
    // The one before the active one is needed for years, and the active one is short-lived.
    let prepared = after(&first(), Command::Prepare, &facts(BORN), YEAR);
    let sign = Command::Activate { force: true };
    let mut cas = after(&prepared, sign, &facts(BORN), YEAR);
    let needed = Needed {
        api_keys: 1,
        until: BORN + 10 * YEAR,
        ..Needed::default()
    };
    let mut steps = Vec::new();
    for day in 0..365 {
        let facts = Facts {
            needed,
            ..facts(BORN + day * DAY)
        };
        let due = rollover(&cas).due(facts.now);
        if let Some(command) = due.filter(|due| rollover(&cas).step(*due, &facts).is_ok()) {
            cas = after(&cas, command, &facts, YEAR);
            steps.push((command, day));
        }
    }
    let force = true;
    assert_eq!(
        steps[..3],
        [
            (Command::Prepare, 244),
            (Command::Retire { force }, 305),
            (Command::Activate { force }, 305 + 1),
        ]
    );
}

#[test]
fn one_step_after_the_other() {
    let cas = first();
    let refused = |cas: &Cas, command| rollover(cas).step(command, &facts(BORN)).unwrap_err();
    let (sign, retire) = (
        Command::Activate { force: true },
        Command::Retire { force: true },
    );
    assert_eq!(refused(&cas, sign), Refused::NothingPrepared);
    assert_eq!(refused(&cas, retire), Refused::NothingDraining);
    assert_eq!(refused(&cas, Command::Replace), Refused::NoSuchStep);
    let cas = after(&cas, Command::Prepare, &facts(BORN), YEAR);
    let number = 2;
    assert_eq!(
        refused(&cas, Command::Prepare),
        Refused::AlreadyPrepared { number }
    );
    let cas = after(&cas, sign, &facts(BORN), YEAR);
    let cas = after(&cas, Command::Prepare, &facts(BORN), YEAR);
    let number = 1;
    assert_eq!(refused(&cas, sign), Refused::StillDraining { number });
    assert_eq!(cas.bundle().len(), 3);
}
