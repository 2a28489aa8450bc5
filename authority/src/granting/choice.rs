use std::cmp::Reverse;

use crate::records::{GrantRecord, ServiceRecord};

/// A grant that a caller comes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The group that has it; `None` where it is the caller's own.
    pub(crate) group: Option<String>,
    pub(crate) grant: GrantRecord,
}

/// Under which grant a key is issued.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Choice<'a> {
    /// None names the service.
    Nothing,
    /// Under this one, and no other.
    Applies(&'a Candidate),
    /// None, since two groups say different things: nobody but an operator knows which of them is meant.
    Tied(&'a Candidate, &'a Candidate),
}

/// What becomes of one of several grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Applies,
    Tied,
    /// There is an own one.
    OwnFirst,
    /// There is one for the service itself.
    ExactFirst,
    /// There is one with a longer prefix.
    LongerFirst,
    /// Another group has the same.
    Same,
}

/// How close a grant is to what is asked for. The least one is the closest; those of two grants are never equal, since nobody has two for
/// the same service or pattern.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Closeness<'a> {
    is_groups: bool,
    /// The length of the prefix; more than any for the service itself.
    length: Reverse<usize>,
    group: &'a str,
}

/// Of all grants that a caller comes by, the one that a key for the service is issued under. In whatever order they come:
/// 1. own grants before those of groups;
/// 2. one for the service itself before patterns, and a longer prefix before a shorter one;
/// 3. of several groups whose grants are as close, any where they have the same conditions, and none otherwise.
pub(crate) fn choose<'a>(service: &ServiceRecord, candidates: &'a [Candidate]) -> Choice<'a> {
    let ordered = in_order(service, candidates);
    let Some(first) = ordered.first() else {
        return Choice::Nothing;
    };
    match ordered.iter().find(|other| is_tied(first, other)) {
        Some(other) => Choice::Tied(first, other),
        None => Choice::Applies(first),
    }
}

/// The grants that name the service, the closest first.
pub(crate) fn in_order<'a>(
    service: &ServiceRecord,
    candidates: &'a [Candidate],
) -> Vec<&'a Candidate> {
    let mut named: Vec<&Candidate> = candidates
        .iter()
        .filter(|candidate| candidate.grant.names(service))
        .collect();
    named.sort_by(|a, b| a.closeness().cmp(&b.closeness()));
    named
}

/// Whether both are as close, and say different things.
pub(crate) fn is_tied(one: &Candidate, other: &Candidate) -> bool {
    let (a, b) = (one.closeness(), other.closeness());
    a.is_groups == b.is_groups && a.length == b.length && !one.grant.has_conditions_of(&other.grant)
}

impl Candidate {
    fn closeness(&self) -> Closeness<'_> {
        let length = self.grant.prefix().map_or(usize::MAX, str::len);
        Closeness {
            is_groups: self.group.is_some(),
            length: Reverse(length),
            group: self.group.as_deref().unwrap_or(""),
        }
    }

    /// What it is good for beside the closest one, which is `tied` or not.
    pub(crate) fn standing(&self, first: &Self, tied: bool) -> Standing {
        let (mine, closest) = (self.closeness(), first.closeness());
        if mine.is_groups != closest.is_groups {
            Standing::OwnFirst
        } else if mine.length != closest.length {
            match closest.length {
                Reverse(usize::MAX) => Standing::ExactFirst,
                Reverse(_) => Standing::LongerFirst,
            }
        } else if tied {
            Standing::Tied
        } else if mine == closest {
            Standing::Applies
        } else {
            Standing::Same
        }
    }
}

#[cfg(test)]
mod tests;
