//! How far apart clocks, views and transactions can be, and how much longer than its leases an epoch lasts for it.

use super::guard::Guard;

/// Bounds that the cluster keeps, in seconds. Settings of the whole cluster, not of one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timing {
    /// The clocks of any two machines differ by at most this; a token passes until its lease's end + this.
    pub leeway: u64,
    /// An authority issues on a line only if the store confirmed it within this time before.
    pub confirmed: u64,
    /// An authority's session in the store, which all its transactions rest on, ends at most this long after the authority
    /// last looked at its clock: no transaction is stored later than its `now` + this.
    pub session: u64,
}

impl Timing {
    /// How much longer than the greatest lease a key stays after its successor's activation: 2·leeway + confirmed + session.
    ///
    /// The last lease of the old key ends soonest after all of these: an authority with an old view issues `confirmed` after
    /// the store confirmed that view, which was at latest when the store took the activation, which was at most `session`
    /// after the activating authority read its clock; and the two clocks differ by one `leeway`. The other `leeway` is between
    /// the clock of whoever retires the key and that of an agent.
    ///
    /// ```text
    /// lease's end ≤ now + leeway + confirmed + session + greatest lease        = not_after − leeway
    /// ```
    pub fn overlap(&self) -> u64 {
        self.overlap_without(None)
    }

    #[doc(hidden)]
    pub fn overlap_without(&self, removed: Option<Guard>) -> u64 {
        [
            (Guard::IssuerSkew, self.leeway),
            (Guard::AgentSkew, self.leeway),
            (Guard::ViewAge, self.confirmed),
            (Guard::SessionAge, self.session),
        ]
        .into_iter()
        .filter(|(guard, _)| guard.stays(removed))
        .fold(0, |sum, (_, seconds)| u64::saturating_add(sum, seconds))
    }
}
