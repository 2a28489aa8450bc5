//! How the program ends: 0 done, 1 refused or failed, 64 usage (`EX_USAGE` of sysexits.h).

use std::{error::Error, fmt, process::ExitCode};

use crate::out;

/// The code for a command line that makes no sense.
pub(crate) const USAGE: u8 = 64;

/// A command that ran to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// It did what was asked.
    Well,
    /// The answer is no, and has been given already.
    Refused,
}

/// What was asked for makes no sense; nothing was tried.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Usage {}

/// Says what went wrong, if anything did, and chooses the exit code.
pub(crate) fn code(ended: anyhow::Result<Done>) -> ExitCode {
    match ended {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::Refused) => ExitCode::FAILURE,
        Err(error) => {
            out::failure(&format!("{error:#}"));
            if error.is::<Usage>() {
                ExitCode::from(USAGE)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}
