//! Things in the order in which something touched them last. Whoever follows remembers how far it has read: nothing is ever
//! marked as done, and what is touched while it acts comes up again behind it.

use std::sync::Arc;

use super::table::{Index, Table};

/// Marks of changes, each thing once: where it was touched last.
#[derive(Debug, Clone, Default)]
pub struct Marks {
    /// The number of the last change of each thing.
    last: Table<u64>,
    /// The things, by `CHANGE/THING`.
    order: Index,
}

impl Marks {
    /// What was touched by a change after the one numbered `seen`, or ever; the earliest first.
    pub fn since(&self, seen: Option<u64>) -> impl Iterator<Item = &str> {
        // '0' follows '/', so that this key is behind all of that change.
        let after = seen.map(|seen| format!("{seen:020}0"));
        let rows: Vec<_> = self.order.after("", after.as_deref()).collect();
        rows.into_iter()
            .filter_map(|(key, _)| key.split_once('/').map(|(_, thing)| thing))
    }

    /// The number of the change that touched a thing last; `None` when none ever did.
    pub fn last(&self, thing: &str) -> Option<u64> {
        self.last.get(thing).map(|last| **last)
    }

    /// A change touches a thing.
    pub fn touch(&mut self, thing: &str, change: u64) {
        match self.last(thing) {
            Some(last) if last == change => return,
            Some(last) => self.order.remove(&row(last, thing)),
            None => {}
        }
        self.last.insert(thing, Arc::new(change));
        self.order.insert(&row(change, thing), ());
    }

    /// A thing is gone.
    pub fn remove(&mut self, thing: &str) {
        if let Some(last) = self.last(thing) {
            self.order.remove(&row(last, thing));
            self.last.remove(thing);
        }
    }
}

fn row(change: u64, thing: &str) -> String {
    format!("{change:020}/{thing}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thing_comes_up_once_where_it_was_touched_last() {
        let mut marks = Marks::default();
        for (thing, change) in [("a", 0), ("b", 1), ("c", 2), ("a", 3), ("a", 3)] {
            marks.touch(thing, change);
        }
        let since = |marks: &Marks, seen| marks.since(seen).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(since(&marks, None), ["b", "c", "a"]);
        assert_eq!(since(&marks, Some(1)), ["c", "a"]);
        assert_eq!(since(&marks, Some(3)), [""; 0]);
        marks.remove("c");
        assert_eq!(since(&marks, None), ["b", "a"]);
        assert_eq!((marks.last("a"), marks.last("c")), (Some(3), None));
    }
}
