//! This process's memory, as the kernel has it.

use anyhow::Context as _;

/// `VmRSS`, bytes.
pub(crate) fn resident() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kib: u64 = kib
        .context("there is no VmRSS in /proc/self/status")?
        .parse()?;
    Ok(kib * 1_024)
}

pub(crate) fn mebibytes(bytes: u64) -> String {
    let tenths = bytes * 10 / (1_024 * 1_024);
    format!("{}.{}", tenths / 10, tenths % 10)
}
