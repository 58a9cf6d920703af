//! CloudTrail's record of a call (cloudtrail-and-access-advisor 5).

use std::borrow::Cow;

use portcullis_core::{AccountId, Random, Timestamp, uuid};
use portcullis_store::Vault;
use portcullis_wire::{Protocol, Service};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Tls;
use super::call::Call;
use super::caller::{Caller, Identity};
use super::error::ServiceError;
use super::redact;

/// What became of a call.
pub enum Outcome<'a> {
    /// It answered; gives the members as the protocol names them, which few records show.
    Answered(&'a (dyn Fn() -> Value + Sync)),
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

/// A record, its members in the order CloudTrail prints them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    event_version: &'static str,
    user_identity: UserIdentity<'a>,
    event_time: String,
    event_source: String,
    event_name: &'a str,
    aws_region: &'a str,
    #[serde(rename = "sourceIPAddress")]
    source_ip_address: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<&'a str>,
    request_parameters: Value,
    response_elements: Value,
    #[serde(rename = "requestID")]
    request_id: &'a str,
    #[serde(rename = "eventID")]
    event_id: &'a str,
    read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Value>,
    event_type: &'static str,
    management_event: bool,
    recipient_account_id: &'a str,
    #[serde(rename = "sharedEventID", skip_serializing_if = "Option::is_none")]
    shared_event_id: Option<&'a str>,
    event_category: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_details: Option<Value>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct UserIdentity<'a> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session_context: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity_provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invoked_by: Option<&'a str>,
}

/// Whose history a record goes to.
#[derive(Debug, Clone, Copy)]
pub struct Recipient<'a> {
    /// The account.
    pub account: &'a AccountId,
    /// What the records of one call have in common, when several accounts get one.
    pub shared: Option<&'a str>,
    /// The ARNs of what the call used, where records of its service name them.
    pub resources: &'a [String],
}

impl<'a> Recipient<'a> {
    /// The caller's account alone.
    pub fn caller(call: &'a Call) -> Self {
        Self {
            account: &call.caller.account,
            shared: None,
            resources: &[],
        }
    }
}

/// Writes the record of a call. `parameters` are the input's members, `writes` whether the operation changes state.
pub fn event(
    call: &Call,
    recipient: Recipient<'_>,
    writes: bool,
    parameters: Option<Value>,
    outcome: &Outcome<'_>,
    seams: Seams<'_>,
) -> Event {
    let id = uuid(seams.random);
    let region = recorded_region(call);
    let (read_only, shows_response) = classify(call, writes);
    let mut resources = None;
    let (request_parameters, response_elements) = match outcome {
        Outcome::Refused(_) => (Value::Null, Value::Null),
        Outcome::Answered(members) => {
            resources = assumed_role(call, parameters.as_ref()).or_else(|| used(recipient.resources));
            let request =
                parameters.map(|parameters| redact::request(call.service, call.operation, parameters));
            let response = shows_response.then(|| redact::response(call.service, call.operation, members()));
            (unless_empty(request), unless_empty(response))
        }
    };
    let error = match outcome {
        Outcome::Refused(error) => Some(error),
        Outcome::Answered(_) => None,
    };
    let mut record = Record {
        event_version: "1.11",
        user_identity: UserIdentity {
            invoked_by: call.by_service(),
            ..user_identity(&call.caller)
        },
        event_time: call.now.to_iso(),
        event_source: event_source(call.service),
        event_name: call.operation,
        aws_region: region,
        source_ip_address: &call.source_ip,
        user_agent: call.user_agent.as_deref().map(cut),
        error_code: error.map(|error| recorded_code(call, error)),
        error_message: error.map(|error| cut(error.message())),
        request_parameters,
        response_elements,
        request_id: &call.request_id,
        event_id: &id,
        read_only,
        resources,
        event_type: "AwsApiCall",
        management_event: true,
        recipient_account_id: recipient.account.as_str(),
        shared_event_id: recipient.shared,
        event_category: "Management",
        tls_details: call.tls.as_ref().map(|tls| tls_details(tls, call)),
    };
    let mut text = text_of(&record);
    if text.len() > MEMBER_LIMIT_BYTES {
        record.leave_out_what_is_too_long();
        text = text_of(&record);
    }
    let key = event_key(region, call.now, &id);
    let document = if call.service.name == "sts" && shows_response {
        sealed(&key, &text, seams.vault)
    } else {
        text
    };
    Event { key, document }
}

/// The role of a new session: the one resource that records of IAM, STS and ECS name.
fn assumed_role(call: &Call, parameters: Option<&Value>) -> Option<Value> {
    let is_assumption = call.service.name == "sts" && call.operation.starts_with("AssumeRole");
    let arn = parameters.filter(|_| is_assumption)?.get("RoleArn")?.as_str()?;
    let account = arn.split(':').nth(4)?;
    Some(json!([{ "ARN": arn, "accountId": account, "type": "AWS::IAM::Role" }]))
}

/// The ARNs that the record of a call names: those its checks were about, or that of the key it made.
pub fn used_by(call: &Call, checked: &[String], members: &dyn Fn() -> Value) -> Vec<String> {
    match (call.service.name, call.operation) {
        ("kms", "CreateKey") => {
            let members = members();
            let arn = members.pointer("/KeyMetadata/Arn").and_then(Value::as_str);
            arn.map(str::to_owned).into_iter().collect()
        }
        _ => checked.to_vec(),
    }
}

/// What records of KMS and ECR name.
fn used(arns: &[String]) -> Option<Value> {
    let one = |arn: &String| {
        let account = arn.split(':').nth(4)?;
        if arn.contains(":ecr:") {
            return Some(json!({ "ARN": arn, "accountId": account }));
        }
        let kind = match arn.contains(":alias/") {
            true => "AWS::KMS::Alias",
            false => "AWS::KMS::Key",
        };
        Some(json!({ "accountId": account, "type": kind, "ARN": arn }))
    };
    let shown: Vec<_> = arns.iter().filter_map(one).collect();
    (!shown.is_empty()).then(|| json!(shown))
}

fn text_of(record: &Record<'_>) -> Vec<u8> {
    serde_json::to_vec(record).unwrap_or_else(|error| {
        tracing::error!(%error, "an event could not be written and is not kept");
        b"{}".to_vec()
    })
}

fn tls_details(tls: &Tls, call: &Call) -> Value {
    json!({ "tlsVersion": tls.version, "cipherSuite": tls.cipher, "clientProvidedHostHeader": call.host })
}

impl Record<'_> {
    /// Members over the limit are left out whole.
    fn leave_out_what_is_too_long(&mut self) {
        for members in [&mut self.request_parameters, &mut self.response_elements] {
            if members.to_string().len() > MEMBER_LIMIT_BYTES {
                *members = Value::Null;
            }
        }
    }
}

/// A structure without members is shown as none.
fn unless_empty(members: Option<Value>) -> Value {
    let members = members.unwrap_or_default();
    if members.as_object().is_some_and(Map::is_empty) {
        Value::Null
    } else {
        members
    }
}

/// AWS's records of new sessions show the session token; ours must not rest in the clear.
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

/// `ecs.amazonaws.com`; what is ours has no domain of AWS's.
fn event_source(service: &Service) -> String {
    match service.signing_name {
        "portcullis" => "portcullis".to_owned(),
        name => format!("{name}.amazonaws.com"),
    }
}

/// IAM is global and records in us-east-1.
pub(super) fn recorded_region(call: &Call) -> &str {
    if call.service.name == "iam" {
        "us-east-1"
    } else {
        call.region.as_str()
    }
}

/// EC2's codes say who is at fault: `Client.UnauthorizedOperation`.
fn recorded_code<'e>(call: &Call, error: &'e ServiceError) -> Cow<'e, str> {
    match call.service.protocol {
        Protocol::Ec2Query if error.status() < 500 => Cow::Owned(format!("Client.{}", error.code())),
        Protocol::Ec2Query => Cow::Owned(format!("Server.{}", error.code())),
        _ => Cow::Borrowed(error.recorded_code()),
    }
}

/// Whether the record says `readOnly`, and whether it shows the response (5.3: the rule and its exceptions).
fn classify(call: &Call, writes: bool) -> (bool, bool) {
    match (call.service.name, call.operation) {
        ("sts", "AssumeRole" | "AssumeRoleWithSAML" | "AssumeRoleWithWebIdentity") => (true, true),
        ("sts", "GetSessionToken" | "GetFederationToken") => (false, true),
        ("sts", "GetWebIdentityToken") => (false, false),
        _ => (!writes, writes),
    }
}

fn user_identity(caller: &Caller) -> UserIdentity<'_> {
    let account = caller.account.as_str();
    let (kind, principal_id) = match &caller.identity {
        Identity::Service(_) => {
            return UserIdentity {
                r#type: "AWSService",
                ..UserIdentity::default()
            };
        }
        Identity::WebIdentity(who) => {
            return UserIdentity {
                r#type: "WebIdentityUser",
                principal_id: Some(caller.user_id()),
                user_name: Some(&who.claims.subject),
                identity_provider: Some(who.provider.as_str()),
                ..UserIdentity::default()
            };
        }
        Identity::Anonymous => {
            return UserIdentity {
                r#type: "AWSAccount",
                principal_id: Some(String::new()),
                account_id: Some("ANONYMOUS_PRINCIPAL"),
                ..UserIdentity::default()
            };
        }
        Identity::Root => ("Root", account.to_owned()),
        Identity::User { id, .. } => ("IAMUser", id.clone()),
        Identity::Role { .. } => ("AssumedRole", caller.user_id()),
        Identity::Federated { .. } => ("FederatedUser", caller.user_id()),
    };
    let user_name = match &caller.identity {
        Identity::User { name, .. } => Some(name.as_str()),
        _ => None,
    };
    UserIdentity {
        r#type: kind,
        principal_id: Some(principal_id),
        arn: Some(caller.arn()),
        account_id: Some(account),
        access_key_id: Some(&caller.access_key_id),
        user_name,
        session_context: session_context(caller),
        ..UserIdentity::default()
    }
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
        Identity::Federated { user, user_id, .. } => {
            let root = format!("arn:{}:iam::{account}:", caller.partition);
            let issuer = match user {
                Some(user) => json!({
                    "type": "IAMUser", "principalId": user_id, "arn": format!("{root}user/{user}"),
                    "accountId": account, "userName": user,
                }),
                None => json!({
                    "type": "Root", "principalId": user_id, "arn": format!("{root}root"), "accountId": account,
                }),
            };
            context.insert("sessionIssuer".to_owned(), issuer);
        }
        _ => {}
    }
    if let Some(provenance) = &session.provenance {
        context.insert(
            "webIdFederationData".to_owned(),
            json!({ "federatedProvider": provenance.provider.as_str(), "attributes": {} }),
        );
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

/// Texts over the limit are cut off.
fn cut(text: &str) -> &str {
    let end = text.floor_char_boundary(TEXT_LIMIT_BYTES);
    text.get(..end).unwrap_or(text)
}
