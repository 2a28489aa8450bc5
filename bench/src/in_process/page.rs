//! What the page says.

use cattery_report::{Bar, Bars, Page};

use super::{Layered, Row, Shape, place::Place};

pub(super) fn write(place: &Place, shapes: &[Shape], rows: &[Row], layered: &Layered) -> Page {
    let mut page = Page::new("In the application's own process", &about(place, shapes));
    page.section("The verifier", "");
    page.table(
        &[
            "token",
            "threads",
            "core, ns",
            "`verify_with`, ns",
            "of the core",
            "`verify`, ns",
            "of the core",
        ],
        rows.iter().map(|row| {
            vec![
                row.shape.to_owned(),
                row.threads.to_string(),
                row.core.to_string(),
                row.lent.to_string(),
                format!("{:.2}", row.core.over(&row.lent)),
                row.owned.to_string(),
                format!("{:.2}", row.core.over(&row.owned)),
            ]
        }),
    );
    page.bars(Bars {
        file: "in-process",
        title: "Verifying in the application's own process".to_owned(),
        unit: "ns",
        bars: rows.iter().flat_map(bars).collect(),
    });
    page.section(
        "`VerifyLayer`",
        "A request from its headers to the service's answer: a tower service that calls the core itself, and one with the layer round it, which \
         also keeps forged headers from the service and tells it who is calling. The plain token, one thread.",
    );
    page.table(
        &["service", "ns", "of the core"],
        [
            ("calls the core", layered.core),
            ("with the layer", layered.layer),
        ]
        .map(|(name, took)| {
            vec![
                name.to_owned(),
                took.to_string(),
                format!("{:.2}", layered.core.over(&took)),
            ]
        }),
    );
    page
}

fn about(place: &Place, shapes: &[Shape]) -> String {
    let sizes = shapes
        .iter()
        .map(|shape| format!("{} {}", shape.name, shape.token.len()));
    let revoked = place.keys.revoked_ids();
    let versions = place.keys.revoked.least_versions.len();
    format!(
        "What the SDK adds where an application verifies by itself (`Verifier::in_process`). A real authority and agent run beside it; the SDK has its keys from there, and so has the \
         bare core that it is compared with: the same service key, {revoked} revoked ids and {versions} principals with a least version. The core is called with the \
         time by the same clock as the SDK reads. Each looks at who is calling: the core and `verify_with` lend that, and `verify` gives a `Caller` to keep, which is a copy. Before that, both have to accept each token and agree on who is calling, and \
         to refuse it with one other letter in its tag.\n\n\
         Bytes of a token: {}. The two take turns, in 301 rounds: medians, and quartiles in brackets. With several threads, each verifies as many as one would, and the figure is the time for all divided by the number of all; they \
         share the verifier. Of the core: its verifications per second to which the SDK comes.",
        sizes.collect::<Vec<_>>().join(", ")
    )
}

fn bars(row: &Row) -> [Bar; 3] {
    let threads = row.threads;
    [
        Bar::new(&format!("{}, {threads} threads: core", row.shape), row.core),
        Bar::own("verify_with", row.lent),
        Bar::own("verify", row.owned),
    ]
}
