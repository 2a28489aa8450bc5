//! The agent, beside a server with the same stack that answers the same and looks at nothing.

mod answers;
mod bare;
mod calls;
mod changes;
mod cores;
mod http;
mod load;
mod place;
mod questions;
pub(crate) mod steady;
mod streams;

use std::time::Duration;

use anyhow::Result;
use cattery_report::{Bar, Bars, Measured, Page};

pub(crate) use bare::serve as serve_bare;

use load::{Load, Pair, Took, in_turns};
use place::Place;

/// Connections to each server; where there is one call at a time, one of them is used.
const CONNECTIONS: usize = 4;
/// Calls in flight on all connections together, where as many are made as can be.
const AT_ONCE: usize = 64;
/// How much is measured.
#[derive(Clone, Copy)]
struct Extent {
    rounds: usize,
    lasting: Duration,
    /// Of each change.
    change_rounds: usize,
    change_lasting: Duration,
}

pub(crate) fn measure(smoke: bool) -> Result<Page> {
    let extent = if smoke {
        Extent {
            rounds: 2,
            lasting: Duration::from_millis(20),
            change_rounds: 1,
            change_lasting: Duration::from_millis(100),
        }
    } else {
        Extent {
            rounds: 21,
            lasting: Duration::from_millis(200),
            change_rounds: 11,
            change_lasting: Duration::from_secs(1),
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(all(extent))
}

async fn all(extent: Extent) -> Result<Page> {
    let mut place = Place::start().await?;
    let sizes = place.sizes();
    let mut page = Page::new(
        "The agent",
        &format!(
            "What asking the agent costs, beside a bare server: the same stack (tonic and axum on a multi-threaded tokio runtime, over Unix sockets), the same profile, \
             the same limits, and the same routes but for gRPC's reflection, which nobody asks. It answers each question with what the agent answered once, byte for byte as long, and looks at nothing.\n\n\
             Three processes have to do with it: the agent as it is shipped, with its default settings; the bare server; and the client. An authority runs beside them and does nothing. \
             All share the machine, so that a server and the client compete for its cores. In each of {} rounds the agent and the bare server take turns, {} ms each; who begins changes \
             from round to round. Figures are medians over the rounds, with quartiles; a ratio is that of the two in the same round.\n\n\
             The tokens are plain ones of {} characters, {} of them in turns. A `VerifyRequest` has {} bytes and its answer {}; a `CheckRequest` {}, and its answer {}.",
            extent.rounds,
            extent.lasting.as_millis(),
            sizes.token,
            questions::TOKENS,
            sizes.verify,
            sizes.verified,
            sizes.check,
            sizes.checked,
        ),
    );
    one_at_a_time(&mut page, &place, extent).await?;
    many_at_once(&mut page, &place, extent).await?;
    layouts(&mut page, &place, extent).await?;
    changes::measure(&mut page, &mut place, extent).await?;
    Ok(page)
}

async fn one_at_a_time(page: &mut Page, place: &Place, extent: Extent) -> Result<()> {
    let p50 = |took: &Took| took.p50.as_nanos() as f64 / 1e3;
    let mut rows = Vec::new();
    let verify = calls::verify(place, place.sides(), 1);
    rows.push(("`Verify`", turns(verify, extent, p50).await?));
    let check = calls::check(place, 1);
    rows.push(("`ext_authz`", turns(check, extent, p50).await?));
    let auth = http::auth(place, 1).await?;
    rows.push(("forward-auth", turns(auth, extent, p50).await?));
    page.section(
        "One at a time",
        "One connection, and the next call when the answer is there. How long half of the calls take, in microseconds.",
    );
    page.table(&HEAD, rows.iter().map(|(what, pair)| row(what, pair, 1)));
    Ok(())
}

async fn many_at_once(page: &mut Page, place: &Place, extent: Extent) -> Result<()> {
    let per_second = |took: &Took| took.per_second;
    let mut rows = Vec::new();
    let verify = calls::verify(place, place.sides(), AT_ONCE);
    rows.push(("`Verify`", turns(verify, extent, per_second).await?));
    let check = calls::check(place, AT_ONCE);
    rows.push(("`ext_authz`", turns(check, extent, per_second).await?));
    let auth = http::auth(place, AT_ONCE).await?;
    rows.push(("forward-auth", turns(auth, extent, per_second).await?));
    page.section(
        "As many as can be",
        &format!(
            "Answers per second. `Verify` and `ext_authz`: {AT_ONCE} calls in flight on {CONNECTIONS} connections. Forward-auth: {AT_ONCE} connections of HTTP/1.1 with a call on each."
        ),
    );
    page.table(&HEAD, rows.iter().map(|(what, pair)| row(what, pair, 0)));
    page.bars(bars("agent-calls", "Calls, answers per second", &rows));
    let mut rows = Vec::new();
    let one = streams::verify(place, place.sides(), 1);
    rows.push(("`VerifyStream`, one", turns(one, extent, per_second).await?));
    let four = streams::verify(place, place.sides(), CONNECTIONS);
    rows.push((
        "`VerifyStream`, one on each connection",
        turns(four, extent, per_second).await?,
    ));
    page.section(
        "Streams",
        "Answers per second. The client asks on without waiting for answers, as far as HTTP/2's windows let it.",
    );
    page.table(&HEAD, rows.iter().map(|(what, pair)| row(what, pair, 0)));
    page.bars(bars("agent-streams", "Streams, answers per second", &rows));
    Ok(())
}

/// Whether another layout of runtimes would be faster: without the agent, whose own work would hide it.
async fn layouts(page: &mut Page, place: &Place, extent: Extent) -> Result<()> {
    let per_second = |took: &Took| took.per_second;
    let p50 = |took: &Took| took.p50.as_nanos() as f64 / 1e3;
    let sides = place.layouts();
    let slow = turns(calls::verify(place, sides, 1), extent, p50).await?;
    let calls = turns(calls::verify(place, sides, AT_ONCE), extent, per_second).await?;
    let one = turns(streams::verify(place, sides, 1), extent, per_second).await?;
    let all = turns(
        streams::verify(place, sides, CONNECTIONS),
        extent,
        per_second,
    )
    .await?;
    page.section(
        "Layouts of the runtime",
        "The bare server twice: with a runtime of one thread for each core, to which connections are handed in turns, and with one multi-threaded runtime, as the agent has it.",
    );
    page.table(
        &[
            "bare server",
            "one thread for each core",
            "multi-threaded",
            "ratio",
        ],
        [
            row("`Verify`, one at a time: p50, µs", &slow, 1),
            row("`Verify`, as many as can be: per second", &calls, 0),
            row("`VerifyStream`, one: per second", &one, 0),
            row(
                "`VerifyStream`, one on each connection: per second",
                &all,
                0,
            ),
        ],
    );
    Ok(())
}

const HEAD: [&str; 4] = ["what", "agent", "bare server", "ratio"];

async fn turns<L: Load>(sides: [L; 2], extent: Extent, of: fn(&Took) -> f64) -> Result<Pair> {
    in_turns(sides, extent.rounds, extent.lasting, of).await
}

fn row(what: &str, pair: &Pair, decimals: usize) -> Vec<String> {
    vec![
        what.to_owned(),
        format!("{:.decimals$}", pair.one),
        format!("{:.decimals$}", pair.other),
        format!("{:.3}", pair.ratio),
    ]
}

fn bars(file: &'static str, title: &str, rows: &[(&str, Pair)]) -> Bars {
    let bar = |what: &str, who: &str, make: fn(&str, Measured) -> Bar, value| {
        make(&format!("{}, {who}", what.replace('`', "")), value)
    };
    let pairs = rows.iter().flat_map(|(what, pair)| {
        [
            bar(what, "agent", Bar::own, pair.one),
            bar(what, "bare", Bar::new, pair.other),
        ]
    });
    Bars {
        file,
        title: title.to_owned(),
        unit: "per second",
        bars: pairs.collect(),
    }
}
