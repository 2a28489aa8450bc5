use super::{
    BootTime, MAX_KEY, MAX_OPERATIONS, MAX_TRANSACTION, MAX_VALUE, Revision, SessionId, StoreError,
};

/// What has to hold, and what to change if all of it does.
///
/// ```
/// use cattery_authority::store::Transaction;
///
/// let transaction = Transaction::new()
///     .absent("service/photos")
///     .unchanged("epoch/0000000001", 7)
///     .put("service/photos", "{}")
///     .delete("join/5f");
/// ```
#[derive(Clone, Default)]
pub struct Transaction {
    checks: Vec<Check>,
    operations: Vec<Operation>,
    until: Option<BootTime>,
}

/// What a transaction rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// There is nothing at this key.
    Absent(String),
    /// The entry at this key last changed at this revision.
    Unchanged(String, Revision),
}

/// A change.
#[derive(Clone, PartialEq, Eq)]
pub enum Operation {
    /// Stores a value.
    Put {
        /// Where.
        key: String,
        /// What.
        value: Vec<u8>,
        /// With whose end it vanishes.
        session: Option<SessionId>,
    },
    /// Removes a key; it need not be there.
    Delete(String),
}

impl Transaction {
    /// No checks, no changes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Only if there is nothing at `key`.
    #[must_use]
    pub fn absent(mut self, key: impl Into<String>) -> Self {
        self.checks.push(Check::Absent(key.into()));
        self
    }

    /// Only if the entry at `key` is the one of `revision`.
    #[must_use]
    pub fn unchanged(mut self, key: impl Into<String>, revision: Revision) -> Self {
        self.checks.push(Check::Unchanged(key.into(), revision));
        self
    }

    /// Stores `value` at `key`.
    #[must_use]
    pub fn put(mut self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.operations.push(Operation::Put {
            key: key.into(),
            value: value.into(),
            session: None,
        });
        self
    }

    /// Stores `value` at `key` until `session` ends, or until something else is stored there.
    #[must_use]
    pub fn put_in_session(
        mut self,
        key: impl Into<String>,
        value: impl Into<Vec<u8>>,
        session: SessionId,
    ) -> Self {
        self.operations.push(Operation::Put {
            key: key.into(),
            value: value.into(),
            session: Some(session),
        });
        self
    }

    /// Removes what is at `key`, if anything.
    #[must_use]
    pub fn delete(mut self, key: impl Into<String>) -> Self {
        self.operations.push(Operation::Delete(key.into()));
        self
    }

    /// Only if it is sent to the store before that moment: for what was decided by the clock.
    #[must_use]
    pub fn only_until(mut self, until: BootTime) -> Self {
        self.until = Some(until);
        self
    }

    /// From when on it is too late to send it.
    #[must_use]
    pub fn until(&self) -> BootTime {
        self.until.unwrap_or(BootTime::NEVER)
    }

    /// What has to hold.
    #[must_use]
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// What changes.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// How many more checks and operations fit.
    #[must_use]
    pub fn room(&self) -> usize {
        MAX_OPERATIONS.saturating_sub(self.checks.len() + self.operations.len())
    }

    /// Refuses what a store would not take; every store calls it first.
    ///
    /// # Errors
    ///
    /// [`StoreError::TooLarge`], [`StoreError::Invalid`] or [`StoreError::TooLate`].
    pub fn validate(&self) -> Result<(), StoreError> {
        if self.until().is_past() {
            return Err(StoreError::TooLate);
        }
        let count = self.checks.len() + self.operations.len();
        within(
            "number of checks and changes in a transaction",
            count,
            MAX_OPERATIONS,
        )?;
        let mut changed: Vec<&str> = self.operations.iter().map(Operation::key).collect();
        for key in self
            .checks
            .iter()
            .map(Check::key)
            .chain(changed.iter().copied())
        {
            check_key(key)?;
        }
        if self.checks.iter().any(|check| check.revision() == Some(0)) {
            return Err(StoreError::Invalid(
                "it expects an entry of revision 0, and there is none",
            ));
        }
        changed.sort_unstable();
        if changed.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(StoreError::Invalid("it changes one key twice"));
        }
        let mut bytes = 0;
        for operation in &self.operations {
            let len = operation.value().map_or(0, <[u8]>::len);
            within("value", len, MAX_VALUE)?;
            bytes += operation.key().len() + len;
        }
        within("transaction", bytes, MAX_TRANSACTION)
    }
}

impl Check {
    /// The key that it is about.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Absent(key) | Self::Unchanged(key, _) => key,
        }
    }

    /// The revision that it wants.
    fn revision(&self) -> Option<Revision> {
        match self {
            Self::Absent(_) => None,
            Self::Unchanged(_, revision) => Some(*revision),
        }
    }

    /// Whether it holds where the entry at its key last changed at `found`.
    #[must_use]
    pub fn holds(&self, found: Option<Revision>) -> bool {
        match self {
            Self::Absent(_) => found.is_none(),
            Self::Unchanged(_, revision) => found == Some(*revision),
        }
    }
}

impl Operation {
    /// The key that it changes.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Put { key, .. } | Self::Delete(key) => key,
        }
    }

    /// What it stores.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        match self {
            Self::Put { value, .. } => Some(value),
            Self::Delete(_) => None,
        }
    }

    /// With whose end it vanishes.
    #[must_use]
    pub fn session(&self) -> Option<SessionId> {
        match self {
            Self::Put { session, .. } => *session,
            Self::Delete(_) => None,
        }
    }
}

/// Refuses a key that no store takes.
pub(super) fn check_key(key: &str) -> Result<(), StoreError> {
    if key.is_empty() {
        return Err(StoreError::Invalid("a key is empty"));
    }
    within("key", key.len(), MAX_KEY)
}

/// Refuses keys that no store reads together.
pub(super) fn check_keys(keys: &[String]) -> Result<(), StoreError> {
    within("number of keys", keys.len(), MAX_OPERATIONS)?;
    keys.iter().try_for_each(|key| check_key(key))
}

fn within(what: &'static str, size: usize, limit: usize) -> Result<(), StoreError> {
    if size > limit {
        return Err(StoreError::TooLarge { what, size, limit });
    }
    Ok(())
}
