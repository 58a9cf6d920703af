//! The engines every test runs on.

use std::sync::Arc;

use portcullis_blobs::Blobs;
use portcullis_core::{Clock, FixedClock, Random, SeededRandom, Timestamp};
use tempfile::TempDir;

/// What a store is made of that is still there after a restart.
pub enum Place {
    Memory(Blobs),
    Directory(TempDir),
    #[cfg(feature = "s3")]
    Away(Arc<portcullis_blobs::object_store::memory::InMemory>, TempDir),
}

/// A store, the clock it looks at, and where it lies.
pub struct Stage {
    pub blobs: Blobs,
    pub clock: Arc<FixedClock>,
    pub place: Place,
}

/// One of each kind.
pub fn stages() -> Vec<Stage> {
    // Object stores know no other time than the machine's.
    let now = portcullis_core::SystemClock.now();
    let stage = |place: fn(Arc<dyn Clock>, Arc<dyn Random>) -> Place| {
        let clock = Arc::new(FixedClock::at(Timestamp::from_millis(now.as_millis())));
        let place = place(Arc::clone(&clock) as _, Arc::new(SeededRandom::new(7)));
        let blobs = open(&place, Arc::clone(&clock) as _, 7);
        Stage { blobs, clock, place }
    };
    vec![
        stage(|clock, random| Place::Memory(Blobs::in_memory(clock, random))),
        stage(|_, _| Place::Directory(TempDir::new().unwrap())),
        #[cfg(feature = "s3")]
        stage(|_, _| Place::Away(Arc::default(), TempDir::new().unwrap())),
    ]
}

fn open(place: &Place, clock: Arc<dyn Clock>, seed: u64) -> Blobs {
    let random = Arc::new(SeededRandom::new(seed));
    match place {
        Place::Memory(blobs) => blobs.clone(),
        Place::Directory(folder) => Blobs::in_directory(folder.path(), clock, random).unwrap(),
        #[cfg(feature = "s3")]
        Place::Away(store, folder) => {
            let store = Arc::clone(store);
            Blobs::in_object_store(store, "some/prefix/", folder.path(), clock, random).unwrap()
        }
    }
}

impl Stage {
    /// The same after the process began anew; the same at once if nothing outlives a process.
    pub fn reopened(&self, seed: u64) -> Blobs {
        open(&self.place, Arc::clone(&self.clock) as _, seed)
    }
}
