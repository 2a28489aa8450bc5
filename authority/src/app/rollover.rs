//! The CAs' turns, which come by themselves.

use std::time::{Duration, Instant};

use crate::act::Act;
use crate::cluster::Authority;
use crate::failure::Failure;
use crate::registry::decide;

/// How long a step that has to wait is left alone: to find out that it has to, all agents and operators are read.
const PATIENCE: Duration = Duration::from_secs(60);

/// The next CA, for the leader.
#[derive(Default)]
pub(super) struct Turning {
    refused: Option<Instant>,
    /// What was said last, so that it is said once.
    said: String,
}

impl Turning {
    /// Takes the step whose time has come, if there is one.
    pub(super) async fn look(&mut self, authority: &Authority, act: &Act) -> Result<(), Failure> {
        if self.refused.is_some_and(|at| at.elapsed() < PATIENCE) {
            return Ok(());
        }
        let news = authority.bulletin.confirmed().await?;
        let turns = authority.turns();
        let rollover = turns.rollover(&news.cas, news.leases());
        let Some(command) = rollover.due(act.now()) else {
            return Ok(());
        };
        let Authority {
            registry, signers, ..
        } = authority;
        match decide(|| registry.step_ca(act, signers, &turns, command)).await? {
            Ok(_) => {
                tracing::info!(?command, "the CAs moved on");
                *self = Self::default();
            }
            Err(why) => {
                self.refused = Some(Instant::now());
                let why = why.to_string();
                if self.said != why {
                    tracing::info!(why, "the CAs cannot move on yet");
                    self.said = why;
                }
            }
        }
        Ok(())
    }
}
