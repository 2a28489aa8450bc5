use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::*;

const NOW: u64 = 1_000;

fn number(n: u32) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    bytes
}

/// Mark `n` of a token, lease and principal of its own.
fn use_of(n: u32, principal: &str) -> Use<'_> {
    Use {
        mark: number(n),
        token: number(n),
        lease_id: [0; 8],
        principal,
        now: NOW,
        remember_through: NOW + 60,
    }
}

#[test]
fn once_means_once_until_the_token_is_over() {
    let memory = Memory::new(100, Moment::now());
    let mut once = use_of(1, "user/alice");
    assert_eq!(memory.use_once(&once), Ok(()));
    assert_eq!(memory.use_once(&once), Err(UseRefused::Replayed));
    once.now = once.remember_through;
    assert_eq!(memory.use_once(&once), Err(UseRefused::Replayed));
    once.now += 1; // the verifier would have said `expired`, by a clock that is not behind
    assert_eq!(memory.use_once(&once), Err(UseRefused::Replayed));
    assert_eq!(memory.len(), 0);
}

#[test]
fn a_clock_that_steps_back_brings_no_used_token_back() {
    let memory = Memory::new(100, Moment::now());
    let once = use_of(1, "user/alice");
    assert_eq!(memory.use_once(&once), Ok(()));
    let mut later = use_of(2, "user/alice");
    later.now = once.remember_through + 1;
    later.remember_through = later.now + 60;
    assert_eq!(memory.use_once(&later), Ok(()));
    assert_eq!(memory.use_once(&once), Err(UseRefused::Replayed));
}

#[test]
fn no_principal_lease_or_token_fills_the_memory() {
    let memory = Memory::new(640, Moment::now());
    let fill = |principal, lease_of: fn(u32) -> u8, token_of: fn(u32) -> u32| {
        (0..640)
            .filter(|n| {
                let mut once = use_of(*n, principal);
                once.lease_id = [lease_of(*n); 8];
                once.token = number(token_of(*n));
                once.mark[31] = u8::try_from(principal.len()).unwrap();
                memory.use_once(&once).is_ok()
            })
            .count()
    };
    assert_eq!(fill("user/a", |_| 0, |_| 0), 10, "one token");
    assert_eq!(fill("user/bb", |_| 0, |n| n), 80, "one lease");
    assert_eq!(
        fill("user/ccc", |n| (n % 7) as u8, |n| n),
        160,
        "one principal"
    );
    assert_eq!(memory.len(), 250);
    assert_eq!(memory.use_once(&use_of(9, "user/dddd")), Ok(()));
}

#[test]
fn a_full_memory_refuses_and_recovers_across_shards() {
    let memory = Memory::new(8, Moment::now());
    let names: Vec<_> = (0..9).map(|n| format!("user/{n}")).collect();
    for (n, name) in (0..8).zip(&names) {
        assert_eq!(memory.use_once(&use_of(n, name)), Ok(()));
    }
    assert_eq!(
        memory.use_once(&use_of(8, &names[8])),
        Err(UseRefused::Full)
    );
    // Known to be used, though there is no place: that is the answer.
    assert_eq!(
        memory.use_once(&use_of(0, &names[0])),
        Err(UseRefused::Replayed)
    );
    let mut later = use_of(8, &names[8]);
    later.now = NOW + 61;
    later.remember_through = NOW + 99;
    assert_eq!(memory.use_once(&later), Ok(()));
    assert_eq!(memory.len(), 1);
}

#[test]
fn of_many_at_once_one_wins() {
    let memory = Arc::new(Memory::new(1_000, Moment::now()));
    let wins: usize = thread::scope(|scope| {
        let racers: Vec<_> = (0..8)
            .map(|_| {
                let memory = Arc::clone(&memory);
                scope.spawn(move || {
                    (0..200)
                        .filter(|n| memory.use_once(&use_of(*n, "user/alice")).is_ok())
                        .count()
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).sum()
    });
    assert_eq!((wins, memory.len()), (125, 125)); // its lease's share of 1,000
}

#[test]
fn a_memory_says_when_it_began_whatever_the_clock_said_then() {
    let start = Moment {
        wall: 5_000,
        ..Moment::now()
    };
    let memory = Memory::new(1, start);
    let since = |wall, lived| {
        let steady = start.steady + Duration::from_secs(lived);
        memory.at(Moment { wall, steady }).since()
    };
    assert_eq!(since(5_100, 100), MemorySince::Restart(5_000));
    assert_eq!(
        since(5_101, 100),
        MemorySince::Restart(5_000),
        "a part of a second"
    );
    assert_eq!(
        since(9_100, 100),
        MemorySince::Restart(9_000),
        "set forward"
    );
    assert_eq!(since(3_100, 100), MemorySince::Restart(5_000), "set back");
}
