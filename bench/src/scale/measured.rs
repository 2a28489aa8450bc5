//! What one of everything costs, as it was measured: where a group has written its figures they are taken from there, and otherwise from the
//! tables of `bench/README.md`.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use cattery_report::figures;

use super::{quantity::Quantity, records};

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
    /// Acknowledgements that one etcd stored per second.
    pub(super) acknowledgements: Cost,
    /// Single uses that one etcd stored per second, a transaction each, 64 at once.
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

/// As many agents as the figures are for.
const AGENTS: f64 = 10_000.0;
/// The column of etcd with so many agents.
const ON_ETCD: usize = 4;

impl Measured {
    /// A call fetches keys for so many services.
    pub(super) fn read(folder: &Path, services: usize) -> Result<Self> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let readme = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let from = Sources { folder, readme };
        // A figure is of one agent, a row of all of them.
        let of_agents = |row, figure, all| from.read("authority", (figure, all), (row, 0, ON_ETCD));
        let milliseconds = AGENTS / 1_000.0;
        Ok(Self {
            idle: of_agents(
                "idle: authority's processors, s per minute",
                "idle_agent_server_ms_per_minute_etcd",
                milliseconds,
            )?
            .times(1.0 / 60.0 / AGENTS, "s per s and idle agent"),
            memory: of_agents("memory: per idle agent, KiB", "idle_agent_kib_etcd", 1.0)?
                .times(1.0 / f64::from(1 << 20), "GiB per agent"),
            connect: of_agents(
                "storm: authority's processors, s",
                "storm_agent_server_ms_etcd",
                milliseconds,
            )?
            .times(1.0 / AGENTS, "s per connection"),
            key: of_agents(
                "prepare: authority's processors, s",
                "fan_out_agent_server_ms_etcd",
                milliseconds,
            )?
            .times(1.0 / AGENTS, "s per agent"),
            acknowledgements: of_agents("prepare: last acknowledgement, s", "fan_out_s_etcd", 1.0)?
                .under(AGENTS, "acknowledgements per s"),
            writes: from
                .read(
                    "once",
                    ("etcd, 64 at once, per second", 1.0),
                    ("single use, all agents share, etcd 3.5", 1, 3),
                )?
                .times(1.0, "writes per s"),
            revoked: from
                .read("revoked", ("bytes each", 1.0), ("10,000,000", 0, 2))?
                .times(1.0, "bytes per id"),
            verify: from
                .read("core", ("verify, from its text", 1.0), ("plain", 0, 1))?
                .times(1e-9, "s per token"),
            user: written(records::of_user(), "GiB per user"),
            fetch: written(records::of_fetch(services), "GiB per fetch"),
        })
    }

    pub(super) fn all(&self) -> [&Cost; 10] {
        [
            &self.idle,
            &self.memory,
            &self.connect,
            &self.key,
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

/// A number as it was written.
struct Raw {
    value: f64,
    source: String,
}

impl Raw {
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

struct Sources<'a> {
    folder: &'a Path,
    readme: String,
}

impl Sources<'_> {
    /// The group's figure, times the factor, or the README's row that begins like that, and the cell in it.
    fn read(
        &self,
        group: &str,
        (name, factor): (&str, f64),
        cell: (&str, usize, usize),
    ) -> Result<Raw> {
        let (row, which, column) = cell;
        if let Some(figure) = figures::read(group, self.folder)?.get(name) {
            return Ok(Raw {
                value: figure.value * factor,
                source: format!("{group}.json: {name}"),
            });
        }
        let start = format!("| {row} |");
        let found = self.readme.lines().filter(|line| line.starts_with(&start));
        let found = found.clone().nth(which);
        let cell = found.and_then(|line| line.split('|').nth(column + 1));
        let cell = cell.with_context(|| format!("bench/README.md: no {row}"))?;
        let digits = cell.trim().replace(',', "");
        Ok(Raw {
            value: digits.parse().with_context(|| format!("{row}: {cell}"))?,
            source: format!("bench/README.md: {row}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_s_own_figure_comes_before_the_table() {
        let folder = std::env::temp_dir().join(format!("cat-scale-{}", std::process::id()));
        let from = Sources {
            folder: &folder,
            readme: "| what | ns |\n| verify | 1,234 |\n\n| verify | 5 |\n".to_owned(),
        };
        let read = |which| from.read("core", ("verify", 1.0), ("verify", which, 1));
        assert_eq!(read(0).unwrap().value, 1_234.0);
        assert_eq!(read(1).unwrap().value, 5.0);
        assert!(read(2).is_err());
        fs::create_dir_all(&folder).unwrap();
        let text = r#"{"verify": {"value": 352.5, "unit": "ns"}}"#;
        fs::write(folder.join("core.json"), text).unwrap();
        let own = read(0).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(own.value, 352.5);
        assert_eq!(own.source, "core.json: verify");
    }

    #[test]
    fn every_cost_is_there() {
        let nowhere = Path::new("/nonexistent");
        let measured = Measured::read(nowhere, 5).unwrap();
        for cost in measured.all() {
            assert!(cost.quantity.value > 0.0, "{}", cost.source);
        }
    }
}
