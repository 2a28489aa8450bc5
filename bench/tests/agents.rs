//! The measurement itself works: here with so few agents that its figures say nothing.

use std::process::{Command, Stdio};

use serde_json::Value;

#[test]
fn twenty_agents_are_measured_and_none_is_refused_for_good() {
    let output = Command::new(env!("CARGO_BIN_EXE_agents"))
        .args(["--agents", "20", "--services", "3", "--idle", "1"])
        .args(["--revocations", "2"])
        .args(["--output", "json"])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success());
    let measured: Value = serde_json::from_slice(&output.stdout).unwrap();
    let stages = measured["stages"].as_array().unwrap();
    let agents = stages.iter().map(|stage| stage["agents"].as_u64().unwrap());
    assert_eq!(agents.collect::<Vec<_>>(), [2, 20]);
    for stage in stages {
        let of = |path: &str| stage.pointer(path).and_then(Value::as_u64).unwrap();
        assert!(of("/fresh/resident_kib") <= of("/idle/memory/greatest_kib"));
        assert!(of("/storm/attempts/begun") >= of("/agents"));
        assert_eq!(of("/revocations/ids"), 2);
        assert!(of("/rotation/news/p50_ms") <= of("/rotation/acknowledged_ms"));
    }
}
