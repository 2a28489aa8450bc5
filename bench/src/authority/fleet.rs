//! Many agents at one authority, as the program `agents` measures them.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use cattery_bench::Store;
use cattery_report::Page;
use serde_json::Value;

use super::Scale;

const SERVICES: u32 = 20;

/// What is read from what it says.
struct Fleet {
    agents: f64,
    join_tokens_per_second: f64,
    enrolments_per_second: f64,
    enrolment_ms: f64,
    storm_s: f64,
    /// What the authority's processors spend on that.
    storm_spent_s: f64,
    kib_per_agent: f64,
    /// Of the authority's processors, seconds a minute.
    idle_s: f64,
    /// From `prepare` to the last acknowledgement.
    acknowledged_s: f64,
    /// From `prepare` until half of all agents have the key.
    half_s: f64,
    last_s: f64,
    /// What the authority's processors spend on that.
    rotation_s: f64,
    /// From the order to revoke one id to the last acknowledgement.
    revoked_s: f64,
    /// What the authority's processors spend on telling one agent of one.
    revoked_ms: f64,
}

type Row = (&'static str, usize, fn(&Fleet) -> f64);

const ROWS: [Row; 14] = [
    ("join tokens, per second", 0, |f| f.join_tokens_per_second),
    ("enrolments, per second", 0, |f| f.enrolments_per_second),
    ("enrolment: authority's processors, ms each", 2, |f| {
        f.enrolment_ms
    }),
    ("all connect at once: until each has its keys, s", 2, |f| {
        f.storm_s
    }),
    (
        "all connect at once: authority's processors, ms an agent",
        2,
        |f| f.storm_ms(),
    ),
    ("memory for an idle agent, KiB", 1, |f| f.kib_per_agent),
    ("all idle: authority's processors, s a minute", 2, |f| {
        f.idle_s
    }),
    ("prepare: half of all have the key, s", 2, |f| f.half_s),
    ("prepare: all have it, s", 2, |f| f.last_s),
    ("prepare: last acknowledgement, s", 2, |f| f.acknowledged_s),
    ("prepare: authority's processors, s", 2, |f| f.rotation_s),
    ("prepare: authority's processors, ms an agent", 3, |f| {
        f.rotation_ms()
    }),
    ("a revoked id: last acknowledgement, s", 2, |f| f.revoked_s),
    (
        "a revoked id: authority's processors, ms an agent",
        3,
        |f| f.revoked_ms,
    ),
];

pub(super) fn measure(page: &mut Page, scale: &Scale) -> Result<()> {
    page.section(
        "Agents",
        &format!(
            "The program [`agents`](../../bench/README.md#agents-ten-thousand-agents-at-one-authority): each agent has a join token, a key pair, a certificate and a TLS connection of its own, and \
             follows its service's keys on it; there are {SERVICES} services. Agents enrol over a new connection each, many at a time. Fan-out is from \
             the order to prepare the next epoch to the last acknowledgement, as an operator sees it. All are idle for {idle} s. Then {revocations} ids are revoked, one by one, each once every agent has acknowledged the one before; \
             nobody waits for these acknowledgements, so they are answered and not stored. One run on each store, with a tenth of the agents first.",
            idle = scale.idle,
            revocations = scale.revocations,
        ),
    );
    let mut columns = Vec::new();
    for &store in scale.fleets {
        for fleet in ask(store, scale)? {
            columns.push((store, fleet));
        }
    }
    let name = |(store, fleet): &(Store, Fleet)| format!("{}, {}", store.name(), fleet.agents);
    let mut head = vec!["agents".to_owned()];
    head.extend(columns.iter().map(name));
    let head: Vec<_> = head.iter().map(String::as_str).collect();
    page.table(
        &head,
        ROWS.map(|(name, digits, of)| {
            let cells = columns
                .iter()
                .map(|(_, fleet)| format!("{:.digits$}", of(fleet)));
            std::iter::once(name.to_owned()).chain(cells).collect()
        }),
    );
    for (store, fleet) in &columns {
        if fleet.agents < f64::from(scale.agents) {
            continue;
        }
        let mut figure = |name: &str, value: f64, unit: &'static str| {
            page.figure(&format!("{name}_{}", store.key()), value, unit);
        };
        figure("agents", fleet.agents, "1");
        figure("enrolments_per_second", fleet.enrolments_per_second, "1/s");
        figure("enrolment_server_ms", fleet.enrolment_ms, "ms");
        figure("storm_s", fleet.storm_s, "s");
        figure("storm_agent_server_ms", fleet.storm_ms(), "ms");
        figure("idle_agent_kib", fleet.kib_per_agent, "KiB");
        figure(
            "idle_agent_server_ms_per_minute",
            fleet.idle_s * 1_000.0 / fleet.agents,
            "ms/min",
        );
        figure("fan_out_s", fleet.acknowledged_s, "s");
        figure("fan_out_agent_server_ms", fleet.rotation_ms(), "ms");
        figure("revocation_agent_server_ms", fleet.revoked_ms, "ms");
    }
    Ok(())
}

/// Measures so many agents, and a tenth of them before: figures of both.
fn ask(store: Store, scale: &Scale) -> Result<Vec<Fleet>> {
    let program = std::env::current_exe()?.with_file_name("agents");
    let output = Command::new(&program)
        .args(["--output", "json", "--services", &SERVICES.to_string()])
        .args(["--store", store.key()])
        .args(["--agents", &scale.agents.to_string()])
        .args(["--idle", &scale.idle.to_string()])
        .args(["--revocations", &scale.revocations.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("starting {}", program.display()))?;
    ensure!(output.status.success(), "it ended with {}", output.status);
    let said: Value = serde_json::from_slice(&output.stdout).context("what it says")?;
    let stages = said["stages"].as_array().context("its stages")?;
    stages.iter().map(Fleet::read).collect()
}

impl Fleet {
    fn read(stage: &Value) -> Result<Self> {
        let of = |path: &str| {
            let value = stage.pointer(path).and_then(Value::as_f64);
            value.with_context(|| format!("no {path} in what it says"))
        };
        let agents = of("/agents")?;
        let told = agents * of("/revocations/ids")?;
        let idle = of("/idle/memory/resident_kib")? - of("/fresh/resident_kib")?;
        Ok(Self {
            agents,
            join_tokens_per_second: of("/enrolment/join_tokens_per_second")?,
            enrolments_per_second: of("/enrolment/agents_per_second")?,
            enrolment_ms: of("/enrolment/processors/authority_s")? * 1_000.0
                / of("/enrolment/agents")?,
            storm_s: of("/storm/spread/max_ms")? / 1_000.0,
            storm_spent_s: of("/storm/processors/authority_s")?,
            kib_per_agent: idle / agents,
            idle_s: of("/idle/processors/authority_s")?,
            acknowledged_s: of("/rotation/acknowledged_ms")? / 1_000.0,
            half_s: of("/rotation/news/p50_ms")? / 1_000.0,
            last_s: of("/rotation/news/max_ms")? / 1_000.0,
            rotation_s: of("/rotation/processors/authority_s")?,
            revoked_s: of("/revocations/acknowledged_ms")? / 1_000.0,
            revoked_ms: of("/revocations/processors/authority_s")? * 1_000.0 / told,
        })
    }

    /// Of the authority's processors for one agent.
    fn storm_ms(&self) -> f64 {
        self.storm_spent_s * 1_000.0 / self.agents
    }

    /// The same.
    fn rotation_ms(&self) -> f64 {
        self.rotation_s * 1_000.0 / self.agents
    }
}
