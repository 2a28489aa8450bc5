//! Checking in this process. The agent gives the keys and keeps the memory of single-use tokens.

use std::{
    cell::Cell,
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use cattery_core::{
    Code, ForwardHeader, MemorySince, RequestFacts, SingleUse, Use, UseRefused, Verifier,
};
use cattery_proto::v1::{GetVerificationKeysRequest, UseOnceRequest, agent_client::AgentClient};
use tokio::{
    sync::Notify,
    task::AbortHandle,
    time::{Instant, sleep, sleep_until},
};

use super::{
    Caller, CallerRef, Verdict, keys::VerificationKeys, moment::Moment, refusal::Refusal,
    scratch::with_scratch, through_agent::ThroughAgent,
};
use crate::{denial::PRESENTER_NOT_TRUSTED, sealing::ReceiverKey};

/// Least time between two refreshes that tokens of unknown epochs ask for.
const UNKNOWN_EPOCH_GAP: Duration = Duration::from_secs(5);
/// All revoked ids may be in it: the agent sends no more than a million, of 28 bytes each.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;
const LONGEST_RETRY: Duration = Duration::from_secs(30);

pub(super) struct InProcess {
    service: String,
    agent: ThroughAgent,
    keys: Arc<Shared>,
    /// Set once, right after the start.
    refreshing: OnceLock<AbortHandle>,
}

struct Shared {
    keys: ArcSwap<VerificationKeys>,
    /// Whether the last refresh failed.
    cut_off: AtomicBool,
    /// A token of an unknown epoch came, or the keys are too old.
    demand: Notify,
}

impl InProcess {
    pub(super) async fn start(service: &str, socket: &Path) -> Result<Arc<Self>, String> {
        let agent = ThroughAgent::new(socket);
        let first = fetch(&agent, service, None).await?;
        let shared = Arc::new(Shared {
            keys: ArcSwap::from_pointee(first),
            cut_off: AtomicBool::new(false),
            demand: Notify::new(),
        });
        let refreshing = tokio::spawn(refresh(
            Arc::clone(&shared),
            agent.clone(),
            service.to_owned(),
        ));
        let this = Self {
            service: service.to_owned(),
            agent,
            keys: shared,
            refreshing: OnceLock::new(),
        };
        this.refreshing.get_or_init(|| refreshing.abort_handle());
        Ok(Arc::new(this))
    }

    pub(super) async fn verify(
        &self,
        presentation: &str,
        forwarded: Option<&ForwardHeader<'_>>,
        facts: &RequestFacts<'_>,
    ) -> Result<(Caller, Vec<Verdict>), Refusal> {
        let caller = self
            .verify_with(None, presentation, facts, |caller| Caller::from(caller))
            .await?;
        let mut verdicts = Vec::new();
        for presentation in forwarded.iter().flat_map(|header| header.presentations()) {
            let presenter = &caller.principal;
            verdicts.push(if self.keys.keys.load().trusts(presenter) {
                self.verify_with(Some(presenter), presentation, facts, |caller| {
                    Caller::from(caller)
                })
                .await
            } else {
                tracing::debug!(
                    presenter,
                    "a forwarded token is refused: the presenter is not trusted"
                );
                Err(Refusal::Forbidden(PRESENTER_NOT_TRUSTED.to_owned()))
            });
        }
        Ok((caller, verdicts))
    }

    /// `look` sees the caller once nothing can be refused any more.
    pub(super) async fn verify_with<T>(
        &self,
        presenter: Option<&str>,
        presentation: &str,
        facts: &RequestFacts<'_>,
        look: impl FnOnce(CallerRef<'_>) -> T,
    ) -> Result<T, Refusal> {
        match self.verify_locally(presenter, presentation, facts, look)? {
            Local::Good(seen) => Ok(seen),
            // A call takes its time; what it needs is not carried about where there is none.
            Local::Once(owed, look) => Box::pin(self.spend(*owed, look)).await,
        }
    }

    /// Lets a good token pass if the agent says that it was not used.
    pub(super) async fn spend<T>(
        &self,
        (caller, once): (Caller, UseOnceRequest),
        look: impl FnOnce(CallerRef<'_>) -> T,
    ) -> Result<T, Refusal> {
        self.agent.use_once(once).await?;
        Ok(look(CallerRef::from(&caller)))
    }

    /// As far as this process comes by itself.
    pub(super) fn verify_locally<T, F: FnOnce(CallerRef<'_>) -> T>(
        &self,
        presenter: Option<&str>,
        presentation: &str,
        facts: &RequestFacts<'_>,
        look: F,
    ) -> Result<Local<T, F>, Refusal> {
        let keys = self.keys.keys.load();
        let now = now()?;
        if keys.good_for(now) == 0 {
            self.keys.demand.notify_one();
            return Err(Refusal::Unavailable(
                "no agent has answered for too long".to_owned(),
            ));
        }
        let noted = Noted::default();
        let verifier = Verifier {
            service: &self.service,
            keys: keys.at(now.unix),
            revocations: &keys.revoked,
            single_use: &noted,
            policy: keys.policy,
        };
        with_scratch(|scratch| {
            let verified = verifier.verify_by(presenter, presentation, facts, now.unix, scratch);
            match verified {
                Ok(verified) => {
                    let caller = CallerRef::verified(&verified);
                    let Some(once) = noted.0.take() else {
                        return Ok(Local::Good(look(caller)));
                    };
                    let once = UseOnceRequest {
                        not_before: verified.not_before(),
                        not_after: verified.not_after(),
                        ..*once
                    };
                    Ok(Local::Once(Box::new((caller.into(), once)), look))
                }
                Err(denied) => {
                    if denied.code == Code::UnknownEpoch {
                        self.keys.demand.notify_one();
                        if self.keys.cut_off.load(Ordering::Relaxed) {
                            return Err(Refusal::Unavailable(
                                "a token's epoch is not known, and no agent answers".to_owned(),
                            ));
                        }
                    }
                    tracing::debug!(reason = %denied.reason, presenter, "a token is refused");
                    Err(Refusal::of_code(denied.code))
                }
            }
        })
    }
}

/// How far this process comes by itself.
pub(super) enum Local<T, F> {
    /// The token is good: what was seen of it.
    Good(T),
    /// It is, if it has not been used: the agent knows, and then somebody looks.
    Once(Box<(Caller, UseOnceRequest)>, F),
}

impl Drop for InProcess {
    fn drop(&mut self) {
        if let Some(task) = self.refreshing.get() {
            task.abort();
        }
    }
}

/// Notes the use that the agent has yet to agree to; nothing is admitted before it has. In a box: most tokens have none, and each has the room for it.
#[derive(Default)]
struct Noted(Cell<Option<Box<UseOnceRequest>>>);

impl SingleUse for Noted {
    fn since(&self) -> MemorySince {
        MemorySince::Always // the rule for a restart is the agent's: it knows when its memory began
    }

    #[cold] // most tokens are not for a single use: what verifies them need not go round it
    fn use_once(&self, once: &Use<'_>) -> Result<(), UseRefused> {
        let once = UseOnceRequest {
            mark: once.mark.to_vec(),
            token: once.token.to_vec(),
            lease_id: once.lease_id.to_vec(),
            principal: once.principal.to_owned(),
            not_before: 0, // these two are the token's: the caller knows them
            not_after: 0,
        };
        self.0.set(Some(Box::new(once)));
        Ok(())
    }
}

fn now() -> Result<Moment, Refusal> {
    Moment::now().ok_or_else(|| Refusal::Unavailable("the clock stands before 1970".to_owned()))
}

async fn refresh(shared: Arc<Shared>, agent: ThroughAgent, service: String) {
    let mut failures = 0_u32;
    let mut quiet_until = Instant::now();
    let mut wait = shared.keys.load().refresh_after;
    loop {
        let jittered = wait.mul_f64(rand::random_range(0.8..1.0));
        tokio::select! {
            () = sleep(jittered) => {}
            () = async {
                shared.demand.notified().await;
                sleep_until(quiet_until).await;
            } => {}
        }
        quiet_until = Instant::now() + UNKNOWN_EPOCH_GAP;
        let former = shared.keys.load_full();
        match fetch(&agent, &service, Some(&former)).await {
            Ok(keys) => {
                failures = 0;
                wait = keys.refresh_after;
                shared.keys.store(Arc::new(keys));
                shared.cut_off.store(false, Ordering::Relaxed);
            }
            Err(why) => {
                shared.cut_off.store(true, Ordering::Relaxed);
                failures += 1;
                wait = Duration::from_secs(1_u64 << failures.min(5)).min(LONGEST_RETRY);
                let good_for = now().map_or(0, |now| shared.keys.load().good_for(now));
                tracing::warn!(
                    why,
                    good_for_seconds = good_for,
                    "verification keys could not be refreshed; those held are used meanwhile"
                );
            }
        }
    }
}

async fn fetch(
    agent: &ThroughAgent,
    service: &str,
    former: Option<&VerificationKeys>,
) -> Result<VerificationKeys, String> {
    let receiver = ReceiverKey::generate().map_err(|error| error.to_string())?;
    let asked = Moment::now().ok_or("the clock of this computer stands before 1970")?;
    let answer = AgentClient::new(agent.channel.clone())
        .max_decoding_message_size(LARGEST_ANSWER)
        // All revoked ids can take longer than a call that the agent answers by itself may: it has the time of any call.
        .get_verification_keys(GetVerificationKeysRequest {
            receiver_public_key: receiver.public_key(),
            since: former.and_then(|former| former.revoked.position),
        })
        .await
        .map_err(|status| agent.explain(&status))?;
    VerificationKeys::read(&answer.into_inner(), service, &receiver, asked, former)
}
