use super::Registry;
use crate::failure::Failure;
use crate::records::{EpochRecord, EpochState, LeastVersionRecord, key};

/// Revocations by version are told for as long as a key of the old version could live at most: the greatest lease that
/// any configuration allows, and a day for clocks.
pub(super) const TOLD_FOR: u64 = crate::config::MAX_LEASE.as_secs() + 24 * 3600;

/// Every lease asks for the active epoch, and few come before it.
const PAGE: usize = 8;

impl Registry {
    /// All epochs, oldest first.
    pub(crate) async fn epochs(&self) -> Result<Vec<EpochRecord>, Failure> {
        let all = self.list::<EpochRecord>(key::EPOCHS).await?;
        Ok(all.into_iter().map(|stored| stored.record).collect())
    }

    /// Those whose keys agents hold, oldest first.
    pub(crate) async fn live_epochs(&self) -> Result<Vec<EpochRecord>, Failure> {
        let mut epochs = self.epochs().await?;
        epochs.retain(|epoch| epoch.state.is_live());
        Ok(epochs)
    }

    /// The one that user keys are issued from.
    pub(crate) async fn active_epoch(&self) -> Result<EpochRecord, Failure> {
        let mut after = None;
        loop {
            let (page, more) = self
                .page::<EpochRecord>(key::EPOCHS, after.as_deref(), PAGE)
                .await?;
            after = page.last().map(|stored| stored.key.clone());
            let mut epochs = page.into_iter().map(|stored| stored.record);
            match epochs.find(|epoch| epoch.state == EpochState::Active) {
                Some(active) => return Ok(active),
                None if !more => return Err(Failure::Broken("the store has no active epoch")),
                None => {}
            }
        }
    }

    /// Principals whose keys below a version agents have to refuse.
    pub(crate) async fn least_versions(
        &self,
        now: u64,
    ) -> Result<Vec<LeastVersionRecord>, Failure> {
        let all = self.list::<LeastVersionRecord>(key::LEAST_VERSIONS).await?;
        Ok(all
            .into_iter()
            .map(|stored| stored.record)
            .filter(|least| least.raised_at.saturating_add(TOLD_FOR) > now)
            .collect())
    }
}
