//! CloudTrail's record of a call (cloudtrail-and-access-advisor 5).

use portcullis_core::{Random, Timestamp, uuid};
use portcullis_store::Vault;
use serde_json::{Map, Value, json};

use super::Tls;
use super::call::Call;
use super::caller::{Caller, Identity};
use super::error::ServiceError;
use super::redact;

/// What became of a call.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// It answered; the members as the protocol names them.
    Answered(&'a Value),
    /// It was refused or failed.
    Refused(&'a ServiceError),
}

/// What writing a record takes beside the call.
#[derive(Clone, Copy)]
pub struct Seams<'a> {
    /// For the event's id.
    pub random: &'a dyn Random,
    /// For records that hold a session token.
    pub vault: &'a Vault,
}

/// A finished record and the key it is stored under.
#[derive(Debug)]
pub struct Event {
    /// `event/REGION/TIME/ID`; later events sort first.
    pub key: String,
    /// The record as JSON text, sealed if it holds a session token.
    pub document: Vec<u8>,
}

const EVENT_PURPOSE: &str = "cloudtrail-event";
const MEMBER_LIMIT_BYTES: usize = 100 * 1024;
const TEXT_LIMIT_BYTES: usize = 1024;

/// Writes the record of a call. `parameters` are the input's members, `writes` whether the operation changes state.
pub fn event(
    call: &Call,
    writes: bool,
    parameters: Option<&Value>,
    outcome: &Outcome<'_>,
    seams: Seams<'_>,
) -> Event {
    let id = uuid(seams.random);
    let region = recorded_region(call);
    let (read_only, shows_response) = classify(call, writes);
    let mut record = Map::new();
    let mut set = |name: &str, value: Value| {
        record.insert(name.to_owned(), value);
    };
    set("eventVersion", json!("1.11"));
    set("userIdentity", user_identity(&call.caller));
    set("eventTime", json!(call.now.to_iso()));
    set(
        "eventSource",
        json!(format!("{}.amazonaws.com", call.service.name)),
    );
    set("eventName", json!(call.operation));
    set("awsRegion", json!(region));
    set("sourceIPAddress", json!(call.source_ip));
    if let Some(agent) = &call.user_agent {
        set("userAgent", json!(cut(agent)));
    }
    if let Outcome::Refused(error) = outcome {
        set("errorCode", json!(error.recorded_code()));
        set("errorMessage", json!(cut(error.message())));
    }
    let (request, response) = match outcome {
        Outcome::Refused(_) => (Value::Null, Value::Null),
        Outcome::Answered(members) => {
            let request =
                parameters.map_or(Value::Null, |p| redact::request(call.service, call.operation, p));
            let response = if shows_response {
                redact::response(call.service, call.operation, members)
            } else {
                Value::Null
            };
            (limited(request), limited(response))
        }
    };
    set("requestParameters", request);
    set("responseElements", response);
    set("requestID", json!(call.request_id));
    set("eventID", json!(id));
    set("readOnly", json!(read_only));
    set("eventType", json!("AwsApiCall"));
    set("managementEvent", json!(true));
    set("recipientAccountId", json!(call.account.as_str()));
    set("eventCategory", json!("Management"));
    if let Some(Tls { version, cipher }) = &call.tls {
        let details =
            json!({ "tlsVersion": version, "cipherSuite": cipher, "clientProvidedHostHeader": call.host });
        set("tlsDetails", details);
    }
    let key = event_key(region, call.now, &id);
    let text = Value::Object(record).to_string().into_bytes();
    let document = if holds_a_token(call) {
        sealed(&key, &text, seams.vault)
    } else {
        text
    };
    Event { key, document }
}

/// AWS's records of new sessions show the session token; ours must not rest in the clear.
fn holds_a_token(call: &Call) -> bool {
    call.service.name == "sts"
}

fn sealed(key: &str, text: &[u8], vault: &Vault) -> Vec<u8> {
    vault
        .seal(EVENT_PURPOSE, key.as_bytes(), text)
        .unwrap_or_else(|error| {
            tracing::error!(%error, "an event could not be sealed and is not kept");
            b"{}".to_vec()
        })
}

/// The text of a stored event, sealed or not; `None` when it cannot be opened.
pub fn stored_text(key: &[u8], document: &[u8], vault: &Vault) -> Option<Vec<u8>> {
    match document.first() {
        Some(b'{') => Some(document.to_vec()),
        _ => vault
            .open(EVENT_PURPOSE, key, document)
            .ok()
            .map(|text| text.to_vec()),
    }
}

/// The key of an event: the newest of a region comes first in a range.
pub fn event_key(region: &str, time: Timestamp, id: &str) -> String {
    let descending = 9_999_999_999_999_i64.saturating_sub(time.as_millis());
    format!("event/{region}/{descending:013}/{id}")
}

/// IAM is global and records in us-east-1.
pub(super) fn recorded_region(call: &Call) -> &str {
    if call.service.name == "iam" {
        "us-east-1"
    } else {
        call.region.as_str()
    }
}

/// Whether the record says `readOnly`, and whether it shows the response (5.3: the rule and its exceptions).
fn classify(call: &Call, writes: bool) -> (bool, bool) {
    match (call.service.name, call.operation) {
        ("sts", "AssumeRole" | "AssumeRoleWithSAML" | "AssumeRoleWithWebIdentity") => (true, true),
        ("sts", "GetSessionToken" | "GetFederationToken") => (false, true),
        _ => (!writes, writes),
    }
}

fn user_identity(caller: &Caller) -> Value {
    let account = caller.account.as_str();
    let mut identity = match &caller.identity {
        Identity::Service(principal) => return json!({ "type": "AWSService", "invokedBy": principal }),
        Identity::Root => json!({ "type": "Root", "principalId": account }),
        Identity::User { id, .. } => json!({ "type": "IAMUser", "principalId": id }),
        Identity::Role { .. } => json!({ "type": "AssumedRole", "principalId": caller.user_id() }),
        Identity::Federated { .. } => json!({ "type": "FederatedUser", "principalId": caller.user_id() }),
    };
    let Some(members) = identity.as_object_mut() else {
        return identity;
    };
    members.insert("arn".to_owned(), json!(caller.arn()));
    members.insert("accountId".to_owned(), json!(account));
    members.insert("accessKeyId".to_owned(), json!(caller.access_key_id));
    if let Identity::User { name, .. } = &caller.identity {
        members.insert("userName".to_owned(), json!(name));
    }
    if let Some(context) = session_context(caller) {
        members.insert("sessionContext".to_owned(), context);
    }
    identity
}

fn session_context(caller: &Caller) -> Option<Value> {
    let session = caller.session.as_ref()?;
    let mut context = Map::new();
    let account = caller.account.as_str();
    match &caller.identity {
        Identity::Role { id, name, arn, .. } => {
            let issuer = json!({ "type": "Role", "principalId": id, "arn": arn.as_str(), "accountId": account, "userName": name });
            context.insert("sessionIssuer".to_owned(), issuer);
        }
        Identity::Federated { user, .. } => {
            let arn = format!("arn:{}:iam::{account}:user/{user}", caller.partition);
            let issuer = json!({ "type": "IAMUser", "arn": arn, "accountId": account, "userName": user });
            context.insert("sessionIssuer".to_owned(), issuer);
        }
        _ => {}
    }
    let mfa = if session.mfa_authenticated.is_some() {
        "true"
    } else {
        "false"
    };
    context.insert(
        "attributes".to_owned(),
        json!({ "creationDate": session.issued.to_iso(), "mfaAuthenticated": mfa }),
    );
    if let Some(source) = &session.source_identity {
        context.insert("sourceIdentity".to_owned(), json!(source));
    }
    Some(Value::Object(context))
}

/// Members over the limit are left out whole.
fn limited(members: Value) -> Value {
    let empty = members.as_object().is_some_and(Map::is_empty);
    if empty || members.to_string().len() > MEMBER_LIMIT_BYTES {
        Value::Null
    } else {
        members
    }
}

/// Texts over the limit are cut off.
fn cut(text: &str) -> &str {
    let end = text.floor_char_boundary(TEXT_LIMIT_BYTES);
    text.get(..end).unwrap_or(text)
}
