//! What a record shows of requests and replies: CloudTrail's casing, and nothing secret (5.4).

use portcullis_core::Timestamp;
use portcullis_wire::{Protocol, Service};
use serde_json::{Map, Value};

const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// The request's members as the record shows them.
pub fn request(service: &Service, operation: &str, members: &Value) -> Value {
    let mut shown = cased(service, members);
    match (service.name, operation) {
        ("iam", "CreateLoginProfile" | "UpdateLoginProfile") => remove(&mut shown, &["password"]),
        ("iam", "ChangePassword") => remove(&mut shown, &["oldPassword", "newPassword"]),
        ("iam", "EnableMFADevice" | "ResyncMFADevice") => {
            remove(&mut shown, &["authenticationCode1", "authenticationCode2"]);
        }
        ("sts", "GetSessionToken" | "AssumeRole") => remove(&mut shown, &["tokenCode"]),
        ("ecs", "RegisterTaskDefinition") => hide_environment(&mut shown, "containerDefinitions"),
        ("ecs", "RunTask" | "StartTask") => {
            if let Some(overrides) = shown.get_mut("overrides") {
                hide_environment(overrides, "containerOverrides");
            }
        }
        _ => {}
    }
    shown
}

/// The reply's members as the record shows them.
pub fn response(service: &Service, operation: &str, members: &Value) -> Value {
    let mut shown = cased(service, members);
    match (service.name, operation) {
        ("iam", "CreateAccessKey") => within(&mut shown, "accessKey", &["secretAccessKey"]),
        ("iam", "CreateVirtualMFADevice") => {
            within(&mut shown, "virtualMFADevice", &["base32StringSeed", "qRCodePNG"]);
        }
        // The token stays, as in AWS's records; such records are sealed before they are stored.
        ("sts", _) => within(&mut shown, "credentials", &["secretAccessKey"]),
        ("ecs", "RegisterTaskDefinition" | "DeregisterTaskDefinition") => {
            if let Some(definition) = shown.get_mut("taskDefinition") {
                hide_environment(definition, "containerDefinitions");
            }
        }
        ("ecs", "RunTask" | "StartTask") => hide_in_tasks(&mut shown),
        _ => {}
    }
    shown
}

fn hide_in_tasks(shown: &mut Value) {
    let tasks = shown.get_mut("tasks").and_then(Value::as_array_mut);
    for task in tasks.into_iter().flatten() {
        if let Some(overrides) = task.get_mut("overrides") {
            hide_environment(overrides, "containerOverrides");
        }
    }
}

/// Whether AWS hides container environments was not found; hiding is the safe choice (docs/fidelity.md).
fn hide_environment(parent: &mut Value, containers: &str) {
    let containers = parent.get_mut(containers).and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        let pairs = container.get_mut("environment").and_then(Value::as_array_mut);
        for pair in pairs.into_iter().flatten().filter_map(Value::as_object_mut) {
            if pair.contains_key("value") {
                pair.insert("value".to_owned(), Value::String(HIDDEN.to_owned()));
            }
        }
    }
}

fn within(shown: &mut Value, member: &str, names: &[&str]) {
    if let Some(inner) = shown.get_mut(member) {
        remove(inner, names);
    }
}

fn remove(shown: &mut Value, names: &[&str]) {
    if let Some(members) = shown.as_object_mut() {
        for name in names {
            members.shift_remove(*name);
        }
    }
}

/// Query services' members start in upper case; records lower the first letter only. JSON services' pass through.
fn cased(service: &Service, members: &Value) -> Value {
    match service.protocol {
        Protocol::Query => lower_first(members),
        _ => members.clone(),
    }
}

fn lower_first(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(lower_first).collect()),
        Value::Object(members) => Value::Object(members.iter().map(lower_member).collect::<Map<_, _>>()),
        other => other.clone(),
    }
}

fn lower_member((name, value): (&String, &Value)) -> (String, Value) {
    let mut letters = name.chars();
    let lowered = match letters.next() {
        Some(first) => first.to_lowercase().chain(letters).collect(),
        None => String::new(),
    };
    let is_time = name.ends_with("Date") || name == "Expiration";
    match value.as_f64().filter(|_| is_time) {
        Some(seconds) => (
            lowered,
            Value::String(java_date(Timestamp::from_fractional_seconds(seconds))),
        ),
        None => (lowered, lower_first(value)),
    }
}

/// Dates in IAM's and STS's records are Java's default text: `Aug 1, 2024, 11:45:22 AM`.
fn java_date(time: Timestamp) -> String {
    time.format("%b %-d, %Y, %-I:%M:%S %p")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn environments_are_hidden_and_names_stay() {
        let service = &portcullis_api::ecs::SERVICE;
        let input =
            json!({ "containerDefinitions": [{ "environment": [{ "name": "A", "value": "s3cret" }] }] });
        let shown = request(service, "RegisterTaskDefinition", &input);
        assert_eq!(
            shown["containerDefinitions"][0]["environment"][0],
            json!({ "name": "A", "value": HIDDEN })
        );
    }

    #[test]
    fn credentials_lose_their_secret_and_dates_are_javas() {
        let service = &portcullis_api::sts::SERVICE;
        let output = json!({ "Credentials": { "AccessKeyId": "ASIA", "SecretAccessKey": "x", "Expiration": 1_722_512_722.0 } });
        let shown = response(service, "AssumeRole", &output);
        assert_eq!(
            shown,
            json!({ "credentials": { "accessKeyId": "ASIA", "expiration": "Aug 1, 2024, 11:45:22 AM" } })
        );
    }
}
