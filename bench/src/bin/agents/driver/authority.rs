//! What an operator asks of the authority.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use cattery_proto::v1::{
    AddServiceRequest, ChangeKeyScheduleRequest, ChangeKeyScheduleResponse, EpochState,
    GetKeyScheduleRequest, KeyCommand, KeySchedule, Position, Revocation, RevocationKind,
    RevokeRequest, StepRefusal,
};
use cattery_tests::api::Operator;
use tokio::time::sleep;

/// How long anything may take before the measurement fails.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks: each one costs the authority a listing of all agents.
const LOOK: Duration = Duration::from_millis(100);

/// The operator's calls.
pub(super) struct Admin(pub(super) Operator);

impl Admin {
    pub(super) async fn add_service(&mut self, name: String) -> Result<()> {
        self.0.admin.add_service(AddServiceRequest { name }).await?;
        Ok(())
    }

    /// Waits until the next epoch is prepared, as the leader sees to by itself.
    ///
    /// # Errors
    /// It takes too long.
    pub(super) async fn settled(&mut self) -> Result<KeySchedule> {
        self.until("the next epoch is prepared", |schedule| {
            let newest = schedule.keys.first();
            newest.is_some_and(|key| key.state() == EpochState::Prepared)
        })
        .await
    }

    /// Waits until every live agent holds this epoch.
    ///
    /// # Errors
    /// It takes too long.
    pub(super) async fn acknowledged(&mut self, epoch: u32) -> Result<()> {
        self.until("every agent acknowledged", |schedule| {
            let newest = schedule.keys.first();
            newest.is_some_and(|key| key.number == epoch)
                && schedule.live_agents == schedule.holding
        })
        .await?;
        Ok(())
    }

    /// Takes a step. `force`: for one whose time has not come.
    ///
    /// # Errors
    /// The step is refused, but for a key that the leader has prepared already.
    pub(super) async fn step(
        &mut self,
        command: KeyCommand,
        force: bool,
    ) -> Result<ChangeKeyScheduleResponse> {
        let request = ChangeKeyScheduleRequest {
            command: command.into(),
            force,
            ..Default::default()
        };
        let answer = self.0.admin.change_key_schedule(request).await;
        let answer = answer.with_context(|| format!("{command:?}"))?.into_inner();
        match answer.refusal() {
            StepRefusal::Unspecified => Ok(answer),
            StepRefusal::AlreadyPrepared => Ok(answer),
            refusal => bail!("{command:?} is refused: {refusal:?}"),
        }
    }

    /// Revokes an id of the service's, which nobody has: the place in the feed that agents have to reach. Nobody waits for their
    /// acknowledgements, so the store has none of them.
    ///
    /// # Errors
    /// The authority's.
    pub(super) async fn revoke(&mut self, service: &str) -> Result<Position> {
        let request = RevokeRequest {
            revocations: vec![Revocation {
                kind: RevocationKind::Token.into(),
                principal: format!("service/{service}"),
                id: rand::random::<[u8; 16]>().to_vec(),
                not_after: 0,
            }],
            wait: false,
        };
        let answer = self.0.admin.revoke(request).await?.into_inner();
        answer.position.context("its place in the feed")
    }

    async fn until(
        &mut self,
        what: &str,
        is_so: impl Fn(&KeySchedule) -> bool,
    ) -> Result<KeySchedule> {
        let began = Instant::now();
        loop {
            let answer = self
                .0
                .admin
                .get_key_schedule(GetKeyScheduleRequest::default());
            let answer = answer.await;
            // It may be starting.
            let schedule = answer.ok().and_then(|answer| answer.into_inner().schedule);
            if let Some(schedule) = schedule.filter(|schedule| is_so(schedule)) {
                return Ok(schedule);
            }
            if began.elapsed() > PATIENCE {
                bail!("waited {} s in vain until {what}", PATIENCE.as_secs());
            }
            sleep(LOOK).await;
        }
    }
}
