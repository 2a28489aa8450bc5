//! What the system says about a process that uses this crate. Limits and flags belong to a whole
//! process, so each test runs in a process of its own: this program again, with one test.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::cell::Cell;
use std::env;
use std::error::Error as _;
use std::fs;
use std::process::Command;
use std::sync::mpsc;

use cattery_locked::{LockError, Locked, harden_process};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, setrlimit,
};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

const CHILD: &str = "CATTERY_LOCKED_TEST_CHILD";

#[test]
fn a_value_is_kept_changed_and_dropped_once_while_still_whole() {
    struct Key([u8; 32], mpsc::Sender<[u8; 32]>);
    impl Drop for Key {
        fn drop(&mut self) {
            self.1.send(self.0).unwrap();
        }
    }

    let (sender, dropped) = mpsc::channel();
    let mut key = Locked::new_with(|| Key([1; 32], sender)).unwrap();
    assert_eq!(key.0, [1; 32]);
    key.0[0] = 9;
    let key = std::thread::spawn(move || key).join().unwrap();
    assert_eq!(key.0[..2], [9, 1]);
    assert!(dropped.try_recv().is_err());

    drop(key);
    assert_eq!(dropped.recv().unwrap()[..2], [9, 1]);
    assert!(dropped.recv().is_err(), "dropped twice, or not at all");
}

#[test]
fn pages_are_locked_absent_from_dumps_and_wiped_in_forks() {
    in_child(
        "pages_are_locked_absent_from_dumps_and_wiped_in_forks",
        || {
            let before = locked_kib();
            let key = Locked::new([7_u8; 5000]).unwrap();
            let flags = vm_flags((&raw const *key).addr());
            for flag in ["lo", "dd", "wf"] {
                assert!(flags.iter().any(|f| f == flag), "no {flag} in {flags:?}");
            }
            assert_eq!(
                locked_kib() - before,
                5000_usize.next_multiple_of(rustix::param::page_size()) / 1024
            );
            drop(key);
            assert_eq!(locked_kib(), before);
        },
    );
}

#[test]
fn the_limit_is_an_error_that_names_itself_and_the_secret_is_never_made() {
    in_child(
        "the_limit_is_an_error_that_names_itself_and_the_secret_is_never_made",
        || {
            obey_limits();
            limit(Resource::Memlock, 16 * 1024);

            let made = Cell::new(false);
            let refused = Locked::new_with(|| {
                made.set(true);
                [0_u8; 20_000]
            });
            let Some(error) = refused.err() else {
                panic!("20000 bytes were locked under a limit of 16 KiB");
            };
            assert!(matches!(
                error,
                LockError::Lock {
                    bytes: 20_480,
                    limit: Some(16_384),
                    ..
                }
            ));
            assert!(!made.get());
            let text = error.to_string();
            assert!(text.contains("RLIMIT_MEMLOCK is 16384 bytes"), "{text}");
            assert!(text.contains("LimitMEMLOCK="), "{text}");
            assert!(error.source().is_some());

            let small = Locked::new([3_u8; 32]).unwrap();
            assert_eq!(*small, [3; 32]);
        },
    );
}

#[test]
fn no_limit_at_all_is_an_error_too() {
    in_child("no_limit_at_all_is_an_error_too", || {
        obey_limits();
        limit(Resource::Memlock, 0);
        assert!(matches!(
            Locked::new([0_u8; 32]).err(),
            Some(LockError::Lock { limit: Some(0), .. })
        ));
    });
}

#[test]
fn a_hardened_process_leaves_no_dump_and_cannot_be_traced() {
    in_child(
        "a_hardened_process_leaves_no_dump_and_cannot_be_traced",
        || {
            assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::Dumpable);
            harden_process().unwrap();
            assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
            let core = getrlimit(Resource::Core);
            assert_eq!((core.current, core.maximum), (Some(0), Some(0)));
            harden_process().unwrap();
        },
    );
}

fn in_child(test: &str, body: impl FnOnce()) {
    if env::var_os(CHILD).is_some() {
        return body();
    }
    let child = Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let output = [child.stdout, child.stderr].concat();
    let output = String::from_utf8_lossy(&output);
    assert!(
        child.status.success() && output.contains("1 passed"),
        "{test} in a process of its own: {}\n{output}",
        child.status
    );
}

/// Root may lock without limit: gives that up, for this thread.
fn obey_limits() {
    let mut sets = capabilities(None).unwrap();
    sets.effective -= CapabilitySet::IPC_LOCK;
    set_capabilities(None, sets).unwrap();
}

fn limit(resource: Resource, bytes: u64) {
    setrlimit(
        resource,
        Rlimit {
            current: Some(bytes),
            maximum: Some(bytes),
        },
    )
    .unwrap();
}

/// `VmFlags` of the mapping that holds `address`, from proc_pid_smaps(5).
fn vm_flags(address: usize) -> Vec<String> {
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
    let mut inside = false;
    for line in smaps.lines() {
        if let Some(range) = range(line) {
            inside = range.contains(&address);
        }
        if let (true, Some(flags)) = (inside, line.strip_prefix("VmFlags:")) {
            return flags.split_whitespace().map(str::to_owned).collect();
        }
    }
    panic!("no mapping of {address:#x} in\n{smaps}");
}

/// The addresses of a mapping's first line: `7f0c00000000-7f0c00001000 rw-p …`.
fn range(line: &str) -> Option<std::ops::Range<usize>> {
    let (start, end) = line.split_whitespace().next()?.split_once('-')?;
    Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
}

fn locked_kib() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("VmLck:"));
    line.and_then(|l| l.trim().strip_suffix(" kB"))
        .and_then(|kib| kib.trim().parse().ok())
        .unwrap()
}
