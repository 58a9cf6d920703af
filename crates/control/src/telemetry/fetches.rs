//! Fetches of credentials, in the store beside CloudTrail's records: for 90 days as those, and no more than a fixed number of a
//! region, the oldest going first. What a host says of itself is believed of its own tasks only.

use std::collections::BTreeMap;

use portcullis_api::acs::PortcullisAuditRecord;
use portcullis_core::Timestamp;
use portcullis_store::{Change, Store, StoreError, Txn};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

/// How long fetches are kept.
const KEPT_SECONDS: i64 = 90 * 24 * 60 * 60;
/// Most of one region.
const KEPT_MAX: usize = 200_000;
/// Deleted or counted at a time.
const BATCH: usize = 1_000;
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
    /// The role of a task of this host, if the fetch was of that; `None` when the task is another host's.
    pub role_of: &'a dyn Fn(&str, bool) -> Option<Option<String>>,
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
        let role_arn = match &task_arn {
            Some(arn) => (self.role_of)(arn, is_execution)?,
            None => None,
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

/// How many there are, by region; counted when the first is put.
#[derive(Debug, Default)]
pub(crate) struct Fetches(Mutex<BTreeMap<String, usize>>);

impl Fetches {
    /// Keeps them and returns when they last. Those that are there already are put again, which changes nothing.
    pub(crate) async fn keep(
        &self,
        store: &dyn Store,
        region: &str,
        fetches: &[Fetch],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut counts = self.0.lock().await;
        let count = match counts.get(region) {
            Some(count) => *count,
            None => count(store, region)?,
        };
        let mut more = 0;
        let mut puts = Vec::new();
        for fetch in fetches {
            let key = key(region, &fetch.id);
            more += usize::from(store.get(key.as_bytes())?.is_none());
            puts.push(Change::put(key, serde_json::to_vec(fetch).unwrap_or_default()));
        }
        if !puts.is_empty() {
            store.commit(Txn::of(puts))?.await?;
        }
        let left = drop_surplus(store, region, count + more, now).await?;
        counts.insert(region.to_owned(), left);
        Ok(())
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

async fn drop_surplus(
    store: &dyn Store,
    region: &str,
    mut count: usize,
    now: Timestamp,
) -> Result<usize, StoreError> {
    let oldest = format!("{:013}", now.plus_seconds(-KEPT_SECONDS).as_millis());
    loop {
        let first = store.range(prefix(region).as_bytes(), None, BATCH)?;
        let surplus = count.saturating_sub(KEPT_MAX);
        let is_old = |key: &[u8]| key < self::key(region, &oldest).as_bytes();
        let gone: Vec<_> = first
            .entries
            .iter()
            .enumerate()
            .filter(|(index, entry)| *index < surplus || is_old(&entry.key))
            .map(|(_, entry)| Change::delete(entry.key.to_vec()))
            .collect();
        if gone.is_empty() {
            return Ok(count);
        }
        count = count.saturating_sub(gone.len());
        store.commit(Txn::of(gone).relaxed())?.await?;
    }
}

fn count(store: &dyn Store, region: &str) -> Result<usize, StoreError> {
    let (mut count, mut last) = (0, None::<Vec<u8>>);
    loop {
        let page = store.range(prefix(region).as_bytes(), last.as_deref(), BATCH)?;
        count += page.entries.len();
        match page.entries.last().filter(|_| page.more) {
            Some(entry) => last = Some(entry.key.to_vec()),
            None => return Ok(count),
        }
    }
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
        let role_of = |arn: &str, _: bool| (arn == "mine").then(|| Some("role".to_owned()));
        let origin = Origin {
            cluster_arn: CLUSTER,
            container_instance_arn: "arn:aws:ecs:r:1:container-instance/web/host",
            role_of: &role_of,
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
        assert_eq!(count(store, "r").unwrap(), 5);
        assert_eq!(kept.0.lock().await.get("r"), Some(&5), "told twice, kept once");
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
}
