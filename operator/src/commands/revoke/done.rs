//! What came of revoking.

use cattery_proto::v1;
use serde::Serialize;

use super::What;
use crate::{
    commands::Context,
    exit::Done,
    reach::{self, Reach},
};

/// What was revoked, and who refuses it by now.
#[derive(Serialize)]
struct Revoked {
    revoked: Vec<What>,
    incarnation: u64,
    sequence: u64,
    /// With `--wait`.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    reach: Option<Reach>,
}

/// Prints it. Where somebody waited in vain, that is said, and it is no success.
pub(super) fn show(
    revoked: Vec<What>,
    position: v1::Position,
    reach: Option<Reach>,
    context: &Context,
) -> anyhow::Result<Done> {
    let shown = Revoked {
        revoked,
        incarnation: position.incarnation,
        sequence: position.sequence,
        reach,
    };
    context.out.show(&shown, describe)?;
    Ok(reach::done(shown.reach.as_ref()))
}

fn describe(shown: &Revoked) -> String {
    let then = match &shown.reach {
        None => "agents refuse it as soon as they hear of it".to_owned(),
        Some(reach) => reach.sentence(),
    };
    match shown.revoked.as_slice() {
        [one] => format!("{} is revoked; {then}", one.name()),
        all => {
            let names: Vec<String> = all.iter().map(|one| format!("  {}", one.name())).collect();
            format!("{then}. Revoked:\n{}", names.join("\n"))
        }
    }
}
