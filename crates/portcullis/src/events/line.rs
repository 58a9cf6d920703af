//! One event in one readable line.

use serde_json::Value;

/// `TIME  CLUSTER  KIND  NAME  WHAT HAPPENED`
pub fn of(event: &Value) -> String {
    let detail = event.get("detail").unwrap_or(&Value::Null);
    let text = |name: &str| detail.get(name).and_then(Value::as_str).unwrap_or_default();
    let time = event.get("time").and_then(Value::as_str).unwrap_or_default();
    let kind = event
        .get("detail-type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let resource = event
        .pointer("/resources/0")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let (word, what) = match kind {
        "ECS Task State Change" => ("task", task(detail)),
        "ECS Container Instance State Change" => ("instance", instance(detail)),
        "ECS Service Action" => ("service", action(detail)),
        "ECS Deployment State Change" => ("service", format!("{} {}", text("deploymentId"), action(detail))),
        "Portcullis Agent Identity Alert" => (
            "alert",
            format!(
                "{} from {}: {}",
                text("eventName"),
                text("sourceIPAddress"),
                text("reason")
            ),
        ),
        other => (other, String::new()),
    };
    let cluster = last(text("clusterArn"));
    format!("{time}  {cluster:<12}  {word:<8}  {:<32}  {what}", last(resource))
}

fn last(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// `PENDING, to run` or `STOPPED: Essential container in task exited (app 1)`
fn task(detail: &Value) -> String {
    let text = |name: &str| detail.get(name).and_then(Value::as_str).unwrap_or_default();
    let (last_status, desired) = (text("lastStatus"), text("desiredStatus"));
    let mut line = match (last_status, desired) {
        (same, desired) if same == desired => same.to_owned(),
        (status, "RUNNING") => format!("{status}, to run"),
        (status, "STOPPED") => format!("{status}, to stop"),
        (status, other) => format!("{status}, to be {other}"),
    };
    line.push_str(&format!("  {}", last(text("taskDefinitionArn"))));
    if !text("group").is_empty() {
        line.push_str(&format!("  {}", text("group")));
    }
    if !text("stoppedReason").is_empty() {
        line.push_str(&format!(": {}", text("stoppedReason")));
    }
    let exits: Vec<String> = detail
        .get("containers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|container| {
            let code = container.get("exitCode")?.as_i64()?;
            let name = container.get("name")?.as_str()?;
            Some(format!("{name} {code}"))
        })
        .collect();
    if !exits.is_empty() {
        line.push_str(&format!(" ({})", exits.join(", ")));
    }
    line
}

fn instance(detail: &Value) -> String {
    let status = detail.get("status").and_then(Value::as_str).unwrap_or_default();
    let connected = detail.get("agentConnected").and_then(Value::as_bool);
    let agent = match connected {
        Some(true) => "agent connected",
        _ => "agent not connected",
    };
    format!("{status}, {agent}")
}

/// `SERVICE_STEADY_STATE` or `ERROR SERVICE_TASK_PLACEMENT_FAILURE: RESOURCE:CPU`
fn action(detail: &Value) -> String {
    let text = |name: &str| detail.get(name).and_then(Value::as_str).unwrap_or_default();
    let name = match text("eventType") {
        "INFO" | "" => text("eventName").to_owned(),
        kind => format!("{kind} {}", text("eventName")),
    };
    match text("reason") {
        "" => name,
        reason => format!("{name}: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CLUSTER: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/shop";

    fn event(kind: &str, resource: &str, detail: &Value) -> Value {
        json!({
            "detail-type": kind, "time": "2026-11-22T00:00:01Z",
            "resources": [format!("arn:aws:ecs:us-east-1:123456789012:{resource}")], "detail": detail,
        })
    }

    fn task(last: &str, desired: &str, reason: Option<&str>) -> Value {
        let detail = json!({
            "clusterArn": CLUSTER, "lastStatus": last, "desiredStatus": desired, "group": "service:web",
            "taskDefinitionArn": "arn:aws:ecs:us-east-1:123456789012:task-definition/web:3", "stoppedReason": reason,
            "containers": [{ "name": "app", "exitCode": reason.map(|_| 1) }],
        });
        let resource = "task/shop/0123456789abcdef0123456789abcdef";
        event("ECS Task State Change", resource, &detail)
    }

    #[test]
    fn events_in_lines() {
        let connected = json!({ "clusterArn": CLUSTER, "status": "ACTIVE", "agentConnected": true });
        let steady =
            json!({ "clusterArn": CLUSTER, "eventType": "INFO", "eventName": "SERVICE_STEADY_STATE" });
        let failed = json!({
            "clusterArn": CLUSTER, "eventType": "ERROR", "eventName": "SERVICE_TASK_PLACEMENT_FAILURE",
            "reason": "RESOURCE:CPU",
        });
        let deployed = json!({
            "clusterArn": CLUSTER, "eventType": "INFO", "eventName": "SERVICE_DEPLOYMENT_COMPLETED",
            "deploymentId": "ecs-svc/1234567890123456789", "reason": "ECS deployment ecs-svc/1234567890123456789 completed.",
        });
        let instance = "container-instance/shop/fedcba9876543210fedcba9876543210";
        let lines = [
            of(&task("PENDING", "RUNNING", None)),
            of(&task("RUNNING", "RUNNING", None)),
            of(&task("RUNNING", "STOPPED", None)),
            of(&task(
                "STOPPED",
                "STOPPED",
                Some("Essential container in task exited"),
            )),
            of(&event(
                "ECS Container Instance State Change",
                instance,
                &connected,
            )),
            of(&event("ECS Service Action", "service/shop/web", &steady)),
            of(&event("ECS Service Action", "service/shop/web", &failed)),
            of(&event(
                "ECS Deployment State Change",
                "service/shop/web",
                &deployed,
            )),
        ];
        let line = |word: &str, name: &str, what: &str| {
            format!("2026-11-22T00:00:01Z  shop          {word:<8}  {name:<32}  {what}")
        };
        let (id, host) = (
            "0123456789abcdef0123456789abcdef",
            "fedcba9876543210fedcba9876543210",
        );
        let deployed = "ecs-svc/1234567890123456789 SERVICE_DEPLOYMENT_COMPLETED: ECS deployment ecs-svc/1234567890123456789 completed.";
        let wanted = [
            line("task", id, "PENDING, to run  web:3  service:web"),
            line("task", id, "RUNNING  web:3  service:web"),
            line("task", id, "RUNNING, to stop  web:3  service:web"),
            line(
                "task",
                id,
                "STOPPED  web:3  service:web: Essential container in task exited (app 1)",
            ),
            line("instance", host, "ACTIVE, agent connected"),
            line("service", "web", "SERVICE_STEADY_STATE"),
            line(
                "service",
                "web",
                "ERROR SERVICE_TASK_PLACEMENT_FAILURE: RESOURCE:CPU",
            ),
            line("service", "web", deployed),
        ];
        assert_eq!(lines, wanted);
    }
}
