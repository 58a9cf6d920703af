//! What is known of a request while its action is decided.

use portcullis_reference::{ActionId, Reach, reach};

use crate::context::Entry;
use crate::{Context, text};

/// The request's context without the keys that do not apply to its action: a service key that the reference lists neither
/// for the action nor for one of its resource types is absent (R112).
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    context: &'a Context,
    /// Nothing for an action the reference does not know: every key applies to it.
    action: Option<ActionId>,
}

impl<'a> Facts<'a> {
    /// What is known when this action is decided.
    pub(super) fn of(context: &'a Context, action: Option<ActionId>) -> Self {
        Self { context, action }
    }

    /// What is known of a key; nothing when it is absent, an empty list (R96), or does not apply (R112).
    #[inline]
    pub(super) fn entry(self, key: &Key) -> Option<&'a Entry> {
        let entry = self.context.entry(key.hash, &key.name)?;
        let applies = self.action.is_none_or(|action| action.reached_by(key.reach));
        (applies && entry.is_present()).then_some(entry)
    }
}

/// A condition key with what is always the same about it.
#[derive(Debug, Clone)]
pub(super) struct Key {
    name: Box<str>,
    hash: u64,
    reach: Reach,
}

impl Key {
    pub(super) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            hash: text::hash_without_case(name),
            reach: reach(name),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Bytes allocated.
    pub(super) fn memory(&self) -> usize {
        self.name.len()
    }
}
