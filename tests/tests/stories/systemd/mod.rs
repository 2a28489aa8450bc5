//! What systemd and the programs have to do with each other. systemd itself does not run here: its tools do.

mod activated;
mod told;
mod units;
