//! LookupEvents: the event history of a region, newest first.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_api::cloudtrail::op::LookupEvents;
use portcullis_api::cloudtrail::{
    Event, LookupAttribute, LookupEventsRequest, LookupEventsResponse, Resource,
};
use portcullis_core::Timestamp;
use serde_json::Value;

use crate::gate::environment::Environment;
use crate::gate::error::ServiceError;
use crate::gate::operation::{Ask, Authorized, Check};
use crate::gate::record::{event_key, stored_text};
use crate::world::Snapshot;

const PAGE_MAX: usize = 50;
/// How many events one call looks at; a page may hold fewer than it could and still have a successor.
const SCAN_MAX: usize = 5_000;
const READ_AT_ONCE: usize = 200;

/// No resource-level permissions.
pub fn require(_ask: Ask<'_, LookupEventsRequest>) -> Result<Vec<Check>, ServiceError> {
    Ok(vec![Check::new("cloudtrail:LookupEvents", "*")])
}

/// One page of events that match.
pub fn events(
    _view: &Snapshot,
    env: &Environment,
    auth: Authorized<'_, LookupEvents>,
) -> Result<LookupEventsResponse, ServiceError> {
    let input = auth.input();
    let wanted = Wanted::of(input)?;
    let region = auth.call().region.as_str();
    let after = match &input.next_token {
        Some(token) => Some(decode_token(token, region)?),
        None => None,
    };
    let limit = input
        .max_results
        .and_then(|n| usize::try_from(n).ok())
        .unwrap_or(PAGE_MAX)
        .min(PAGE_MAX);
    let page = scan(env, region, after, &wanted, limit).map_err(|error| {
        tracing::error!(%error, "the event history could not be read");
        ServiceError::internal(auth.call().service)
    })?;
    Ok(LookupEventsResponse {
        events: Some(page.events),
        next_token: page.last_key.map(|key| URL_SAFE_NO_PAD.encode(key)),
    })
}

struct Page {
    events: Vec<Event>,
    last_key: Option<Vec<u8>>,
}

fn scan(
    env: &Environment,
    region: &str,
    after: Option<Vec<u8>>,
    wanted: &Wanted<'_>,
    limit: usize,
) -> Result<Page, portcullis_store::StoreError> {
    let prefix = format!("event/{region}/").into_bytes();
    // Later events sort first: the end of the time range is where reading starts.
    let mut after = after.or_else(|| {
        wanted
            .end
            .map(|end| event_key(region, end.plus_seconds(1), "").into_bytes())
    });
    let mut events = Vec::new();
    let mut seen = 0;
    loop {
        let page = env.store.range(&prefix, after.as_deref(), READ_AT_ONCE)?;
        let read = page.entries.len();
        for entry in page.entries {
            if seen >= SCAN_MAX {
                return Ok(Page {
                    events,
                    last_key: after,
                });
            }
            seen += 1;
            after = Some(entry.key.to_vec());
            let text = stored_text(&entry.key, &entry.value, &env.vault).unwrap_or_default();
            let Ok(record) = serde_json::from_slice::<Value>(&text) else {
                continue;
            };
            if wanted.is_before_start(&record) {
                return Ok(Page {
                    events,
                    last_key: None,
                });
            }
            if wanted.matches(&record) {
                events.push(event_of(&record));
            }
            if events.len() >= limit {
                return Ok(Page {
                    events,
                    last_key: after,
                });
            }
        }
        if read < READ_AT_ONCE {
            return Ok(Page {
                events,
                last_key: None,
            });
        }
    }
}

struct Wanted<'a> {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    attribute: Option<&'a LookupAttribute>,
    insights: bool,
}

impl<'a> Wanted<'a> {
    fn of(input: &'a LookupEventsRequest) -> Result<Self, ServiceError> {
        let attributes = input.lookup_attributes.as_deref().unwrap_or_default();
        if attributes.len() > 1 {
            let text = "You can specify only one attribute in LookupAttributes.";
            return Err(ServiceError::new("InvalidLookupAttributesException", 400, text));
        }
        if input
            .start_time
            .zip(input.end_time)
            .is_some_and(|(start, end)| start > end)
        {
            let text = "StartTime cannot be later than EndTime.";
            return Err(ServiceError::new("InvalidTimeRangeException", 400, text));
        }
        Ok(Self {
            start: input.start_time,
            end: input.end_time,
            attribute: attributes.first(),
            insights: input.event_category.as_deref() == Some("insight"),
        })
    }

    fn is_before_start(&self, record: &Value) -> bool {
        self.start
            .is_some_and(|start| time_of(record).is_some_and(|time| time < start))
    }

    fn matches(&self, record: &Value) -> bool {
        if self.insights
            || self
                .end
                .is_some_and(|end| time_of(record).is_some_and(|time| time > end))
        {
            return false;
        }
        let Some(attribute) = self.attribute else {
            return true;
        };
        let value = attribute.attribute_value.as_str();
        let member = |name: &str| record.get(name).and_then(Value::as_str) == Some(value);
        match attribute.attribute_key.as_str() {
            "EventId" => member("eventID"),
            "EventName" => member("eventName"),
            "EventSource" => member("eventSource"),
            "ReadOnly" => {
                record
                    .get("readOnly")
                    .and_then(Value::as_bool)
                    .map(|b| b.to_string())
                    .as_deref()
                    == Some(value)
            }
            "Username" => username(record).as_deref() == Some(value),
            "AccessKeyId" => {
                record
                    .pointer("/userIdentity/accessKeyId")
                    .and_then(Value::as_str)
                    == Some(value)
            }
            "ResourceType" => resources(record)
                .iter()
                .any(|r| r.resource_type.as_deref() == Some(value)),
            "ResourceName" => resources(record)
                .iter()
                .any(|r| r.resource_name.as_deref() == Some(value)),
            _ => false,
        }
    }
}

fn time_of(record: &Value) -> Option<Timestamp> {
    record.get("eventTime")?.as_str()?.parse().ok()
}

/// The user's name, or a role session's session name, as the console's list shows it.
fn username(record: &Value) -> Option<String> {
    let identity = record.get("userIdentity")?;
    let text = |name: &str| identity.get(name).and_then(Value::as_str).map(str::to_owned);
    match identity.get("type").and_then(Value::as_str) {
        Some("Root") => Some("root".to_owned()),
        Some("AssumedRole" | "FederatedUser") => {
            text("principalId").and_then(|id| id.split_once(':').map(|(_, session)| session.to_owned()))
        }
        _ => text("userName"),
    }
}

/// What the request and the reply name, by the members that hold names and ARNs.
fn resources(record: &Value) -> Vec<Resource> {
    const MEMBERS: [(&str, &str); 9] = [
        ("/requestParameters/userName", "AWS::IAM::User"),
        ("/requestParameters/roleName", "AWS::IAM::Role"),
        ("/requestParameters/groupName", "AWS::IAM::Group"),
        ("/requestParameters/policyArn", "AWS::IAM::Policy"),
        ("/requestParameters/roleArn", "AWS::IAM::Role"),
        ("/requestParameters/clusterName", "AWS::ECS::Cluster"),
        ("/requestParameters/cluster", "AWS::ECS::Cluster"),
        ("/requestParameters/taskDefinition", "AWS::ECS::TaskDefinition"),
        (
            "/responseElements/taskDefinition/taskDefinitionArn",
            "AWS::ECS::TaskDefinition",
        ),
    ];
    let named = |(pointer, kind): &(&str, &str)| {
        let name = record.pointer(pointer)?.as_str()?;
        Some(Resource {
            resource_type: Some((*kind).to_owned()),
            resource_name: Some(name.to_owned()),
        })
    };
    MEMBERS.iter().filter_map(named).collect()
}

fn event_of(record: &Value) -> Event {
    let text = |name: &str| record.get(name).and_then(Value::as_str).map(str::to_owned);
    Event {
        event_id: text("eventID"),
        event_name: text("eventName"),
        read_only: record
            .get("readOnly")
            .and_then(Value::as_bool)
            .map(|read_only| read_only.to_string()),
        access_key_id: record
            .pointer("/userIdentity/accessKeyId")
            .and_then(Value::as_str)
            .map(str::to_owned),
        event_time: time_of(record),
        event_source: text("eventSource"),
        username: username(record),
        resources: Some(resources(record)),
        cloud_trail_event: Some(record.to_string()),
    }
}

fn decode_token(token: &str, region: &str) -> Result<Vec<u8>, ServiceError> {
    let invalid = || ServiceError::new("InvalidNextTokenException", 400, "The token is invalid.");
    let key = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid())?;
    if key.starts_with(format!("event/{region}/").as_bytes()) {
        Ok(key)
    } else {
        Err(invalid())
    }
}
