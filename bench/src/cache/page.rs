//! What the page says, and what follows from its numbers.

use cattery_report::{Bar, Bars, Measured, Page, number};

use super::{
    ALL_LINES, EXPONENTS, Effort, LINE, LINES, NAME, PAYLOAD, Row, SIZES, Took, keys::Kept,
};

/// Which of two is quicker: their quartiles have to be apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Wins,
    Loses,
    Even,
}

impl Outcome {
    fn of(kept: &Measured, derived: &Measured) -> Self {
        if kept.high < derived.low {
            Self::Wins
        } else if kept.low > derived.high {
            Self::Loses
        } else {
            Self::Even
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Wins => "wins",
            Self::Loses => "loses",
            Self::Even => "even",
        }
    }
}

/// Alone, or with other work between two requests.
type Situation = fn(&Took) -> Measured;
const SITUATIONS: [(&str, Situation); 2] = [
    ("nothing else to do", |took| took.alone),
    ("with other work", |took| took.between),
];

pub(super) fn write(effort: Effort, rows: &[Row], whole: &Measured) -> Page {
    let mut page = Page::new("A table of users' keys", &about(effort));
    for (exponent, file) in EXPONENTS.into_iter().zip(["cache-1", "cache-2"]) {
        let rows: Vec<_> = rows.iter().filter(|row| row.exponent == exponent).collect();
        page.section(&format!("Zipf, s = {exponent:.1}"), "");
        for situation in SITUATIONS {
            table(&mut page, &rows, situation);
        }
        page.bars(Bars {
            file,
            title: format!("From a key's id to the tag with other work, s = {exponent:.1}"),
            unit: "ns",
            bars: rows.iter().flat_map(|row| bars(row)).collect(),
        });
    }
    let text = format!(
        "A whole verification, from the text of a token without caveats to who is calling, takes {whole} ns in the same process, with nothing else to do."
    );
    page.section("What follows", &text);
    for size in SIZES {
        let follows = SITUATIONS.map(|situation| follows(size, rows, whole, situation));
        page.text(&follows.join("\n"));
    }
    page.text(&conclusion(rows));
    page
}

fn about(effort: Effort) -> String {
    let entry = Kept::entry_size();
    let mib = |bytes: usize| bytes as f64 / f64::from(1 << 20);
    let sizes = SIZES.map(|size| {
        let mib = mib(size * entry);
        format!("{} entries ({mib:.1} MiB)", number(size as f64))
    });
    let [small, large] = sizes;
    let (requests, turn) = (number(effort.requests as f64), number(effort.turn.into()));
    let payload = PAYLOAD.len();
    let (touched, all) = (LINES * LINE / 1_024, mib(ALL_LINES * LINE));
    format!(
        "A verifier derives the key of a token's lease from the service's key, each time. It could keep the keys that it has derived, with their keyed \
         states, and save four compressions wherever it finds one. Whether that pays depends on how many users there are: a table that holds them all does not fit into \
         a processor's caches.\n\n\
         Measured is what is between a key's id and the tag of a payload of {payload} bytes, in one thread: deriving the key each time, or looking for it in a table of fixed \
         size first, of {small} or of {large}, {entry} bytes each. An entry has the whole id in itself, which is compared; a lease has one place, which is its random id modulo the size, and who comes \
         replaces who was there. Names have {NAME} bytes.\n\n\
         All that is done with nothing else to do, and again with other work between two requests: {touched} KiB are read, of {all:.0} MiB that come round and round, as if \
         the request were read, decoded and answered. What that takes by itself is measured in the same turns, and is not in the figures.\n\n\
         It is kinder to the table than a product could be: no other thread asks it (threads that share one would have to agree on each entry, and where each has \
         its own, each holds all of it), and it is not in locked memory.\n\n\
         The k-th user sends k^-s times as many requests as the first. {requests} requests of each population are drawn, and come round and round; the tables are full before anything counts. \
         The ways take turns, each with {turn} requests in one turn, in 301 rounds: medians, and quartiles in brackets. Wins and loses means that the quartiles are apart."
    )
}

fn table(page: &mut Page, rows: &[&Row], (name, of): (&str, Situation)) {
    let mut head = vec![format!("users; {name}"), "derived, ns".to_owned()];
    for size in SIZES {
        let size = number(size as f64);
        head.extend([
            format!("table of {size}, ns"),
            "found, %".to_owned(),
            String::new(),
        ]);
    }
    let head: Vec<_> = head.iter().map(String::as_str).collect();
    page.table(
        &head,
        rows.iter().map(|row| {
            let derived = of(&row.derived);
            let mut cells = vec![number(row.population.into()), derived.to_string()];
            for column in &row.kept {
                let took = of(&column.took);
                cells.extend([
                    took.to_string(),
                    format!("{:.1}", column.hits * 100.0),
                    Outcome::of(&took, &derived).word().to_owned(),
                ]);
            }
            cells
        }),
    );
}

fn bars(row: &Row) -> Vec<Bar> {
    let users = number(row.population.into());
    let mut bars = vec![Bar::own(
        &format!("{users} users, derived"),
        row.derived.between,
    )];
    bars.extend(row.kept.iter().map(|column| {
        let size = number(column.size as f64);
        Bar::new(&format!("table of {size}"), column.took.between)
    }));
    bars
}

/// What the table of this size is good for.
fn follows(size: usize, rows: &[Row], whole: &Measured, (name, of): (&str, Situation)) -> String {
    let all: Vec<(&Row, Measured)> = rows
        .iter()
        .flat_map(|row| row.kept.iter().map(move |column| (row, column)))
        .filter(|(_, column)| column.size == size)
        .map(|(row, column)| (row, of(&column.took)))
        .collect();
    let with = |outcome: Outcome| {
        let of = all
            .iter()
            .filter(|(row, took)| Outcome::of(took, &of(&row.derived)) == outcome)
            .map(|(row, _)| {
                let users = number(row.population.into());
                format!("{users} (s = {:.1})", row.exponent)
            })
            .collect::<Vec<_>>();
        match &of[..] {
            [] => "none".to_owned(),
            _ if of.len() == all.len() => "all".to_owned(),
            of => of.join(", "),
        }
    };
    let saved = |(row, took): &(&Row, Measured)| of(&row.derived).median - took.median;
    let most = all.iter().map(saved).fold(f64::NEG_INFINITY, f64::max);
    let least = all.iter().map(saved).fold(f64::INFINITY, f64::min);
    let part = |ns: f64| ns / whole.median * 100.0;
    format!(
        "- A table of {}, {name}: wins for {}, loses for {}, neither for {}. It saves {most:.0} ns at best and {least:.0} ns at worst, {:.0} % and {:.0} % \
         of the whole verification.",
        number(size as f64),
        with(Outcome::Wins),
        with(Outcome::Loses),
        with(Outcome::Even),
        part(most),
        part(least),
    )
}

/// The rule: a table for all services has to win for all populations, with other work and without.
fn conclusion(rows: &[Row]) -> String {
    let wins = |size: usize| {
        rows.iter().all(|row| {
            let columns = row.kept.iter().filter(|column| column.size == size);
            let mut both = columns.flat_map(|column| {
                SITUATIONS.map(|(_, of)| Outcome::of(&of(&column.took), &of(&row.derived)))
            });
            both.all(|outcome| outcome == Outcome::Wins)
        })
    };
    let sizes = SIZES.into_iter().filter(|size| wins(*size));
    let sizes: Vec<_> = sizes.map(|size| number(size as f64)).collect();
    let answer = match &sizes[..] {
        [] => "None of these does.".to_owned(),
        sizes => format!("Those that do: {}.", sizes.join(", ")),
    };
    format!(
        "A table is worth having if it wins for every population, the largest included, in both situations. {answer}"
    )
}
