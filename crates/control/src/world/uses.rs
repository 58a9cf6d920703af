//! Who used what since it was last written down. Kept in memory, beside the picture, so that a call costs a look at a map
//! and no write; `advisor::keep` writes it down at most once a minute, and a crash loses no more than that.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use portcullis_core::{Region, Timestamp};
use tokio::sync::Notify;

/// Callers whose ids fall into different shards never wait for each other.
const SHARDS: usize = 16;
/// So many pairs of id and action in one shard are written down early.
const MANY_ENTRIES: usize = 8_192;
/// More than these a shard does not remember.
const ENTRIES_MAX: usize = 32_768;

/// A use: when, and in which region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// When.
    pub at: Timestamp,
    /// The region called.
    pub region: Region,
}

/// An action used: the service's prefix and the action's name.
pub type ActionName = (&'static str, &'static str);

/// What is known of one principal or key, by action.
pub type Noted = HashMap<ActionName, Use>;

/// The uses of principals and access keys, by unique id, that are not written down yet.
#[derive(Debug, Default)]
pub struct Uses {
    /// Uses by user and role id.
    principals: Shards,
    /// Uses by access key id, by service.
    keys: Shards,
    /// Wakes whoever writes down, before memory runs full.
    many: Notify,
    /// One at a time writes down.
    pub(crate) keeping: tokio::sync::Mutex<()>,
}

impl Uses {
    /// Notes that a principal tried an action.
    pub fn note_principal(&self, id: &str, action: ActionName, at: Timestamp, region: &Region) {
        if self.principals.note(id, action, at, region) {
            self.many.notify_one();
        }
    }

    /// Notes that an access key signed a call to a service.
    pub fn note_key(&self, id: &str, service: &'static str, at: Timestamp, region: &Region) {
        if self.keys.note(id, (service, ""), at, region) {
            self.many.notify_one();
        }
    }

    /// What a principal used and is not written down.
    pub fn of_principal(&self, id: &str) -> Noted {
        self.principals.of(id)
    }

    /// The last use of a key that is not written down: the service, and when and where.
    pub fn of_key(&self, id: &str) -> Option<(&'static str, Use)> {
        let last = self.keys.of(id).into_iter().max_by_key(|(_, last)| last.at);
        last.map(|((service, _), last)| (service, last))
    }

    /// Waits until there is so much that it should be written down at once.
    pub(crate) async fn many(&self) {
        self.many.notified().await;
    }

    /// The shards of principals, to write them down.
    pub(crate) fn principals(&self) -> &[Shard] {
        &self.principals.shards
    }

    /// The shards of keys, to write them down.
    pub(crate) fn keys(&self) -> &[Shard] {
        &self.keys.shards
    }
}

#[derive(Debug, Default)]
struct Shards {
    shards: [Shard; SHARDS],
    hasher: RandomState,
}

impl Shards {
    /// Says whether it is much by now.
    fn note(&self, id: &str, action: ActionName, at: Timestamp, region: &Region) -> bool {
        self.shard(id)
            .is_some_and(|shard| shard.note(id, action, at, region))
    }

    fn of(&self, id: &str) -> Noted {
        self.shard(id).map(|shard| shard.of(id)).unwrap_or_default()
    }

    fn shard(&self, id: &str) -> Option<&Shard> {
        let hash = self.hasher.hash_one(id);
        self.shards
            .get(usize::try_from(hash % SHARDS as u64).unwrap_or_default())
    }
}

/// A part of the principals or keys.
#[derive(Debug, Default)]
pub(crate) struct Shard(Mutex<Both>);

type ById = HashMap<String, Noted>;

#[derive(Debug, Default)]
struct Both {
    /// Noted since the last round.
    fresh: ById,
    /// Pairs of id and action in `fresh`.
    entries: usize,
    /// On its way to the store; readers look here, too, until it has arrived.
    leaving: Arc<ById>,
}

impl Shard {
    /// Notes a use and says whether the shard has just become large. What was noted before costs no allocation: only
    /// its time changes.
    fn note(&self, id: &str, action: ActionName, at: Timestamp, region: &Region) -> bool {
        let mut both = self.lock();
        let known = both.fresh.get_mut(id).and_then(|noted| noted.get_mut(&action));
        if let Some(last) = known {
            advance(last, at, region);
            return false;
        }
        if both.entries >= ENTRIES_MAX {
            tracing::warn!(id, "there are more uses than can be remembered: one is lost");
            return false;
        }
        let last = Use {
            at,
            region: region.clone(),
        };
        both.fresh.entry(id.to_owned()).or_default().insert(action, last);
        both.entries += 1;
        both.entries == MANY_ENTRIES
    }

    fn of(&self, id: &str) -> Noted {
        let both = self.lock();
        let mut noted = both.leaving.get(id).cloned().unwrap_or_default();
        if let Some(fresh) = both.fresh.get(id) {
            merge(&mut noted, fresh);
        }
        noted
    }

    /// Takes what is to be written down. What an earlier round could not write is taken again.
    pub(crate) fn leave(&self) -> Arc<ById> {
        let mut both = self.lock();
        let mut leaving = std::mem::take(&mut both.fresh);
        both.entries = 0;
        for (id, earlier) in both.leaving.iter() {
            merge(leaving.entry(id.clone()).or_default(), earlier);
        }
        both.leaving = Arc::new(leaving);
        Arc::clone(&both.leaving)
    }

    /// What was taken is written down.
    pub(crate) fn arrived(&self) {
        // What is dropped, is dropped after the lock.
        let _gone = std::mem::take(&mut self.lock().leaving);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Both> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn advance(last: &mut Use, at: Timestamp, region: &Region) {
    if at < last.at {
        return;
    }
    last.at = at;
    if last.region != *region {
        last.region = region.clone();
    }
}

fn merge<K: Eq + Hash + Copy>(into: &mut HashMap<K, Use>, from: &HashMap<K, Use>) {
    for (action, other) in from {
        match into.get_mut(action) {
            Some(last) => advance(last, other.at, &other.region),
            None => {
                into.insert(*action, other.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: ActionName = ("ecs", "RunTask");

    fn region(name: &str) -> Region {
        name.parse().unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn seen(uses: &Uses, id: &str) -> Option<(i64, String)> {
        let noted = uses.of_principal(id);
        let last = noted.get(&RUN)?;
        Some((last.at.as_seconds(), last.region.as_str().to_owned()))
    }

    #[test]
    fn the_latest_use_counts_in_whatever_order_they_come() {
        let uses = Uses::default();
        for (second, place) in [(5, "us-east-1"), (9, "eu-west-1"), (7, "us-west-2")] {
            uses.note_principal("AROA1", RUN, at(second), &region(place));
        }
        assert_eq!(seen(&uses, "AROA1"), Some((9, "eu-west-1".to_owned())));
        assert_eq!(seen(&uses, "AROA2"), None);
    }

    #[test]
    fn what_is_on_its_way_to_the_store_stays_readable_until_it_arrives() {
        let uses = Uses::default();
        uses.note_principal("AROA1", RUN, at(5), &region("us-east-1"));
        let leaving: Vec<_> = uses.principals().iter().map(Shard::leave).collect();
        assert_eq!(leaving.iter().map(|part| part.len()).sum::<usize>(), 1);
        assert_eq!(seen(&uses, "AROA1"), Some((5, "us-east-1".to_owned())));
        uses.principals().iter().for_each(Shard::arrived);
        assert_eq!(seen(&uses, "AROA1"), None);
    }

    #[test]
    fn what_could_not_be_written_is_taken_again_with_what_came_since() {
        let uses = Uses::default();
        uses.note_principal("AROA1", RUN, at(5), &region("us-east-1"));
        uses.principals().iter().for_each(|shard| drop(shard.leave()));
        uses.note_principal("AROA2", RUN, at(6), &region("us-east-1"));
        let again: usize = uses.principals().iter().map(|shard| shard.leave().len()).sum();
        assert_eq!(again, 2);
    }

    #[test]
    fn the_last_service_of_a_key_is_known() {
        let uses = Uses::default();
        uses.note_key("AKIA1", "ecs", at(5), &region("us-east-1"));
        uses.note_key("AKIA1", "iam", at(6), &region("us-east-1"));
        assert_eq!(uses.of_key("AKIA1").unwrap().0, "iam");
    }
}
