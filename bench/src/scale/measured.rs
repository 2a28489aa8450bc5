//! What one of everything costs, as other groups have measured it: from the figures that they wrote.

use std::path::Path;

use anyhow::{Context as _, Result};
use cattery_report::figures;

use super::quantity::Quantity;
use crate::records::{USED_SERVICES, of_fetch, of_user};

/// A cost, and where it is from.
pub(super) struct Cost {
    pub(super) quantity: Quantity,
    pub(super) source: String,
}

/// Times are seconds of a processor unless they say otherwise. Those of an authority are with an etcd that it shares the machine with.
pub(super) struct Measured {
    /// An authority's, for an agent that does nothing, per second.
    pub(super) idle: Cost,
    /// GiB of an authority's memory for an agent.
    pub(super) memory: Cost,
    /// An authority's, for an agent that connects. Most of it is the TLS handshake.
    pub(super) connect: Cost,
    /// An authority's, for an agent that gets a new key and acknowledges it.
    pub(super) key: Cost,
    /// An authority's, for an agent that is told of a revoked id and acknowledges it, which is not stored.
    pub(super) tell: Cost,
    /// Acknowledgements that one etcd stored per second.
    pub(super) acknowledgements: Cost,
    /// Fetches of keys that one etcd stored per second, a transaction each.
    pub(super) writes: Cost,
    /// Bytes of an agent's memory for a revoked id.
    pub(super) revoked: Cost,
    /// For a token that is verified.
    pub(super) verify: Cost,
    /// GiB of the store for a user.
    pub(super) user: Cost,
    /// GiB of the store for a call that fetched keys.
    pub(super) fetch: Cost,
}

impl Measured {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let of = |group, name| Figure::read(folder, group, name);
        let authority = |name| of("authority", name);
        let agents = authority("agents_etcd")?.value;
        Ok(Self {
            idle: authority("idle_agent_server_ms_per_minute_etcd")?
                .times(1e-3 / 60.0, "s per s and idle agent"),
            memory: authority("idle_agent_kib_etcd")?
                .times(1.0 / f64::from(1 << 20), "GiB per agent"),
            connect: authority("storm_agent_server_ms_etcd")?.times(1e-3, "s per connection"),
            key: authority("fan_out_agent_server_ms_etcd")?.times(1e-3, "s per agent"),
            tell: authority("revocation_agent_server_ms_etcd")?
                .times(1e-3, "s per revocation and agent"),
            acknowledgements: authority("fan_out_s_etcd")?.under(agents, "acknowledgements per s"),
            writes: authority("lease_write_per_second_etcd")?.times(1.0, "writes per s"),
            revoked: of("revoked", "bytes_per_id")?.times(1.0, "bytes per id"),
            verify: of("core", "verify, from its text")?.times(1e-9, "s per token"),
            user: written(of_user(), "GiB per user"),
            fetch: written(of_fetch(USED_SERVICES), "GiB per fetch"),
        })
    }

    pub(super) fn all(&self) -> [&Cost; 11] {
        [
            &self.idle,
            &self.memory,
            &self.connect,
            &self.key,
            &self.tell,
            &self.acknowledgements,
            &self.writes,
            &self.revoked,
            &self.verify,
            &self.user,
            &self.fetch,
        ]
    }
}

/// What records take, in GiB.
#[allow(clippy::cast_precision_loss)] // bytes of a few records
fn written(bytes: usize, unit: &str) -> Cost {
    Cost {
        quantity: Quantity::new(bytes as f64 / f64::from(1 << 30), unit),
        source: format!("{bytes} bytes of the records that an authority writes"),
    }
}

/// A number as a group wrote it.
struct Figure {
    value: f64,
    source: String,
}

impl Figure {
    fn read(folder: &Path, group: &str, name: &str) -> Result<Self> {
        let figures = figures::read(group, folder)?;
        let figure = figures.get(name).with_context(|| {
            format!("{group}.json has no `{name}`: run `bench/run {group}` first")
        })?;
        Ok(Self {
            value: figure.value,
            source: format!("{group}.json: {name}"),
        })
    }

    fn times(self, factor: f64, unit: &str) -> Cost {
        Cost {
            quantity: Quantity::new(self.value * factor, unit),
            source: self.source,
        }
    }

    fn under(self, count: f64, unit: &str) -> Cost {
        Cost {
            quantity: Quantity::new(count / self.value, unit),
            source: self.source,
        }
    }
}

/// The report of this repository.
#[cfg(test)]
pub(super) const REPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/speed");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cost_is_in_the_report() {
        let measured = Measured::read(Path::new(REPORT)).unwrap();
        for cost in measured.all() {
            assert!(cost.quantity.value > 0.0, "{}", cost.source);
        }
    }

    #[test]
    fn who_has_not_measured_is_told_what_to_run() {
        let missing = Measured::read(Path::new("/nonexistent")).err().unwrap();
        assert_eq!(
            missing.to_string(),
            "authority.json has no `agents_etcd`: run `bench/run authority` first"
        );
    }
}
