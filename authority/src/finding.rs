//! What the watchdog found, for whoever shows it.

use crate::act::now_ms;
use crate::cluster::Authority;

/// What the watchdog found when it last looked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Whether the rotation of the root keys is overdue. What is not known is not said to be in time.
    pub(crate) rotation_overdue: bool,
    /// `None` where nothing is known.
    pub(crate) active_epoch: Option<u32>,
}

impl Finding {
    /// Before there is a look.
    pub(crate) const NOTHING: Self = Self {
        rotation_overdue: true,
        active_epoch: None,
    };

    /// Looks, now.
    pub(crate) fn of(authority: &Authority) -> Self {
        match authority.bulletin.latest() {
            Ok(news) => Self {
                rotation_overdue: authority.is_overdue(&news.epochs, now_ms() / 1000),
                active_epoch: Some(news.epochs.active().number),
            },
            Err(_) => Self::NOTHING,
        }
    }
}
