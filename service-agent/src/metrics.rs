//! What the agent says of itself to Prometheus. `docs/metrics.md` has a row for each name.
//!
//! All is read when somebody asks, from what is there anyway, without a lock. Names:
//! <https://prometheus.io/docs/practices/naming/>. What is not known is left out.

use std::fmt;
use std::sync::Arc;

use cattery_meters::{Page, label};
use cattery_proto::v1::EpochState;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text};
use prometheus_client::registry::Registry;

use crate::agent::Agent;
use crate::clock::Moment;
use crate::keys::KeySet;

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
        let (agent, now, mut page) = (&self.0, Moment::now(), Page::from(encoder));
        page.info(
            "cattery_agent_build_info",
            "Always 1; its labels say whose agent it is and which version runs",
            &[
                ("service", agent.service.as_str()),
                ("version", env!("CARGO_PKG_VERSION")),
            ],
        )?;
        page.yes_or_no(
            "cattery_agent_ready",
            "Whether it verifies",
            agent.is_ready(now),
        )?;
        counted(&mut page, agent)?;
        contact(&mut page, agent, now)?;
        clocks(&mut page, agent)?;
        keys(&mut page, agent, now)?;
        single_use(&mut page, agent)?;
        page.gauge(
            "cattery_agent_certificate_not_after_timestamp_seconds",
            "When its certificate ends, Unix time",
            &agent.link.enrolled().not_after,
        )
    }
}

fn counted(page: &mut Page<'_>, agent: &Agent) -> fmt::Result {
    let meters = &agent.meters;
    page.counter(&meters.verifications)?;
    page.histogram(&meters.verification_duration)?;
    page.counter(&meters.forwarded)?;
    page.counter(&meters.in_process_uses)?;
    page.counter(&meters.signing)?;
    page.counter(&meters.lease_renewals)?;
    page.counter(&meters.certificate_renewals)?;
    page.counter(&meters.streams_ended)
}

fn contact(page: &mut Page<'_>, agent: &Agent, now: Moment) -> fmt::Result {
    let contact = &agent.contact;
    page.gauge(
        "cattery_agent_outage_budget_seconds",
        "How long it goes on without hearing from any authority",
        &contact.budget().as_secs_f64(),
    )?;
    page.gauge(
        "cattery_agent_outage_budget_left_seconds",
        "How much of that is left; 0 before the first contact",
        &contact.left(now).as_secs_f64(),
    )?;
    match contact.elapsed(now) {
        Some(age) => page.gauge(
            "cattery_agent_last_contact_age_seconds",
            "Time since the newest question that an authority answered with all that was new",
            &age.as_secs_f64(),
        ),
        None => Ok(()),
    }
}

fn clocks(page: &mut Page<'_>, agent: &Agent) -> fmt::Result {
    let Some(skew) = agent.known_skew() else {
        return Ok(());
    };
    page.gauge(
        "cattery_agent_clock_difference_seconds",
        "The authorities' clock minus this one's",
        &skew.difference_seconds(),
    )?;
    page.yes_or_no(
        "cattery_agent_clock_difference_great",
        "Whether the clocks' difference uses up more than half of the leeway",
        skew.is_great(),
    )
}

fn keys(page: &mut Page<'_>, agent: &Agent, now: Moment) -> fmt::Result {
    if let Some(keys) = &*agent.keys.load() {
        epochs(page, keys)?;
        let position = keys.position();
        page.gauge(
            "cattery_agent_incarnation",
            "Which life of the cluster its keys are of",
            &position.incarnation,
        )?;
        page.gauge(
            "cattery_agent_feed_sequence",
            "The place in the feed up to which it holds everything",
            &position.sequence,
        )?;
        page.gauge(
            "cattery_agent_revoked_ids",
            "Revoked ids that it keeps, some that have ended among them",
            &keys.revoked().ids().kept(),
        )?;
    }
    if let Some((sequence, epoch)) = agent.meters.acknowledged.get() {
        page.gauge(
            "cattery_agent_feed_acknowledged_sequence",
            "The place in the feed that authorities were told it holds",
            &sequence,
        )?;
        page.gauge(
            "cattery_agent_acknowledged_epoch",
            "The newest epoch whose key authorities were told it holds",
            &epoch,
        )?;
    }
    let ages = agent.meters.key_ages.ages(now).into_iter();
    let ages: Vec<_> = ages
        .filter_map(|(state, age)| Some((KeyState::of(state)?, age.as_secs_f64())))
        .collect();
    page.gauges(
        "cattery_agent_key_age_seconds",
        "Time since this process holds the newest epoch of that state in it",
        &ages,
    )
}

fn epochs(page: &mut Page<'_>, keys: &KeySet) -> fmt::Result {
    let mut epochs: Vec<_> = keys.held().iter().map(|held| held.epoch).collect();
    epochs.dedup(); // a service's generations share them
    page.gauge(
        "cattery_agent_epochs",
        "How many epochs it holds keys of",
        &epochs.len(),
    )?;
    if let Some(newest) = epochs.last() {
        page.gauge(
            "cattery_agent_newest_epoch",
            "The newest epoch that it holds a key of",
            newest,
        )?;
    }
    let mut newest_first = keys.held().iter().rev();
    match newest_first.find(|held| held.state == EpochState::Active) {
        Some(active) => page.gauge(
            "cattery_agent_active_epoch",
            "The newest epoch that it holds as active",
            &active.epoch,
        ),
        None => Ok(()),
    }
}

fn single_use(page: &mut Page<'_>, agent: &Agent) -> fmt::Result {
    page.gauge(
        "cattery_agent_single_use_entries",
        "Uses that it remembers",
        &agent.once.len(),
    )?;
    page.gauge(
        "cattery_agent_single_use_capacity",
        "How many uses it can remember",
        &agent.once.capacity(),
    )
}

/// A state in which keys are held.
#[derive(Clone, Copy)]
enum KeyState {
    Prepared,
    Active,
    Draining,
}

impl KeyState {
    fn of(state: EpochState) -> Option<Self> {
        match state {
            EpochState::Prepared => Some(Self::Prepared),
            EpochState::Active => Some(Self::Active),
            EpochState::Draining => Some(Self::Draining),
            EpochState::Unspecified | EpochState::Retired => None,
        }
    }
}

label!(KeyState, "state", Prepared => "prepared", Active => "active", Draining => "draining");
