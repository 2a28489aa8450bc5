//! What the store has to hold, by what was acknowledged.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context as _, Result, bail, ensure};
use cattery_authority::{
    init::STORE_FILE,
    records::key,
    store::{Embedded, list_all},
};
use cattery_proto::v1::{
    ListApiKeysRequest, ListGrantsRequest, ListServicesRequest, ListUsersRequest,
};
use cattery_tests::api::{Operator, User};

/// A thing that a change is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing {
    Service(String),
    User(String),
    /// By id.
    ApiKey(String),
    /// Principal and service.
    Grant(String, String),
}

/// All of its fields that matter, as one text; nothing where it is not there.
type State = Option<String>;

/// What is known of a thing.
#[derive(Debug, Clone)]
enum Belief {
    Is(State),
    /// A change was under way when the authority died.
    Either(State, State),
}

/// Everything that is known.
#[derive(Default)]
pub(super) struct Model {
    things: BTreeMap<Thing, Belief>,
    /// Users for whom an API key was asked whose id nobody heard.
    nameless: BTreeMap<String, usize>,
    /// Ids, users and texts of API keys, in the order in which they came.
    api_keys: Vec<(String, String, String)>,
    /// Every lease that was handed out.
    pub(super) leases: BTreeSet<[u8; 8]>,
    /// Contended names that somebody got.
    winners: BTreeSet<String>,
    /// alice's.
    pub(super) api_key: String,
    pub(super) acknowledged: u64,
    pub(super) doubted: u64,
    pub(super) happened: u64,
    pub(super) races: u64,
}

pub(super) fn service(generation: u32) -> State {
    Some(format!("generation {generation}"))
}

pub(super) fn user(state: &str, version: u32) -> State {
    Some(format!("{state}, version {version}"))
}

pub(super) fn api_key(user: &str, state: &str) -> State {
    Some(format!("{state}, of {user}"))
}

pub(super) fn grant(caveats: &[Vec<u8>], max_lease: u64) -> State {
    let caveats: Vec<_> = caveats.iter().map(hex::encode).collect();
    Some(format!("caveats {caveats:?}, at most {max_lease} s"))
}

impl Model {
    /// A change begins: until it is acknowledged, either state may be found.
    pub(super) fn begin(&mut self, thing: Thing, after: State) {
        let before = self.state(&thing);
        self.things.insert(thing, Belief::Either(before, after));
    }

    /// An API key is asked for: if nobody hears the answer, nobody knows its id.
    pub(super) fn begin_api_key(&mut self, user: &str) {
        *self.nameless.entry(user.to_owned()).or_default() += 1;
    }

    /// The API key is there, and this is its id.
    pub(super) fn end_api_key(&mut self, user: &str, id: String, text: String) {
        if let Some(count) = self.nameless.get_mut(user) {
            *count -= 1;
        }
        self.api_keys.push((id.clone(), user.to_owned(), text));
        self.acknowledged += 1;
        self.things
            .insert(Thing::ApiKey(id), Belief::Is(api_key(user, "active")));
    }

    /// The change was acknowledged.
    pub(super) fn end(&mut self, thing: &Thing) {
        self.acknowledged += 1;
        self.settle(thing);
    }

    fn settle(&mut self, thing: &Thing) {
        if let Some(belief) = self.things.get_mut(thing)
            && let Belief::Either(_, after) = belief
        {
            *belief = Belief::Is(after.take());
        }
    }

    /// An API key is revoked: whose it is stays as it is.
    pub(super) fn begin_revoking(&mut self, thing: &Thing) {
        let after = self
            .state(thing)
            .map(|state| state.replace("active", "revoked"));
        self.begin(thing.clone(), after);
    }

    /// A user is disabled: their API keys end with it.
    pub(super) fn begin_disabling(&mut self, name: &str) {
        self.begin(Thing::User(name.to_owned()), user("disabled", 1));
        for thing in self.api_keys_of(name) {
            self.begin_revoking(&thing);
        }
    }

    /// The user is disabled.
    pub(super) fn end_disabling(&mut self, name: &str) {
        self.end(&Thing::User(name.to_owned()));
        for thing in self.api_keys_of(name) {
            self.settle(&thing);
        }
    }

    fn api_keys_of(&self, name: &str) -> Vec<Thing> {
        let ids = self.api_keys.iter().filter(|(_, user, _)| user == name);
        ids.map(|(id, ..)| Thing::ApiKey(id.clone())).collect()
    }

    /// Whether the thing is known to be there.
    pub(super) fn is_certain(&self, thing: &Thing) -> bool {
        matches!(self.things.get(thing), Some(Belief::Is(Some(_))))
    }

    /// Somebody was told that this contended name is theirs: false for the second one.
    pub(super) fn won(&mut self, name: String) -> bool {
        self.winners.insert(name)
    }

    /// A lease was handed out.
    pub(super) fn leased(&mut self, lease: [u8; 8]) -> Result<()> {
        self.acknowledged += 1;
        ensure!(
            self.leases.insert(lease),
            "lease {} was handed out twice",
            hex::encode(lease)
        );
        Ok(())
    }

    fn state(&self, thing: &Thing) -> State {
        match self.things.get(thing) {
            Some(Belief::Is(state)) => state.clone(),
            _ => None,
        }
    }

    /// Takes over what is there, before anything happens.
    pub(super) async fn adopt(&mut self, operator: &mut Operator) -> Result<()> {
        for (thing, state) in read(operator).await? {
            self.things.insert(thing, Belief::Is(Some(state)));
        }
        Ok(())
    }

    /// Compares with the store, after a restart. Doubts are settled by it.
    pub(super) async fn compare(&mut self, operator: &mut Operator) -> Result<()> {
        let mut found = read(operator).await?;
        let mut wrong = Vec::new();
        for (thing, belief) in &mut self.things {
            let actual = found.remove(thing);
            match belief {
                Belief::Is(state) if *state == actual => {}
                Belief::Is(state) => wrong.push(format!("{thing:?} is {actual:?}, not {state:?}")),
                Belief::Either(before, after) => {
                    self.doubted += 1;
                    if actual == *after {
                        self.happened += 1;
                    } else if actual != *before {
                        wrong.push(format!(
                            "{thing:?} is {actual:?}, neither {before:?} nor {after:?}"
                        ));
                    }
                    *belief = Belief::Is(actual);
                }
            }
        }
        self.doubted += self.nameless.values().sum::<usize>() as u64;
        for (thing, state) in found {
            let user = state.strip_prefix("active, of ").unwrap_or_default();
            match (&thing, self.nameless.get_mut(user)) {
                (Thing::ApiKey(_), Some(count)) if *count > 0 => {
                    *count -= 1;
                    self.happened += 1;
                    self.things.insert(thing, Belief::Is(Some(state)));
                }
                _ => wrong.push(format!("{thing:?} is {state:?}, and nobody asked for it")),
            }
        }
        self.nameless.clear();
        if !wrong.is_empty() {
            bail!("{}", wrong.join("\n"));
        }
        Ok(())
    }

    /// API keys do what their state says: one of each is tried.
    pub(super) async fn try_keys(&self) -> Result<()> {
        for (word, works) in [("active", true), ("revoked", false)] {
            let is = |thing, word| {
                self.state(&thing)
                    .is_some_and(|state| state.starts_with(word))
            };
            let newest = self.api_keys.iter().rev().find(|(id, user, _)| {
                is(Thing::ApiKey(id.clone()), word) && is(Thing::User(user.clone()), "active")
            });
            let Some((id, _, text)) = newest else {
                continue;
            };
            let answer = User::new(text)?.key("photos").await;
            match answer {
                Ok(_) => ensure!(works, "API key {id} is {word} and works"),
                Err(status) => ensure!(!works, "API key {id} is {word}: {status}"),
            }
        }
        Ok(())
    }

    /// Every lease that anyone holds is in the audit log, once.
    pub(super) fn look_at_audit(&self, authority: &Path) -> Result<()> {
        let mut log = String::new();
        read_audit(authority, &mut log)?;
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for word in log.split(|c: char| !c.is_ascii_hexdigit()) {
            if word.len() == 16 {
                *counts.entry(word).or_default() += 1;
            }
        }
        for lease in &self.leases {
            let id = hex::encode(lease);
            let count = counts.get(id.as_str()).copied().unwrap_or_default();
            ensure!(count == 1, "lease {id} is {count} times in the audit log");
        }
        Ok(())
    }

    /// The store itself has what was acknowledged, and nothing that nobody asked for. The authority is down.
    pub(super) async fn look_at_store(&self, authority: &Path) -> Result<()> {
        let store = Embedded::open(authority.join(STORE_FILE))?;
        let mut stored = BTreeSet::new();
        for prefix in [key::SERVICES, key::USERS, key::API_KEYS, key::GRANTS] {
            let entries = list_all(&store, prefix).await?;
            stored.extend(entries.into_iter().map(|entry| entry.key));
        }
        for (thing, belief) in &self.things {
            let is_there = stored.remove(&thing.key());
            let Belief::Is(state) = belief else {
                bail!("{thing:?} is still in doubt");
            };
            ensure!(
                is_there == state.is_some(),
                "{thing:?} is stored: {is_there}"
            );
        }
        ensure!(stored.is_empty(), "nobody asked for {stored:?}");
        Ok(())
    }
}

impl Thing {
    fn key(&self) -> String {
        match self {
            Self::Service(name) => key::service(name),
            Self::User(name) => key::user(name),
            Self::ApiKey(id) => format!("{}{id}", key::API_KEYS),
            Self::Grant(principal, service) => key::grant(principal, service),
        }
    }
}

fn read_audit(folder: &Path, log: &mut String) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.to_string_lossy();
        if path.is_dir() {
            read_audit(&path, log)?;
        } else if name.contains("audit") {
            log.push_str(
                &fs::read_to_string(&path)
                    .with_context(|| format!("reading {}", path.display()))?,
            );
        }
    }
    Ok(())
}

async fn read(operator: &mut Operator) -> Result<BTreeMap<Thing, String>> {
    let admin = &mut operator.admin;
    let services = admin.list_services(ListServicesRequest {}).await?;
    let users = admin.list_users(ListUsersRequest {}).await?;
    let api_keys = admin.list_api_keys(ListApiKeysRequest::default()).await?;
    let grants = admin.list_grants(ListGrantsRequest::default()).await?;
    let mut found = Vec::new();
    for s in services.into_inner().services {
        found.push((Thing::Service(s.name), service(s.generation)));
    }
    for u in users.into_inner().users {
        found.push((Thing::User(u.name), user(&u.state, u.version)));
    }
    for k in api_keys.into_inner().api_keys {
        found.push((Thing::ApiKey(k.id), api_key(&k.user, &k.state)));
    }
    for g in grants.into_inner().grants {
        let state = grant(&g.caveats, g.max_lease_seconds);
        found.push((Thing::Grant(g.principal, g.service), state));
    }
    let count = found.len();
    let map: BTreeMap<_, _> = found
        .into_iter()
        .filter_map(|(thing, state)| Some((thing, state?)))
        .collect();
    ensure!(map.len() == count, "something is listed twice");
    for (thing, state) in &map {
        // A user and their API keys end in one step.
        if let (Thing::ApiKey(id), Some(name)) = (thing, state.strip_prefix("active, of ")) {
            let owner = map.get(&Thing::User(name.to_owned()));
            ensure!(
                owner.is_some_and(|owner| owner.starts_with("active")),
                "API key {id} works, and {name} is {owner:?}"
            );
        }
    }
    Ok(map)
}
