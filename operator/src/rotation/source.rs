//! Where schedules come from: the authorities, one after the other.

use anyhow::Context as _;
use cattery_proto::v1;
use tonic::Status;

use super::{
    keys::Keys,
    schedule::Schedule,
    step::{Answer, Step},
};
use crate::{
    authority::{Session, may_pass},
    home::Home,
};

/// Whoever knows how keys are, and changes it.
pub(crate) trait Source {
    /// How things are.
    async fn schedule(&mut self) -> Result<Schedule, Trouble>;
    /// Takes a step, or tells what it would do. After [`Trouble::Away`] it has happened whole or not at all.
    async fn step(&mut self, step: Step) -> Result<Answer, Trouble>;
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// Nobody could answer; another authority, or the same one later, may.
    Away(anyhow::Error),
    /// The answer is no, and time does not change it.
    Refused(anyhow::Error),
}

impl From<Trouble> for anyhow::Error {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Away(why) | Trouble::Refused(why) => why,
        }
    }
}

/// The authorities of a home's cluster. After each one that cannot answer, the next is asked.
pub(crate) struct Authorities {
    keys: Keys,
    session: Session,
}

impl Authorities {
    /// As the operator of this home.
    ///
    /// # Errors
    /// There is no operator, or what is kept of them cannot be used.
    pub(crate) async fn open(home: &Home, keys: Keys) -> anyhow::Result<Self> {
        let session = Session::open_to_all(home).await?;
        Ok(Self { keys, session })
    }

    fn trouble(&mut self, status: &Status) -> Trouble {
        let why = self.session.refused(status);
        if !may_pass(status) {
            return Trouble::Refused(why);
        }
        self.session.turn_away();
        Trouble::Away(why)
    }
}

impl Source for Authorities {
    async fn schedule(&mut self) -> Result<Schedule, Trouble> {
        let request = v1::GetKeyScheduleRequest {
            service: self.keys.service(),
        };
        match self.session.admin.get_key_schedule(request).await {
            Ok(answer) => {
                let schedule = answer.into_inner().schedule.map(Schedule::from);
                schedule
                    .context("the authority's answer holds no schedule")
                    .map_err(Trouble::Refused)
            }
            Err(status) => Err(self.trouble(&status)),
        }
    }

    async fn step(&mut self, step: Step) -> Result<Answer, Trouble> {
        let request = step.request(&self.keys);
        match self.session.admin.change_key_schedule(request).await {
            Ok(answer) => step.answer(answer.into_inner()).map_err(Trouble::Refused),
            Err(status) => Err(self.trouble(&status)),
        }
    }
}
