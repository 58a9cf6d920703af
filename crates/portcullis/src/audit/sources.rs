//! The two histories: fetches of credentials, and CloudTrail's calls.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use http_body_util::{BodyExt as _, Limited};
use hyper::Response;
use hyper::body::Incoming;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_api::cloudtrail::op::LookupEvents;
use portcullis_api::cloudtrail::{LookupAttribute, LookupEventsRequest};
use portcullis_control::telemetry::AUDIT_PATH;
use portcullis_core::Timestamp;
use serde_json::{Value, json};

use crate::client::Client;
use crate::printable::printable;

/// What requests are signed for.
const SERVICE: &str = "portcullis";
/// Longest answer that is read, in bytes.
const ANSWER_MAX: usize = 8 * 1024 * 1024;
/// Pages of CloudTrail read for one look: 50 events each.
const PAGES_MAX: usize = 200;

/// One line of history.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The same whenever it is read.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// The fetch, or CloudTrail's record.
    pub what: Value,
    /// Which of them.
    pub is_fetch: bool,
}

impl Entry {
    /// As a line of JSON.
    pub fn json(&self) -> String {
        let kind = if self.is_fetch { "fetch" } else { "call" };
        json!({ (kind): self.what }).to_string()
    }
}

/// The server said no.
#[derive(Debug)]
pub struct Missing(pub String);

/// Both histories of one server.
pub struct Sources {
    client: Client,
    /// Query of the fetches, without the time.
    query: String,
    task_id: Option<String>,
    /// CloudTrail knows no cluster of a task's calls: with one, the ids of the tasks that fetched there.
    fetchers: Option<BTreeSet<String>>,
    with_calls: bool,
}

impl Sources {
    /// Of a server, as far as they are wanted.
    pub fn new(client: Client, cluster: Option<&str>, task: Option<&str>, with_calls: bool) -> Self {
        let mut query = String::new();
        for (name, value) in [("cluster", cluster), ("task", task)] {
            if let Some(value) = value {
                query.push_str(&format!(
                    "&{name}={}",
                    utf8_percent_encode(value, NON_ALPHANUMERIC)
                ));
            }
        }
        Self {
            client,
            query,
            task_id: task.map(|task| task.rsplit('/').next().unwrap_or(task).to_owned()),
            fetchers: cluster.filter(|_| task.is_none()).map(|_| BTreeSet::new()),
            with_calls,
        }
    }

    /// Everything from then on. Without the permission for CloudTrail the calls are left out from then on.
    pub async fn since(&mut self, time: Timestamp) -> Result<Result<Vec<Entry>, Missing>> {
        let mut entries = match self.fetches(time).await? {
            Ok(entries) => entries,
            Err(missing) => return Ok(Err(missing)),
        };
        if let Some(fetchers) = &mut self.fetchers {
            let tasks = entries.iter().map(|entry| last_of(&entry.what, "/taskArn"));
            fetchers.extend(tasks.filter(|task| !task.is_empty()).map(ToOwned::to_owned));
        }
        if self.with_calls {
            match self.calls(time).await? {
                Ok(calls) => entries.extend(calls),
                Err(Missing(why)) => {
                    self.with_calls = false;
                    crate::complain(&format!("portcullis: calls are left out: {why}"));
                }
            }
        }
        Ok(Ok(entries))
    }

    async fn fetches(&self, time: Timestamp) -> Result<Result<Vec<Entry>, Missing>> {
        let mut entries = Vec::new();
        let mut after = String::new();
        loop {
            let since = utf8_percent_encode(&time.to_iso(), NON_ALPHANUMERIC).to_string();
            let target = format!("{AUDIT_PATH}?since={since}{}{after}", self.query);
            let response = self.client.open(SERVICE, &target, None).await?;
            let status = response.status();
            let mut answer = read(response).await?;
            if !status.is_success() {
                let text = answer.get("message").or_else(|| answer.get("Message"));
                let text = text.and_then(Value::as_str).unwrap_or("no reason given");
                return Ok(Err(Missing(printable(text))));
            }
            let fetches = answer.get_mut("fetches").map(Value::take);
            if let Some(Value::Array(fetches)) = fetches {
                entries.extend(fetches.into_iter().filter_map(fetch));
            }
            match answer.get("nextToken").and_then(Value::as_str) {
                Some(token) => after = format!("&after={}", utf8_percent_encode(token, NON_ALPHANUMERIC)),
                None => return Ok(Ok(entries)),
            }
        }
    }

    async fn calls(&self, time: Timestamp) -> Result<Result<Vec<Entry>, Missing>> {
        let of_task = self.task_id.as_ref().map(|id| {
            vec![LookupAttribute {
                attribute_key: "Username".to_owned(),
                attribute_value: id.clone(),
            }]
        });
        let mut request = LookupEventsRequest {
            start_time: Some(time),
            lookup_attributes: of_task,
            ..Default::default()
        };
        let mut entries = Vec::new();
        for _ in 0..PAGES_MAX {
            let answer = self.client.call::<LookupEvents>(&request).await?;
            let page = match answer.result {
                Ok(page) => page,
                Err(refusal) => return Ok(Err(Missing(printable(&refusal.to_string())))),
            };
            for event in page.events.into_iter().flatten() {
                let record = event.cloud_trail_event.as_deref().unwrap_or_default();
                let what = serde_json::from_str(record).unwrap_or_default();
                entries.extend(event.event_id.zip(event.event_time).map(|(id, at)| Entry {
                    id,
                    at,
                    what,
                    is_fetch: false,
                }));
            }
            request.next_token = page.next_token;
            if request.next_token.is_none() {
                break;
            }
        }
        if let Some(fetchers) = &self.fetchers {
            entries.retain(|entry| fetchers.contains(last_of(&entry.what, "/userIdentity/arn")));
        }
        // The newest comes first; within a second nothing else tells the order.
        entries.reverse();
        Ok(Ok(entries))
    }
}

/// What stands behind the last slash of a text.
fn last_of<'v>(what: &'v Value, pointer: &str) -> &'v str {
    let text = what.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    text.rsplit('/').next().unwrap_or_default()
}

fn fetch(what: Value) -> Option<Entry> {
    let text = |name: &str| what.get(name).and_then(Value::as_str);
    let (id, at) = (text("eventID")?.to_owned(), text("eventTime")?.parse().ok()?);
    Some(Entry {
        id,
        at,
        what,
        is_fetch: true,
    })
}

async fn read(response: Response<Incoming>) -> Result<Value> {
    let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
    let body = body
        .map_err(|error| anyhow::anyhow!(error))
        .context("the answer could not be read")?;
    serde_json::from_slice(&body.to_bytes()).context("the server did not answer as a Portcullis server does")
}
