//! The page. Names: <https://prometheus.io/docs/practices/naming/>. What is not known is left out, but for an overdue rotation.

use std::fmt;
use std::sync::Arc;

use cattery_core::epoch::Line;
use cattery_meters::{Page, label};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::Opened;
use crate::act::now_ms;
use crate::cluster::Authority;
use crate::finding::Finding;
use crate::meters::Meters;
use crate::news::News;

/// What the page is read from.
pub(super) struct Gauges {
    pub(super) incarnation: u64,
    pub(super) opened: Opened,
    pub(super) meters: Arc<Meters>,
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauges")
    }
}

impl Collector for Gauges {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::from(encoder);
        let authority = self.opened.get();
        let finding = authority.map_or(Finding::NOTHING, |authority| *authority.finding.borrow());
        let leads = authority.is_some_and(|authority| authority.standing().election().is_some());
        page.info(
            "cattery_authority_build_info",
            "Always 1; its label says which version runs",
            &[("version", env!("CARGO_PKG_VERSION"))],
        )?;
        page.yes_or_no(
            "cattery_authority_sealed",
            "Whether it waits to be unsealed",
            authority.is_none(),
        )?;
        page.yes_or_no(
            "cattery_authority_leader",
            "Whether it leads: rotates, and clears away",
            leads,
        )?;
        page.yes_or_no(
            "cattery_authority_rotation_overdue",
            "Whether the rotation of the root keys is overdue, or nothing is known of it",
            finding.rotation_overdue,
        )?;
        page.gauge(
            "cattery_authority_incarnation",
            "Which life of the cluster this is: each restore begins another one",
            &self.incarnation,
        )?;
        if let Some(epoch) = finding.active_epoch {
            page.gauge(
                "cattery_authority_active_epoch",
                "The epoch that keys are issued from",
                &epoch,
            )?;
        }
        self.counted(&mut page)?;
        if let Some(authority) = authority {
            open(&mut page, authority)?;
            if let Ok(news) = authority.bulletin.latest() {
                told(&mut page, authority, &news)?;
            }
        }
        Ok(())
    }
}

impl Gauges {
    fn counted(&self, page: &mut Page<'_>) -> fmt::Result {
        let meters = &self.meters;
        page.counter(&meters.requests)?;
        page.histogram(&meters.request_duration)?;
        page.counter(&meters.issuance)?;
        page.counter(&meters.store.operations)?;
        page.histogram(&meters.store.duration)?;
        page.gauge(
            "cattery_authority_agents_connected",
            "Agents that follow their keys here",
            &meters.agents.count(),
        )
    }
}

/// What only an open one has.
fn open(page: &mut Page<'_>, authority: &Authority) -> fmt::Result {
    if let Some(age) = authority.bulletin.age() {
        page.gauge(
            "cattery_authority_store_view_age_seconds",
            "Time since the store confirmed what this authority knows of it",
            &age.as_secs_f64(),
        )?;
    }
    let audit = authority.registry.audit();
    page.counter(&audit.meters().records)?;
    page.histogram(&audit.meters().duration)?;
    page.gauge(
        "cattery_authority_audit_records_waiting",
        "Records that are not on the disk yet",
        &audit.meters().waiting(),
    )?;
    page.gauge(
        "cattery_authority_audit_log_bytes",
        "How long the audit log is",
        &audit.len(),
    )?;
    page.gauge(
        "cattery_authority_max_lease_seconds",
        "The longest lease that it gives",
        &authority.config.max_lease.as_secs(),
    )?;
    page.yes_or_no(
        "cattery_authority_behind_agents",
        "Whether agents hold what the store does not have",
        authority.behind.is_any(),
    )?;
    page.gauge(
        "cattery_authority_certificate_not_after_timestamp_seconds",
        "When its own certificate ends, Unix time",
        &*authority.certificate_not_after.borrow(),
    )
}

/// What it tells agents.
fn told(page: &mut Page<'_>, authority: &Authority, news: &News) -> fmt::Result {
    let now = now_ms() / 1000;
    page.gauge(
        "cattery_authority_feed_sequence",
        "The place in the feed up to which it tells agents",
        &news.position.sequence,
    )?;
    page.gauge(
        "cattery_authority_newest_epoch",
        "The newest epoch that agents are told of",
        &news.epochs.live().last().unwrap_or_default(),
    )?;
    page.gauges(
        "cattery_authority_epoch_age_seconds",
        "Time since the epoch in that state got into it",
        &ages(&news.epochs, now),
    )?;
    page.gauge(
        "cattery_authority_revoked_ids",
        "Revoked ids that agents are told of, some that have ended among them",
        &news.revoked.kept(),
    )?;
    let turns = authority.turns();
    let rollover = turns.rollover(&news.cas, news.leases());
    page.yes_or_no(
        "cattery_authority_ca_rollover_overdue",
        "Whether the CA that signs ends soon, and the next one has not taken over",
        rollover.is_urgent(now),
    )
}

#[derive(Clone, Copy)]
enum EpochState {
    Prepared,
    Active,
    Draining,
}

label!(EpochState, "state", Prepared => "prepared", Active => "active", Draining => "draining");

#[allow(clippy::cast_precision_loss)] // ages of less than millions of years
fn ages(epochs: &Line, now: u64) -> Vec<(EpochState, f64)> {
    let prepared = epochs.prepared().map(|epoch| epoch.since);
    let draining = epochs.draining().map(|epoch| epoch.since);
    let since = [
        (EpochState::Prepared, prepared),
        (EpochState::Active, Some(epochs.active().since)),
        (EpochState::Draining, draining),
    ];
    let age = |(state, since): (EpochState, Option<u64>)| {
        Some((state, now.saturating_sub(since?) as f64))
    };
    since.into_iter().filter_map(age).collect()
}
