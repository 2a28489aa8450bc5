//! Scale on paper: what a fleet that nobody can start here would ask for, by arithmetic from what one of everything costs.

mod fleet;
mod measured;
mod model;
mod quantity;

use std::path::Path;

use anyhow::{Context as _, Result};
use cattery_report::Page;

use self::{
    fleet::Fleet,
    measured::Measured,
    model::{Limit, Model},
    quantity::number,
};

const ABOUT: &str = "Nothing of this was run. It is arithmetic, from what one of everything costs where it was measured, and from assumptions about a fleet; each line \
    is here with what goes into it. There is one cluster: an etcd in one region, authorities in every region, and agents that may turn to any of them. Costs are taken to grow with \
    the number of agents and users, as they do from a thousand agents to ten thousand. \
    What etcd does is that of one member that shares two cores with everything else, and it is held to have no more room and to be no faster with three.";

/// `folder` is where other groups have left their figures.
pub(crate) fn measure(folder: &Path) -> Result<Page> {
    let fleet = Fleet::new();
    let measured = Measured::read(folder)?;
    let model = Model::new(&fleet, &measured);
    let mut page = Page::new("Scale on paper", ABOUT);
    summary(&mut page, &model.limits)?;
    inputs(&mut page, &fleet, &measured);
    for (section, lines) in model.sections {
        page.section(section, "");
        page.table(
            &["what", "arithmetic", "is"],
            lines.into_iter().map(|line| {
                let is = format!("{} {}", number(line.value), line.unit);
                vec![line.what.to_owned(), line.arithmetic, is]
            }),
        );
    }
    Ok(page)
}

/// What breaks first, and what would have to change.
fn summary(page: &mut Page, limits: &[Limit]) -> Result<()> {
    let first = limits.first().context("no limits")?;
    let too_much = limits.iter().filter(|limit| limit.load() > 1.0).count();
    let said = if too_much == 0 {
        "Nothing breaks.".to_owned()
    } else {
        format!(
            "Of {} limits the fleet is beyond {too_much}. The first is {}: {} times as much is asked for as there is, so it does for {}.",
            limits.len(),
            first.what,
            number(first.load()),
            first.holds,
        )
    };
    page.section("What breaks first", &said);
    page.table(
        &["limit", "asked for", "there is", "load", "does for"],
        limits.iter().map(|limit| {
            vec![
                limit.what.to_owned(),
                format!("{} {}", number(limit.asked), limit.unit),
                format!("{} {}", number(limit.there), limit.unit),
                number(limit.load()),
                limit.holds.clone(),
            ]
        }),
    );
    page.section("What would come next", "");
    page.table(
        &["limit", "next step"],
        limits
            .iter()
            .map(|limit| vec![limit.what.to_owned(), limit.next.to_owned()]),
    );
    Ok(())
}

fn inputs(page: &mut Page, fleet: &Fleet, measured: &Measured) {
    page.section("What was measured", "");
    page.table(
        &["cost", "from"],
        measured.all().map(|cost| {
            let quantity = cost.quantity.arithmetic().to_owned();
            vec![quantity, cost.source.clone()]
        }),
    );
    page.section("What is assumed", "");
    let assumed = fleet.all();
    page.table(
        &["assumption"],
        assumed.map(|assumed| vec![assumed.arithmetic().to_owned()]),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_first_comes_first_and_every_line_shows_its_inputs() {
        let measured = Measured::read(Path::new(measured::REPORT)).unwrap();
        let model = Model::new(&Fleet::new(), &measured);
        assert!(
            model
                .limits
                .is_sorted_by(|one, next| one.load() >= next.load())
        );
        for (section, lines) in model.sections {
            for line in lines {
                let inputs = line.arithmetic.matches(['×', '÷', '+']).count();
                assert!(inputs > 0, "{section}: {}", line.arithmetic);
                assert!(line.value > 0.0, "{section}: {}", line.what);
            }
        }
    }
}
