//! The calls that are measured, as signed bytes.

use std::net::SocketAddr;

use anyhow::{Result, anyhow};
use portcullis_api::{ecs, iam, logs, secretsmanager, sts};
use portcullis_core::{Clock as _, Secret, SystemClock};
use portcullis_wire::sigv4::Signer;
use portcullis_wire::{ClientRequest, Operation, Service, encode_request};
use serde::{Deserialize, Serialize};

/// The region all calls are signed for.
pub const REGION: &str = "us-east-1";

/// A key to sign with. The servers it is for live as long as the bench.
#[derive(Clone, Serialize, Deserialize)]
pub struct Key {
    /// `AKIA...`
    pub id: String,
    /// Its secret.
    pub secret: String,
}

/// A call, over and over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Work {
    /// The caller's own name.
    GetCallerIdentity,
    /// The value of one secret.
    GetSecretValue {
        /// Its name.
        secret: String,
    },
    /// A batch of log events.
    PutLogEvents {
        /// The group.
        group: String,
        /// The stream.
        stream: String,
    },
    /// One cluster.
    DescribeClusters {
        /// Its name.
        cluster: String,
    },
    /// One role.
    GetRole {
        /// Its name.
        role: String,
    },
    /// The first page of roles.
    ListRoles,
    /// The first page of clusters.
    ListClusters,
    /// One more revision of a family.
    RegisterTaskDefinition {
        /// The family.
        family: String,
    },
    /// One more task.
    RunTask {
        /// Where.
        cluster: String,
        /// Of what.
        family: String,
    },
    /// A new role each time.
    CreateRole {
        /// What the names begin with.
        prefix: String,
    },
    /// An inline policy on a role, another role each time.
    PutRolePolicy {
        /// What the roles' names begin with.
        prefix: String,
        /// The policy's name.
        policy: String,
    },
    /// A hundred actions on ten resources, by one role.
    Simulate {
        /// Its ARN.
        role: String,
    },
    /// A new cluster each time.
    CreateCluster {
        /// What the names begin with.
        prefix: String,
    },
    /// The end of a cluster, which the developer is denied.
    RefusedDeleteCluster {
        /// Its name.
        cluster: String,
    },
}

impl Work {
    /// Whether each request may be sent only once, because it names something new.
    pub fn is_unique(&self) -> bool {
        matches!(
            self,
            Self::CreateRole { .. } | Self::CreateCluster { .. } | Self::PutRolePolicy { .. }
        )
    }

    /// The status of every answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::RefusedDeleteCluster { .. } => 400,
            _ => 200,
        }
    }

    /// The signed bytes of request number `serial`.
    pub fn signed(&self, serial: usize, address: SocketAddr, key: &Key) -> Result<Vec<u8>> {
        match self {
            Self::GetCallerIdentity => {
                signed::<sts::op::GetCallerIdentity>(&Default::default(), address, key)
            }
            Self::GetSecretValue { secret } => {
                let input = secretsmanager::GetSecretValueRequest {
                    secret_id: secret.clone(),
                    ..Default::default()
                };
                signed::<secretsmanager::op::GetSecretValue>(&input, address, key)
            }
            Self::PutLogEvents { group, stream } => {
                signed::<logs::op::PutLogEvents>(&log_events(group, stream), address, key)
            }
            Self::DescribeClusters { cluster } => {
                let input = ecs::DescribeClustersRequest {
                    clusters: Some(vec![cluster.clone()]),
                    include: None,
                };
                signed::<ecs::op::DescribeClusters>(&input, address, key)
            }
            Self::GetRole { role } => signed::<iam::op::GetRole>(
                &iam::GetRoleRequest {
                    role_name: role.clone(),
                },
                address,
                key,
            ),
            Self::ListRoles => signed::<iam::op::ListRoles>(&Default::default(), address, key),
            Self::ListClusters => signed::<ecs::op::ListClusters>(&Default::default(), address, key),
            Self::RegisterTaskDefinition { family } => {
                signed::<ecs::op::RegisterTaskDefinition>(&task_definition(family, "busybox"), address, key)
            }
            Self::RunTask { cluster, family } => {
                signed::<ecs::op::RunTask>(&run_task(cluster, family), address, key)
            }
            Self::CreateRole { prefix } => {
                signed::<iam::op::CreateRole>(&role(&format!("{prefix}{serial:06}")), address, key)
            }
            Self::PutRolePolicy { prefix, policy } => {
                let role = format!("{prefix}{serial:06}");
                signed::<iam::op::PutRolePolicy>(&role_policy(&role, policy), address, key)
            }
            Self::Simulate { role } => {
                signed::<iam::op::SimulatePrincipalPolicy>(&simulation(role), address, key)
            }
            Self::RefusedDeleteCluster { cluster } => {
                let input = ecs::DeleteClusterRequest {
                    cluster: cluster.clone(),
                };
                signed::<ecs::op::DeleteCluster>(&input, address, key)
            }
            Self::CreateCluster { prefix } => {
                let name = Some(format!("{prefix}{serial:06}"));
                let input = ecs::CreateClusterRequest {
                    cluster_name: name,
                    ..Default::default()
                };
                signed::<ecs::op::CreateCluster>(&input, address, key)
            }
        }
    }
}

/// How many log events a batch has.
pub const LINES: usize = 4_000;
/// How long each is.
pub const LINE_BYTES: usize = 220;

/// A batch of log lines of a web server, each another one.
fn log_events(group: &str, stream: &str) -> logs::PutLogEventsRequest {
    let now = SystemClock.now().as_millis();
    let line = |number: usize| {
        // Digits that do not repeat, by the multiplier of a common generator.
        let mixed = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(stream.len());
        let mut message = format!(
            "INFO web-{stream} request={mixed:016x} method=GET path=/api/orders/{number} status=200 bytes={} duration_us={} trace={:016x} ",
            mixed % 9_973,
            mixed % 99_991,
            mixed.rotate_left(23)
        );
        message.extend(std::iter::repeat_n('.', LINE_BYTES.saturating_sub(message.len())));
        logs::InputLogEvent {
            timestamp: now,
            message,
        }
    };
    logs::PutLogEventsRequest {
        log_group_name: group.to_owned(),
        log_stream_name: stream.to_owned(),
        log_events: (0..LINES).map(line).collect(),
        ..Default::default()
    }
}

/// A task definition of one small container.
pub fn task_definition(family: &str, image: &str) -> ecs::RegisterTaskDefinitionRequest {
    let container = ecs::ContainerDefinition {
        name: Some("app".to_owned()),
        image: Some(image.to_owned()),
        memory: Some(16),
        essential: Some(true),
        command: Some(vec!["sleep".to_owned(), "600".to_owned()]),
        ..Default::default()
    };
    ecs::RegisterTaskDefinitionRequest {
        family: family.to_owned(),
        container_definitions: vec![container],
        ..Default::default()
    }
}

/// One task of a family's newest revision.
pub fn run_task(cluster: &str, family: &str) -> ecs::RunTaskRequest {
    ecs::RunTaskRequest {
        cluster: Some(cluster.to_owned()),
        task_definition: family.to_owned(),
        ..Default::default()
    }
}

/// A role that tasks may assume.
pub fn role(name: &str) -> iam::CreateRoleRequest {
    let trust = serde_json::json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    iam::CreateRoleRequest {
        role_name: name.to_owned(),
        assume_role_policy_document: trust.to_string(),
        ..Default::default()
    }
}

/// A policy of two statements, one with a condition, as task roles have.
fn role_policy(role: &str, policy: &str) -> iam::PutRolePolicyRequest {
    let document = serde_json::json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["ecs:Describe*", "ecs:List*"],
         "Resource": format!("arn:aws:ecs:{REGION}:123456789012:cluster/{policy}-{role}")},
        {"Effect": "Allow", "Action": ["ecs:RunTask", "ecs:StopTask"], "Resource": "*",
         "Condition": {"StringEquals": {"aws:ResourceTag/owner": role}}}]});
    iam::PutRolePolicyRequest {
        role_name: role.to_owned(),
        policy_name: policy.to_owned(),
        policy_document: document.to_string(),
    }
}

/// All operations of ECS and more of IAM, a hundred together, on ten clusters.
fn simulation(role: &str) -> iam::SimulatePrincipalPolicyRequest {
    let operations = |service: &'static Service| {
        let named = |operation: &&str| format!("{}:{operation}", service.name);
        service.operations.iter().map(named)
    };
    let actions = operations(&ecs::SERVICE).chain(operations(&iam::SERVICE));
    let cluster = |n| format!("arn:aws:ecs:{REGION}:123456789012:cluster/c-{n}");
    iam::SimulatePrincipalPolicyRequest {
        policy_source_arn: role.to_owned(),
        action_names: actions.take(100).collect(),
        resource_arns: Some((0..10).map(cluster).collect()),
        ..Default::default()
    }
}

/// A call as it goes over the wire.
pub fn signed<O: Operation>(input: &O::Input, address: SocketAddr, key: &Key) -> Result<Vec<u8>> {
    let ClientRequest { headers, body, .. } = encode_request::<O>(input);
    let mut builder = http::Request::post(format!("http://{address}/"));
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    let (parts, ()) = builder.body(())?.into_parts();
    written(parts, O::META.service.name, &body, key)
}

/// A signed POST to something that is no operation.
pub fn posted(path: &str, service: &str, body: &[u8], address: SocketAddr, key: &Key) -> Result<Vec<u8>> {
    let request = http::Request::post(format!("http://{address}{path}"));
    let (parts, ()) = request.body(())?.into_parts();
    written(parts, service, body, key)
}

fn written(mut parts: http::request::Parts, service: &str, body: &[u8], key: &Key) -> Result<Vec<u8>> {
    sign(&mut parts, body, key, service)?;
    let mut bytes = Vec::with_capacity(1024 + body.len());
    bytes.extend_from_slice(format!("POST {} HTTP/1.1\r\n", parts.uri.path()).as_bytes());
    for (name, value) in &parts.headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    Ok(bytes)
}

/// Signs a request with a long-term key.
pub fn sign(parts: &mut http::request::Parts, body: &[u8], key: &Key, service: &str) -> Result<()> {
    let secret = Secret::new(key.secret.clone());
    let signer = Signer {
        access_key_id: &key.id,
        secret_access_key: &secret,
        session_token: None,
        region: REGION,
        service,
    };
    signer
        .sign(parts, body, SystemClock.now())
        .map_err(|error| anyhow!("a request cannot be signed: {error}"))
}
