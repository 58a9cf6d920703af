//! The engine without a disk, for throw-away servers, tests and simulation.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use crate::StoreError;
use crate::engine::{Engine, Snapshot, Visit, Write};

type Map = BTreeMap<Arc<[u8]>, Arc<[u8]>>;

/// Ordered bytes in memory; what is written is final at once.
#[derive(Default)]
pub(crate) struct Memory(RwLock<Option<Map>>);

impl Memory {
    pub(crate) fn new() -> Self {
        Self(RwLock::new(Some(Map::new())))
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memory")
    }
}

impl Engine for Memory {
    fn snapshot(&self) -> Result<Box<dyn Snapshot + '_>, StoreError> {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if map.is_none() {
            return Err(StoreError::Closed);
        }
        Ok(Box::new(map))
    }

    fn write(&self, writes: &mut dyn Iterator<Item = &Write>) -> Result<(), StoreError> {
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let map = map.as_mut().ok_or(StoreError::Closed)?;
        for (key, value) in writes {
            match value {
                Some(value) => map.insert(Arc::clone(key), Arc::clone(value)),
                None => map.remove(key),
            };
        }
        Ok(())
    }

    fn recover(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn close(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Snapshot for RwLockReadGuard<'_, Option<Map>> {
    fn get(&self, key: &[u8]) -> Result<Option<Arc<[u8]>>, StoreError> {
        Ok(self.as_ref().ok_or(StoreError::Closed)?.get(key).cloned())
    }

    fn scan(&self, from: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        let map = self.as_ref().ok_or(StoreError::Closed)?;
        for (key, value) in map.range::<[u8], _>((Bound::Included(from), Bound::Unbounded)) {
            if !visit(key, value)? {
                break;
            }
        }
        Ok(())
    }
}
