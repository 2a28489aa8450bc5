//! Sockets that systemd listens on and hands over (sd_listen_fds(3)), by the names that its units give them.

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;

/// Sockets that were handed over. They are not ours: their modes and files are systemd's, and stay when the program ends.
#[derive(Default)]
pub struct HandedSockets {
    names: Vec<String>,
    sockets: Option<ListenFd>,
}

/// Why what was handed over cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HandedError {
    /// A name that means nothing.
    #[error(
        "systemd hands over a socket named `{name}`; give it one of these with FileDescriptorName=: {}", .known.join(", ")
    )]
    Unknown {
        /// What it is called.
        name: String,
        /// What there is.
        known: &'static [&'static str],
    },
    /// A name that is there twice.
    #[error(
        "systemd hands over two sockets named `{0}`: one address is enough, so use one ListenStream="
    )]
    Twice(String),
    /// Not of the kind that the name stands for.
    #[error("the socket `{name}` that systemd hands over is not one to listen on {kind}: {why}")]
    Unfit {
        /// What it is called.
        name: &'static str,
        /// What it should be.
        kind: &'static str,
        /// Why.
        #[source]
        why: io::Error,
    },
}

impl HandedSockets {
    /// Takes what was handed over to this very process, and removes the variables that say so: before there is another thread. Each socket
    /// has one of the names that are known.
    ///
    /// # Errors
    /// [`HandedError`]: a name is not known, or is there twice.
    pub fn take(known: &'static [&'static str]) -> Result<Self, HandedError> {
        let is_for_us =
            std::env::var("LISTEN_PID").is_ok_and(|pid| pid.parse() == Ok(std::process::id()));
        if !is_for_us {
            return Ok(Self::default());
        }
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let sockets = ListenFd::from_env();
        let mut names: Vec<_> = names.split(':').map(str::to_owned).collect();
        names.resize(sockets.len(), "unknown".to_owned());
        for (place, name) in names.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let name = name.clone();
                return Err(HandedError::Unknown { name, known });
            }
            if names[..place].contains(name) {
                return Err(HandedError::Twice(name.clone()));
            }
        }
        Ok(Self {
            names,
            sockets: Some(sockets),
        })
    }

    /// The TCP listener of this name, which does not block.
    ///
    /// # Errors
    /// [`HandedError::Unfit`]
    pub fn tcp(&mut self, name: &'static str) -> Result<Option<TcpListener>, HandedError> {
        self.one(name, "TCP", |sockets, place| {
            let listener = sockets.take_tcp_listener(place)?;
            listener.iter().try_for_each(|l| l.set_nonblocking(true))?;
            Ok(listener)
        })
    }

    /// The Unix listener of this name, which does not block.
    ///
    /// # Errors
    /// [`HandedError::Unfit`]
    pub fn unix(&mut self, name: &'static str) -> Result<Option<UnixListener>, HandedError> {
        self.one(name, "a Unix socket", |sockets, place| {
            let listener = sockets.take_unix_listener(place)?;
            listener.iter().try_for_each(|l| l.set_nonblocking(true))?;
            Ok(listener)
        })
    }

    fn one<T>(
        &mut self,
        name: &'static str,
        kind: &'static str,
        take: impl FnOnce(&mut ListenFd, usize) -> io::Result<Option<T>>,
    ) -> Result<Option<T>, HandedError> {
        let place = self.names.iter().position(|there| there == name);
        match (place, &mut self.sockets) {
            (Some(place), Some(sockets)) => {
                take(sockets, place).map_err(|why| HandedError::Unfit { name, kind, why })
            }
            _ => Ok(None),
        }
    }
}
