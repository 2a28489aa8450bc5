/// The conditions that keep a rotation safe, one by one.
///
/// Functions that have one come in a second, hidden form (`*_without`) that leaves one out, so that the model check can show
/// what each is for. Those from [`StepRestsOnLine`](Self::StepRestsOnLine) on are kept by authorities, agents and the
/// store, round this crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Guard {
    /// `Prepare` needs that nothing is prepared: otherwise a key is forgotten, and never destroyed.
    NothingPrepared,
    /// `Activate` needs that nothing is draining, even with force: otherwise leases of the draining key are refused.
    NothingDraining,
    /// `Activate` needs that every live agent acknowledged the prepared key: otherwise one refuses what is issued next.
    AgentsAcknowledged,
    /// `Retire` waits for the end of the epoch: otherwise leases are refused.
    LeasesOver,
    /// `Retire` also waits for what agents forgive: a token passes until its lease's end + leeway.
    Forgiveness,
    /// An epoch outlives its leases by the skew between the clocks of who issues and who activates.
    IssuerSkew,
    /// An epoch outlives its leases by the skew between the clocks of an agent and who retires.
    AgentSkew,
    /// An epoch outlives its leases by how old the view of an authority that issues may be.
    ViewAge,
    /// An epoch outlives its leases by how late the store may take an activation.
    SessionAge,
    /// Leases are issued on a view that the store confirmed a moment ago: otherwise from a key that is long draining.
    ConfirmedView,
    /// An agent's life counts how much older than its last contact the stored one may be.
    Granularity,
    /// An agent's life counts the skew between the clocks of who heard it and who activates.
    ContactSkew,
    /// An agent takes nothing below its mark: otherwise an answer from before it acknowledged a key takes the key away.
    MarkNeverFalls,
    /// A restore counts before everything else in a position: otherwise agents go back to what was retired.
    IncarnationFirst,
    /// An agent is answered only on a view as new as its stored contact: otherwise an old view hides behind a contact that
    /// a newer one stored.
    AnswersGoForward,
    /// An answer renews an agent's budget only if the agent holds all that the answer speaks of: otherwise an agent comes
    /// back to life with old keys.
    HoldsWhatItHeard,
    /// An acknowledgement counts only in the incarnation that it speaks of: otherwise an old one passes for a new one.
    AcknowledgedHere,
    /// A restore counts every agent that the backup knows as heard from just now: otherwise those that were heard from after
    /// the backup are not waited for.
    RestoreCountsAgents,
    /// A restore counts the skew between its clock and those of authorities that it replaces.
    RestoreSkew,
    /// A step is stored only while the line is the one that it was decided on: otherwise two steps use one number.
    StepRestsOnLine,
    /// What an authority stores rests on its session: otherwise a frozen one commits what it decided long ago.
    RestsOnSession,
    /// Contact is stored only while the line is the one that the answer is made from: otherwise an agent comes to life with
    /// old keys.
    HandOutRestsOnLine,
    /// Contact is stored only while the agent's record is the one that was read: otherwise an older contact hides a newer one.
    ContactRestsOnRecord,
    /// Contact is stored before the answer leaves: otherwise an agent is live that nobody counts.
    ContactBeforeAnswer,
    /// Agents are listed after the line was read: otherwise those that came to life in between are not waited for.
    AgentsAfterLine,
    /// An agent counts its budget from when it asked: otherwise a late answer makes it live longer than anyone counts.
    BudgetFromAsking,
    /// An agent stores its mark before it acknowledges: otherwise a restart forgets what it acknowledged.
    MarkBeforeAcknowledging,
    /// A restore numbers its key above all that agents, the log or the operator have seen: otherwise a number is used twice.
    AboveAllSeen,
}

impl Guard {
    /// All guards.
    pub const ALL: [Self; 28] = [
        Self::NothingPrepared,
        Self::NothingDraining,
        Self::AgentsAcknowledged,
        Self::LeasesOver,
        Self::Forgiveness,
        Self::IssuerSkew,
        Self::AgentSkew,
        Self::ViewAge,
        Self::SessionAge,
        Self::ConfirmedView,
        Self::Granularity,
        Self::ContactSkew,
        Self::MarkNeverFalls,
        Self::IncarnationFirst,
        Self::AnswersGoForward,
        Self::HoldsWhatItHeard,
        Self::AcknowledgedHere,
        Self::RestoreCountsAgents,
        Self::RestoreSkew,
        Self::StepRestsOnLine,
        Self::RestsOnSession,
        Self::HandOutRestsOnLine,
        Self::ContactRestsOnRecord,
        Self::ContactBeforeAnswer,
        Self::AgentsAfterLine,
        Self::BudgetFromAsking,
        Self::MarkBeforeAcknowledging,
        Self::AboveAllSeen,
    ];

    pub(super) fn stays(self, removed: Option<Self>) -> bool {
        removed != Some(self)
    }
}
