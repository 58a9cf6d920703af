//! Fetches of credentials, in the store beside CloudTrail's records: for 90 days as those, and no more than a fixed number of a
//! region, the oldest going first. What a host says of itself is believed of its own tasks only.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use portcullis_api::acs::PortcullisAuditRecord;
use portcullis_core::Timestamp;
use portcullis_store::{Change, Store, StoreError, Txn};
use serde::{Deserialize, Serialize};

/// How long fetches are kept.
const KEPT_SECONDS: i64 = 90 * 24 * 60 * 60;
/// Most of one region.
const KEPT_MAX: usize = 200_000;
/// Deleted or counted at a time.
const BATCH: usize = 1_000;
/// When there are too many, this part of the most goes.
const SWEPT_PART: usize = 20;
/// A host's clock may run ahead by so much.
const AHEAD_SECONDS: i64 = 300;
/// Longest text of a caller that is kept, in bytes; agents cut at the same length.
const TEXT_BYTES_MAX: usize = 1_024;

/// One fetch, as it is kept and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fetch {
    /// The same however often it is told.
    #[serde(rename = "eventID")]
    pub id: String,
    /// When, by the host's clock.
    pub event_time: String,
    /// `GetCredentials`, `GetCredentialsExecutionRole`; absent where nothing was handed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// HTTP's.
    pub status: i32,
    /// `ip:port` on the host.
    pub source: String,
    /// Without the credentials' id.
    pub path: String,
    /// What the caller says it is.
    pub user_agent: String,
    /// Whose credentials were handed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_arn: Option<String>,
    /// The role they are of, as the task has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// The cluster of the host.
    pub cluster_arn: String,
    /// The host.
    pub container_instance_arn: String,
}

/// Where fetches come from.
pub(crate) struct Origin<'a> {
    pub cluster_arn: &'a str,
    pub container_instance_arn: &'a str,
    /// Whose a task is, with the role of the fetch: its execution role or its own.
    pub owner_of: &'a dyn Fn(&str, bool) -> Owner,
}

/// Whose task a host speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Owner {
    /// Its own, with the role that was fetched.
    Host(Option<String>),
    /// Nobody knows any more.
    Forgotten,
    /// Another host's, or it never was a task.
    Other,
}

impl Origin<'_> {
    /// A fetch as it is kept. Whatever a host says, it is about that host, and not about the future.
    pub(crate) fn fetch(&self, number: i64, told: PortcullisAuditRecord, now: Timestamp) -> Option<Fetch> {
        let latest = now.plus_seconds(AHEAD_SECONDS);
        let at = told
            .timestamp
            .unwrap_or(now)
            .min(latest)
            .max(Timestamp::default());
        let task_arn = told.task_arn.filter(|arn| !arn.is_empty());
        let is_execution = told.event_type.as_deref() == Some("GetCredentialsExecutionRole");
        let owner = task_arn.as_ref().map(|arn| (self.owner_of)(arn, is_execution));
        let (task_arn, role_arn) = match owner {
            Some(Owner::Host(role)) => (task_arn, role),
            // It may have been another host's: the fetch is kept, but it is nobody's.
            Some(Owner::Forgotten) | None => (None, None),
            Some(Owner::Other) => return None,
        };
        let host = self.container_instance_arn.rsplit('/').next().unwrap_or_default();
        Some(Fetch {
            id: format!("{:013}-{host}-{number}", at.as_millis()),
            event_time: at.to_iso(),
            event_type: told.event_type.map(cut),
            status: told.status.unwrap_or_default(),
            source: cut(told.source.unwrap_or_default()),
            path: cut(told.path.unwrap_or_default()),
            user_agent: cut(told.user_agent.unwrap_or_default()),
            task_arn: task_arn.map(cut),
            role_arn,
            cluster_arn: self.cluster_arn.to_owned(),
            container_instance_arn: self.container_instance_arn.to_owned(),
        })
    }
}

fn cut(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    text
}

/// A page of fetches in the order of their times.
#[derive(Debug, Default)]
pub(crate) struct FetchPage {
    pub fetches: Vec<Fetch>,
    /// Where the next page begins; none at the end.
    pub after: Option<String>,
}

/// How many each host has told.
type Counts = BTreeMap<String, usize>;

/// What is known of them all.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    /// How many there are, by region and host; counted when the first is put. Those told at once over two connections count twice,
    /// until a restart.
    counts: Mutex<BTreeMap<String, Counts>>,
    /// Held by whoever deletes the surplus.
    sweep: tokio::sync::Mutex<()>,
}

impl Fetches {
    /// Keeps them and returns when they last. What is there already stays as it is: nobody
    /// tells another story later.
    pub(crate) async fn keep(
        &self,
        store: &dyn Store,
        region: &str,
        fetches: &[Fetch],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.know_count(store, region)?;
        let mut more = Vec::new();
        let mut puts = Vec::new();
        for fetch in fetches {
            let key = key(region, &fetch.id);
            if store.get(key.as_bytes())?.is_none() {
                more.push(host_of(&fetch.id).to_owned());
                puts.push(Change::put(key, serde_json::to_vec(fetch).unwrap_or_default()));
            }
        }
        if !puts.is_empty() {
            store.commit(Txn::of(puts))?.await?;
        }
        self.change_counts(region, |counts| {
            for host in more {
                *counts.entry(host).or_default() += 1;
            }
        });
        // Whoever sweeps already will find what is surplus now, or the next one does.
        if let Ok(_sweeping) = self.sweep.try_lock() {
            self.drop_old(store, region, now).await?;
            self.drop_surplus(store, region, KEPT_MAX).await?;
        }
        Ok(())
    }

    /// Deletes what is too old.
    async fn drop_old(&self, store: &dyn Store, region: &str, now: Timestamp) -> Result<(), StoreError> {
        let oldest = format!("{:013}", now.plus_seconds(-KEPT_SECONDS).as_millis());
        let oldest = key(region, &oldest);
        let is_old = |key: &[u8]| key < oldest.as_bytes();
        // Mostly there is nothing: the oldest says so.
        let mut batch = 1;
        loop {
            let first = store.range(prefix(region).as_bytes(), None, batch)?;
            batch = BATCH;
            let old = first.entries.into_iter().map(|entry| entry.key.to_vec());
            let gone: Vec<_> = old.filter(|key| is_old(key)).collect();
            if gone.is_empty() {
                return Ok(());
            }
            self.delete(store, region, gone).await?;
        }
    }

    /// Deletes what is too much, and some more, so that it is seldom done: the oldest of those hosts that have told most, so that
    /// nobody's own words push out what others said.
    async fn drop_surplus(&self, store: &dyn Store, region: &str, max: usize) -> Result<(), StoreError> {
        let mut counts = self.change_counts(region, |counts| counts.clone());
        if counts.values().sum::<usize>() <= max {
            return Ok(());
        }
        let share = share(&counts, max - max / SWEPT_PART);
        let mut last: Option<Vec<u8>> = None;
        loop {
            let page = store.range(prefix(region).as_bytes(), last.as_deref(), BATCH)?;
            let mut gone = Vec::new();
            for entry in &page.entries {
                let count = counts.get_mut(host_of_key(region, &entry.key));
                if let Some(count) = count.filter(|count| **count > share) {
                    *count -= 1;
                    gone.push(entry.key.to_vec());
                }
            }
            last = page.entries.last().map(|entry| entry.key.to_vec());
            self.delete(store, region, gone).await?;
            if !page.more {
                return Ok(());
            }
        }
    }

    async fn delete(&self, store: &dyn Store, region: &str, keys: Vec<Vec<u8>>) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        let changes = keys.iter().map(|key| Change::delete(key.clone())).collect();
        store.commit(Txn::of(changes).relaxed())?.await?;
        self.change_counts(region, |counts| {
            for key in &keys {
                let host = host_of_key(region, key);
                if let Some(count) = counts.get_mut(host) {
                    *count = count.saturating_sub(1);
                    if *count == 0 {
                        counts.remove(host);
                    }
                }
            }
        });
        Ok(())
    }

    fn know_count(&self, store: &dyn Store, region: &str) -> Result<(), StoreError> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if !counts.contains_key(region) {
            counts.insert(region.to_owned(), count(store, region)?);
        }
        Ok(())
    }

    fn change_counts<T>(&self, region: &str, change: impl FnOnce(&mut Counts) -> T) -> T {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        change(counts.entry(region.to_owned()).or_default())
    }
}

/// Fetches after a key, and not before a time, that are wanted.
pub(crate) fn read(
    store: &dyn Store,
    region: &str,
    after: Option<&str>,
    since: Option<Timestamp>,
    limit: usize,
    wants: impl Fn(&Fetch) -> bool,
) -> Result<FetchPage, StoreError> {
    let prefix = prefix(region);
    let from_since = since.map(|since| format!("{:013}", since.as_millis()));
    let mut last = after.map(str::to_owned).or(from_since).map(|id| key(region, &id));
    let mut page = FetchPage::default();
    // So much and no more for one question, found or not.
    let read = store.range(prefix.as_bytes(), last.as_deref().map(str::as_bytes), 10 * BATCH)?;
    for entry in &read.entries {
        let Ok(fetch) = serde_json::from_slice::<Fetch>(&entry.value) else {
            continue;
        };
        last = Some(key(region, &fetch.id));
        if wants(&fetch) {
            page.fetches.push(fetch);
            if page.fetches.len() == limit {
                break;
            }
        }
    }
    let stopped_early = page.fetches.len() == limit || read.more;
    page.after = last
        .filter(|_| stopped_early)
        .and_then(|key| key.strip_prefix(&prefix).map(str::to_owned));
    Ok(page)
}

/// The most that each host may keep so that all keep no more than `max`.
fn share(counts: &Counts, max: usize) -> usize {
    let mut sorted: Vec<usize> = counts.values().copied().collect();
    sorted.sort_unstable();
    let (mut room, mut hosts) = (max, sorted.len());
    for count in sorted {
        let fair = room / hosts.max(1);
        if count > fair {
            return fair;
        }
        room -= count;
        hosts -= 1;
    }
    usize::MAX
}

fn count(store: &dyn Store, region: &str) -> Result<Counts, StoreError> {
    let (mut counts, mut last) = (Counts::new(), None::<Vec<u8>>);
    loop {
        let page = store.range(prefix(region).as_bytes(), last.as_deref(), BATCH)?;
        for entry in &page.entries {
            *counts
                .entry(host_of_key(region, &entry.key).to_owned())
                .or_default() += 1;
        }
        match page.entries.last().filter(|_| page.more) {
            Some(entry) => last = Some(entry.key.to_vec()),
            None => return Ok(counts),
        }
    }
}

/// The host of a fetch's id, `TIME-HOST-NUMBER`.
fn host_of(id: &str) -> &str {
    id.split('-').nth(1).unwrap_or_default()
}

fn host_of_key<'k>(region: &str, key: &'k [u8]) -> &'k str {
    let key = std::str::from_utf8(key).unwrap_or_default();
    host_of(key.strip_prefix(&prefix(region)).unwrap_or_default())
}

fn prefix(region: &str) -> String {
    format!("fetch/{region}/")
}

fn key(region: &str, id: &str) -> String {
    format!("fetch/{region}/{id}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use portcullis_core::{FixedClock, SeededRandom};

    use super::*;

    const CLUSTER: &str = "arn:aws:ecs:r:1:cluster/web";

    fn told(seconds: i64, task: Option<&str>) -> PortcullisAuditRecord {
        PortcullisAuditRecord {
            timestamp: Some(Timestamp::from_seconds(seconds)),
            status: Some(200),
            user_agent: Some("u".repeat(5_000)),
            task_arn: task.map(str::to_owned),
            ..Default::default()
        }
    }

    fn fetch(number: i64, told: PortcullisAuditRecord, now: i64) -> Option<Fetch> {
        let owner_of = |arn: &str, _: bool| match arn {
            "mine" => Owner::Host(Some("role".to_owned())),
            "forgotten" => Owner::Forgotten,
            _ => Owner::Other,
        };
        let origin = Origin {
            cluster_arn: CLUSTER,
            container_instance_arn: "arn:aws:ecs:r:1:container-instance/web/host",
            owner_of: &owner_of,
        };
        origin.fetch(number, told, Timestamp::from_seconds(now))
    }

    #[test]
    fn a_host_speaks_for_its_own_tasks_and_not_of_the_future() {
        let mine = fetch(7, told(100, Some("mine")), 1_000).unwrap();
        assert_eq!(mine.role_arn.as_deref(), Some("role"));
        assert_eq!(mine.id, "0000000100000-host-7");
        assert_eq!(mine.user_agent.len(), TEXT_BYTES_MAX);
        assert_eq!(fetch(7, told(100, Some("other")), 1_000), None);
        assert!(fetch(7, told(100, None), 1_000).is_some());
        let forgotten = fetch(7, told(100, Some("forgotten")), 1_000).unwrap();
        assert_eq!((forgotten.task_arn, forgotten.role_arn), (None, None));
        let ahead = fetch(7, told(99_999, None), 1_000).unwrap();
        assert_eq!(ahead.event_time, Timestamp::from_seconds(1_300).to_iso());
    }

    fn ids(page: &FetchPage) -> Vec<&str> {
        page.fetches
            .iter()
            .map(|fetch| fetch.id.rsplit('-').next().unwrap())
            .collect()
    }

    #[tokio::test]
    async fn fetches_are_kept_once_read_in_order_and_forgotten_after_90_days() {
        let clock = Arc::new(FixedClock::at(Timestamp::from_seconds(1_000)));
        let opened = portcullis_store::open_in_memory(clock, Arc::new(SeededRandom::new(1))).unwrap();
        let store = opened.store.as_ref();
        let kept = Fetches::default();
        let fetches: Vec<_> = (1..=5)
            .map(|number| fetch(number, told(number * 100, None), 1_000).unwrap())
            .collect();
        let now = Timestamp::from_seconds(1_000);
        kept.keep(store, "r", &fetches, now).await.unwrap();
        kept.keep(store, "r", &fetches, now).await.unwrap();
        let five = Counts::from([("host".to_owned(), 5)]);
        assert_eq!(count(store, "r").unwrap(), five);
        assert_eq!(
            kept.counts.lock().unwrap().get("r"),
            Some(&five),
            "told twice, kept once"
        );
        // Told otherwise, it stays as it was.
        let mut otherwise = fetches[0].clone();
        otherwise.user_agent = "innocent".to_owned();
        kept.keep(store, "r", &[otherwise], now).await.unwrap();
        let all = read(store, "r", None, None, 10, |_| true).unwrap();
        assert_eq!(all.fetches, fetches);
        let page = read(store, "r", None, None, 2, |_| true).unwrap();
        assert_eq!(ids(&page), ["1", "2"]);
        let next = read(store, "r", page.after.as_deref(), None, 10, |_| true).unwrap();
        assert_eq!((ids(&next), &next.after), (vec!["3", "4", "5"], &None));
        let since = Some(Timestamp::from_seconds(400));
        let late = read(store, "r", None, since, 10, |_| true).unwrap();
        assert_eq!(ids(&late), ["4", "5"]);
        let much_later = Timestamp::from_seconds(KEPT_SECONDS + 350);
        kept.keep(store, "r", &[], much_later).await.unwrap();
        let left = read(store, "r", None, None, 10, |_| true).unwrap();
        assert_eq!(ids(&left), ["4", "5"]);
    }

    #[tokio::test]
    async fn a_host_that_tells_too_much_pushes_out_its_own_words_only() {
        let clock = Arc::new(FixedClock::at(Timestamp::from_seconds(1_000)));
        let opened = portcullis_store::open_in_memory(clock, Arc::new(SeededRandom::new(1))).unwrap();
        let store = opened.store.as_ref();
        let kept = Fetches::default();
        let now = Timestamp::from_seconds(1_000);
        let quiet: Vec<_> = (1..=3).map(|n| fetch(n, told(1, None), 1_000).unwrap()).collect();
        let loud = (1..=40).map(|n| {
            let mut one = fetch(n, told(100 + n, None), 1_000).unwrap();
            one.id = one.id.replace("-host-", "-loud-");
            one
        });
        kept.keep(store, "r", &quiet, now).await.unwrap();
        kept.keep(store, "r", &loud.collect::<Vec<_>>(), now)
            .await
            .unwrap();
        kept.drop_surplus(store, "r", 20).await.unwrap();
        let left = Counts::from([("host".to_owned(), 3), ("loud".to_owned(), 16)]);
        assert_eq!(count(store, "r").unwrap(), left);
        assert_eq!(kept.counts.lock().unwrap().get("r"), Some(&left));
        let all = read(store, "r", None, None, 100, |_| true).unwrap();
        assert_eq!(ids(&all).last(), Some(&"40"), "its oldest go");
        kept.drop_surplus(store, "r", 20).await.unwrap();
        assert_eq!(count(store, "r").unwrap(), left);
    }
}
