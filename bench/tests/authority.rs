//! The measurement itself works: here with so few users and agents that its figures say nothing.

use std::{
    fs,
    process::{Command, Stdio},
};

use serde_json::Value;

#[test]
fn leases_are_measured_on_both_stores_and_beside_kerberos() {
    let folder = std::env::temp_dir().join(format!("cat-authority-{}", std::process::id()));
    let status = Command::new(env!("CARGO_BIN_EXE_cattery-bench"))
        .args(["--smoke", "--out"])
        .arg(&folder)
        .arg("authority")
        .stderr(Stdio::inherit())
        .status()
        .unwrap();
    assert!(status.success());
    let page = fs::read_to_string(folder.join("authority.md")).unwrap();
    let figures = fs::read_to_string(folder.join("authority.json")).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    let rows = |begin: &str| page.lines().filter(|line| line.starts_with(begin)).count();
    // One of what they cost, and one of how they compare.
    assert_eq!(rows("| embedded store, "), 8, "{page}");
    assert_eq!(rows("| etcd 3.5, "), 8, "{page}");
    assert_eq!(rows("| AS, "), 2, "{page}");
    assert_eq!(rows("| TGS "), 1, "{page}");
    assert_eq!(rows("| prepare: last acknowledgement"), 1, "{page}");
    assert_eq!(rows("| start with all"), 1, "{page}");
    let figures: Value = serde_json::from_str(&figures).unwrap();
    for name in [
        "lease_embedded_kept_4_at_once_128_per_second",
        "lease_etcd_new_at_once_32_p50_ms",
        "kerberos_tgs_per_second",
        "enrolments_per_second_embedded",
        "fan_out_s_embedded",
        "start_all_users_s_etcd",
    ] {
        let value = figures[name]["value"].as_f64();
        assert!(value.is_some_and(|value| value > 0.0), "{name}: {figures}");
    }
}
