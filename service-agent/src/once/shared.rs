//! A memory that all agents of a service share: the authorities keep it. This agent's own goes before it, for its shares and for what
//! is replayed here.

use std::cell::RefCell;
use std::time::Duration;

use cattery_core::{Code, MemorySince, SingleUse, Use, UseRefused};
use cattery_proto::v1::{SpendOutcome, SpendSingleUseRequest};
use rand::random;
use tracing::{debug, warn};

use super::MemoryAt;
use crate::agent::Agent;
use crate::clock::Moment;
use crate::decision_log::Line;
use crate::verdict::Verdict;

/// How long an authority may take, and another one after it. A caller waits meanwhile, and the SDK gives up after two seconds.
const PATIENCE: Duration = Duration::from_millis(800);
const ATTEMPTS: u32 = 2;

/// This agent's memory at one moment, which notes what it agreed to where others have to agree as well.
pub(crate) struct Noting<'a> {
    memory: MemoryAt<'a>,
    is_shared: bool,
    noted: RefCell<Option<Spend>>,
}

/// A use that this agent's memory agreed to, and that the authorities have yet to agree to.
pub(crate) struct Spend {
    mark: [u8; 32],
    principal: String,
}

impl<'a> Noting<'a> {
    pub(crate) fn new(memory: MemoryAt<'a>, is_shared: bool) -> Self {
        Self {
            memory,
            is_shared,
            noted: RefCell::default(),
        }
    }

    /// What is still to be spent.
    pub(crate) fn into_spend(self) -> Option<Spend> {
        self.noted.into_inner()
    }
}

impl SingleUse for Noting<'_> {
    fn since(&self) -> MemorySince {
        if self.is_shared {
            MemorySince::Always // the authorities' holds across every restart
        } else {
            self.memory.since()
        }
    }

    fn use_once(&self, once: &Use<'_>) -> Result<(), UseRefused> {
        self.memory.use_once(once)?;
        if self.is_shared {
            self.noted.replace(Some(Spend {
                mark: once.mark,
                principal: once.principal.to_owned(),
            }));
        }
        Ok(())
    }
}

/// A use that was not spent, or not for sure.
pub(crate) struct Unspent {
    pub(crate) verdict: Verdict,
    detail: &'static str,
    principal: String,
}

impl Unspent {
    pub(crate) fn line(&self, token_id: Option<[u8; 16]>) -> Line<'_> {
        Line {
            verdict: self.verdict.code(),
            detail: Some(&self.detail),
            principal: Some(&self.principal),
            token_id,
            ..Line::default()
        }
    }
}

impl Agent {
    /// Has the authorities spend a use of a token that ends at `not_after` (Unix seconds). Where none answers it is not known whether it was
    /// spent, and the token is not accepted.
    pub(crate) async fn spend(&self, spend: Spend, not_after: u64) -> Result<(), Unspent> {
        let request = SpendSingleUseRequest {
            mark: spend.mark.to_vec(),
            not_after,
            attempt: random::<[u8; 16]>().to_vec(),
        };
        let refuses = "the shared memory of single-use tokens refuses it";
        let (verdict, detail) = match self.ask_to_spend(request).await {
            Some(SpendOutcome::Spent) => return Ok(()),
            Some(SpendOutcome::Replayed) => (Verdict::Denied(Code::Replayed), refuses),
            Some(SpendOutcome::Full) => (Verdict::Denied(Code::ReplayFull), refuses),
            Some(SpendOutcome::Unspecified) | None => (
                Verdict::Unavailable,
                "no authority says whether it was used",
            ),
        };
        Err(Unspent {
            verdict,
            detail,
            principal: spend.principal,
        })
    }

    async fn ask_to_spend(&self, request: SpendSingleUseRequest) -> Option<SpendOutcome> {
        for _ in 0..ATTEMPTS {
            match self.link.spend_single_use(request.clone(), PATIENCE).await {
                Ok(answer) => return Some(answer.outcome()),
                Err(error) if self.spending_said.is_time(Moment::now().steady) => {
                    warn!(%error, "single uses cannot be spent: tokens for a single use are answered with 503");
                }
                Err(error) => debug!(%error, "a single use cannot be spent"),
            }
        }
        None
    }
}
