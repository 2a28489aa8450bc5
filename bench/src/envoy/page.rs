//! What the page says.

use cattery_report::{Bar, Bars, Measured, Page};

use super::{
    AT_ONCE, Effort, PATH, Round,
    load::Slice,
    place::{PARTIES, Place, TOKENS},
    upstream::BODY,
    way::Way,
};

/// Both measurements of a way.
struct Row {
    way: Way,
    /// One request at a time.
    one: Column,
    /// Many at once.
    many: Column,
    /// How much longer one request takes than without authentication, round by round, microseconds.
    added: Measured,
}

struct Column {
    per_second: Measured,
    p50: Measured,
    p99: Measured,
    /// Microseconds of processor time for a request: of each of the parties, and of all.
    spent: [Measured; PARTIES.len()],
    spent_by_all: Measured,
}

impl Column {
    fn of(rounds: &[Round]) -> Self {
        let of = |value: fn(&Slice) -> f64| {
            let values: Vec<_> = rounds.iter().map(|(slice, _)| value(slice)).collect();
            Measured::of(&values)
        };
        let spent = |value: &dyn Fn(&[f64; PARTIES.len()]) -> f64| {
            let values: Vec<_> = rounds.iter().map(|(_, spent)| value(spent)).collect();
            Measured::of(&values)
        };
        Self {
            spent: std::array::from_fn(|party| spent(&|spent| spent[party])),
            spent_by_all: spent(&|spent| spent.iter().sum()),
            per_second: of(|slice| slice.per_second),
            p50: of(|slice| slice.p50),
            p99: of(|slice| slice.p99),
        }
    }
}

/// `rounds` has those of each setup, first one at a time and then many at once.
pub(super) fn write(place: &Place, effort: Effort, rounds: &[Vec<Round>]) -> Page {
    let open = rounds.first().map_or(&[][..], Vec::as_slice);
    let rows = place.setups.iter().zip(rounds.chunks(AT_ONCE.len()));
    let rows: Vec<_> = rows
        .filter_map(|(setup, both)| {
            let [one, many] = both else { return None };
            let added = one
                .iter()
                .zip(open)
                .map(|((one, _), (open, _))| one.p50 - open.p50);
            Some(Row {
                way: setup.way,
                one: Column::of(one),
                many: Column::of(many),
                added: Measured::of(&added.collect::<Vec<_>>()),
            })
        })
        .collect();
    let mut page = Page::new("Through Envoy", &about(place, effort));
    throughput(&mut page, &rows);
    processors(&mut page, &rows);
    latency(&mut page, &rows);
    page
}

fn about(place: &Place, effort: Effort) -> String {
    let (rounds, slice) = (effort.rounds, effort.slice.as_millis());
    let [one, many] = AT_ONCE;
    let body = BODY.len();
    let mut text = format!(
        "What it costs that Envoy has each request checked. One Envoy for each way runs, with the configuration that is shipped \
         (`deploy/envoy/envoy.yaml`) and two workers; they differ in the filter in front of the router:\n\n\
         - **no authentication**: none.\n\
         - **jwt_authn**: Envoy's own filter for JWTs, with the public key in its configuration. The tokens have the claims that a Cattery token \
         has, and the filter tells the service who is calling and which token it was, as the agent does. It has no cache of tokens, as is its default.\n\
         - **ext_authz, cattery-agent**: as shipped. Envoy asks the real agent, with its default settings, on its Unix socket.\n\
         - **ext_authz, bare echo**: the same Envoy, and in the agent's place a gRPC server with the same stack, profile and settings that \
         answers each question with what the agent answers, and decides nothing.\n\n\
         Before anything is measured, each way has to let a good token pass and tell the service who is calling, and both filters and \
         the agent have to refuse a token with one other letter in its tag or signature, and a request without a token.\n\n\
         All processes share the machine: the client (one thread), the Envoys, the service behind them (one thread, {body} bytes to everybody), the agent and \
         the echo. So requests per second say what a request costs all of them together. The client keeps its connections, HTTP/1.1 over loopback, and asks again as soon as it was answered: \
         `GET {PATH}`, {one} request at a time, and {many} at once on {many} connections. Each way has {TOKENS} different tokens, which take turns. \
         The ways take turns as well: {rounds} rounds, in each of which each way is asked for {slice} ms, one at a time and then at once. Of the rounds' \
         values, the median and in brackets the quartiles.\n\n"
    );
    let sizes = place.setups.iter().filter_map(|setup| {
        let token = setup.tokens.first()?;
        Some(format!("{} {}", setup.way.name(), token.len()))
    });
    text += &format!(
        "Bytes of a token: {}.",
        sizes.collect::<Vec<_>>().join(", ")
    );
    text
}

fn throughput(page: &mut Page, rows: &[Row]) {
    let Some(open) = rows.first() else { return };
    let text = format!("{} requests at once.", AT_ONCE[1]);
    page.section("Throughput", &text);
    page.table(
        &[
            "way",
            "requests per second",
            "of no authentication",
            "p50, µs",
            "p99, µs",
        ],
        rows.iter().map(|row| {
            let many = &row.many;
            vec![
                row.way.name().to_owned(),
                format!("{}", many.per_second),
                format!("{:.2}", many.per_second.over(&open.many.per_second)),
                format!("{}", many.p50),
                format!("{}", many.p99),
            ]
        }),
    );
    page.bars(Bars {
        file: "envoy-throughput",
        title: "Through Envoy: throughput".to_owned(),
        unit: "requests per second",
        bars: bars(rows, |row| row.many.per_second),
    });
    let of = |way| rows.iter().find(|row| row.way == way);
    if let (Some(agent), Some(echo)) = (of(Way::Agent), of(Way::Echo)) {
        let ratio = agent.many.per_second.over(&echo.many.per_second);
        let added = agent.one.p50.over(&echo.one.p50);
        page.text(&format!(
            "The agent to the bare echo: {ratio:.2} of its requests per second, and {added:.2} times its p50 one at a time."
        ));
    }
}

fn processors(page: &mut Page, rows: &[Row]) {
    let text = format!(
        "Microseconds that a request takes of a processor, with {} at once, as the kernel counts them (`utime` and `stime`). Who Envoy asks is the agent or the echo.",
        AT_ONCE[1]
    );
    page.section("Processor time", &text);
    let mut head = vec!["way"];
    head.extend(PARTIES);
    head.push("all");
    page.table(
        &head,
        rows.iter().map(|row| {
            let spent = row.many.spent.iter().chain([&row.many.spent_by_all]);
            let spent = spent.map(|spent| format!("{spent:.1}"));
            [row.way.name().to_owned()]
                .into_iter()
                .chain(spent)
                .collect()
        }),
    );
}

fn latency(page: &mut Page, rows: &[Row]) {
    page.section(
        "Latency",
        "One request at a time. What is added is the difference of the p50s to that of no authentication in the same round.",
    );
    page.table(
        &[
            "way",
            "p50, µs",
            "p99, µs",
            "added to p50, µs",
            "requests per second",
        ],
        rows.iter().map(|row| {
            let one = &row.one;
            vec![
                row.way.name().to_owned(),
                format!("{}", one.p50),
                format!("{}", one.p99),
                format!("{}", row.added),
                format!("{}", one.per_second),
            ]
        }),
    );
    page.bars(Bars {
        file: "envoy-added",
        title: "Through Envoy: what is added to p50".to_owned(),
        unit: "µs",
        bars: bars(rows.get(1..).unwrap_or_default(), |row| row.added),
    });
}

fn bars(rows: &[Row], value: fn(&Row) -> Measured) -> Vec<Bar> {
    let bar = |row: &Row| match row.way {
        Way::Agent => Bar::own(row.way.name(), value(row)),
        way => Bar::new(way.name(), value(row)),
    };
    rows.iter().map(bar).collect()
}
