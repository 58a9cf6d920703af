//! Tags of the task and of the container instance, asked for with the instance's own credentials.

use std::time::Duration;

use portcullis_api::ecs;
use portcullis_wire::ClientError;
use serde_json::{Map, Value};

use super::describe::Object;
use crate::plane::{CallError, ControlPlane};

/// A container does not wait longer for its metadata.
const CALL_TIME_MAX: Duration = Duration::from_secs(4);

/// What came of asking.
#[derive(Debug, Default)]
pub(super) struct Tags {
    task: Option<Map<String, Value>>,
    instance: Option<Map<String, Value>>,
    errors: Vec<Value>,
}

impl Tags {
    pub(super) fn of_task(&self) -> Option<&Map<String, Value>> {
        self.task.as_ref().filter(|tags| !tags.is_empty())
    }

    pub(super) fn of_instance(&self) -> Option<&Map<String, Value>> {
        self.instance.as_ref().filter(|tags| !tags.is_empty())
    }

    /// Version 4 says what could not be found out.
    pub(super) fn errors(&self) -> Option<&Vec<Value>> {
        Some(&self.errors).filter(|errors| !errors.is_empty())
    }
}

/// Asks for both; one that cannot be had is left out.
pub(super) async fn ask(plane: &ControlPlane, instance_arn: &str, task_arn: &str) -> Tags {
    let (instance, task) = tokio::join!(tags_of(plane, instance_arn), tags_of(plane, task_arn));
    let mut tags = Tags::default();
    match instance {
        Ok(found) => tags.instance = Some(found),
        Err(error) => tags
            .errors
            .push(shown("ContainerInstanceTags", instance_arn, &error)),
    }
    match task {
        Ok(found) => tags.task = Some(found),
        Err(error) => tags.errors.push(shown("TaskTags", task_arn, &error)),
    }
    tags
}

async fn tags_of(plane: &ControlPlane, arn: &str) -> Result<Map<String, Value>, CallError> {
    let request = ecs::ListTagsForResourceRequest {
        resource_arn: arn.to_owned(),
    };
    let call = plane.call::<ecs::op::ListTagsForResource>(&request);
    let reply = tokio::time::timeout(CALL_TIME_MAX, call)
        .await
        .unwrap_or_else(|_| Err(CallError::Unreachable("no reply in time".to_owned())))?;
    let tags = reply.tags.into_iter().flatten();
    Ok(tags
        .filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default().into())))
        .collect())
}

fn shown(field: &str, arn: &str, error: &CallError) -> Value {
    tracing::warn!(%error, arn, field, "tags for task metadata could not be asked for");
    let mut object = Object::default();
    object.put("ErrorField", field);
    match error {
        CallError::Refused(ClientError::Service {
            status,
            code,
            message,
        }) => {
            object.put("ErrorCode", code);
            object.put("ErrorMessage", message);
            object.put("StatusCode", status);
        }
        other => {
            object.put("ErrorCode", "RequestError");
            object.put("ErrorMessage", other.to_string());
        }
    }
    object.put("ResourceARN", arn);
    object.into_value()
}
