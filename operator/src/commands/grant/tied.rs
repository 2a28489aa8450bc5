//! Groups that say different things.

use cattery_proto::v1;
use serde::Serialize;

use crate::{out, plain::plain};

/// A service or pattern for which another group has a grant with other conditions.
#[derive(Serialize)]
pub(crate) struct Tied {
    service: String,
    group: String,
    user_count: u32,
}

impl Tied {
    /// Says what comes of it, beside the output.
    pub(crate) fn note(all: &[Self]) {
        for tied in all {
            out::note(&format!(
                "group/{} has other conditions for {}, so whoever is in both groups ({} now) gets no keys by either. A grant of their own \
                 decides, and `cattery grant explain` shows what applies",
                plain(&tied.group),
                plain(&tied.service),
                out::counted(tied.user_count, "user")
            ));
        }
    }
}

impl From<v1::TiedGrant> for Tied {
    fn from(tied: v1::TiedGrant) -> Self {
        Self {
            service: tied.service,
            group: tied.group,
            user_count: tied.users,
        }
    }
}
