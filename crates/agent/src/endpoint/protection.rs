//! `$ECS_AGENT_URI/task-protection/v1/state`: a task protects itself from scale-in, with its own role's permissions
//! (agent.md 3.3).

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::request::Parts;
use portcullis_api::ecs;
use portcullis_wire::{ClientError, Operation};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Admission, Answer, Caller};
use crate::credentials::{CredentialCache, RoleCredentials, RoleKind};
use crate::plane::{CallError, ControlPlane, Signing};
use crate::task::model::Task;
use crate::task::shared::SharedTasks;

const PATH_BEFORE: &str = "/api/";
const PATH_AFTER: &str = "task-protection/v1/state";
/// The genuine agent waits as long.
const CALL_TIME_MAX: Duration = Duration::from_secs(4);
const SIGNING_NAME: &str = "ecs";

/// The id in a path of this endpoint.
pub(super) fn endpoint_id(path: &str) -> Option<&str> {
    let (id, rest) = path.strip_prefix(PATH_BEFORE)?.split_once('/')?;
    (rest == PATH_AFTER).then_some(id)
}

/// Asks the control plane on behalf of tasks.
pub(crate) struct TaskProtection {
    pub(crate) plane: ControlPlane,
    pub(crate) tasks: Arc<SharedTasks>,
    pub(crate) cache: Arc<CredentialCache>,
    /// By source address on Docker; where there is no address to tell tasks apart by, the id in the path must do.
    pub(crate) admission: Option<Arc<dyn Admission>>,
}

/// What a PUT holds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Wanted {
    protection_enabled: Option<bool>,
    expires_in_minutes: Option<i32>,
}

/// The members in the genuine agent's order.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Shown {
    expiration_date: Option<String>,
    protection_enabled: bool,
    task_arn: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Failure {
    arn: Option<String>,
    detail: Option<String>,
    reason: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Fault<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    arn: Option<&'a str>,
    code: &'a str,
    message: &'a str,
}

impl TaskProtection {
    /// Answers a GET or PUT.
    pub(super) async fn answer(&self, id: &str, parts: &Parts, body: &[u8], caller: Caller<'_>) -> Answer {
        let name = match parts.method {
            Method::PUT => "UpdateTaskProtection",
            _ => "GetTaskProtection",
        };
        let Some((task, _)) = self.tasks.by_endpoint(id) else {
            let message = "Failed to find a task for the request";
            return fault(404, None, "ResourceNotFoundException", message);
        };
        if !self.admits(&task, caller).await {
            let message = "Failed to find a task for the request";
            return fault(404, None, "ResourceNotFoundException", message);
        }
        let wanted = match parts.method {
            Method::PUT => match wanted(name, body) {
                Ok(wanted) => Some(wanted),
                Err(message) => return fault(400, Some(&task.arn), "InvalidParameterException", &message),
            },
            _ => None,
        };
        let keys = task.credentials_id.as_deref().and_then(|id| self.cache.keys(id));
        let Some(keys) = keys else {
            let message = "Invalid Request: no task IAM role credentials available for task";
            return fault(403, Some(&task.arn), "AccessDeniedException", message);
        };
        let called = self.call(&task, &keys, wanted);
        match tokio::time::timeout(CALL_TIME_MAX, called).await {
            Ok(answer) => answer,
            Err(_) => {
                let message = "Timed out calling ECS Task Protection API";
                fault(504, Some(&task.arn), "RequestCanceled", message)
            }
        }
    }

    async fn admits(&self, task: &Task, caller: Caller<'_>) -> bool {
        let Some(admission) = &self.admission else {
            return true;
        };
        let kind = RoleKind::TaskApplication;
        match admission.at_once(caller, &task.arn, kind) {
            Some(admitted) => admitted,
            None => admission.admits(caller, &task.arn, kind).await,
        }
    }

    async fn call(&self, task: &Task, keys: &RoleCredentials, wanted: Option<Wanted>) -> Answer {
        let cluster = task.cluster_arn.clone().unwrap_or_default();
        let tasks = vec![task.arn.clone()];
        let outcome = match wanted {
            None => {
                let request = ecs::GetTaskProtectionRequest {
                    cluster,
                    tasks: Some(tasks),
                };
                let reply = self.as_task::<ecs::op::GetTaskProtection>(keys, &request).await;
                reply.map(|reply| (reply.protected_tasks, reply.failures))
            }
            Some(wanted) => {
                let request = ecs::UpdateTaskProtectionRequest {
                    cluster,
                    tasks,
                    protection_enabled: wanted.protection_enabled.unwrap_or_default(),
                    expires_in_minutes: wanted.expires_in_minutes,
                };
                let reply = self
                    .as_task::<ecs::op::UpdateTaskProtection>(keys, &request)
                    .await;
                reply.map(|reply| (reply.protected_tasks, reply.failures))
            }
        };
        let (protected, failures) = match outcome {
            Ok(lists) => lists,
            Err(error) => return refused(&task.arn, &error),
        };
        let protected = protected.into_iter().flatten().next();
        let failure = failures.into_iter().flatten().next();
        match (protected, failure) {
            (_, Some(failure)) => document("failure", &failure_shown(failure)),
            (Some(protected), None) => document("protection", &shown(protected)),
            (None, None) => fault(
                500,
                Some(&task.arn),
                "ServerException",
                "Unexpected error occurred",
            ),
        }
    }

    async fn as_task<O: Operation>(
        &self,
        keys: &RoleCredentials,
        input: &O::Input,
    ) -> Result<O::Output, CallError> {
        self.plane
            .call_as::<O>(Signing::Task(keys, SIGNING_NAME), input)
            .await
    }
}

fn wanted(name: &str, body: &[u8]) -> Result<Wanted, String> {
    let wanted: Wanted =
        serde_json::from_slice(body).map_err(|_| format!("{name}: failed to decode request"))?;
    match wanted.protection_enabled {
        Some(_) => Ok(wanted),
        None => Err("Invalid request: does not contain 'ProtectionEnabled' field".to_owned()),
    }
}

fn shown(task: ecs::ProtectedTask) -> Shown {
    Shown {
        expiration_date: task.expiration_date.map(|at| at.format("%Y-%m-%dT%H:%M:%SZ")),
        protection_enabled: task.protection_enabled.unwrap_or_default(),
        task_arn: task.task_arn.unwrap_or_default(),
    }
}

fn failure_shown(failure: ecs::Failure) -> Failure {
    Failure {
        arn: failure.arn,
        detail: failure.detail,
        reason: failure.reason,
    }
}

/// An error of the service passes through; anything else is the agent's.
fn refused(arn: &str, error: &CallError) -> Answer {
    match error {
        CallError::Refused(ClientError::Service {
            status,
            code,
            message,
        }) => fault(*status, Some(arn), code, message),
        other => fault(500, Some(arn), "ServerException", &other.to_string()),
    }
}

fn fault(status: u16, arn: Option<&str>, code: &str, message: &str) -> Answer {
    let fault = Fault { arn, code, message };
    Answer::json(status, object("error", &fault))
}

fn document(name: &str, value: &impl Serialize) -> Answer {
    Answer::json(200, object(name, value))
}

fn object(name: &str, value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or(Value::Null);
    Value::Object([(name.to_owned(), value)].into_iter().collect()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agent_3_3_paths_and_bodies() {
        assert_eq!(endpoint_id("/api/ID/task-protection/v1/state"), Some("ID"));
        for other in [
            "/api/ID/task-protection/v1",
            "/api//x",
            "/v4/ID/task-protection/v1/state",
            "/api/ID",
        ] {
            assert_eq!(endpoint_id(other), None, "{other}");
        }
        let read = |text: &str| {
            let wanted = wanted("UpdateTaskProtection", text.as_bytes())?;
            Ok((wanted.protection_enabled, wanted.expires_in_minutes))
        };
        assert_eq!(
            read(r#"{"ProtectionEnabled":true,"ExpiresInMinutes":5}"#),
            Ok((Some(true), Some(5)))
        );
        assert_eq!(read(r#"{"ProtectionEnabled":false}"#), Ok((Some(false), None)));
        let undecoded = Err("UpdateTaskProtection: failed to decode request".to_owned());
        for bad in [
            "",
            "[]",
            r#"{"ProtectionEnabled":"yes"}"#,
            r#"{"ProtectionEnabled":true,"Other":1}"#,
        ] {
            assert_eq!(read(bad), undecoded, "{bad}");
        }
        let missing = Err("Invalid request: does not contain 'ProtectionEnabled' field".to_owned());
        assert_eq!(read("{}"), missing);
    }

    #[test]
    fn agent_3_3_documents_have_the_genuine_form() {
        let task = ecs::ProtectedTask {
            task_arn: Some("arn".to_owned()),
            protection_enabled: Some(false),
            expiration_date: None,
        };
        assert_eq!(
            object("protection", &shown(task)),
            r#"{"protection":{"ExpirationDate":null,"ProtectionEnabled":false,"TaskArn":"arn"}}"#
        );
        let answer = fault(403, Some("arn"), "AccessDeniedException", "no");
        assert_eq!(
            answer.body,
            r#"{"error":{"Arn":"arn","Code":"AccessDeniedException","Message":"no"}}"#
        );
    }
}
