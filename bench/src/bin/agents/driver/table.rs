//! The figures, for people.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::measured::{Measured, Stage};

/// One figure of a stage, and how many digits of it matter behind the point.
type Figure = (&'static str, usize, fn(&Stage) -> f64);

const FIGURES: [Figure; 28] = [
    ("join tokens, per second", 0, |s| {
        s.enrolment.join_tokens_per_second
    }),
    ("enrolment, agents per second", 0, |s| {
        s.enrolment.agents_per_second
    }),
    ("enrolment: authority's processors, ms per agent", 2, |s| {
        1_000.0 * s.enrolment.processors.authority_s / float_of(s.enrolment.agents)
    }),
    ("storm: half of all hold their keys, s", 2, |s| {
        seconds(s.storm.spread.p50_ms)
    }),
    ("storm: all hold their keys, s", 2, |s| {
        seconds(s.storm.spread.max_ms)
    }),
    ("storm: attempts refused and repeated", 0, |s| {
        float(s.storm.attempts.retries())
    }),
    ("storm: authority's processors, s", 2, |s| {
        s.storm.processors.authority_s
    }),
    ("storm: agents' processors, s", 2, |s| {
        s.storm.processors.agents_s
    }),
    ("memory: nobody connected, MiB", 0, |s| {
        mib(s.fresh.resident_kib)
    }),
    ("memory: after the storm, MiB", 0, |s| {
        mib(s.after_storm.resident_kib)
    }),
    ("memory: all idle, MiB", 0, |s| {
        mib(s.idle.memory.resident_kib)
    }),
    ("memory: per idle agent, KiB", 1, Stage::kib_per_agent),
    ("memory: after a rotation, MiB", 0, |s| {
        mib(s.rotation.memory.resident_kib)
    }),
    ("memory: greatest until then, MiB", 0, |s| {
        mib(s.rotation.memory.greatest_kib)
    }),
    ("idle: authority's processors, s per minute", 2, |s| {
        s.idle.processors.authority_s
    }),
    ("prepare: last acknowledgement, s", 2, |s| {
        seconds(s.rotation.acknowledged_ms)
    }),
    ("prepare: agents have the key, p50, s", 2, |s| {
        seconds(s.rotation.news.p50_ms)
    }),
    ("prepare: p99, s", 2, |s| seconds(s.rotation.news.p99_ms)),
    ("prepare: last, s", 2, |s| seconds(s.rotation.news.max_ms)),
    ("prepare: authority's processors, s", 2, |s| {
        s.rotation.processors.authority_s
    }),
    ("kill -9: the authority listens, s", 2, |s| {
        seconds(s.restart.listens_ms)
    }),
    ("kill -9: half of all are back, s", 2, |s| {
        seconds(s.restart.back.spread.p50_ms)
    }),
    ("kill -9: all are back, s", 2, |s| {
        seconds(s.restart.back.spread.max_ms)
    }),
    ("kill -9: attempts refused and repeated", 0, |s| {
        float(s.restart.back.attempts.retries())
    }),
    ("kill -9: authority's processors, s", 2, |s| {
        s.restart.back.processors.authority_s
    }),
    ("memory: all are back, MiB", 0, |s| {
        mib(s.restart.memory.resident_kib)
    }),
    ("a revoked id: last acknowledgement, s", 2, |s| {
        s.revocations.acknowledged_ms / 1_000.0
    }),
    (
        "a revoked id: authority's processors, ms per agent",
        3,
        Stage::revocation_ms,
    ),
];

/// A row for each figure, a column for each crowd, and how many times as much the last one takes; then all refusals.
pub(super) fn of(measured: &Measured) -> String {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    let stages = &measured.stages;
    let agents = stages
        .iter()
        .map(|stage| format!("{} agents", stage.agents));
    let title = format!(
        "{:?} store, {} services, {} build",
        measured.store, measured.services, measured.profile
    );
    table.set_header(
        [title]
            .into_iter()
            .chain(agents)
            .chain(["times".to_owned()]),
    );
    for (name, digits, of) in FIGURES {
        let values: Vec<f64> = stages.iter().map(of).collect();
        let cells = values.iter().map(|value| format!("{value:.digits$}"));
        table.add_row(
            [name.to_owned()]
                .into_iter()
                .chain(cells)
                .chain([times(&values)]),
        );
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = table.trim_fmt();
    for stage in stages {
        for (what, attempts) in stage.attempts() {
            for (how, count) in &attempts.retried {
                // Writing to a string does not fail.
                let _ = write!(
                    text,
                    "\n{what} of {} agents: {count} of {} attempts repeated: {how}",
                    stage.agents, attempts.begun
                );
            }
        }
    }
    text
}

/// The last value in terms of the first.
fn times(values: &[f64]) -> String {
    match values {
        [first, .., last] if *first > 0.0 => format!("{:.1}", last / first),
        _ => String::new(),
    }
}

fn seconds(milliseconds: u64) -> f64 {
    float(milliseconds) / 1_000.0
}

fn mib(kib: u64) -> f64 {
    float(kib) / 1_024.0
}

fn float_of(number: usize) -> f64 {
    number as f64
}

fn float(number: u64) -> f64 {
    number as f64
}
