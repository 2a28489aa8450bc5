//! The log of decisions: from what a caller was told to the reason, and switched while the agent runs.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use cattery_tests::{
    agent::FORWARD_AUTH,
    http::{self, Response},
    town::{Setting, Town, mint},
    wait,
};
use rustix::process::Signal;
use serde_json::Value;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

fn config(log: &str) -> String {
    format!(
        "http = \"127.0.0.1:0\"\n[forward_auth]\nfacts = \"x-forwarded\"\n[log]\nformat = \"json\"\n{log}"
    )
}

struct Place(Town);

impl Place {
    fn ask(&self, token: &str) -> Result<Response> {
        let bearer = format!("Bearer {token}");
        let traceparent = format!("00-{TRACE}-00f067aa0ba902b7-01");
        let headers: [(&str, &[u8]); 5] = [
            ("authorization", bearer.as_bytes()),
            ("x-forwarded-method", b"GET"),
            ("x-forwarded-uri", b"/albums/7?code=s3cr3t"),
            ("x-request-id", b"7f1c-2"),
            ("traceparent", traceparent.as_bytes()),
        ];
        http::get(self.0.agent.http()?, FORWARD_AUTH, &headers)
    }

    fn log(&self) -> Result<String> {
        Ok(self.0.agent.process.as_ref().context("it runs")?.err())
    }

    /// The line of the decision that an answer names.
    fn line_of(&self, answer: &Response) -> Result<Value> {
        let id = answer.header("x-cat-decision-id").context("an id")?;
        wait::until("the decision is in the log", || {
            let log = self.log()?;
            let line = log.lines().find(|line| line.contains(id));
            Ok(line.map(serde_json::from_str).transpose()?)
        })
    }

    /// Writes the configuration, has it read again, and waits until the log says so in these words.
    fn reload(&self, config: &str, says: &str) -> Result<()> {
        let before = self.log()?.matches(says).count();
        fs::write(self.0.agent.dir.join("agent.toml"), config)?;
        let process = self.0.agent.process.as_ref().context("it runs")?;
        process.signal(Signal::HUP)?;
        wait::until(says, || {
            Ok((self.log()?.matches(says).count() > before).then_some(()))
        })
    }
}

#[test]
fn decisions_are_logged_as_long_as_somebody_wants_it() -> Result<()> {
    let setting = Setting {
        agent: config(""),
        ..Setting::default()
    };
    let place = Place(Town::with(&setting)?);
    let key = place.0.key()?;
    let good = mint(&key)?;
    let elsewhere = place
        .0
        .alice
        .ok(&["token", "attenuate", "--path", "/private"], &good)?;

    // As it comes: refusals, with the reason.
    let accepted = place.ask(&good)?;
    let refused = place.ask(&elsewhere)?;
    ensure!(refused.status == 403, "{refused:?}");
    let line = place.line_of(&refused)?;
    let fields = &line["fields"];
    for (name, value) in [
        ("code", "caveat_failed"),
        ("principal", "user/alice"),
        ("face", "forward_auth"),
        ("request_id", "7f1c-2"),
        ("trace_id", TRACE),
        ("method", "GET"),
        ("path", "/albums/7"),
    ] {
        ensure!(fields[name] == value, "{name}: {line}");
    }
    let detail = fields["detail"].as_str().context("a reason")?;
    ensure!(
        detail.contains("path") && !refused.body.contains(detail),
        "{line}"
    );
    let stranger = place.line_of(&place.ask("cat1_AAAA")?)?;
    ensure!(stranger["fields"]["principal"].is_null(), "{stranger}");

    // All, and then none.
    let again = "was read again";
    place.reload(&config("decisions = \"all\"\n"), again)?;
    let line = place.line_of(&place.ask(&good)?)?;
    ensure!(line["fields"]["message"] == "accepted" && line["fields"]["principal"] == "user/alice");
    place.reload(&config("decisions = \"none\"\n"), again)?;
    let silent = [place.ask(&good)?, place.ask(&elsewhere)?];

    // What cannot be read changes nothing.
    place.reload(&config("decisions = \"some\"\n"), "was not read again")?;
    let also_silent = place.ask(&elsewhere)?;
    place.reload(&config("decisions = \"refused\"\n"), again)?;
    place.line_of(&place.ask(&elsewhere)?)?;
    let log = place.log()?;
    for answer in [&accepted, &silent[0], &silent[1], &also_silent] {
        let id = answer.header("x-cat-decision-id").context("an id")?;
        ensure!(!log.contains(id), "{id} in {log}");
    }

    // More of everything.
    place.reload(&config("level = \"cattery_agent=trace\"\n"), again)?;
    let line = wait::until("a line at trace", || {
        let id = place
            .ask(&good)?
            .header("x-cat-decision-id")
            .context("an id")?
            .to_owned();
        let log = place.log()?;
        let line = log.lines().find(|line| line.contains(&id));
        Ok(line.map(str::to_owned))
    })?;
    ensure!(line.contains("TRACE"), "{line}");
    let log = place.log()?;
    for secret in ["s3cr3t", &good, &elsewhere] {
        ensure!(!log.contains(secret));
    }
    Ok(())
}
