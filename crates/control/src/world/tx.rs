//! One change: a working copy of the picture and the edits that make it last.

use std::collections::HashSet;
use std::sync::Arc;

use portcullis_core::{Random, Timestamp};
use portcullis_store::{Change, Vault};

use super::changes::{Changed, Changes};
use super::guesses::MfaGuesses;
use super::records::Record;
use super::snapshot::Snapshot;

/// A change in the making. Reads see its own edits; dropping it undoes them all.
pub struct Tx<'a> {
    snapshot: Snapshot,
    edits: Vec<Change>,
    /// The keys of the edits: few changes edit a key twice, and large ones must not look through all for each.
    edited: HashSet<Vec<u8>>,
    changes: Changes,
    /// When the call came in: every time stamp of this change.
    pub now: Timestamp,
    /// For ids and keys.
    pub random: &'a dyn Random,
    /// For secrets that go into records.
    pub vault: &'a Vault,
    /// Wrong MFA codes; they stay known when this change is refused.
    pub guesses: &'a MfaGuesses,
}

impl<'a> Tx<'a> {
    pub(super) fn new(
        base: &Snapshot,
        now: Timestamp,
        random: &'a dyn Random,
        vault: &'a Vault,
        guesses: &'a MfaGuesses,
    ) -> Self {
        let mut snapshot = base.clone();
        snapshot.sequence += 1;
        Self {
            snapshot,
            edits: Vec::new(),
            edited: HashSet::new(),
            changes: Changes::default(),
            now,
            random,
            vault,
            guesses,
        }
    }

    /// The picture with this change's own edits.
    pub fn view(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Makes or replaces a record.
    pub fn put<R: Record>(&mut self, record: R) {
        let key = record.key();
        match to_bytes(&record) {
            Ok(bytes) => self.edit(Change::put(store_key::<R>(&key), bytes)),
            Err(error) => tracing::error!(kind = R::KIND, %error, "a record could not be written as JSON"),
        }
        self.replace(&key, Some(Arc::new(record)));
    }

    /// Removes a record; nothing happens if it is not there.
    pub fn delete<R: Record>(&mut self, key: &str) {
        self.edit(Change::delete(store_key::<R>(key)));
        self.replace::<R>(key, None);
    }

    /// Adds a document that the picture does not hold, such as an event.
    pub fn append(&mut self, key: String, document: Vec<u8>) {
        self.edit(Change::put(key.into_bytes(), document));
    }

    fn replace<R: Record>(&mut self, key: &str, after: Option<Arc<R>>) {
        let before = R::table(&self.snapshot).get(key).cloned();
        if let Some(changed) = R::changed(before.as_ref(), after.as_ref()) {
            self.changes.note(changed);
        }
        replace(&mut self.snapshot, key, after);
    }

    /// The store takes each key once: a later edit of the same key replaces the earlier one.
    fn edit(&mut self, change: Change) {
        if !self.edited.insert(change.key().to_vec()) {
            self.edits.retain(|earlier| earlier.key() != change.key());
        }
        self.edits.push(change);
    }

    pub(super) fn finish(self) -> (Snapshot, Vec<Change>, Vec<Changed>) {
        (self.snapshot, self.edits, self.changes.into_inner())
    }
}

/// Puts a row into the picture or takes it out, derived tables included.
pub(super) fn replace<R: Record>(snapshot: &mut Snapshot, key: &str, after: Option<Arc<R>>) {
    let before = R::table(snapshot).get(key).cloned();
    R::reindex(snapshot, before.as_deref(), after.as_deref());
    match after {
        Some(row) => R::table_mut(snapshot).insert(key, row),
        None => R::table_mut(snapshot).remove(key),
    }
}

fn store_key<R: Record>(key: &str) -> Vec<u8> {
    format!("{}/{key}", R::KIND).into_bytes()
}

fn to_bytes<R: Record>(record: &R) -> Result<Vec<u8>, serde_json::Error> {
    let mut bytes = Vec::with_capacity(512);
    record.serialize(&mut serde_json::Serializer::new(&mut bytes))?;
    Ok(bytes)
}
