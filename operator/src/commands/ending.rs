//! What becomes of leases that were issued under a grant or a group which changes or ends.

use cattery_proto::v1;
use clap::Args;
use serde::Serialize;

use super::Context;
use crate::{
    authority::Session,
    clock,
    exit::Done,
    out::counted,
    reach::{self, Reach},
};

/// Whether they end, too.
#[derive(Args)]
pub(crate) struct Ending {
    /// Revoke the leases that were issued under it, so that nobody waits for their end
    #[arg(long)]
    revoke: bool,
    /// Wait until every live agent refuses them
    #[arg(long, requires = "revoke")]
    wait: bool,
}

/// What came of it.
#[derive(Serialize)]
pub(crate) struct Ended {
    /// Leases that were issued before and have not ended.
    lease_count: u64,
    revoked: bool,
    /// When the last of those ends that are not revoked.
    last_ends_at: Option<u64>,
    /// With `--wait`, where there was a lease.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    reach: Option<Reach>,
}

impl Ending {
    pub(crate) fn request(&self) -> Option<v1::Ending> {
        Some(v1::Ending {
            revoke: self.revoke,
            wait: self.wait,
        })
    }

    /// A connection for it. Revoking goes on when an authority dies.
    ///
    /// # Errors
    /// Nobody is an operator here.
    pub(crate) async fn session(&self, context: &Context) -> anyhow::Result<Session> {
        match self.revoke {
            true => Session::open_to_all(&context.home()?).await,
            false => Session::open(&context.home()?).await,
        }
    }

    /// Asks for a change, and waits for the agents if that is wanted. With `--revoke` it can be asked for twice.
    ///
    /// # Errors
    /// No authority did it, or it is not known how far it has come.
    pub(crate) async fn ask<T>(
        &self,
        session: &mut Session,
        call: impl AsyncFn(
            &mut v1::admin_client::AdminClient<tonic::transport::Channel>,
        ) -> Result<tonic::Response<T>, tonic::Status>,
        leases: impl FnOnce(&mut T) -> Option<v1::LeasesUnder>,
    ) -> anyhow::Result<(T, Ended)> {
        let mut answer = match self.revoke {
            true => reach::ask(session, call).await?,
            false => {
                let answer = call(&mut session.admin).await;
                answer
                    .map_err(|status| session.refused(&status))?
                    .into_inner()
            }
        };
        let leases = leases(&mut answer).unwrap_or_default();
        let reach = match leases.position.filter(|_| self.wait) {
            Some(position) => Some(reach::wait(session, position).await?),
            None => None,
        };
        let ended = Ended {
            lease_count: leases.leases,
            revoked: self.revoke,
            last_ends_at: clock::some(leases.until),
            reach,
        };
        Ok((answer, ended))
    }
}

impl Ended {
    /// In words that follow what was done.
    pub(crate) fn sentence(&self) -> String {
        let leases = counted(self.lease_count, "lease");
        let are = if self.lease_count == 1 { "is" } else { "are" };
        match (self.lease_count, self.revoked, &self.reach) {
            (0, ..) => "no lease of before is out".to_owned(),
            (_, true, Some(reach)) => {
                format!("{leases} of before {are} revoked; {}", reach.sentence())
            }
            (_, true, None) => format!(
                "{leases} of before {are} revoked: agents refuse what was signed with them as soon as they hear of it"
            ),
            (_, false, _) => format!(
                "{leases} of before {are} good until {} at the latest, and the same command with `--revoke` ends them",
                clock::both(self.last_ends_at.unwrap_or(0), clock::now())
            ),
        }
    }

    /// Says whom somebody waited for in vain, and whether there is nobody.
    pub(crate) fn done(&self) -> Done {
        reach::done(self.reach.as_ref())
    }
}
