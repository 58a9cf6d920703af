//! What a record shows of requests and replies: CloudTrail's casing, and nothing secret (5.4).

use portcullis_core::Timestamp;
use portcullis_wire::{Protocol, Service};
use serde_json::{Map, Value};

const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

/// The request's members as the record shows them.
pub fn request(service: &Service, operation: &str, members: Value) -> Value {
    let contexts = encryption_contexts(service, &members);
    let mut shown = cased(service, members);
    match (service.name, operation) {
        ("kms", _) => {
            remove(
                &mut shown,
                &[
                    "plaintext",
                    "ciphertextBlob",
                    "message",
                    "mac",
                    "grantToken",
                    "grantTokens",
                ],
            );
            restore(&mut shown, contexts);
        }
        ("iam", "CreateLoginProfile" | "UpdateLoginProfile") => remove(&mut shown, &["password"]),
        ("iam", "ChangePassword") => remove(&mut shown, &["oldPassword", "newPassword"]),
        ("iam", "UploadServerCertificate") => remove(&mut shown, &["privateKey"]),
        ("iam", "CreateSAMLProvider" | "UpdateSAMLProvider") => remove(&mut shown, &["addPrivateKey"]),
        ("iam", "EnableMFADevice" | "ResyncMFADevice") => {
            remove(&mut shown, &["authenticationCode1", "authenticationCode2"]);
        }
        ("sts", "GetSessionToken" | "AssumeRole") => remove(&mut shown, &["tokenCode"]),
        ("sts", "AssumeRoleWithWebIdentity") => remove(&mut shown, &["webIdentityToken"]),
        ("ssm", "RegisterManagedInstance") => remove(&mut shown, &["activationCode"]),
        ("ssm", "PutParameter") => hide(&mut shown, "value"),
        ("secretsmanager", _) => remove(&mut shown, &["secretString", "secretBinary", "rotationToken"]),
        ("logs", "TestMetricFilter") => remove(&mut shown, &["logEventMessages"]),
        ("ecr", "UploadLayerPart") => remove(&mut shown, &["layerPartBlob"]),
        ("ecs", _) => hide_environments(&mut shown),
        _ => {}
    }
    shown
}

/// The reply's members as the record shows them.
pub fn response(service: &Service, operation: &str, members: Value) -> Value {
    let mut shown = cased(service, members);
    match (service.name, operation) {
        ("iam", "CreateAccessKey") => within(&mut shown, "accessKey", &["secretAccessKey"]),
        ("iam", "CreateServiceSpecificCredential" | "ResetServiceSpecificCredential") => within(
            &mut shown,
            "serviceSpecificCredential",
            &["servicePassword", "serviceCredentialSecret"],
        ),
        ("iam", "CreateVirtualMFADevice") => {
            within(&mut shown, "virtualMFADevice", &["base32StringSeed", "qRCodePNG"]);
        }
        // The token stays, as in AWS's records; such records are sealed before they are stored.
        ("sts", _) => within(&mut shown, "credentials", &["secretAccessKey"]),
        ("ssm", "CreateActivation") => remove(&mut shown, &["activationCode"]),
        ("kms", "CreateGrant") => remove(&mut shown, &["grantToken"]),
        ("ssm", "RequestManagedInstanceRoleToken") => {
            remove(&mut shown, &["secretAccessKey", "sessionToken"]);
        }
        ("ecs", "ExecuteCommand") => hide_token(&mut shown),
        ("ecs", _) => hide_environments(&mut shown),
        _ => {}
    }
    shown
}

/// The names of what holds pairs that are a caller's own words.
const CONTEXTS: [&str; 3] = [
    "EncryptionContext",
    "SourceEncryptionContext",
    "DestinationEncryptionContext",
];

/// The encryption contexts of a request to KMS, and the pairs that bind a grant, by the path a record shows them under.
fn encryption_contexts(service: &Service, members: &Value) -> Vec<(String, Value)> {
    if service.name != "kms" {
        return Vec::new();
    }
    let named = |name: &str, path: String| Some((path, members.pointer(name)?.clone()));
    let direct = CONTEXTS.iter().filter_map(|name| {
        let (first, rest) = name.split_at_checked(1)?;
        named(&format!("/{name}"), format!("/{}{rest}", first.to_lowercase()))
    });
    let bound = ["Subset", "Equals"].into_iter().filter_map(|end| {
        let path = format!("/constraints/encryptionContext{end}");
        named(&format!("/Constraints/EncryptionContext{end}"), path)
    });
    direct.chain(bound).collect()
}

/// Puts back what keeps its case.
fn restore(shown: &mut Value, contexts: Vec<(String, Value)>) {
    for (path, value) in contexts {
        if let Some(member) = shown.pointer_mut(&path) {
            *member = value;
        }
    }
}

/// Leaves the member's name and hides what it says.
fn hide(shown: &mut Value, name: &str) {
    if let Some(value) = shown.get_mut(name) {
        *value = Value::String(HIDDEN.to_owned());
    }
}

/// Who has a session's token has the session.
fn hide_token(shown: &mut Value) {
    if let Some(token) = shown.pointer_mut("/session/tokenValue") {
        *token = Value::String(HIDDEN.to_owned());
    }
}

/// Hides the values of every container environment, wherever it stands. Whether AWS does was not found; hiding is the
/// safe choice (docs/fidelity.md).
fn hide_environments(shown: &mut Value) {
    match shown {
        Value::Array(items) => items.iter_mut().for_each(hide_environments),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if name == "environment" {
                    hide_values(member);
                } else {
                    hide_environments(member);
                }
            }
        }
        _ => {}
    }
}

fn hide_values(environment: &mut Value) {
    let pairs = environment.as_array_mut().into_iter().flatten();
    for pair in pairs.filter_map(Value::as_object_mut) {
        if let Some(value) = pair.get_mut("value") {
            *value = Value::String(HIDDEN.to_owned());
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
fn cased(service: &Service, members: Value) -> Value {
    match (service.protocol, service.name) {
        (Protocol::Query | Protocol::Ec2Query, _) | (_, "kms" | "secretsmanager" | "ssm") => {
            lower_first(&members)
        }
        _ => members,
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
        Some(_) if name == "ARN" => "arn".to_owned(),
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
    fn environments_are_hidden_wherever_they_stand() {
        let service = &portcullis_api::ecs::SERVICE;
        let pair = json!([{ "name": "A", "value": "s3cret" }]);
        let overrides = json!({ "containerOverrides": [{ "name": "app", "environment": pair }] });
        let cases = [
            ("StopTask", json!({ "task": { "overrides": overrides } })),
            ("RunTask", json!({ "tasks": [{ "overrides": overrides }] })),
            (
                "DeleteTaskDefinitions",
                json!({ "taskDefinitions": [{ "containerDefinitions": [{ "environment": pair }] }] }),
            ),
        ];
        for (operation, output) in cases {
            let shown = response(service, operation, output).to_string();
            assert!(
                !shown.contains("s3cret") && shown.contains(HIDDEN),
                "{operation}: {shown}"
            );
        }
    }

    #[test]
    fn environments_are_hidden_and_names_stay() {
        let service = &portcullis_api::ecs::SERVICE;
        let input =
            json!({ "containerDefinitions": [{ "environment": [{ "name": "A", "value": "s3cret" }] }] });
        let shown = request(service, "RegisterTaskDefinition", input);
        assert_eq!(
            shown["containerDefinitions"][0]["environment"][0],
            json!({ "name": "A", "value": HIDDEN })
        );
    }

    #[test]
    fn credentials_lose_their_secret_and_dates_are_javas() {
        let service = &portcullis_api::sts::SERVICE;
        let output = json!({ "Credentials": { "AccessKeyId": "ASIA", "SecretAccessKey": "x", "Expiration": 1_722_512_722.0 } });
        let shown = response(service, "AssumeRole", output);
        assert_eq!(
            shown,
            json!({ "credentials": { "accessKeyId": "ASIA", "expiration": "Aug 1, 2024, 11:45:22 AM" } })
        );
    }
    #[test]
    fn passwords_and_private_keys_leave_no_trace() {
        let service = &portcullis_api::iam::SERVICE;
        let requests = [
            (
                "CreateLoginProfile",
                json!({ "UserName": "u", "Password": "s3cret" }),
            ),
            (
                "UpdateLoginProfile",
                json!({ "UserName": "u", "Password": "s3cret" }),
            ),
            (
                "ChangePassword",
                json!({ "UserName": "u", "OldPassword": "s3cret", "NewPassword": "s3cret" }),
            ),
            (
                "UploadServerCertificate",
                json!({ "UserName": "u", "PrivateKey": "s3cret" }),
            ),
            (
                "CreateSAMLProvider",
                json!({ "UserName": "u", "AddPrivateKey": "s3cret" }),
            ),
            (
                "UpdateSAMLProvider",
                json!({ "UserName": "u", "AddPrivateKey": "s3cret" }),
            ),
        ];
        for (operation, input) in requests {
            assert_eq!(
                request(service, operation, input),
                json!({ "userName": "u" }),
                "{operation}"
            );
        }
        for operation in [
            "CreateServiceSpecificCredential",
            "ResetServiceSpecificCredential",
        ] {
            let output = json!({ "ServiceSpecificCredential": {
                "UserName": "u", "ServicePassword": "s3cret", "ServiceCredentialSecret": "s3cret"
            }});
            assert_eq!(
                response(service, operation, output),
                json!({ "serviceSpecificCredential": { "userName": "u" } }),
                "{operation}"
            );
        }
    }
}
