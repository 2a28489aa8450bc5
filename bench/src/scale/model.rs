//! What the fleet asks for, and what there is.

use super::{
    fleet::Fleet,
    measured::Measured,
    quantity::{Quantity, rough},
};

/// One line of arithmetic.
pub(super) struct Line {
    pub(super) what: &'static str,
    pub(super) arithmetic: String,
    pub(super) value: f64,
    pub(super) unit: &'static str,
}

/// What can be too little.
pub(super) struct Limit {
    pub(super) what: &'static str,
    pub(super) asked: f64,
    pub(super) there: f64,
    pub(super) unit: &'static str,
    /// How many users or agents there could be.
    pub(super) holds: String,
    /// What would have to change.
    pub(super) next: &'static str,
}

impl Limit {
    /// More than one is too much.
    pub(super) fn load(&self) -> f64 {
        self.asked / self.there
    }
}

/// All lines, by section.
pub(super) struct Model {
    pub(super) sections: Vec<(&'static str, Vec<Line>)>,
    /// What breaks first comes first.
    pub(super) limits: Vec<Limit>,
}

/// Lines in the making.
struct Section(Vec<Line>);

impl Section {
    /// Notes a line; its result goes on under its unit.
    fn line(&mut self, what: &'static str, quantity: &Quantity, unit: &'static str) -> Quantity {
        self.0.push(Line {
            what,
            arithmetic: quantity.arithmetic().to_owned(),
            value: quantity.value,
            unit,
        });
        quantity.named(unit)
    }
}

impl Model {
    #[allow(clippy::too_many_lines)] // one line of arithmetic behind the other
    pub(super) fn new(fleet: &Fleet, measured: &Measured) -> Self {
        let cost = measured;
        let [idle, memory, connect, key, tell] = [
            &cost.idle,
            &cost.memory,
            &cost.connect,
            &cost.key,
            &cost.tell,
        ]
        .map(|cost| &cost.quantity);

        let mut agents = Section(Vec::new());
        let idle = agents.line("idle agents", &(&fleet.agents * idle), "cores for agents");
        let held = agents.line("their streams", &(&fleet.agents * memory), "GiB for agents");

        let mut users = Section(Vec::new());
        let active = users.line("on a day", &(&fleet.users * &fleet.active), "active users");
        let a_day = users.line("keys", &(&active * &fleet.fetches), "fetches a day");
        let mean = users.line("on average", &(&a_day / &fleet.day), "fetches per s");
        let peak = users.line("at most", &(&mean * &fleet.peak), "fetches per s at most");
        let fetching = users.line(
            "if each comes with a new connection",
            &(&peak * connect),
            "cores for users",
        );

        let mut authorities = Section(Vec::new());
        let cores = authorities.line("in use", &(&fleet.cores * &fleet.used), "cores used");
        let gib = authorities.line("in use", &(&fleet.memory * &fleet.used), "GiB used");
        let by_cores = authorities.line(
            "by processor",
            &(&(&idle + &fetching) / &cores),
            "authorities",
        );
        let by_memory = authorities.line("by memory", &(&held / &gib), "authorities");
        let needed = by_cores.value.max(by_memory.value).ceil();
        let needed = Quantity::new(needed, "authorities needed");
        // Whichever region is lost, the others carry all.
        let others = Quantity::new(fleet.regions.value - 1.0, "regions that are left");
        let each = authorities.line(
            "in each region, should one be lost",
            &(&needed / &others),
            "authorities",
        );
        let each = Quantity::new(each.value.ceil(), "authorities in each region");
        let all = authorities.line("in all", &(&each * &fleet.regions), "authorities in all");
        let all_cores =
            authorities.line("their processors", &(&all * &fleet.cores), "cores in all");

        let mut etcd = Section(Vec::new());
        let contacts = etcd.line(
            "agents that are there",
            &(&fleet.agents / &fleet.contact),
            "contacts per s",
        );
        etcd.line(
            "writes, at most",
            &(&contacts + &peak),
            "writes per s asked for",
        );
        let known = &fleet.users * &cost.user.quantity;
        let known = etcd.line("space for users", &known, "GiB of users");
        let stored = &(&a_day * &fleet.kept) * &cost.fetch.quantity;
        let stored = etcd.line("space for what was fetched", &stored, "GiB of fetches");

        let mut rotation = Section(Vec::new());
        let acknowledged = rotation.line(
            "until all have acknowledged, as etcd stores it",
            &(&fleet.agents / &cost.acknowledgements.quantity),
            "s",
        );
        let work = rotation.line(
            "authorities' processors",
            &(&fleet.agents * key),
            "s of cores",
        );
        rotation.line("with all of them", &(&work / &all_cores), "s");

        let mut revocation = Section(Vec::new());
        let work = revocation.line(
            "one, told to all agents",
            &(&fleet.agents * tell),
            "s of cores per revocation",
        );
        let ids = revocation.line("on a day", &(&active * &fleet.revoked), "ids a day");
        let rate = revocation.line("on average", &(&ids / &fleet.day), "ids per s");
        let telling = revocation.line(
            "all, a message for each",
            &(&rate * &work),
            "cores for revocations",
        );
        let remembered = &(&ids * &fleet.told) * &cost.revoked.quantity;
        let remembered = revocation.line("an agent's memory", &remembered, "bytes");
        let per_service = revocation.line(
            "agents of one service",
            &(&fleet.agents / &fleet.services),
            "agents of a service",
        );
        let narrow = &(&rate * &per_service) * tell;
        revocation.line("all, to one service's agents alone", &narrow, "cores");

        let mut loss = Section(Vec::new());
        let moved = loss.line(
            "its agents",
            &(&fleet.agents / &fleet.regions),
            "agents that move",
        );
        let work = loss.line(
            "their connections",
            &(&moved * connect),
            "s of cores to connect",
        );
        let left = loss.line(
            "what is left",
            &(&(&each * &others) * &fleet.cores),
            "cores left",
        );
        let back = loss.line("until all are back, at least", &(&work / &left), "s");

        let mut verifying = Section(Vec::new());
        let tokens = &(&(&active * &fleet.requests) / &fleet.day) * &fleet.peak;
        let tokens = verifying.line("tokens, at most", &tokens, "tokens per s");
        verifying.line("of one agent", &(&tokens / &fleet.agents), "tokens per s");
        verifying.line("all agents", &(&tokens * &cost.verify.quantity), "cores");

        let holds =
            |who: &Quantity, name: &str, load: f64| format!("{} {name}", rough(who.value / load));
        let limit =
            |what, asked: &Quantity, there: f64, unit, who: (&Quantity, &str), next| Limit {
                what,
                asked: asked.value,
                there,
                unit,
                holds: holds(who.0, who.1, asked.value / there),
                next,
            };
        let by_users = (&fleet.users, "users");
        let by_agents = (&fleet.agents, "agents");
        let mut limits = vec![
            limit(
                "users in etcd",
                &known,
                fleet.space.value,
                "GiB",
                by_users,
                "A cluster for each part of the users, by their names, as nothing but a grant joins two of them; or users in a store that is no mirror of agents' news, and \
                 need not be etcd",
            ),
            limit(
                "what was fetched, in etcd",
                &stored,
                fleet.space.value,
                "GiB",
                by_users,
                "Leases that nobody has to find again: a lease id that is computed from its API key's, so that the end of an API key is one entry that agents look for, \
                 and nothing is stored for each fetch",
            ),
            limit(
                "writes of etcd, beside agents' contacts",
                &peak,
                cost.writes.quantity.value - contacts.value,
                "per s",
                by_users,
                "The same as for what was fetched",
            ),
            limit(
                "telling revocations",
                &telling,
                all_cores.value * fleet.used.value,
                "cores",
                by_users,
                "An agent is told of its own service's alone: a lease is for one service. What comes within a tenth of a second goes in one message",
            ),
            limit(
                "agents' memory for revocations",
                &remembered,
                f64::from(256 << 20),
                "bytes",
                by_users,
                "An agent keeps its own service's alone",
            ),
            limit(
                "a rotation within an hour",
                &acknowledged,
                3_600.0,
                "s",
                by_agents,
                "An authority acknowledges for all of its agents in one write a second",
            ),
            limit(
                "a region's agents elsewhere within an agent's outage budget",
                &back,
                43_200.0,
                "s",
                by_agents,
                "TLS sessions that any authority resumes",
            ),
        ];
        limits.sort_by(|one, other| other.load().total_cmp(&one.load()));
        Self {
            sections: vec![
                ("Agents", agents.0),
                ("Users", users.0),
                ("Authorities", authorities.0),
                ("etcd", etcd.0),
                ("One rotation", rotation.0),
                ("Revocations", revocation.0),
                ("A region is lost", loss.0),
                ("Verifying", verifying.0),
            ],
            limits,
        }
    }
}
