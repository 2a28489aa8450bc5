//! What the store takes, and what a backup brings back.

use cattery_core::epoch::{Command, Guard, Line, contact_at_restore_without};

use crate::scope::Scope;
use crate::state::{
    ContactPending, FIRST_REVISION, Numbers, Pending, Record, State, StepPending, Stored, small,
};

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
        let session = scope.has(Guard::RestsOnSession);
        match pending {
            Pending::Step(step) => {
                let clock = u64::from(self.authorities[authority].clock());
                let late =
                    scope.lease.is_some() && clock > u64::from(step.at) + scope.timing.session;
                session && (late || step.incarnation != self.store.incarnation)
                    || scope.has(Guard::StepRestsOnLine) && step.revision != self.store.revision
            }
            Pending::Contact(contact) => {
                session && contact.incarnation != self.store.incarnation
                    || scope.has(Guard::HandOutRestsOnLine)
                        && contact.revision != self.store.revision
                    || scope.has(Guard::ContactRestsOnRecord)
                        && contact.read != self.agents[contact.agent].record
            }
            Pending::Doomed => true,
        }
    }

    fn commit_step(&mut self, step: &StepPending<AGENTS>) {
        let place = (self.store.incarnation, self.store.revision + 1);
        let before = self.store.line;
        self.store.revision += 1;
        self.store.line = step.line;
        self.store.keys = self.store.keys.except(step.destroyed);
        self.make(step.made);
        match step.command {
            Command::Activate { force: true } => {
                for (agent, until) in self.agents.iter_mut().zip(step.left) {
                    if let Some(until) = until {
                        agent.left = Some((step.line.active, until));
                    }
                }
            }
            Command::Retire { force: true } => {
                self.history.burnt = self.history.burnt.and(step.destroyed);
            }
            Command::Replace => {
                self.history.burnt = self.history.burnt.and(before.live());
                self.history.sudden = Some((step.line.active, place));
            }
            Command::Prepare
            | Command::Activate { force: false }
            | Command::Retire { force: false } => {}
        }
    }

    fn make(&mut self, made: Numbers) {
        self.history.used_twice |= self.history.made.meets(made);
        self.history.made = self.history.made.and(made);
        self.store.keys = self.store.keys.and(made);
    }

    fn commit_contact(&mut self, contact: &ContactPending) {
        self.agents[contact.agent].record = contact.write;
        if let Some(answer) = contact.answer {
            self.send(contact.agent, answer);
        }
    }

    /// A new incarnation, by the clock of an authority, from a backup that was made when the cluster was: no other knows less.
    /// The old store is gone; authorities that know nothing of it go on for a while.
    pub(crate) fn restore(&mut self, scope: &Scope, authority: usize) -> Option<()> {
        let now = self.authorities[authority].clock();
        let above = if scope.has(Guard::AboveAllSeen) {
            self.history.made.greatest()
        } else {
            1
        };
        let fresh = Line::restored(above.into(), now.into()).ok()?;
        self.store.incarnation += 1;
        self.store.revision = FIRST_REVISION + 1;
        self.store.line = Stored::from(&fresh);
        self.store.keys = Numbers::default();
        self.history.burnt = self.history.made;
        self.make(self.store.line.live());
        let fresh = self.store.line.active;
        self.history.burnt = self.history.burnt.except(Numbers::of([fresh.into()]));
        self.history.restored = Some(fresh);
        self.history.sudden = Some((fresh, (self.store.incarnation, self.store.revision)));
        let contact = contact_at_restore_without(now.into(), &scope.timing, scope.removed);
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
