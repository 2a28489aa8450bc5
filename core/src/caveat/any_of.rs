//! A list of strings of which one has to match.

use std::fmt;

use crate::wire::Repeated;

/// The entries of a caveat's `any_of`: borrowed, owned, or still on the wire.
#[derive(Clone)]
pub struct AnyOf<'a>(Entries<'a>);

#[derive(Clone)]
enum Entries<'a> {
    /// Checked to be UTF-8 when it was read.
    Wire(Repeated<'a>),
    Borrowed(&'a [&'a str]),
    Owned(Vec<String>),
}

impl<'a> AnyOf<'a> {
    pub(super) fn wire(entries: Repeated<'a>) -> Self {
        Self(Entries::Wire(entries))
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Entries::Wire(entries) => entries.len(),
            Entries::Borrowed(entries) => entries.len(),
            Entries::Owned(entries) => entries.len(),
        }
    }

    /// Whether there is no entry. Such a caveat fails.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entries in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let (wire, borrowed, owned) = match &self.0 {
            Entries::Wire(entries) => (Some(entries), [].as_slice(), [].as_slice()),
            Entries::Borrowed(entries) => (None, *entries, [].as_slice()),
            Entries::Owned(entries) => (None, [].as_slice(), entries.as_slice()),
        };
        let wire = wire
            .into_iter()
            .flat_map(|entries| entries.iter())
            .map_while(|entry| str::from_utf8(entry).ok());
        wire.chain(borrowed.iter().copied())
            .chain(owned.iter().map(String::as_str))
    }

    /// Whether this is one of the entries.
    pub fn contains(&self, entry: &str) -> bool {
        self.iter().any(|one| one == entry)
    }

    /// The entries of a list that was read from the wire; none of any other.
    pub(crate) fn into_wire(self) -> impl Iterator<Item = &'a str> + use<'a> {
        let entries = match self.0 {
            Entries::Wire(entries) => Some(entries),
            Entries::Borrowed(_) | Entries::Owned(_) => None,
        };
        entries
            .into_iter()
            .flat_map(|entries| entries.iter())
            .map_while(|entry| str::from_utf8(entry).ok())
    }

    pub(super) fn into_owned(self) -> AnyOf<'static> {
        match self.0 {
            Entries::Owned(entries) => AnyOf(Entries::Owned(entries)),
            _ => self.iter().collect(),
        }
    }
}

impl<'a> From<&'a [&'a str]> for AnyOf<'a> {
    fn from(entries: &'a [&'a str]) -> Self {
        Self(Entries::Borrowed(entries))
    }
}

impl<'a, const N: usize> From<&'a [&'a str; N]> for AnyOf<'a> {
    fn from(entries: &'a [&'a str; N]) -> Self {
        Self(Entries::Borrowed(entries))
    }
}

impl From<Vec<String>> for AnyOf<'_> {
    fn from(entries: Vec<String>) -> Self {
        Self(Entries::Owned(entries))
    }
}

impl<S: Into<String>> FromIterator<S> for AnyOf<'_> {
    fn from_iter<I: IntoIterator<Item = S>>(entries: I) -> Self {
        Self(Entries::Owned(
            entries.into_iter().map(Into::into).collect(),
        ))
    }
}

impl PartialEq for AnyOf<'_> {
    fn eq(&self, other: &AnyOf<'_>) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for AnyOf<'_> {}

impl fmt::Debug for AnyOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
