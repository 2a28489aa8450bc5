//! The third parties that a client knows, and their discharges.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use arc_swap::ArcSwap;
use cattery_core::{Principal, PrincipalKind, limits::MAX_DISCHARGES};
use tokio::{runtime::Handle, task::JoinSet};
use tower::ServiceBuilder;
use zeroize::Zeroizing;

use super::{
    Address, Needed, Ticket, Unvouched, Wanted, ask,
    kept::Kept,
    needed::{NeededRef, each, needed, without_ended},
    register,
};
use crate::{
    keys::{Client, Discharge},
    sign::{BufferedBodies, Sign, SignLayer, Signer},
};

/// Most tickets that are in use at the same time.
const MOST_KEPT: usize = 1_024;
/// A request to a third party has a predicate of 1,024 bytes at most.
const LONGEST_REQUEST: usize = 8 * 1024;

/// Discharges are by their ticket, which is random. Replaced whole, so that signing takes no lock.
type Known = HashMap<Box<[u8]>, Vec<Arc<Kept>>>;
type Way = Sign<tonic::transport::Channel, BufferedBodies>;

/// Whom to ask for discharges, and those that are held. Clones share them; when the last one is dropped, renewing ends.
///
/// The client has to hold a key for each third party's own service (`iam` for `service/iam`), since that is how it says who asks.
/// Discharges that are used are renewed at half of their life. One that nobody has used for five minutes is let go.
#[derive(Clone)]
pub struct ThirdParties {
    client: Client,
    ways: Arc<HashMap<String, Way>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    known: ArcSwap<Known>,
    /// The renewing tasks. Whoever changes `known` holds it.
    tasks: Mutex<JoinSet<()>>,
}

/// A name that is no third party's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a third party is a service, `service/NAME`, not `{0}`")]
pub struct NotAService(String);

impl ThirdParties {
    /// Nobody yet. `client` signs the questions.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            ways: Arc::default(),
            shared: Arc::default(),
        }
    }

    /// The third party `principal` (`service/NAME`) answers at this address.
    ///
    /// # Errors
    /// [`NotAService`].
    pub fn at(mut self, principal: &str, address: &Address) -> Result<Self, NotAService> {
        let refused = || NotAService(principal.to_owned());
        let parsed: Principal = principal.parse().map_err(|_| refused())?;
        let PrincipalKind::Service(service) = parsed.kind() else {
            return Err(refused());
        };
        let signer = Signer::new(self.client.clone(), service)
            .bound_to_request()
            .authority(address.authority());
        let layer = SignLayer::new(signer).replay_buffered(LONGEST_REQUEST);
        let way = ServiceBuilder::new()
            .layer(layer)
            .service(address.channel());
        let mut ways = HashMap::clone(&self.ways);
        ways.insert(principal.to_owned(), way);
        self.ways = Arc::new(ways);
        Ok(self)
    }

    /// Registers what has to be true with a third party.
    ///
    /// # Errors
    /// [`Unvouched::NoAddress`], or [`Unvouched::Refused`].
    pub async fn register(&self, third_party: &str, wanted: &Wanted) -> Result<Ticket, Unvouched> {
        let way = self.way(third_party)?;
        let registered = register(way, third_party, wanted).await;
        registered.map_err(|why| Unvouched::Refused {
            who: third_party.to_owned(),
            why: Arc::new(why),
        })
    }

    /// The token with all the discharges that it asks for, those behind it included that have not ended: what goes behind `Bearer `. Waits for
    /// each that is not held yet, some seconds at most.
    ///
    /// # Errors
    /// [`Unvouched`].
    pub async fn present(&self, presentation: &str) -> Result<Zeroizing<String>, Unvouched> {
        let now = self.now();
        let mut whole = without_ended(presentation, now)?;
        let lacking = needed(&whole, now)?;
        self.wait_for(&lacking).await?;
        for needed in &lacking {
            let kept = self.find(&needed.borrowed());
            let held = kept.and_then(|kept| kept.good(self.now()));
            let held = held.ok_or_else(|| Unvouched::NotYet(vec![needed.clone()]))?;
            append(&mut whole, &held);
        }
        match whole.matches(',').count() {
            0..=MAX_DISCHARGES => Ok(whole),
            _ => Err(Unvouched::TooMany),
        }
    }

    /// Appends the discharges that `token` asks for to `out`, from those that are held: no network, no waiting, no lock. Those that
    /// are not held are fetched in the background, where there is a tokio runtime.
    pub(crate) fn append_held(&self, token: &str, out: &mut String) -> Result<(), Unvouched> {
        let now = self.now();
        let mut done: [Option<Arc<Kept>>; MAX_DISCHARGES] = [const { None }; MAX_DISCHARGES];
        let mut missing: Vec<Needed> = Vec::new();
        let mut count = 0;
        each(token, |asked| {
            let kept = self.find(&asked);
            let is_same =
                |one: &Option<Arc<Kept>>| one.as_ref().is_some_and(|k| asked.is(&k.needed));
            if done.iter().any(is_same) {
                return;
            }
            match kept.map(|kept| (kept.good(now), kept)) {
                Some((Some(discharge), kept)) => {
                    append(out, &discharge);
                    if let Some(slot) = done.get_mut(count) {
                        *slot = Some(kept);
                    }
                    count += 1;
                }
                _ if missing.iter().any(|missing| asked.is(missing)) => {}
                _ => missing.push(asked.to_owned()),
            }
        })?;
        if count + missing.len() > MAX_DISCHARGES {
            return Err(Unvouched::TooMany);
        }
        if missing.is_empty() {
            return Ok(());
        }
        if Handle::try_current().is_ok() {
            for needed in &missing {
                self.kept(needed)?;
            }
        }
        Err(Unvouched::NotYet(missing))
    }

    /// Waits until each of these is held.
    pub(crate) async fn wait_for(&self, needed: &[Needed]) -> Result<(), Unvouched> {
        let kept: Vec<_> = needed
            .iter()
            .map(|needed| self.kept(needed))
            .collect::<Result<_, _>>()?;
        // All are on their way already: to wait for one after the other takes no longer.
        for (needed, mut kept) in needed.iter().zip(kept) {
            while kept.wait(|| self.now()).await.transpose()?.is_none() {
                kept = self.kept(needed)?;
            }
        }
        Ok(())
    }

    fn now(&self) -> u64 {
        self.client.now().unwrap_or(0)
    }

    fn way(&self, third_party: &str) -> Result<Way, Unvouched> {
        let way = self.ways.get(third_party).cloned();
        way.ok_or_else(|| Unvouched::NoAddress(third_party.to_owned()))
    }

    fn find(&self, asked: &NeededRef<'_>) -> Option<Arc<Kept>> {
        find(&self.shared.known.load(), asked)
    }

    /// The one that is kept; a new one asks at once, and renews itself.
    fn kept(&self, needed: &Needed) -> Result<Arc<Kept>, Unvouched> {
        if let Some(kept) = self.find(&needed.borrowed()) {
            return Ok(kept);
        }
        let way = self.way(&needed.principal)?;
        let mut tasks = self.shared.tasks();
        while tasks.try_join_next().is_some() {} // those that have ended
        let known = self.shared.known.load_full();
        if let Some(kept) = find(&known, &needed.borrowed()) {
            return Ok(kept);
        }
        if tasks.len() >= MOST_KEPT {
            return Err(Unvouched::Full);
        }
        let kept = Arc::new(Kept::new(needed.clone()));
        let mut more = Known::clone(&known);
        let of_ticket = more.entry(needed.ticket.as_slice().into()).or_default();
        of_ticket.push(Arc::clone(&kept));
        self.shared.known.store(Arc::new(more));
        tasks.spawn(keep(
            Arc::clone(&kept),
            Arc::downgrade(&self.shared),
            way,
            self.client.clone(),
        ));
        Ok(kept)
    }
}

impl Shared {
    fn tasks(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, gone: &Arc<Kept>) {
        let _tasks = self.tasks();
        let mut fewer = Known::clone(&self.known.load());
        if let Some(of_ticket) = fewer.get_mut(&gone.needed.ticket[..]) {
            of_ticket.retain(|kept| !Arc::ptr_eq(kept, gone));
            if of_ticket.is_empty() {
                fewer.remove(&gone.needed.ticket[..]);
            }
        }
        self.known.store(Arc::new(fewer));
    }
}

async fn keep(kept: Arc<Kept>, shared: Weak<Shared>, way: Way, client: Client) {
    let now = || client.now().unwrap_or(0);
    let ask = || async { ask(way.clone(), &kept.needed, None).await };
    kept.keep(ask, now).await;
    if let Some(shared) = shared.upgrade() {
        shared.forget(&kept);
    }
    kept.let_go();
}

fn find(known: &Known, asked: &NeededRef<'_>) -> Option<Arc<Kept>> {
    let of_ticket = known.get(asked.ticket)?;
    let kept = of_ticket.iter().find(|kept| asked.is(&kept.needed));
    kept.cloned()
}

fn append(out: &mut String, discharge: &Discharge) {
    out.push(',');
    out.push_str(discharge);
}
