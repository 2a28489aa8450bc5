//! Many agents at one authority, as the program `agents` measures them.

use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use cattery_report::Page;
use serde_json::Value;

use super::{Scale, place::Store};

const SERVICES: u32 = 20;

/// What is read from what it says.
struct Fleet {
    agents: f64,
    join_tokens_per_second: f64,
    enrolments_per_second: f64,
    enrolment_ms: f64,
    storm_s: f64,
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
}

type Row = (&'static str, usize, fn(&Fleet) -> f64);

const ROWS: [Row; 11] = [
    ("join tokens, per second", 0, |f| f.join_tokens_per_second),
    ("enrolments, per second", 0, |f| f.enrolments_per_second),
    ("enrolment: authority's processors, ms each", 2, |f| {
        f.enrolment_ms
    }),
    ("all connect at once: until each has its keys, s", 2, |f| {
        f.storm_s
    }),
    ("memory for an idle agent, KiB", 1, |f| f.kib_per_agent),
    ("all idle: authority's processors, s a minute", 2, |f| {
        f.idle_s
    }),
    ("prepare: half of all have the key, s", 2, |f| f.half_s),
    ("prepare: all have it, s", 2, |f| f.last_s),
    ("prepare: last acknowledgement, s", 2, |f| f.acknowledged_s),
    ("prepare: authority's processors, s", 2, |f| f.rotation_s),
    ("prepare: authority's processors, ms an agent", 3, |f| {
        f.rotation_s * 1_000.0 / f.agents
    }),
];

pub(super) fn measure(page: &mut Page, scale: &Scale) -> Result<()> {
    page.section(
        "Agents",
        &format!(
            "The program `agents` of `bench/README.md`: each agent has a join token, a key pair, a certificate and a TLS connection of its own, and \
             follows its service's keys on it; there are {SERVICES} services. Agents enrol over a new connection each, many at a time. Fan-out is from \
             the order to prepare the next epoch to the last acknowledgement, as an operator sees it. One run on each store.",
        ),
    );
    let mut columns = Vec::new();
    for &store in scale.fleets {
        for fleet in ask(store, scale.agents, scale.idle)? {
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
        figure("idle_agent_kib", fleet.kib_per_agent, "KiB");
        figure(
            "idle_agent_server_ms_per_minute",
            fleet.idle_s * 1_000.0 / fleet.agents,
            "ms/min",
        );
        figure("fan_out_s", fleet.acknowledged_s, "s");
        figure(
            "fan_out_agent_server_ms",
            fleet.rotation_s * 1_000.0 / fleet.agents,
            "ms",
        );
    }
    Ok(())
}

/// Measures so many agents, and a tenth of them before: figures of both.
fn ask(store: Store, agents: u32, idle: u32) -> Result<Vec<Fleet>> {
    let program = std::env::current_exe()?.with_file_name("agents");
    let output = Command::new(&program)
        .args(["--output", "json", "--services", &SERVICES.to_string()])
        .args(["--store", store.key()])
        .args(["--agents", &agents.to_string()])
        .args(["--idle", &idle.to_string()])
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
        let idle = of("/idle/memory/resident_kib")? - of("/fresh/resident_kib")?;
        Ok(Self {
            agents,
            join_tokens_per_second: of("/enrolment/join_tokens_per_second")?,
            enrolments_per_second: of("/enrolment/agents_per_second")?,
            enrolment_ms: of("/enrolment/processors/authority_s")? * 1_000.0
                / of("/enrolment/agents")?,
            storm_s: of("/storm/spread/max_ms")? / 1_000.0,
            kib_per_agent: idle / agents,
            idle_s: of("/idle/processors/authority_s")?,
            acknowledged_s: of("/rotation/acknowledged_ms")? / 1_000.0,
            half_s: of("/rotation/news/p50_ms")? / 1_000.0,
            last_s: of("/rotation/news/max_ms")? / 1_000.0,
            rotation_s: of("/rotation/processors/authority_s")?,
        })
    }
}
