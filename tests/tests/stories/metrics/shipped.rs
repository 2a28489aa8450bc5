//! The rules, the example configuration and the dashboard, with the programs and the data that they are for.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};
use cattery_tests::{prometheus::shipped, town::mint, wait};
use serde_json::Value;

use super::run::{Run, forged};

/// Panels that are rightly empty in this run: nobody forwards, and no agent signs.
const EMPTY: [&str; 1] = ["Forwarded tokens"];
/// Queries of panels with others, for the same reason.
const EMPTY_QUERIES: [&str; 1] = ["cattery_agent_signing_requests_total"];

fn promtool(args: &[&str], file: &str) -> Result<()> {
    let folder = shipped("");
    let out = Command::new("promtool")
        .args(args)
        .arg(file)
        .current_dir(folder)
        .output()
        .context("promtool, of the package prometheus")?;
    let said = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "{args:?} {file}: {said}");
    Ok(())
}

#[test]
fn promtool_takes_what_is_shipped() -> Result<()> {
    promtool(&["check", "rules"], "alerts.yml")?;
    promtool(&["check", "config"], "prometheus.yml")?;
    promtool(&["test", "rules"], "alerts_test.yml")
}

/// What follows `key: ` in the rules or their tests.
fn values(text: &str, key: &str) -> Vec<String> {
    let lines = text
        .lines()
        .map(|line| line.trim().trim_start_matches("- "));
    lines
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn each_alert_is_tested_both_ways_and_says_what_to_do() -> Result<()> {
    let alerts = fs::read_to_string(shipped("alerts.yml"))?;
    let tests = fs::read_to_string(shipped("alerts_test.yml"))?;
    let docs =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md"))?;
    let (names, runbooks) = (values(&alerts, "alert"), values(&alerts, "runbook"));
    ensure!(!names.is_empty() && names.len() == runbooks.len());
    let cases: BTreeSet<_> = values(&tests, "name").into_iter().collect();
    let headings: BTreeSet<_> = docs
        .lines()
        .filter_map(|line| line.strip_prefix("### Cattery"))
        .map(|rest| format!("Cattery{rest}"))
        .collect();
    let expected: BTreeSet<_> = names.iter().cloned().collect();
    ensure!(headings == expected, "{headings:?} {expected:?}");
    for (name, runbook) in names.iter().zip(runbooks) {
        for case in [format!("{name} fires"), format!("{name} is silent")] {
            ensure!(cases.contains(&case), "no test: {case}");
        }
        let anchor = format!("docs/metrics.md#{}", name.to_lowercase());
        ensure!(runbook == anchor, "{runbook} of {name}");
    }
    ensure!(cases.len() == 2 * names.len());
    Ok(())
}

/// Panel and query of the dashboard, with its variables filled in.
fn queries() -> Result<Vec<(String, String)>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/grafana");
    let dashboard: Value = serde_json::from_slice(&fs::read(folder.join("cattery.json"))?)?;
    let (mut ids, mut queries) = (BTreeSet::new(), Vec::new());
    for panel in dashboard["panels"].as_array().context("panels")? {
        let title = panel["title"].as_str().context("a title")?;
        ensure!(ids.insert(panel["id"].as_u64()), "{title}: an id twice");
        if panel["type"] == "row" {
            continue;
        }
        ensure!(panel["datasource"]["uid"] == "${datasource}", "{title}");
        for target in panel["targets"].as_array().context("targets")? {
            let query = target["expr"].as_str().context("a query")?;
            let query = query.replace("$__rate_interval", "2m");
            ensure!(!query.contains('$'), "{title}: {query}");
            queries.push((title.to_owned(), query));
        }
    }
    ensure!(queries.len() > 30, "{}", queries.len());
    Ok(queries)
}

#[test]
fn the_dashboard_and_the_rules_fit_a_real_run() -> Result<()> {
    let mut run = Run::start("info")?;
    let key = run.key()?;
    for _ in 0..20 {
        ensure!(run.agents[0].forward_auth(&mint(&key)?)?.status == 200);
    }
    for _ in 0..5 {
        ensure!(run.agents[0].forward_auth(&forged(&key)?)?.status == 401);
    }
    let taken = mint(&key)?;
    run.admin.ok(&["revoke", "--wait"], &taken)?;
    ensure!(run.agents[0].forward_auth(&taken)?.status == 401);
    run.admin.ok(&["epoch", "rotate", "--wait"], "")?;

    let alerts = fs::read_to_string(shipped("alerts.yml"))?;
    ensure!(run.prometheus.rules()? == values(&alerts, "alert"));
    for (panel, query) in queries()? {
        let is_empty = EMPTY.contains(&panel.as_str())
            || EMPTY_QUERIES.iter().any(|name| query.contains(name));
        if is_empty {
            let found = run.prometheus.query(&query)?;
            ensure!(found.is_empty(), "{panel}: {query} gives {found:?}");
        } else {
            wait::until(&format!("{panel}: {query}"), || {
                Ok((!run.prometheus.query(&query)?.is_empty()).then_some(()))
            })?;
        }
    }
    refusals(&run)?;
    rotation(&run)?;
    outage(&mut run)
}

/// Is anything refused, and why?
fn refusals(run: &Run) -> Result<()> {
    let refused = "sum by (verdict) (cattery_agent_verifications_total{verdict!=\"ok\"}) > 0";
    let expected = [("bad_tag", "5"), ("revoked", "1")];
    let expected = BTreeSet::from(expected.map(|(verdict, n)| (verdict.to_owned(), n.to_owned())));
    wait::until("each refusal with its reason", || {
        let found = run.prometheus.query(refused)?.into_iter();
        let found: BTreeSet<_> = found
            .map(|(labels, count)| {
                let verdict = labels["verdict"].as_str().unwrap_or_default().to_owned();
                (verdict, count.to_string())
            })
            .collect();
        Ok((found == expected).then_some(()))
    })?;
    let good = "sum(cattery_agent_verifications_total{verdict=\"ok\",face=\"forward_auth\"}) == 20";
    ensure!(run.prometheus.query(good)?.len() == 1);
    Ok(())
}

/// After a rotation everybody holds the new epoch, and has said so.
fn rotation(run: &Run) -> Result<()> {
    let same = "cattery_agent_active_epoch == on () group_left () max(cattery_authority_active_epoch) == 2";
    wait::until("both agents hold epoch 2 as active", || {
        Ok((run.prometheus.query(same)?.len() == 2).then_some(()))
    })?;
    let lag = "cattery_agent_acknowledged_epoch < on () group_left () max(cattery_authority_newest_epoch)";
    wait::until("no agent lags", || {
        Ok(run.prometheus.query(lag)?.is_empty().then_some(()))
    })
}

/// Which agents lag, and how long can we live without the authority?
fn outage(run: &mut Run) -> Result<()> {
    let gone = run.agents[1].http()?.to_string();
    run.agents[1].kill()?;
    wait::until("the agent that is gone is named", || {
        let down = run.prometheus.query("up{job=\"cattery-agent\"} == 0")?;
        Ok((down.len() == 1 && down[0].0["instance"] == *gone).then_some(()))
    })?;
    run.authority.kill()?;
    let named = run.agents[0].http()?.to_string();
    wait::until("the one that hears nothing is named", || {
        let silent = "cattery_agent_last_contact_age_seconds > 4";
        let silent = run.prometheus.query(silent)?;
        let is_named = silent
            .iter()
            .any(|(labels, _)| labels["instance"] == *named);
        Ok(is_named.then_some(()))
    })?;
    let left = "min(cattery_agent_outage_budget_left_seconds)";
    let left = run.prometheus.query(left)?.first().context("a budget")?.1;
    ensure!((43_000.0..43_197.0).contains(&left), "{left} s are left");
    wait::until("the alert is on its way", || {
        let alert = "ALERTS{alertname=\"CatteryNoAuthority\"}";
        Ok((!run.prometheus.query(alert)?.is_empty()).then_some(()))
    })?;
    run.prometheus.expect_running()
}
