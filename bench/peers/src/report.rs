//! The page.

use anyhow::{Context as _, Result};
use cattery_report::{Bar, Bars, Measured, Page};

use crate::{
    claims::{AUDIENCE, Claims, LIFETIME, METHOD, PATH, PREFIX, SCOPE, USER},
    measure::{Cost, Costs, Run},
    packages::Packages,
};

pub(crate) fn page(run: &Run) -> Result<Page> {
    let mut page = Page::new("Cattery's tokens beside others", &about(run));
    let packages = Packages::locked()?;
    page.section("What was measured", "");
    let rows = run.peers.iter().map(|one| {
        let about = &one.about;
        let mut built = vec![packages.of(about.package)?];
        if let Some(backend) = about.backend {
            built.push(packages.used_by(about.package, backend)?);
        }
        Ok(vec![
            about.name.to_owned(),
            built.join(", "),
            about.how.to_owned(),
        ])
    });
    page.table(
        &["format", "crates", "how"],
        rows.collect::<Result<Vec<_>>>()?,
    );
    let [by_verifying, by_minting] = &run.compression;
    operation(
        &mut page,
        run,
        "Verifying",
        "peers-verify",
        by_verifying,
        |one| &one.verify,
    )?;
    operation(&mut page, run, "Minting", "peers-mint", by_minting, |one| {
        &one.mint
    })?;
    size(&mut page, run);
    for one in &run.peers {
        let name = one.about.name;
        page.figure(&format!("verify: {name}"), one.verify.took.median, "ns");
        page.figure(&format!("mint: {name}"), one.mint.took.median, "ns");
    }
    Ok(page)
}

fn about(run: &Run) -> String {
    let id = Claims::fresh().id.len();
    format!(
        "One process, one thread. Every format says the same: user `{USER}`, audience `{AUDIENCE}`, a random id of {id} bytes, when it begins, and when it ends, \
         {LIFETIME} s later. Narrowed ones say three things more: scope `{SCOPE}`, method `{METHOD}`, and a path below `{PREFIX}`, \
         for a request for `{PATH}`.\n\n\
         **Verifying** is from a token's text to the user's name, with the clock read, audience, begin and end checked, and the caveats. Nothing is looked up: \
         no revocations, no single use. **Minting** is from the user's name to the text, with the clock read and a new id. Keys, rules and \
         queries are read once, outside of it, as each crate's documentation says; what a crate does again for each token it is measured with.\n\n\
         Before anything is measured, each format has to verify its own token, and to refuse it with any of dozens of characters changed, when \
         expired, for another audience and, narrowed, for another path.\n\n\
         In each of {} rounds every format has half a millisecond or more, one after the other, and so has one compression of SHA-256, for scale. Figures are \
         medians, with the quartiles of the rounds; ratios are of medians. Allocations are those of Rust's allocator: what libraries in C take is not counted.",
        run.rounds,
    )
}

fn operation(
    page: &mut Page,
    run: &Run,
    title: &str,
    file: &'static str,
    compression: &Measured,
    cost: impl Fn(&Costs) -> &Cost,
) -> Result<()> {
    page.section(
        title,
        &format!(
            "One compression took {compression:.1} ns. Narrowed tokens are compared with Cattery's narrowed one, the others with its plain one."
        ),
    );
    page.bars(Bars {
        file,
        title: title.to_owned(),
        unit: "µs per token",
        bars: bars(run, |one| cost(one).took.times(1e-3)),
    });
    let rows = run.peers.iter().map(|one| {
        let Cost { took, allocations } = cost(one);
        let own = run
            .peers
            .iter()
            .find(|other| other.about.is_own && other.about.is_narrowed == one.about.is_narrowed);
        let own = own.context("Cattery is missing")?;
        Ok(vec![
            one.about.name.to_owned(),
            format!("{:.2}", took.times(1e-3)),
            format!("{:.1}", took.over(&cost(own).took)),
            format!("{:.0}", took.over(compression)),
            allocations.to_string(),
        ])
    });
    page.table(
        &[
            "format",
            "µs",
            "ratio to Cattery",
            "compressions' worth",
            "allocations",
        ],
        rows.collect::<Result<Vec<_>>>()?,
    );
    Ok(())
}

fn size(page: &mut Page, run: &Run) {
    page.section("Size", "The text of a token, in bytes.");
    #[allow(clippy::cast_precision_loss)] // a token's length
    page.bars(Bars {
        file: "peers-size",
        title: "Size".to_owned(),
        unit: "bytes",
        bars: bars(run, |one| Measured::of(&[one.length as f64])),
    });
    let rows = run.peers.iter();
    page.table(
        &["format", "bytes"],
        rows.map(|one| vec![one.about.name.to_owned(), one.length.to_string()]),
    );
}

fn bars(run: &Run, value: impl Fn(&Costs) -> Measured) -> Vec<Bar> {
    let bar = |one: &Costs| {
        let new = if one.about.is_own { Bar::own } else { Bar::new };
        new(one.about.name, value(one))
    };
    run.peers.iter().map(bar).collect()
}
