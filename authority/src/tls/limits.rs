//! How many connections there are room for.

use rustix::process::{Resource, getrlimit};

/// Most handshakes at the same time. Whoever says nothing takes a place for a while, so there are many.
const MAX_HANDSHAKES: usize = 2_048;
/// Most connections at the same time, those in their handshake too: ten thousand agents, and some.
const MAX_CONNECTIONS: usize = 16_384;
/// Most of them without a certificate, so that strangers leave room for agents.
const MAX_STRANGERS: usize = 4_096;
/// Files for all else: the store, the log, sockets.
const OTHER_FILES: usize = 64;

/// The open files that an authority has use for.
pub const FILES: u64 = (MAX_CONNECTIONS + OTHER_FILES) as u64;

/// How many of each there may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) connections: usize,
    pub(super) strangers: usize,
    pub(super) handshakes: usize,
}

impl Limits {
    /// What this process has files for: were it to run out of them, nobody could connect, and the log might not be opened.
    pub(super) fn of_process() -> Self {
        let files = getrlimit(Resource::Nofile).current;
        Self::of(files.and_then(|files| usize::try_from(files).ok()))
    }

    fn of(files: Option<usize>) -> Self {
        let most = files.map_or(MAX_CONNECTIONS, |files| files.saturating_sub(OTHER_FILES));
        let connections = most.clamp(1, MAX_CONNECTIONS);
        Self {
            connections,
            strangers: MAX_STRANGERS.min(connections.div_ceil(4)),
            handshakes: MAX_HANDSHAKES.min(connections.div_ceil(2)),
        }
    }
}

/// Half of the places: what one address may take.
pub(super) fn share(places: usize) -> usize {
    places.div_ceil(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_files_are_few_connections() {
        let all = Limits::of(None);
        assert_eq!(all, Limits::of(usize::try_from(FILES).ok()));
        assert_eq!(all.connections, MAX_CONNECTIONS);
        assert_eq!(
            Limits::of(Some(1_024)),
            Limits {
                connections: 960,
                strangers: 240,
                handshakes: 480
            }
        );
        assert_eq!(Limits::of(Some(3)).connections, 1);
    }
}
