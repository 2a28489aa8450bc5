//! The table of `docs/metrics.md` is what authorities and agents export, both ways: names, types, labels and their values.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context as _, Result, ensure};
use cattery_tests::wait;

use super::run::Run;

/// By label, its values; none where they are not bounded by a list.
type Labels = BTreeMap<String, BTreeSet<String>>;
/// By name, type and labels.
type Metrics = BTreeMap<String, (String, Labels)>;

fn documented() -> Result<Metrics> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let docs = fs::read_to_string(docs)?;
    let mut metrics = Metrics::new();
    for row in docs.lines().filter(|row| row.starts_with("| `cattery_")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let [_, name, kind, labels, meaning, _, _] = cells[..] else {
            anyhow::bail!("five columns: {row}")
        };
        ensure!(!meaning.is_empty(), "{row}");
        let name = name.trim_matches('`').to_owned();
        ensure!(
            (kind == "counter") == name.ends_with("_total"),
            "the name of a counter: {row}"
        );
        let mut by_label = Labels::new();
        for label in labels.split("; ").filter(|label| !label.is_empty()) {
            match label.split_once(": ") {
                Some((label, values)) => {
                    let values = values.split(", ").map(str::to_owned).collect();
                    by_label.insert(label.trim_matches('`').to_owned(), values);
                }
                None => {
                    let names = label.split(", ").map(|name| name.trim_matches('`'));
                    by_label.extend(names.map(|name| (name.to_owned(), BTreeSet::new())));
                }
            }
        }
        let twice = metrics.insert(name, (kind.to_owned(), by_label));
        ensure!(twice.is_none(), "{row}");
    }
    Ok(metrics)
}

/// What a page has.
fn exported(page: &str) -> Result<Metrics> {
    let mut metrics = Metrics::new();
    let mut name = "";
    for line in page.lines() {
        if let Some(line) = line.strip_prefix("# TYPE ") {
            let (of, kind) = line.split_once(' ').context("a type")?;
            name = of;
            metrics.insert(of.to_owned(), (kind.to_owned(), Labels::new()));
        } else if let Some(rest) = line.strip_prefix(name).filter(|_| !line.starts_with('#')) {
            let (_, labels) = metrics.get_mut(name).context("its type comes first")?;
            let Some((_, pairs)) = rest.split_once('{') else {
                continue;
            };
            let (pairs, _) = pairs.split_once('}').context("an end of labels")?;
            for pair in pairs.split(',') {
                let (label, value) = pair.split_once('=').context("a value")?;
                let values = labels.entry(label.to_owned()).or_default();
                values.insert(value.trim_matches('"').to_owned());
            }
        }
    }
    Ok(metrics)
}

#[test]
fn what_is_documented_is_exported_and_nothing_else() -> Result<()> {
    let run = Run::start("info")?;
    // So that there is a draining epoch, too, and all that is shown is known.
    run.admin.ok(&["epoch", "rotate", "--wait"], "")?;
    let documented = documented()?;
    let missing = |shown: &Metrics| -> Vec<String> {
        let missing = documented.keys().filter(|name| !shown.contains_key(*name));
        missing.cloned().collect()
    };
    let shown = wait::until("everything is known", || {
        let mut shown = Metrics::new();
        for page in run.pages()? {
            shown.extend(exported(&page)?);
        }
        Ok(missing(&shown).is_empty().then_some(shown))
    })?;
    for (name, (kind, labels)) in &shown {
        let (expected, named) = documented
            .get(name)
            .with_context(|| format!("{name} is not documented"))?;
        ensure!(kind == expected, "{name} is a {kind}");
        let mut labels = labels.clone();
        if kind == "histogram" {
            ensure!(labels.remove("le").is_some(), "{name}: no bounds");
        }
        let names: BTreeSet<_> = labels.keys().collect();
        ensure!(names == named.keys().collect(), "{name}: {names:?}");
        for (label, values) in &labels {
            let known = &named[label];
            let fits = match (known.is_empty(), kind.as_str()) {
                (true, _) => true,
                (_, "gauge") => values.is_subset(known), // a state that nothing is in is left out
                _ => values == known,
            };
            ensure!(fits, "{name}: {label} is {values:?}, documented {known:?}");
        }
    }
    Ok(())
}
