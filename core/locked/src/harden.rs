use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::HardenError;

/// Turns core dumps and ptrace off for this process. Call it first thing in `main`.
///
/// Everything is tried even when a part of it fails. What it costs: a debugger, `perf` or
/// `gcore` of the same user can no longer attach, and `/proc/PID` belongs to root from then on.
/// `exec` undoes the ptrace half, so each program calls this for itself.
///
/// # Errors
///
/// The first refusal, by name. A program that holds keys should then not start.
pub fn harden_process() -> Result<(), HardenError> {
    let undumpable = forbid_dump_and_trace();
    let no_core = setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    );
    undumpable.map_err(HardenError::Dumpable)?;
    no_core.map_err(|e| HardenError::CoreLimit(e.into()))
}

/// core(5): a `core_pattern` that is a pipe (systemd-coredump, say) ignores `RLIMIT_CORE` = 0; an
/// undumpable process is the only one that it never gets to see.
#[cfg(target_os = "linux")]
fn forbid_dump_and_trace() -> io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};

    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

#[cfg(not(target_os = "linux"))]
fn forbid_dump_and_trace() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
