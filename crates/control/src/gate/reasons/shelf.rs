//! Refusals in the store: sealed, bounded in number and weight, the oldest dropped first.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use portcullis_core::{AccountId, Timestamp};
use portcullis_store::{Change, Store, StoreError, TXN_PARTS_MAX, Txn, Vault};

use super::case::Dossier;
use super::details::Kept;
use super::id;
use super::sheet::{self, Content, File, FileName, Sheet};

/// How long a refusal can be asked about, in seconds: a week. AWS promises a day (policy-language R175).
pub(super) const KEPT_SECONDS: i64 = 7 * 24 * 3_600;

const PURPOSE: &str = "authorization-details";
const PREFIX: &str = "authorization/";
const FILES: &str = "authorization-policies/";
/// What stands for the name of a file where there is none.
const NO_FILE: FileName = [0; 16];
/// Documents read at a time when the shelf is counted.
const PAGE: usize = 256;

/// How much is kept. Under a flood of refusals these limits go before the time.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most refusals.
    pub count: usize,
    /// Most bytes of all together, as they are stored.
    pub bytes: usize,
}

impl Default for Limits {
    /// 100,000 refusals, 128 MiB.
    fn default() -> Self {
        Self {
            count: 100_000,
            bytes: 128 * 1024 * 1024,
        }
    }
}

/// The refusals of one store, to read them.
#[derive(Clone)]
pub(super) struct Drawer {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
}

/// The refusals of one store.
pub(super) struct Shelf {
    drawer: Drawer,
    limits: Limits,
    /// What is there; counted when the first refusal is put.
    index: Option<Index>,
}

impl fmt::Debug for Drawer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drawer").finish_non_exhaustive()
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shelf")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What is there, the oldest refusal first.
#[derive(Default)]
struct Index {
    refusals: VecDeque<Shelved>,
    files: HashMap<FileName, Filed>,
    /// Of refusals and files together.
    bytes: usize,
}

struct Shelved {
    id: Box<str>,
    bytes: usize,
    file: FileName,
}

#[derive(Default)]
struct Filed {
    bytes: usize,
    /// How many refusals need it.
    needed_by: usize,
}

impl Index {
    fn push(&mut self, id: &str, bytes: usize, file: FileName) {
        self.bytes = self.bytes.saturating_add(bytes);
        if let Some(filed) = self.files.get_mut(&file) {
            filed.needed_by += 1;
        }
        self.refusals.push_back(Shelved {
            id: id.into(),
            bytes,
            file,
        });
    }

    fn push_file(&mut self, name: FileName, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.files.insert(name, Filed { bytes, needed_by: 0 });
    }

    /// Takes out the oldest if there is too much or if it is too old: the keys of what is to go.
    fn pop_surplus(&mut self, limits: Limits, oldest: Timestamp) -> Option<Vec<String>> {
        let first = self.refusals.front()?;
        let is_old = id::time(&first.id).is_none_or(|time| time < oldest);
        if !is_old && self.refusals.len() <= limits.count && self.bytes <= limits.bytes {
            return None;
        }
        let Shelved { id, bytes, file } = self.refusals.pop_front()?;
        self.bytes = self.bytes.saturating_sub(bytes);
        let mut keys = vec![key(&id)];
        if let Some(filed) = self.files.get_mut(&file) {
            filed.needed_by = filed.needed_by.saturating_sub(1);
            if filed.needed_by == 0 {
                self.bytes = self.bytes.saturating_sub(filed.bytes);
                self.files.remove(&file);
                keys.push(file_key(&file));
            }
        }
        Some(keys)
    }
}

impl Drawer {
    pub(super) fn new(store: Arc<dyn Store>, vault: Arc<Vault>) -> Self {
        Self { store, vault }
    }

    /// A refusal by its id, in words.
    pub(super) fn get(&self, id: &str) -> Option<Kept> {
        match self.content(id)? {
            (Content::Kept(kept), _) => Some(*kept),
            (Content::Case(case), NO_FILE) => Some(case.explain(None)),
            (Content::Case(case), name) => {
                let key = file_key(&name);
                let value = self.value(&key)?;
                let plain = File::unpack(&self.open(key.as_bytes(), &value)?)?;
                let dossier: Dossier<'_> = serde_json::from_slice(&plain)
                    .inspect_err(
                        |error| tracing::error!(%error, "the policies of a refusal could not be read"),
                    )
                    .ok()?;
                Some(case.explain(Some(&dossier)))
            }
        }
    }

    /// Who met a refusal.
    pub(super) fn whose(&self, id: &str) -> Option<(AccountId, String)> {
        Some(match self.content(id)?.0 {
            Content::Case(case) => (case.whose.account, case.whose.user_id),
            Content::Kept(kept) => (kept.account, kept.user_id),
        })
    }

    fn content(&self, id: &str) -> Option<(Content, FileName)> {
        let key = key(id);
        let value = self.value(&key)?;
        let (file, sealed) = value.split_first_chunk()?;
        let plain = self.open(&record(&key, file), sealed)?;
        Some((sheet::read(&plain)?, *file))
    }

    fn value(&self, key: &str) -> Option<Arc<[u8]>> {
        let entry = self.store.get(key.as_bytes());
        let entry = entry
            .inspect_err(|error| tracing::error!(%error, "a refusal could not be read"))
            .ok()??;
        Some(entry.value)
    }

    fn open(&self, record: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let plain = self.vault.open(PURPOSE, record, sealed);
        let plain = plain
            .inspect_err(|error| tracing::error!(%error, "a refusal could not be opened"))
            .ok()?;
        Some(plain.to_vec())
    }

    /// The change that puts a refusal there. What file it needs can be read without opening it, so that files nobody needs
    /// any more are found.
    fn put(&self, sheet: &Sheet) -> Option<(FileName, usize, Change)> {
        let key = key(&sheet.id);
        let file = sheet.file.as_ref().map_or(NO_FILE, |file| file.name);
        let sealed = self.vault.seal(PURPOSE, &record(&key, &file), &sheet.bytes);
        let value = [file.as_slice(), sealed.ok()?.as_slice()].concat();
        Some((file, key.len() + value.len(), Change::put(key, value)))
    }

    fn put_file(&self, file: &File) -> Option<(usize, Change)> {
        let key = file_key(&file.name);
        let sealed = self.vault.seal(PURPOSE, key.as_bytes(), &file.pack()?).ok()?;
        Some((key.len() + sealed.len(), Change::put(key, sealed)))
    }
}

impl Shelf {
    pub(super) fn new(drawer: Drawer, limits: Limits) -> Self {
        Self {
            drawer,
            limits,
            index: None,
        }
    }

    /// Puts refusals on the shelf and drops what is too much or too old.
    pub(super) fn put(&mut self, sheets: Vec<Sheet>, now: Timestamp) {
        if let Err(error) = self.try_put(&sheets, now) {
            // The shelf is counted anew: what is there only the store can tell.
            self.index = None;
            tracing::error!(%error, "refusals were not kept: their authorization ids lead nowhere");
        }
    }

    fn try_put(&mut self, sheets: &[Sheet], now: Timestamp) -> Result<(), StoreError> {
        let mut index = match self.index.take() {
            Some(index) => index,
            None => self.count()?,
        };
        let mut changes = Vec::new();
        for sheet in sheets {
            if self.add(sheet, &mut index, &mut changes).is_none() {
                tracing::error!(id = sheet.id, "a refusal could not be sealed");
            }
        }
        let oldest = now.plus_seconds(-KEPT_SECONDS);
        // A refusal may take its file with it.
        while changes.len() + 1 < TXN_PARTS_MAX
            && let Some(keys) = index.pop_surplus(self.limits, oldest)
        {
            for key in keys {
                // What is dropped at once was never there.
                let put = changes.iter().position(|change| change.key() == key.as_bytes());
                match put {
                    Some(at) => drop(changes.remove(at)),
                    None => changes.push(Change::delete(key)),
                }
            }
        }
        self.drawer.store.commit(Txn::of(changes).relaxed())?.wait()?;
        self.index = Some(index);
        Ok(())
    }

    /// Adds a refusal, and its file if nobody needed that before. `None` if the vault fails.
    fn add(&self, sheet: &Sheet, index: &mut Index, changes: &mut Vec<Change>) -> Option<()> {
        let (name, weight, put) = self.drawer.put(sheet)?;
        if let Some(file) = sheet.file.as_ref().filter(|_| !index.files.contains_key(&name)) {
            let (bytes, put_file) = self.drawer.put_file(file)?;
            index.push_file(name, bytes);
            changes.push(put_file);
        }
        index.push(&sheet.id, weight, name);
        changes.push(put);
        Some(())
    }

    fn count(&self) -> Result<Index, StoreError> {
        let mut index = Index::default();
        self.each(FILES, |name, value| {
            if let Some(file) = file_name(name) {
                index.push_file(file, FILES.len() + name.len() + value.len());
            }
        })?;
        self.each(PREFIX, |id, value| {
            let file = value.first_chunk().copied().unwrap_or(NO_FILE);
            index.push(id, PREFIX.len() + id.len() + value.len(), file);
        })?;
        Ok(index)
    }

    /// Every document below a prefix, by the rest of its key.
    fn each(&self, prefix: &str, mut visit: impl FnMut(&str, &[u8])) -> Result<(), StoreError> {
        let mut last: Option<Arc<[u8]>> = None;
        loop {
            let page = self
                .drawer
                .store
                .range(prefix.as_bytes(), last.as_deref(), PAGE)?;
            for entry in &page.entries {
                let rest = std::str::from_utf8(&entry.key)
                    .ok()
                    .and_then(|key| key.strip_prefix(prefix));
                visit(rest.unwrap_or_default(), &entry.value);
            }
            last = page.entries.last().map(|entry| Arc::clone(&entry.key));
            if !page.more {
                return Ok(());
            }
        }
    }
}

fn key(id: &str) -> String {
    format!("{PREFIX}{id}")
}

fn file_key(name: &FileName) -> String {
    format!("{FILES}{:032x}", u128::from_be_bytes(*name))
}

fn file_name(text: &str) -> Option<FileName> {
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

/// What a sealed refusal belongs to: its key and its file.
fn record(key: &str, file: &FileName) -> Vec<u8> {
    [key.as_bytes(), file].concat()
}
