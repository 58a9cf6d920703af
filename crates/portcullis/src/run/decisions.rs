//! What was decided of the program's calls, as the event history has it.

use std::collections::BTreeSet;

use portcullis_api::cloudtrail::op::LookupEvents;
use portcullis_api::cloudtrail::{LookupAttribute, LookupEventsRequest};
use serde_json::Value;

use super::task::Task;
use crate::client::Client;
use crate::complain;
use crate::printable::printable;

/// Pages that one look reads; what it leaves, the next one finds.
const PAGES_MAX: usize = 20;
/// What a refusal's code ends with.
const DENIED: &[&str] = &["AccessDenied", "AccessDeniedException", "UnauthorizedOperation"];

/// The calls of one task's session.
pub(super) struct Decisions {
    client: Client,
    request: LookupEventsRequest,
    seen: BTreeSet<String>,
    counts: Counts,
    /// Whether the caller may not see them; told once.
    is_blind: bool,
}

/// How many calls came to what.
#[derive(Debug, Default)]
struct Counts {
    allowed: usize,
    denied: usize,
    failed: usize,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was permitted, and went well.
    Allowed,
    /// It was not permitted.
    Denied,
    /// It was permitted, and something else was wrong.
    Failed,
}

impl Decisions {
    /// Those of a task, from its beginning on.
    pub fn of(client: Client, task: &Task<'_>) -> Self {
        // A session's name is what the history calls its user.
        let attribute = LookupAttribute {
            attribute_key: "Username".to_owned(),
            attribute_value: task.id.clone(),
        };
        Self {
            client,
            request: LookupEventsRequest {
                lookup_attributes: Some(vec![attribute]),
                // The history knows whole seconds.
                start_time: Some(task.created.plus_seconds(-1)),
                ..LookupEventsRequest::default()
            },
            seen: BTreeSet::new(),
            counts: Counts::default(),
            is_blind: false,
        }
    }

    /// Prints what is new, the oldest first.
    pub async fn tell(&mut self) {
        if self.is_blind {
            return;
        }
        let mut new = Vec::new();
        let mut request = self.request.clone();
        for _ in 0..PAGES_MAX {
            let page = match self.client.call::<LookupEvents>(&request).await {
                Err(error) => return tracing::debug!(%error, "the event history could not be read"),
                Ok(answer) => match answer.result {
                    Ok(page) => page,
                    Err(refusal) => {
                        self.is_blind = true;
                        let why = printable(&refusal.to_string());
                        return complain(&format!("portcullis run: the decisions cannot be shown: {why}"));
                    }
                },
            };
            let events = page.events.into_iter().flatten();
            let before = new.len();
            new.extend(events.filter(|event| self.seen.insert(event.event_id.clone().unwrap_or_default())));
            request.next_token = page.next_token;
            if request.next_token.is_none() || new.len() == before {
                break;
            }
        }
        for event in new.iter().rev() {
            let record = event.cloud_trail_event.as_deref().unwrap_or_default();
            if let Ok(record) = serde_json::from_str::<Value>(record) {
                let (outcome, line) = line(&record);
                self.counts.add(outcome);
                complain(&printable(&line));
            }
        }
    }

    /// How many there were.
    pub fn summary(&self) -> String {
        let Counts {
            allowed,
            denied,
            failed,
        } = self.counts;
        let hint = if denied > 0 {
            "; `portcullis explain ID` says more of a denied one"
        } else {
            ""
        };
        format!("portcullis run: {allowed} allowed, {denied} denied, {failed} failed{hint}")
    }
}

impl Counts {
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Allowed => self.allowed += 1,
            Outcome::Denied => self.denied += 1,
            Outcome::Failed => self.failed += 1,
        }
    }
}

/// One call on one line: what became of it, what was asked, why not.
pub(super) fn line(record: &Value) -> (Outcome, String) {
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    let source = text("eventSource").unwrap_or_default();
    let service = source.split('.').next().unwrap_or_default();
    let action = format!("{service}:{}", text("eventName").unwrap_or_default());
    let why = text("errorMessage").unwrap_or_default();
    match text("errorCode") {
        None => (Outcome::Allowed, format!("allowed  {action}")),
        Some(code) if DENIED.iter().any(|denied| code.ends_with(denied)) => {
            (Outcome::Denied, format!("denied   {action}  {why}"))
        }
        Some(code) => (Outcome::Failed, format!("failed   {action}  {code}: {why}")),
    }
}
