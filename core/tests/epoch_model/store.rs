//! What the store takes, and what a restore brings back.

use cattery_core::epoch::{Command, Guard, Line, contact_at_restore_without};

use crate::numbers::Numbers;
use crate::scope::Scope;
use crate::state::{ContactPending, Pending, Record, State, StepPending, Store};
use crate::stored::{Place, Stored, small};

impl<const AGENTS: usize> State<AGENTS> {
    /// The pending transaction of an authority arrives; it may be refused.
    pub(crate) fn commit(&mut self, scope: &Scope, authority: usize) -> Option<()> {
        let pending = self.authorities[authority].pending.clone()?;
        if !self.is_doomed(scope, authority, &pending) {
            match pending {
                Pending::Step(step) => self.commit_step(&step),
                Pending::Contact(contact) => self.commit_contact(&contact),
                Pending::Doomed => {}
            }
        }
        self.authorities[authority].pending = None;
        Some(())
    }

    /// Whether the store refuses a transaction now.
    pub(crate) fn is_doomed(
        &self,
        scope: &Scope,
        authority: usize,
        pending: &Pending<AGENTS>,
    ) -> bool {
        let Place(incarnation, revision) = self.store.place;
        let session_is_over = |on: Place, late: bool| {
            scope.has(Guard::RestsOnSession) && (late || on.0 != incarnation)
        };
        let line_moved = |on: Place, guard| scope.has(guard) && on.1 != revision;
        match pending {
            Pending::Step(step) => {
                let clock = self.authorities[authority].clock();
                let late = scope.lease.is_some() && clock > step.at + small(scope.timing.session);
                session_is_over(step.on, late) || line_moved(step.on, Guard::StepRestsOnLine)
            }
            Pending::Contact(contact) => {
                let record_moved = contact.read != self.agents[contact.agent].record;
                session_is_over(contact.on, false)
                    || line_moved(contact.on, Guard::HandOutRestsOnLine)
                    || scope.has(Guard::ContactRestsOnRecord) && record_moved
            }
            Pending::Doomed => true,
        }
    }

    fn commit_step(&mut self, step: &StepPending<AGENTS>) {
        let Place(incarnation, sequence) = self.store.place;
        let before = self.store.line;
        self.store.place = Place(incarnation, sequence + 1);
        self.store.line = step.line;
        self.store.keys = self.store.keys.except(step.destroyed);
        self.make(step.made);
        match step.command {
            Command::Activate { force: true } => {
                for (agent, left) in self.agents.iter_mut().zip(step.left) {
                    agent.left = left.map(|until| (step.line.active, until)).or(agent.left);
                }
            }
            Command::Retire { force: true } => self.burn(step.destroyed),
            Command::Replace => {
                self.burn(before.live());
                self.history.sudden = Some((step.line.active, self.store.place));
            }
            Command::Prepare
            | Command::Activate { force: false }
            | Command::Retire { force: false } => {}
        }
    }

    fn commit_contact(&mut self, contact: &ContactPending) {
        self.agents[contact.agent].record = contact.write;
        if let Some(answer) = contact.answer {
            self.send(contact.agent, answer);
        }
    }

    fn make(&mut self, made: Numbers) {
        self.history.used_twice |= self.history.made.meets(made);
        self.history.made = self.history.made.and(made);
        self.store.keys = self.store.keys.and(made);
    }

    fn burn(&mut self, numbers: Numbers) {
        self.history.burnt = self.history.burnt.and(numbers);
    }

    /// A new incarnation, by an authority's clock, from a backup that was made when the cluster was: none knows less. The old
    /// store is gone; authorities that know nothing of it go on for a while.
    pub(crate) fn restore(&mut self, scope: &Scope, authority: usize) -> Option<()> {
        let now = u64::from(self.authorities[authority].clock());
        let made = self.history.made.each().next_back();
        let above = made.filter(|_| scope.has(Guard::AboveAllSeen)).unwrap_or(1);
        let line = Stored::from(&Line::restored(above.into(), now).ok()?);
        let Place(incarnation, sequence) = Store::FIRST;
        self.store = Store {
            place: Place(incarnation + 1, sequence + 1),
            line,
            keys: Numbers::default(),
        };
        self.burn(self.history.made.except(line.live()));
        self.make(line.live());
        self.history.restored = Some(line.active);
        self.history.sudden = Some((line.active, self.store.place));
        let contact = contact_at_restore_without(now, &scope.timing, scope.removed);
        for agent in &mut self.agents {
            agent.before = agent.record;
            agent.record = Record {
                contact: contact.map(small),
                ..Record::default()
            };
        }
        Some(())
    }
}
