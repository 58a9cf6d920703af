//! RegisterContainerInstance (agent.md 5.1).

use std::time::Duration;

use portcullis_api::ecs::{self, Attribute};
use portcullis_core::{Random, uuid};
use portcullis_wire::ClientError;

use super::backoff::Backoff;
use super::capabilities::{attributes, resources};
use super::{CallError, ControlPlane};
use crate::{AgentError, Config, EngineKind};

/// The cluster an agent without one joins, and makes when it is not there.
const DEFAULT_CLUSTER: &str = "default";

/// The registered instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Registration {
    pub(crate) container_instance_arn: String,
    /// Shown in task metadata.
    pub(crate) availability_zone: Option<String>,
}

/// Registers until it is done or refused for good. `known_arn` is the instance an earlier agent registered.
pub(crate) async fn register(
    plane: &ControlPlane,
    config: &Config,
    kind: EngineKind,
    known_arn: Option<&str>,
    random: &dyn Random,
) -> Result<Registration, AgentError> {
    let mut request = request(config, kind, known_arn, random);
    // Found again by it when the answer is lost: a second instance would wait for an operator.
    let own = plane.key().filter(|_| known_arn.is_none());
    let token = own.map(|key| key.registration_token());
    request.client_token = token.clone().or(request.client_token);
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(30), 2.0);
    loop {
        let error = match plane.register(&request).await {
            Ok(reply) => {
                let registered = registration(reply, &request)?;
                if let Some(key) = plane.key() {
                    key.speak_for(&registered.container_instance_arn);
                }
                return Ok(registered);
            }
            Err(error) => error,
        };
        if config.cluster.is_empty() && is_cluster_missing(&error) {
            create_default_cluster(plane).await?;
        } else if !may_heal(&error) {
            return Err(with_way_out(final_error(error), known_arn));
        }
        tracing::warn!(%error, "registration failed; trying again");
        tokio::time::sleep(backoff.pause(random)).await;
        request.client_token = token.clone().or_else(|| Some(uuid(random)));
    }
}

fn request(
    config: &Config,
    kind: EngineKind,
    known_arn: Option<&str>,
    random: &dyn Random,
) -> ecs::RegisterContainerInstanceRequest {
    let cluster = if config.cluster.is_empty() {
        DEFAULT_CLUSTER
    } else {
        &config.cluster
    };
    let tags = config.tags.iter().map(|tag| ecs::Tag {
        key: Some(tag.key.clone()),
        value: Some(tag.value.clone()),
    });
    ecs::RegisterContainerInstanceRequest {
        cluster: Some(cluster.to_owned()),
        client_token: Some(uuid(random)),
        container_instance_arn: known_arn.map(ToOwned::to_owned),
        attributes: Some(attributes(config, kind, known_arn.is_none())),
        total_resources: Some(resources(config)),
        // Where the document of an EC2 instance says it, too.
        instance_identity_document: config
            .availability_zone
            .as_ref()
            .map(|zone| serde_json::json!({ "availabilityZone": zone }).to_string()),
        tags: Some(tags.collect::<Vec<_>>()).filter(|tags| !tags.is_empty()),
        ..Default::default()
    }
}

fn registration(
    reply: ecs::RegisterContainerInstanceResponse,
    request: &ecs::RegisterContainerInstanceRequest,
) -> Result<Registration, AgentError> {
    let instance = reply.container_instance.unwrap_or_default();
    let echoed = instance.attributes.unwrap_or_default();
    let value = |attribute: &Attribute| attribute.value.clone().unwrap_or_default();
    for sent in request.attributes.iter().flatten() {
        if !echoed
            .iter()
            .any(|back| back.name == sent.name && value(back) == value(sent))
        {
            return Err(AgentError::AttributeNotEchoed(sent.name.clone()));
        }
    }
    let zone = echoed
        .into_iter()
        .find(|attribute| attribute.name == "ecs.availability-zone");
    match instance.container_instance_arn {
        Some(container_instance_arn) => Ok(Registration {
            container_instance_arn,
            availability_zone: zone.and_then(|zone| zone.value),
        }),
        None => Err(AgentError::Registration {
            code: "no containerInstanceArn".to_owned(),
            message: "the reply names no container instance".to_owned(),
        }),
    }
}

fn may_heal(error: &CallError) -> bool {
    match error {
        CallError::Unreachable(_) | CallError::Refused(ClientError::Unreadable { .. }) => true,
        CallError::Refused(error) => {
            matches!(
                error.code(),
                "ThrottlingException" | "ServerException" | "LimitExceededException"
            )
        }
    }
}

/// An instance that was deregistered stays so: its agent has to forget it.
fn with_way_out(error: AgentError, known_arn: Option<&str>) -> AgentError {
    match error {
        AgentError::Registration { code, message }
            if known_arn.is_some() && message.contains("is not registered with this cluster") =>
        {
            let message = format!("{message} Remove the state folder to register anew.");
            AgentError::Registration { code, message }
        }
        other => other,
    }
}

fn is_cluster_missing(error: &CallError) -> bool {
    matches!(error, CallError::Refused(ClientError::Service { message, .. }) if message == "Cluster not found.")
}

async fn create_default_cluster(plane: &ControlPlane) -> Result<(), AgentError> {
    let request = ecs::CreateClusterRequest {
        cluster_name: Some(DEFAULT_CLUSTER.to_owned()),
        ..Default::default()
    };
    match plane.call::<ecs::op::CreateCluster>(&request).await {
        Err(error) if !may_heal(&error) => Err(final_error(error)),
        _ => Ok(()),
    }
}

fn final_error(error: CallError) -> AgentError {
    match error {
        CallError::Refused(ClientError::Service { code, message, .. }) => {
            AgentError::Registration { code, message }
        }
        other => AgentError::Registration {
            code: "no answer".to_owned(),
            message: other.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_deregistered_is_told_the_way_back() {
        let refused = || AgentError::Registration {
            code: "ClientException".to_owned(),
            message: "The container instance 'a' is not registered with this cluster.".to_owned(),
        };
        let told = |known| with_way_out(refused(), known).to_string();
        assert!(told(Some("a")).ends_with("with this cluster. Remove the state folder to register anew."));
        assert!(told(None).ends_with("with this cluster."));
    }

    fn named(name: &str, value: Option<&str>) -> Attribute {
        Attribute {
            name: name.into(),
            value: value.map(Into::into),
            ..Default::default()
        }
    }

    #[test]
    fn agent_0_4_every_attribute_must_be_echoed_with_its_value() {
        let request = ecs::RegisterContainerInstanceRequest {
            attributes: Some(vec![named("a", None), named("b", Some("1"))]),
            ..Default::default()
        };
        let reply = |attributes: Vec<Attribute>| ecs::RegisterContainerInstanceResponse {
            container_instance: Some(ecs::ContainerInstance {
                container_instance_arn: Some("arn".into()),
                attributes: Some(attributes),
                ..Default::default()
            }),
        };
        let zone = named("ecs.availability-zone", Some("us-west-2a"));
        let good = reply(vec![zone, named("b", Some("1")), named("a", Some(""))]);
        let registered = registration(good, &request).unwrap();
        assert_eq!(registered.availability_zone.as_deref(), Some("us-west-2a"));
        let bad = reply(vec![named("a", None), named("b", Some("2"))]);
        assert!(
            matches!(registration(bad, &request), Err(AgentError::AttributeNotEchoed(name)) if name == "b")
        );
    }
}
