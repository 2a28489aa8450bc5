//! The text that `init` writes, with a word on every setting.

use std::fmt::Write as _;

use toml::Value;

use super::{Config, LogFormat, Unseal, show_duration};

const TRACES: &str = "
# Spans of calls to an OpenTelemetry collector, OTLP over gRPC; https needs ca_file, which names who signs the collector's certificate (PEM).
# sample_ratio is which part of the calls that belong to no trace begins one, from 0.0 to 1.0; calls of a trace do as its sender says.
";

const STORE: &str = "
# Where the cluster's state is kept: `embedded`, a file in this directory, for one authority; or `etcd`, for several, with
# endpoints (HOST:PORT of each member) and prefix (what all keys of this cluster begin with, /cattery/NAME/); for TLS ca_file,
# and cert_file and key_file where etcd asks for a client certificate; user and password_file where it asks for a login.
[store]
";

impl Config {
    /// The text of `authority.toml`: [`parse`](Config::parse) reads it back as it is.
    pub fn to_toml(&self) -> String {
        let mut out = String::from(
            "# An authority of a Cattery cluster. `cattery-authority config check --dir DIR` reads it without starting.\n",
        );
        let mut line = |about: &str, name: &str, value: Value| {
            // Writing to a string does not fail.
            let _ = write!(out, "\n# {about}\n{name} = {value}\n");
        };
        let time = |length| Value::from(show_duration(length));
        line(
            "The cluster of the store; another one's is refused.",
            "cluster_id",
            self.cluster_id.to_string().into(),
        );
        line(
            "The trust domain of SPIFFE IDs.",
            "trust_domain",
            self.trust_domain.clone().into(),
        );
        line(
            "Names this authority among the cluster's.",
            "authority_id",
            self.authority_id.clone().into(),
        );
        line(
            "Where to listen, HOST:PORT. Port 0 takes a free one.",
            "listen",
            self.listen.clone().into(),
        );
        line(
            "Where others reach this authority; [] for what it listens on.",
            "addresses",
            self.addresses.clone().into(),
        );
        line(
            "Where to serve metrics for Prometheus, /healthz and /readyz, IP:PORT, as in \"127.0.0.1:9464\"; loopback only, and whoever can connect can read them. \"off\" for nowhere.",
            "metrics",
            self.metrics
                .map_or("off".into(), |address| address.to_string().into()),
        );
        line(
            "The greatest lease of a user key.",
            "max_lease",
            time(self.max_lease),
        );
        line(
            "How long certificates are good for. They renew by themselves.",
            "agent_certificate_lifetime",
            time(self.agent_certificate_lifetime),
        );
        line(
            "",
            "operator_certificate_lifetime",
            time(self.operator_certificate_lifetime),
        );
        line(
            "How long the next CA is good for. Its successor takes over by itself when a third of that is left.",
            "ca_lifetime",
            time(self.ca_lifetime),
        );
        line(
            "How long after its certificate's end an agent that was cut off gets a new one for its old key; \"off\" for not at all.",
            "agent_recovery_window",
            self.agent_recovery_window.map_or("off".into(), time),
        );
        line(
            "How often agents show that they are there. News is told at once.",
            "service_refresh_interval",
            time(self.service_refresh_interval),
        );
        line(
            "How long a root key is issued from before the next one takes its place; \"off\" for until an operator says so.",
            "rotation_period",
            self.rotation_period.map_or("off".into(), time),
        );
        line(
            "The greatest difference between the clocks of any two machines. Agents have a leeway of their own: not more than this.",
            "leeway",
            time(self.leeway),
        );
        out.push_str(STORE);
        self.store.write(&mut out);
        let (method, file) = match &self.unseal {
            Unseal::KeyFile(path) => ("key-file", Some(path)),
            Unseal::Passphrase => ("passphrase", None),
        };
        let _ = write!(
            out,
            "\n# What opens the store.\n[unseal]\nmethod = \"{method}\"\n"
        );
        if let Some(path) = file {
            let path = path.strip_prefix(&self.dir).unwrap_or(path);
            let _ = writeln!(
                out,
                "key_file = {}",
                Value::from(path.to_string_lossy().as_ref())
            );
        }
        let format = match self.log.format {
            LogFormat::Human => "human",
            LogFormat::Json => "json",
        };
        let filter = Value::from(self.log.filter.as_str());
        let _ = write!(
            out,
            "\n# `human` or `json`, on standard error; what goes in, as in `info,cattery_authority=debug`.\n[log]\nformat = \"{format}\"\nfilter = {filter}\n"
        );
        match &self.traces {
            Some(traces) => {
                let endpoint = Value::from(traces.endpoint.as_str());
                let ratio = Value::from(traces.sample_ratio);
                let _ = write!(
                    out,
                    "{TRACES}[traces]\nendpoint = {endpoint}\nsample_ratio = {ratio}\n"
                );
                if let Some(path) = &traces.ca_file {
                    let path = Value::from(path.to_string_lossy().as_ref());
                    let _ = writeln!(out, "ca_file = {path}");
                }
            }
            None => {
                let _ = write!(
                    out,
                    "{TRACES}# [traces]\n# endpoint = \"http://127.0.0.1:4317\"\n"
                );
            }
        }
        out.replace("\n# \n", "\n")
    }
}
