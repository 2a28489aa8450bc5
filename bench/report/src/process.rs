//! What the kernel says of a process (`proc(5)`).

use std::fs;

use anyhow::{Context as _, Result};
use rustix::param::clock_ticks_per_second;
use serde::Serialize;

/// Physical memory, KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// At the moment (`VmRSS`).
    pub resident_kib: u64,
    /// The most there ever was (`VmHWM`).
    pub greatest_kib: u64,
}

/// The memory of a process.
///
/// # Errors
/// Where it has ended.
pub fn memory(id: u32) -> Result<Memory> {
    let path = format!("/proc/{id}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    Memory::read(&status).with_context(|| format!("{path} has no memory in it"))
}

/// Seconds that a process spent on processors, its system calls included. Where processes share a machine, these say more than the time on
/// the wall.
///
/// # Errors
/// Where it has ended.
pub fn processor_seconds(id: u32) -> Result<f64> {
    let path = format!("/proc/{id}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let ticks = ticks(&stat).with_context(|| format!("{path} has no times in it"))?;
    Ok(f64::from(ticks) / f64::from(u32::try_from(clock_ticks_per_second())?))
}

/// The processes that a process has started and that have not ended.
///
/// # Errors
/// Where it has ended.
pub fn children(id: u32) -> Result<Vec<u32>> {
    let path = format!("/proc/{id}/task");
    let mut children = Vec::new();
    for thread in fs::read_dir(&path).with_context(|| format!("reading {path}"))? {
        // A thread may have ended since.
        let ids = fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
        for id in ids.split_ascii_whitespace() {
            children.push(id.parse().context("the id of a process")?);
        }
    }
    Ok(children)
}

impl Memory {
    fn read(status: &str) -> Option<Self> {
        let of = |name: &str| {
            let mut lines = status.lines();
            let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            value.trim().strip_suffix(" kB")?.parse().ok()
        };
        Some(Self {
            resident_kib: of("VmRSS")?,
            greatest_kib: of("VmHWM")?,
        })
    }
}

/// `utime` and `stime` together: fields 14 and 15, counted behind the program's name, which may hold anything.
fn ticks(stat: &str) -> Option<u32> {
    let (_, behind) = stat.rsplit_once(')')?;
    let mut fields = behind.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u32>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let status = "Name:\tx\nVmHWM:\t  123456 kB\nVmRSS:\t    7890 kB\n";
        let memory = Memory::read(status).unwrap();
        assert_eq!((memory.resident_kib, memory.greatest_kib), (7_890, 123_456));
        assert_eq!(Memory::read("Name:\tx\n"), None);
        let stat = "12 (a) b) S 1 12 12 0 -1 4194560 5 0 0 0 250 30 0 0 20 0 9 0 1 2 3";
        assert_eq!(ticks(stat), Some(280));
        assert_eq!(ticks("12"), None);
    }

    #[test]
    fn this_process_has_memory() {
        assert!(memory(std::process::id()).unwrap().resident_kib > 0);
        assert!(processor_seconds(std::process::id()).unwrap() >= 0.0);
    }

    #[test]
    fn children_are_known_by_their_parent() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let known = children(std::process::id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(known.contains(&child.id()), "{known:?}");
    }
}
