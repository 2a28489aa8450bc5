//! What systemd is told (sd_notify(3)): that the program is up, how it is, that it makes progress, and that it ends.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::sleep;

/// How late a change of the status may be told.
const LOOK: Duration = Duration::from_secs(1);
/// Beats in the time after which systemd takes the program for dead (`WatchdogSec=`).
const BEATS: u32 = 3;

/// Says `READY=1`, and from then on what `status` says whenever that changes, and a beat for the watchdog where the unit has one. Runs until
/// it is dropped; where nobody listens, it ends at once.
///
/// As a task of its own it shows that the runtime still gives tasks their turn: no beat comes from a process that is frozen, or whose
/// threads all hang.
pub async fn keep_telling(mut status: impl FnMut() -> String + Send) {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return;
    }
    let watchdog = sd_notify::watchdog_enabled().map(|limit| limit / BEATS);
    let pause = watchdog.map_or(LOOK, |beat| beat.min(LOOK));
    let mut told = one_line(&status());
    tell(&[NotifyState::Ready, NotifyState::Status(&told)]);
    loop {
        if watchdog.is_some() {
            tell(&[NotifyState::Watchdog]);
        }
        let now = one_line(&status());
        if now != told {
            tell(&[NotifyState::Status(&now)]);
            told = now;
        }
        sleep(pause).await;
    }
}

/// Says `STOPPING=1`.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// A message has one line for each thing that it says.
fn one_line(status: &str) -> String {
    status.trim_end().replace('\n', "; ")
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "cannot tell systemd how this program is");
    }
}
