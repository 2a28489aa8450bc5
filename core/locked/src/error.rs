use std::io;

use thiserror::Error;

/// Why memory for a key could not be had. It is never replaced by memory that is not locked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LockError {
    /// The system refused to map memory.
    #[error("cannot map {bytes} bytes of memory for a key")]
    Map {
        /// How much was asked for.
        bytes: usize,
        /// What the system answered.
        #[source]
        source: io::Error,
    },

    /// The system refused to keep the memory out of core dumps.
    #[error("cannot keep {bytes} bytes of a key's memory out of core dumps and forked processes")]
    Advise {
        /// How much was asked for.
        bytes: usize,
        /// What the system answered.
        #[source]
        source: io::Error,
    },

    /// The system refused to keep the memory in RAM: nearly always the operator's limit.
    #[error(
        "cannot lock {bytes} more bytes of memory for a key: RLIMIT_MEMLOCK is {}; raise it \
         (systemd: LimitMEMLOCK=64M; containers: --ulimit memlock=67108864; a shell: ulimit -l 65536)",
        Limit(*.limit)
    )]
    Lock {
        /// How much was asked for, beside what is locked already.
        bytes: usize,
        /// `RLIMIT_MEMLOCK` of this process in bytes; `None` is unlimited.
        limit: Option<u64>,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
}

/// Which part of [`harden_process`](crate::harden_process) the system refused.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HardenError {
    /// This process can be dumped and traced by others of the same user.
    #[error("cannot make this process undumpable (prctl PR_SET_DUMPABLE)")]
    Dumpable(#[source] io::Error),

    /// This process, or one that it starts, can leave a core dump.
    #[error("cannot turn core dumps off (setrlimit RLIMIT_CORE)")]
    CoreLimit(#[source] io::Error),
}

struct Limit(Option<u64>);

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(bytes) => write!(f, "{bytes} bytes"),
            None => f.write_str("unlimited"),
        }
    }
}
