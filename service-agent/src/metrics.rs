//! What the agent says of itself to Prometheus. `docs/metrics.md` has a row for each name.
//!
//! All is read when somebody asks, from what is there anyway, without a lock. Names:
//! <https://prometheus.io/docs/practices/naming/>. What is not known is left out.

use std::fmt;
use std::sync::Arc;

use cattery_proto::v1::EpochState;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::agent::Agent;
use crate::clock::Moment;
use crate::keys::KeySet;
use crate::skew::Skew;

/// All that is shown.
pub(crate) struct Metrics(Registry);

impl Metrics {
    pub(crate) fn new(agent: Arc<Agent>) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Gauges(agent)));
        Self(registry)
    }

    /// In the text format of Prometheus, version 0.0.4, which every collector reads.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.0)?;
        Ok(text)
    }
}

/// What is read when somebody asks.
struct Gauges(Arc<Agent>);

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauges")
    }
}

impl Collector for Gauges {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let (agent, now, mut page) = (&self.0, Moment::now(), Page(encoder));
        page.build_info()?;
        page.yes_or_no(
            "cattery_agent_ready",
            "Whether it verifies",
            agent.is_ready(now),
        )?;
        page.contact(agent, now)?;
        if let Some(skew) = agent.known_skew() {
            page.clocks(skew)?;
        }
        if let Some(keys) = &*agent.keys.load() {
            page.epochs(keys)?;
        }
        page.gauge(
            "cattery_agent_certificate_not_after_timestamp_seconds",
            "When its certificate ends, Unix time",
            &agent.link.enrolled().not_after,
        )
    }
}

/// What the gauges are written to.
struct Page<'a>(DescriptorEncoder<'a>);

impl Page<'_> {
    fn contact(&mut self, agent: &Agent, now: Moment) -> fmt::Result {
        let contact = &agent.contact;
        self.gauge(
            "cattery_agent_outage_budget_seconds",
            "How long it goes on without hearing from any authority",
            &contact.budget().as_secs_f64(),
        )?;
        self.gauge(
            "cattery_agent_outage_budget_left_seconds",
            "How much of that is left; 0 before the first contact",
            &contact.left(now).as_secs_f64(),
        )?;
        match contact.elapsed(now) {
            Some(age) => self.gauge(
                "cattery_agent_last_contact_age_seconds",
                "Time since the newest question that an authority answered",
                &age.as_secs_f64(),
            ),
            None => Ok(()),
        }
    }

    fn clocks(&mut self, skew: Skew) -> fmt::Result {
        self.gauge(
            "cattery_agent_clock_difference_seconds",
            "The authorities' clock minus this one's",
            &skew.difference_seconds(),
        )?;
        self.yes_or_no(
            "cattery_agent_clock_difference_great",
            "Whether the clocks' difference uses up more than half of the leeway",
            skew.is_great(),
        )
    }

    fn epochs(&mut self, keys: &KeySet) -> fmt::Result {
        let mut epochs: Vec<_> = keys.held().iter().map(|held| held.epoch).collect();
        epochs.dedup(); // a service's generations share them
        self.gauge(
            "cattery_agent_epochs",
            "How many epochs it holds keys of",
            &epochs.len(),
        )?;
        let mut newest_first = keys.held().iter().rev();
        match newest_first.find(|held| held.state == EpochState::Active) {
            Some(active) => self.gauge(
                "cattery_agent_active_epoch",
                "The newest epoch that it holds as active",
                &active.epoch,
            ),
            None => Ok(()),
        }
    }

    fn gauge(&mut self, name: &str, help: &str, value: &impl EncodeGaugeValue) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        metric.encode_gauge(value)
    }

    /// 1 or 0.
    fn yes_or_no(&mut self, name: &str, help: &str, value: bool) -> fmt::Result {
        self.gauge(name, help, &u32::from(value))
    }

    fn build_info(&mut self) -> fmt::Result {
        let mut metric = self.0.encode_descriptor(
            "cattery_agent_build_info",
            "Always 1; its label says which version runs",
            None,
            MetricType::Gauge,
        )?;
        let version = [("version", env!("CARGO_PKG_VERSION"))];
        metric.encode_family(&version)?.encode_gauge(&1u32)
    }
}
