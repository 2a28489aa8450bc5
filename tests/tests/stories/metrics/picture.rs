//! Draws the picture of `docs/metrics.md` from what Prometheus scraped: a rotation, a storm of revocations, an outage.

use std::{
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use cattery_proto::v1;
use cattery_tests::{
    agent::{Agent, FORWARD_AUTH},
    api::Operator,
    http,
    prometheus::Prometheus,
    town::{mint, now},
};
use plotters::prelude::*;

use super::run::{Run, forged};
use crate::block_on;

/// Seconds from one thing to the next.
const STEP: u64 = 20;
/// Ids revoked in the storm, and how many of them one call takes.
const STORM: usize = 20_000;
const BATCH: usize = 500;
const SIZE: (u32, u32) = (900, 880);

/// A panel: its title, and queries with what their lines are called.
type Panel = (&'static str, &'static [(&'static str, &'static str)]);

const PANELS: [Panel; 5] = [
    (
        "Verdicts each second",
        &[
            (
                "sum(rate(cattery_agent_verifications_total{verdict=\"ok\"}[5s]))",
                "ok",
            ),
            (
                "sum(rate(cattery_agent_verifications_total{verdict=\"bad_tag\"}[5s]))",
                "bad_tag",
            ),
            (
                "sum(rate(cattery_agent_verifications_total{verdict=\"revoked\"}[5s]))",
                "revoked",
            ),
        ],
    ),
    (
        "Epochs",
        &[
            ("max(cattery_authority_newest_epoch)", "authority: newest"),
            ("max(cattery_authority_active_epoch)", "authority: active"),
            ("min(cattery_agent_active_epoch)", "agents: oldest active"),
        ],
    ),
    (
        "Revoked ids",
        &[
            ("max(cattery_authority_revoked_ids)", "authority"),
            ("min(cattery_agent_revoked_ids)", "agents: fewest"),
        ],
    ),
    (
        "Age of the feed, seconds",
        &[(
            "max(cattery_agent_last_contact_age_seconds)",
            "agents: oldest",
        )],
    ),
    (
        "Outage budget used, seconds",
        &[(
            "max(cattery_agent_outage_budget_seconds - cattery_agent_outage_budget_left_seconds)",
            "agents: most",
        )],
    ),
];

#[test]
#[ignore = "takes two minutes, and writes where CATTERY_PICTURE says"]
fn picture() -> Result<()> {
    let path = std::env::var_os("CATTERY_PICTURE").context("CATTERY_PICTURE says where")?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    let mut run = Run::start("warn")?;
    let (start, end) = play(&mut run)?;
    draw(&run.prometheus, start, end, &path)
}

/// Gives when it began and ended, Unix seconds.
fn play(run: &mut Run) -> Result<(u64, u64)> {
    let start = now()?;
    let key = run.key()?;
    let taken = mint(&key)?;
    let (stop, agent) = (AtomicBool::new(false), Caller::of(&run.agents[0])?);
    thread::scope(|scope| {
        let callers = scope.spawn(|| -> Result<()> {
            let mut turn = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                turn += 1;
                let token = match turn % 10 {
                    0 => forged(&key)?,
                    5 => taken.clone(),
                    _ => mint(&key)?,
                };
                agent.asks(&token)?;
                thread::sleep(Duration::from_millis(20));
            }
            Ok(())
        });
        let played = events(run, start, &taken);
        stop.store(true, Ordering::Relaxed);
        callers
            .join()
            .map_err(|_| anyhow::anyhow!("a caller panicked"))??;
        played
    })?;
    Ok((start, now()?))
}

/// Somebody who asks an agent.
struct Caller(SocketAddr);

impl Caller {
    fn of(agent: &Agent) -> Result<Self> {
        Ok(Self(agent.http()?))
    }

    fn asks(&self, token: &str) -> Result<()> {
        let bearer = format!("Bearer {token}");
        let headers = [
            ("authorization", bearer.as_bytes()),
            ("x-forwarded-method", b"GET"),
            ("x-forwarded-host", b"photos.example"),
            ("x-forwarded-uri", b"/albums/7"),
            ("x-forwarded-for", b"192.0.2.7"),
        ];
        http::get(self.0, FORWARD_AUTH, &headers).map(drop)
    }
}

fn events(run: &mut Run, start: u64, taken: &str) -> Result<()> {
    let at = |step: u64| reach(start + step * STEP);
    at(1)?;
    run.admin.ok(&["epoch", "rotate", "--wait"], "")?;
    at(2)?;
    run.admin.ok(&["revoke"], taken)?;
    block_on(storm(run))?;
    at(3)?;
    run.authority.kill()?;
    at(5)?;
    run.authority.start()?;
    at(7) // agents find their way back within half a minute
}

fn reach(second: u64) -> Result<()> {
    while now()? < second {
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

async fn storm(run: &Run) -> Result<()> {
    let mut operator = Operator::of_home(&run.admin.home)?;
    for batch in 0..STORM / BATCH {
        let revocation = |number: usize| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&(batch * BATCH + number).to_be_bytes());
            v1::Revocation {
                kind: v1::RevocationKind::Token.into(),
                principal: "user/alice".to_owned(),
                id: id.to_vec(),
                not_after: 0,
            }
        };
        let request = v1::RevokeRequest {
            revocations: (0..BATCH).map(revocation).collect(),
            wait: false,
        };
        operator.admin.revoke(request).await?;
    }
    Ok(())
}

fn draw(prometheus: &Prometheus, start: u64, end: u64, path: &Path) -> Result<()> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let areas = root.split_evenly((PANELS.len(), 1));
    for ((title, queries), area) in PANELS.iter().zip(&areas) {
        let mut lines = Vec::new();
        for (query, name) in *queries {
            let found = prometheus.range(query, start, end)?;
            let points = found.into_iter().next().map(|(_, points)| points);
            let points = points.with_context(|| format!("{query} gives nothing"))?;
            lines.push((*name, points));
        }
        let values = lines.iter().flat_map(|(_, points)| points.iter());
        let most = values.map(|(_, value)| *value).fold(1.0, f64::max) * 1.6; // room for the names
        let span = (end - start) as f64;
        let mut chart = ChartBuilder::on(area)
            .caption(*title, ("sans-serif", 15))
            .margin(6)
            .x_label_area_size(22)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..span, 0.0..most)?;
        chart
            .configure_mesh()
            .y_labels(5)
            .x_label_formatter(&|second| format!("{second:.0} s"))
            .light_line_style(TRANSPARENT)
            .draw()?;
        for (index, (name, points)) in lines.into_iter().enumerate() {
            let color = Palette99::pick(index).to_rgba();
            // A gap is where nobody answered.
            for part in points.chunk_by(|a, b| b.0 - a.0 < 1.5) {
                let part = part.iter().map(|(at, value)| (at - start as f64, *value));
                let series = LineSeries::new(part, color.stroke_width(2));
                chart.draw_series(series)?;
            }
            chart
                .draw_series(std::iter::empty::<PathElement<(f64, f64)>>())?
                .label(name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 14, y)], color.stroke_width(2))
                });
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .label_font(("sans-serif", 12))
            .draw()?;
    }
    root.present()?;
    Ok(())
}
