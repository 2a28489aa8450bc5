//! A real Prometheus with the configuration that the project ships.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail, ensure};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::{http, ports, process::Process, wait};

/// A running one.
pub struct Prometheus {
    address: SocketAddr,
    process: Process,
}

/// Labels and value of one series at one moment.
pub type Sample = (Value, f64);
/// Labels of one series, and its (second, value).
pub type Series = (Value, Vec<(f64, f64)>);

impl Prometheus {
    /// With the shipped configuration and rules, but for where the targets are, and that it asks them each second.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn start(folder: &Path, authority: SocketAddr, agents: &[SocketAddr]) -> Result<Self> {
        let config = fs::read_to_string(shipped("prometheus.yml"))?;
        let agents: Vec<_> = agents.iter().map(|agent| format!("\"{agent}\"")).collect();
        let alerts = shipped("alerts.yml").display().to_string();
        let mut changed = config.clone();
        for (from, to) in [
            ("15s", "1s"),
            ("- alerts.yml", &format!("- {alerts}")),
            ("\"127.0.0.1:9464\"", &format!("\"{authority}\"")),
            ("\"127.0.0.1:7070\"", &agents.join(", ")),
        ] {
            ensure!(changed.contains(from), "no {from} in {config}");
            changed = changed.replace(from, to);
        }
        let (dir, address) = (folder.join("prometheus"), ports::free()?);
        fs::create_dir_all(&dir)?;
        fs::write(dir.join("prometheus.yml"), changed)?;
        let mut command = Command::new("prometheus");
        command
            .arg(format!(
                "--config.file={}",
                dir.join("prometheus.yml").display()
            ))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"));
        let mut process = Process::start("prometheus", command, &folder.join("logs"), None)?;
        wait::until("Prometheus is ready", || {
            process.expect_running()?;
            let ready = http::get(address, "/-/ready", &[]);
            Ok(ready.ok().filter(|answer| answer.status == 200).map(drop))
        })?;
        Ok(Self { address, process })
    }

    /// What a query gives now.
    ///
    /// # Errors
    /// Where it is no query.
    pub fn query(&self, query: &str) -> Result<Vec<Sample>> {
        let result = self.ask("query", &[("query", query)])?;
        let of = |sample: &Value| -> Result<Sample> {
            let value = number(&sample["value"][1]);
            Ok((sample["metric"].clone(), value.context("a value")?))
        };
        match result["resultType"].as_str() {
            Some("vector") => array(&result["result"])?.iter().map(of).collect(),
            Some("scalar") => {
                let value = number(&result["result"][1]).context("a value")?;
                Ok(vec![(Value::Null, value)])
            }
            _ => bail!("{query} gives {result}"),
        }
    }

    /// What a query gives at each second from `start` to `end`, Unix seconds: labels, and (second, value).
    ///
    /// # Errors
    /// Where it is no query.
    pub fn range(&self, query: &str, start: u64, end: u64) -> Result<Vec<Series>> {
        let (start, end) = (start.to_string(), end.to_string());
        let with = [
            ("query", query),
            ("start", &start),
            ("end", &end),
            ("step", "1"),
        ];
        let result = self.ask("query_range", &with)?;
        let series = array(&result["result"])?.iter().map(|series| {
            let points = array(&series["values"])?.iter();
            let points = points.filter_map(|at| Some((at[0].as_f64()?, number(&at[1])?)));
            Ok((series["metric"].clone(), points.collect()))
        });
        series.collect()
    }

    /// The names of the alert rules that it has loaded.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn rules(&self) -> Result<Vec<String>> {
        let data = self.ask("rules", &[])?;
        let mut names = Vec::new();
        for group in array(&data["groups"])? {
            for rule in array(&group["rules"])? {
                names.push(rule["name"].as_str().context("a name")?.to_owned());
            }
        }
        Ok(names)
    }

    /// Fails where it has ended.
    ///
    /// # Errors
    /// Where it has ended.
    pub fn expect_running(&mut self) -> Result<()> {
        self.process.expect_running()
    }

    fn ask(&self, what: &str, with: &[(&str, &str)]) -> Result<Value> {
        let pairs: Vec<_> = with
            .iter()
            .map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC)))
            .collect();
        let path = format!("/api/v1/{what}?{}", pairs.join("&"));
        let answer = http::get(self.address, &path, &[])?;
        let mut value: Value = serde_json::from_str(&answer.body)
            .with_context(|| format!("{what} {with:?}: {}", answer.body))?;
        ensure!(value["status"] == "success", "{what} {with:?}: {value}");
        Ok(value["data"].take())
    }
}

fn array(value: &Value) -> Result<&Vec<Value>> {
    value.as_array().context("an array")
}

fn number(value: &Value) -> Option<f64> {
    value.as_str()?.parse().ok()
}

/// A file of `deploy/prometheus`.
pub fn shipped(file: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join("deploy/prometheus").join(file)
}
