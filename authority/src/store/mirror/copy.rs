use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::{Change, Changes, Entry, Page, Revision};
use super::View;

/// What the mirror has put together from a listing and the changes since it began.
pub(super) struct Copy {
    prefixes: Vec<String>,
    entries: Arc<BTreeMap<String, Arc<Entry>>>,
    /// All changes up to here are in it, and perhaps some newer ones that a later page had.
    seen: Revision,
    /// The revision of the last change of an entry.
    changed: Revision,
}

impl Copy {
    pub(super) fn new(prefixes: Vec<String>, seen: Revision) -> Self {
        Self {
            prefixes,
            entries: Arc::default(),
            seen,
            changed: seen,
        }
    }

    pub(super) fn seen(&self) -> Revision {
        self.seen
    }

    /// A page of the listing, of whichever revision.
    pub(super) fn take(&mut self, page: Page) {
        let entries = page.entries.into_iter();
        Arc::make_mut(&mut self.entries).extend(entries.map(by_key));
        self.changed = self.changed.max(page.revision);
    }

    /// The next changes of the whole store. Whether one concerned an entry.
    pub(super) fn apply(&mut self, changes: Changes) -> bool {
        self.seen = changes.revision;
        let wanted = |change: &Change| {
            let prefixes = self.prefixes.iter();
            prefixes.into_iter().any(|p| change.key().starts_with(p))
        };
        let concern: Vec<_> = changes.changes.into_iter().filter(wanted).collect();
        if concern.is_empty() {
            return false;
        }
        let entries = Arc::make_mut(&mut self.entries);
        for change in concern {
            let found = entries.get(change.key());
            if found.is_some_and(|entry| entry.revision > changes.revision) {
                continue;
            }
            match change {
                Change::Put(entry) => entries.extend([by_key(entry)]),
                Change::Deleted { key } => drop(entries.remove(&key)),
            }
        }
        self.changed = self.changed.max(changes.revision);
        true
    }

    pub(super) fn view(&self) -> Arc<View> {
        Arc::new(View {
            entries: self.entries.clone(),
            revision: self.changed,
        })
    }
}

fn by_key(entry: Entry) -> (String, Arc<Entry>) {
    (entry.key.clone(), Arc::new(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, revision: Revision) -> Entry {
        Entry {
            key: key.to_owned(),
            value: revision.to_string().into_bytes(),
            revision,
        }
    }

    fn put(key: &str, revision: Revision) -> Changes {
        Changes {
            revision,
            changes: vec![Change::Put(entry(key, revision))],
        }
    }

    fn deleted(key: &str, revision: Revision) -> Changes {
        Changes {
            revision,
            changes: vec![Change::Deleted { key: key.into() }],
        }
    }

    fn revisions(copy: &Copy) -> Vec<(String, Revision)> {
        let view = copy.view();
        let of = |entry: &Entry| (entry.key.clone(), entry.revision);
        view.below("").map(of).collect()
    }

    #[test]
    fn pages_of_several_revisions_and_what_happened_in_between_come_together() {
        let mut copy = Copy::new(vec!["a/".into()], 10);
        let page = |entries: Vec<Entry>, revision| Page {
            entries,
            more: false,
            revision,
        };
        copy.take(page(vec![entry("a/1", 3), entry("a/2", 10)], 10));
        copy.take(page(vec![entry("a/8", 13), entry("a/9", 15)], 16));
        // a/0 was made behind the listing's back; a/7 came and went before its page was read.
        for changes in [
            put("a/7", 11),
            put("a/8", 12),
            put("a/8", 13),
            put("a/0", 14),
            deleted("a/9", 14),
            put("a/9", 15),
            deleted("a/7", 16),
        ] {
            assert!(copy.apply(changes));
        }
        let expected = [
            ("a/0", 14),
            ("a/1", 3),
            ("a/2", 10),
            ("a/8", 13),
            ("a/9", 15),
        ];
        assert_eq!(
            revisions(&copy),
            expected.map(|(key, revision)| (key.to_owned(), revision))
        );
        assert_eq!((copy.seen(), copy.view().revision), (16, 16));
    }

    #[test]
    fn a_view_is_read_by_key_and_by_prefix() {
        let mut copy = Copy::new(vec![String::new()], 0);
        for (revision, key) in ["a", "a/", "a/1", "a/2", "a0", "b"].into_iter().enumerate() {
            copy.apply(put(key, revision as u64 + 1));
        }
        let view = copy.view();
        let below = |prefix| {
            view.below(prefix)
                .map(|e| e.key.as_str())
                .collect::<Vec<_>>()
        };
        assert_eq!(below("a/"), ["a/", "a/1", "a/2"]);
        assert_eq!(below("c"), [""; 0]);
        assert_eq!(below("").len(), 6);
        assert_eq!(view.get("a/1").unwrap().revision, 3);
        assert!(view.get("a/3").is_none());
    }

    #[test]
    fn what_concerns_no_prefix_leaves_the_view_alone() {
        let mut copy = Copy::new(vec!["a/".into(), "b/".into()], 5);
        copy.apply(put("b/1", 6));
        let before = copy.view();
        assert!(!copy.apply(put("c/1", 7)));
        assert_eq!((copy.seen(), copy.view()), (7, before.clone()));
        assert!(copy.apply(deleted("b/1", 8)));
        assert_eq!(
            before.entries.len(),
            1,
            "a view that was given out stays as it is"
        );
        assert!(copy.view().entries.is_empty());
    }
}
