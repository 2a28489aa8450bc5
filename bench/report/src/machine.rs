//! What a page says of the machine that it was measured on.

use std::{fs, process::Command, thread};

/// Processor, memory, kernel and compiler, and what of the processor hashing is fast with.
pub fn machine() -> String {
    let of = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let value = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            (name.trim() == key).then(|| value.trim().to_owned())
        });
        value.unwrap_or_default()
    };
    let flags = of("/proc/cpuinfo", "flags");
    let has = |flag: &str| flags.split(' ').any(|one| one == flag);
    let fast: Vec<_> = ["sha_ni", "avx2", "avx512f"]
        .into_iter()
        .filter(|flag| has(flag))
        .collect();
    let kib = of("/proc/meminfo", "MemTotal");
    let kib: u64 = kib.trim_end_matches(" kB").parse().unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let rustc = Command::new("rustc").arg("--version").output();
    let rustc = rustc.map(|said| String::from_utf8_lossy(&said.stdout).into_owned());
    format!(
        "{} ({} cores: {}), {} GiB, Linux {}, {}, profile `release` (thin LTO)",
        of("/proc/cpuinfo", "model name"),
        thread::available_parallelism().map_or(0, usize::from),
        fast.join(", "),
        (kib + (1 << 19)) >> 20,
        kernel.trim(),
        rustc.unwrap_or_default().trim(),
    )
}
