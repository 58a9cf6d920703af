//! One entry in one readable line.

use serde_json::Value;

use super::sources::Entry;
use crate::printable::make_printable;

/// `TIME  fetch  200  TASK  ROLE  ...` or `TIME  call  SERVICE:OPERATION  WHO  ...`
pub fn of(entry: &Entry) -> String {
    let mut what = entry.what.clone();
    // Callers choose what they call themselves.
    make_printable(&mut what);
    let rest = match entry.is_fetch {
        true => fetch(&what),
        false => call(&what),
    };
    format!("{}  {rest}", entry.at.to_iso())
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn fetch(what: &Value) -> String {
    let status = what.get("status").and_then(Value::as_i64).unwrap_or_default();
    let task = last(text(what, "/taskArn"));
    let who = match text(what, "/eventType") {
        "GetCredentialsExecutionRole" => format!("{task} as execution role {}", last(text(what, "/roleArn"))),
        "" => format!("{} nothing handed out", text(what, "/path")),
        _ => format!("{task} as {}", last(text(what, "/roleArn"))),
    };
    format!(
        "fetch  {status}  {who}  from {} on {}  \"{}\"",
        text(what, "/source"),
        last(text(what, "/containerInstanceArn")),
        text(what, "/userAgent")
    )
}

fn call(what: &Value) -> String {
    let service = text(what, "/eventSource").trim_end_matches(".amazonaws.com");
    let who = match text(what, "/userIdentity/arn") {
        "" => or_dash(text(what, "/userIdentity/invokedBy")),
        arn => arn.splitn(6, ':').nth(5).unwrap_or(arn),
    };
    let outcome = match text(what, "/errorCode") {
        "" => "ok",
        code => code,
    };
    format!(
        "call   {service}:{}  by {who}  {outcome}  from {}",
        text(what, "/eventName"),
        or_dash(text(what, "/sourceIPAddress"))
    )
}

#[cfg(test)]
mod tests {
    use portcullis_core::Timestamp;
    use serde_json::json;

    use super::*;

    #[test]
    fn fetches_and_calls_in_lines() {
        let entry = |is_fetch, what| Entry {
            id: String::new(),
            at: Timestamp::from_seconds(1_795_304_356),
            what,
            is_fetch,
        };
        let fetched = json!({
            "status": 200, "eventType": "GetCredentials", "taskArn": "arn:aws:ecs:r:1:task/web/aaaa",
            "roleArn": "arn:aws:iam::1:role/app", "source": "172.17.0.2:38834", "path": "/v2/credentials",
            "userAgent": "Boto3\u{1b}[2K", "containerInstanceArn": "arn:aws:ecs:r:1:container-instance/web/h1",
        });
        let mut logs = fetched.clone();
        logs["eventType"] = json!("GetCredentialsExecutionRole");
        let refused =
            json!({"status": 400, "source": "172.17.0.9:1", "path": "/v2/credentials", "userAgent": "curl"});
        let called = json!({
            "eventSource": "ecs.amazonaws.com", "eventName": "ListTasks", "sourceIPAddress": "172.17.0.2",
            "userIdentity": {"arn": "arn:aws:sts::1:assumed-role/app/aaaa"}, "errorCode": "AccessDenied",
        });
        let lines: Vec<_> = [
            entry(true, fetched),
            entry(true, logs),
            entry(true, refused),
            entry(false, called),
        ]
        .iter()
        .map(of)
        .collect();
        insta::assert_snapshot!(lines.join("\n"), @r#"
        2026-11-21T23:39:16Z  fetch  200  aaaa as app  from 172.17.0.2:38834 on h1  "Boto3\u{1b}[2K"
        2026-11-21T23:39:16Z  fetch  200  aaaa as execution role app  from 172.17.0.2:38834 on h1  "Boto3\u{1b}[2K"
        2026-11-21T23:39:16Z  fetch  400  /v2/credentials nothing handed out  from 172.17.0.9:1 on   "curl"
        2026-11-21T23:39:16Z  call   ecs:ListTasks  by assumed-role/app/aaaa  AccessDenied  from 172.17.0.2
        "#);
    }
}
