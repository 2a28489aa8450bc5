//! The fleet that is computed for, and what it is assumed to do.

use super::quantity::Quantity;
use crate::records::USED_SERVICES;

/// Its size, and assumptions, none of which is measured.
pub(super) struct Fleet {
    pub(super) agents: Quantity,
    pub(super) services: Quantity,
    pub(super) users: Quantity,
    pub(super) regions: Quantity,
    /// What part of the users does anything on a day.
    pub(super) active: Quantity,
    /// How often such a user fetches keys: a lease is for a day at most, and is renewed at half of its life.
    pub(super) fetches: Quantity,
    pub(super) requests: Quantity,
    /// What part of them loses something that is revoked by its id.
    pub(super) revoked: Quantity,
    /// How many times as much there is in the busiest hour.
    pub(super) peak: Quantity,
    pub(super) day: Quantity,
    /// For how many services one fetch is.
    pub(super) used_services: Quantity,
    /// How long a fetch stays in the store: its lease, and a day.
    pub(super) kept: Quantity,
    /// How long a revoked id is told: as long as the greatest lease.
    pub(super) told: Quantity,
    /// How old the time of an agent's last contact in the store gets.
    pub(super) contact: Quantity,
    pub(super) cores: Quantity,
    pub(super) memory: Quantity,
    /// What part of an authority's machine is used: the rest is for a storm.
    pub(super) used: Quantity,
    /// The greatest space that etcd's documentation recommends.
    pub(super) space: Quantity,
}

impl Fleet {
    #[allow(clippy::cast_precision_loss)] // a few services
    pub(super) fn new() -> Self {
        Self {
            agents: Quantity::new(1e6, "agents"),
            services: Quantity::new(1e4, "services"),
            users: Quantity::new(1e9, "users"),
            regions: Quantity::new(3.0, "regions"),
            active: Quantity::new(0.3, "of the users active on a day"),
            fetches: Quantity::new(2.0, "fetches of keys by an active user a day"),
            requests: Quantity::new(200.0, "requests by an active user a day"),
            revoked: Quantity::new(1e-3, "revoked ids for an active user a day"),
            peak: Quantity::new(3.0, "times the mean in the busiest hour"),
            day: Quantity::new(86_400.0, "s a day"),
            used_services: Quantity::new(USED_SERVICES as f64, "services in a fetch"),
            kept: Quantity::new(2.0, "days that a fetch is kept"),
            told: Quantity::new(1.0, "days that a revoked id is told"),
            contact: Quantity::new(600.0, "s between contacts that are stored"),
            cores: Quantity::new(8.0, "cores of an authority"),
            memory: Quantity::new(16.0, "GiB of an authority"),
            used: Quantity::new(0.5, "of a machine in use"),
            space: Quantity::new(8.0, "GiB of an etcd"),
        }
    }

    /// What is not measured.
    pub(super) fn all(&self) -> [&Quantity; 18] {
        [
            &self.agents,
            &self.services,
            &self.users,
            &self.regions,
            &self.active,
            &self.fetches,
            &self.requests,
            &self.revoked,
            &self.peak,
            &self.day,
            &self.used_services,
            &self.kept,
            &self.told,
            &self.contact,
            &self.cores,
            &self.memory,
            &self.used,
            &self.space,
        ]
    }
}
