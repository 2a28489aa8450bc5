//! What a third party remembers: which ticket stands for what.

use std::{
    collections::{BTreeSet, HashMap},
    future::{Future, ready},
    sync::{Mutex, PoisonError},
};

use super::Registration;

/// A ticket's bytes: random, given out by the third party.
type Id = [u8; 32];

/// Where registrations are kept until they end. One that outlives the process has to be written for that.
pub trait Tickets: Send + Sync + 'static {
    /// Keeps a registration until its `not_after`. `now` is in Unix seconds.
    ///
    /// # Errors
    /// [`TicketsError`]; nothing is kept.
    fn keep(
        &self,
        ticket: Id,
        registration: Registration,
        now: u64,
    ) -> impl Future<Output = Result<(), TicketsError>> + Send;

    /// The registration of a ticket. One that has ended may still be found: the caller looks at its end.
    ///
    /// # Errors
    /// [`TicketsError::Unavailable`].
    fn find(
        &self,
        ticket: &Id,
    ) -> impl Future<Output = Result<Option<Registration>, TicketsError>> + Send;
}

/// A ticket was not kept, or could not be looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketsError {
    /// There is no room, for this registrant or at all.
    #[error("there is no room for another ticket until earlier ones have ended")]
    Full,
    /// The store does not answer. The reason is for the log.
    #[error("the tickets cannot be reached: {0}")]
    Unavailable(String),
}

/// Tickets in memory: a restart forgets them, and their caveats hold no more.
pub struct MemoryTickets {
    most: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    tickets: HashMap<Id, Registration>,
    /// By their end, the first one first.
    ends: BTreeSet<(u64, Id)>,
    /// How many each registrant has.
    counts: HashMap<String, usize>,
}

impl MemoryTickets {
    /// Room for `most` tickets, of which one registrant gets an eighth.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            held: Mutex::default(),
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryTickets {
    /// Room for 100,000.
    fn default() -> Self {
        Self::new(100_000)
    }
}

impl Tickets for MemoryTickets {
    fn keep(
        &self,
        ticket: Id,
        registration: Registration,
        now: u64,
    ) -> impl Future<Output = Result<(), TicketsError>> + Send {
        ready(self.held().keep(self.most, ticket, registration, now))
    }

    fn find(
        &self,
        ticket: &Id,
    ) -> impl Future<Output = Result<Option<Registration>, TicketsError>> + Send {
        ready(Ok(self.held().tickets.get(ticket).cloned()))
    }
}

impl Held {
    fn keep(
        &mut self,
        most: usize,
        ticket: Id,
        registration: Registration,
        now: u64,
    ) -> Result<(), TicketsError> {
        self.forget(now);
        let share = (most / 8).max(1);
        let count = self.counts.get(&registration.registered_by).copied();
        if self.tickets.len() >= most || count.is_some_and(|count| count >= share) {
            return Err(TicketsError::Full);
        }
        let who = registration.registered_by.clone();
        *self.counts.entry(who).or_default() += 1;
        self.ends.insert((registration.not_after, ticket));
        self.tickets.insert(ticket, registration);
        Ok(())
    }

    /// Forgets what has ended.
    fn forget(&mut self, now: u64) {
        while let Some((end, ticket)) = self.ends.first().copied()
            && end <= now
        {
            self.ends.pop_first();
            let Some(gone) = self.tickets.remove(&ticket) else {
                continue;
            };
            if let Some(count) = self.counts.get_mut(&gone.registered_by) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(&gone.registered_by);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(by: &str, not_after: u64) -> Registration {
        Registration {
            registered_by: by.to_owned(),
            principal: by.to_owned(),
            service: "photos".to_owned(),
            predicate: "approved".to_owned(),
            not_after,
        }
    }

    #[test]
    fn nothing_grows_and_nobody_takes_all() {
        let mut held = Held::default();
        let mut keep = |ticket: u8, by: &str, now| {
            held.keep(16, [ticket; 32], registration(by, now + 10), now)
        };
        assert_eq!(keep(1, "user/alice", 0), Ok(()));
        assert_eq!(keep(2, "user/alice", 1), Ok(()));
        assert_eq!(keep(3, "user/alice", 2), Err(TicketsError::Full)); // her eighth
        for other in 0..14 {
            assert_eq!(keep(10 + other, &format!("user/{other}"), 2), Ok(()));
        }
        assert_eq!(keep(30, "user/late", 9), Err(TicketsError::Full));
        assert_eq!(keep(31, "user/alice", 10), Ok(())); // her first has ended
        for year in 1..1_000_u64 {
            let ticket = u8::try_from(year % 200).unwrap();
            assert_eq!(keep(ticket, "user/alice", year * 1_000), Ok(()));
        }
        assert_eq!((held.tickets.len(), held.ends.len()), (1, 1));
        assert_eq!(held.counts.len(), 1);
    }
}
