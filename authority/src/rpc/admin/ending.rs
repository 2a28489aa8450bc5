//! What becomes of leases that were issued under something that changes or ends.

use cattery_proto::v1;

use super::leases::{good, revoke_out};
use super::revocations::position;
use crate::act::Act;
use crate::cluster::Authority;
use crate::failure::Failure;
use crate::registry::Under;

/// After a change: revokes what was issued under what it concerns, if that is wanted, and tells of it. What is to end and is not there may
/// have ended in a call that was cut off, so that its leases are looked for all the same.
pub(super) async fn after<T>(
    authority: &Authority,
    act: &Act,
    changed: Result<T, Failure>,
    under: Under<'_>,
    ending: Option<v1::Ending>,
) -> Result<(Option<T>, v1::LeasesUnder), Failure> {
    let v1::Ending { revoke, wait } = ending.unwrap_or_default();
    let changed = match changed {
        Ok(changed) => Ok(changed),
        Err(Failure::NotFound(why)) if revoke => Err(why),
        Err(failure) => return Err(failure),
    };
    let records = authority.registry.leases_under(under).await?;
    let mut told = v1::LeasesUnder::default();
    let count = |leases: usize| u64::try_from(leases).unwrap_or(u64::MAX);
    if revoke {
        let grant = under.to_string();
        let ended = revoke_out(authority, act, &records, ("under", &grant), wait).await;
        let ended = ended.inspect_err(|_| {
            tracing::error!(
                grant,
                "what was asked for is done, but leases that were issued before are left: ask for it once more, with `revoke`"
            );
        })?;
        told.leases = count(ended.leases);
        told.position = ended.changed.map(|changed| position(authority, changed));
    } else {
        let (leases, until) = good(authority, act.now(), &records).await?;
        (told.leases, told.until) = (count(leases), until);
    }
    match changed {
        Ok(changed) => Ok((Some(changed), told)),
        Err(why) if told.leases == 0 => Err(Failure::NotFound(why)),
        Err(_) => Ok((None, told)),
    }
}
