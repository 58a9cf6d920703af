//! Opening a websocket: what the request asks for, and how it is accepted or refused (agent.md 5.2).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Bytes;
use percent_encoding::percent_decode_str;
use portcullis_api::ecs as api;
use portcullis_core::Arn;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::admission::{Admission, Proofs, Refused};
use crate::gate::call::Call;
use crate::gate::error::ServiceError;
use crate::gate::operation::Check;
use crate::services::ecs::registrant::owner;
use crate::world::Snapshot;
use crate::world::records::ecs::ContainerInstance;

/// The two websockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Channel {
    /// Tasks and credentials.
    Acs,
    /// Telemetry.
    Tcs,
}

impl Channel {
    /// By the path of the endpoint DiscoverPollEndpoint gave, to which agents add `ws`.
    pub fn of(path: &str) -> Option<Self> {
        let endpoint = path.strip_suffix("/ws")?.trim_end_matches('/');
        match endpoint.rsplit('/').next() {
            Some("acs") => Some(Self::Acs),
            Some("tcs") => Some(Self::Tcs),
            _ => None,
        }
    }

    /// The event's name in CloudTrail.
    pub fn operation(self) -> &'static str {
        match self {
            Self::Acs => "Poll",
            Self::Tcs => "StartTelemetrySession",
        }
    }

    /// The permission it takes.
    pub fn action(self) -> &'static str {
        match self {
            Self::Acs => "ecs:Poll",
            Self::Tcs => "ecs:StartTelemetrySession",
        }
    }

    fn instance_parameter(self) -> &'static str {
        match self {
            Self::Acs => "containerInstanceArn",
            Self::Tcs => "containerInstance",
        }
    }

    fn cluster_parameter(self) -> &'static str {
        match self {
            Self::Acs => "clusterArn",
            Self::Tcs => "cluster",
        }
    }
}

/// A refusal: `{"<Exception>":"text"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    code: String,
    message: String,
}

impl Refusal {
    fn new(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            message: message.into(),
        }
    }

    /// The HTTP answer.
    pub fn response(&self) -> Response<Full<Bytes>> {
        let body = json!({ (self.code.as_str()): self.message }).to_string();
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl From<ServiceError> for Refusal {
    fn from(error: ServiceError) -> Self {
        Self::new(error.code(), error.message())
    }
}

/// What an upgrade request asks for.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    /// Which websocket.
    pub channel: Channel,
    /// The container instance, as written.
    pub instance: String,
    cluster: String,
    /// Whether the agent has no credentials and wants those of all its tasks.
    pub send_credentials: bool,
    /// The highest number the agent has seen.
    pub highest_seen: i64,
    /// Whether the agent answers heartbeats, so that their absence means something.
    pub answers_heartbeats: bool,
    /// What the agent says of itself: the genuine one says it only here (agent.md 5.1).
    pub versions: api::VersionInfo,
    accept_key: String,
}

impl Opening {
    /// Reads the request.
    pub fn read(channel: Channel, parts: &Parts) -> Result<Self, Refusal> {
        let has = |name: header::HeaderName, token: &str| {
            let values = parts
                .headers
                .get_all(name)
                .iter()
                .filter_map(|value| value.to_str().ok());
            values
                .flat_map(|list| list.split(','))
                .any(|word| word.trim().eq_ignore_ascii_case(token))
        };
        let key = parts.headers.get(header::SEC_WEBSOCKET_KEY);
        let is_websocket = parts.method == http::Method::GET
            && has(header::UPGRADE, "websocket")
            && has(header::CONNECTION, "upgrade")
            && has(header::SEC_WEBSOCKET_VERSION, "13");
        let Some(key) = key.filter(|_| is_websocket) else {
            return Err(Refusal::new(
                "BadRequestException",
                "This is not a websocket request.",
            ));
        };
        let query = query(parts.uri.query().unwrap_or_default());
        let get = |name: &str| query.get(name).cloned().unwrap_or_default();
        Ok(Self {
            channel,
            instance: get(channel.instance_parameter()),
            cluster: get(channel.cluster_parameter()),
            send_credentials: get("sendCredentials") == "true",
            highest_seen: get("seqNum").parse().unwrap_or_default(),
            answers_heartbeats: get("protocolVersion")
                .parse::<u32>()
                .is_ok_and(|version| version >= 2),
            versions: api::VersionInfo {
                agent_hash: query.get("agentHash").cloned(),
                agent_version: query.get("agentVersion").cloned(),
                docker_version: query.get("dockerVersion").cloned(),
            },
            accept_key: derive_accept_key(key.as_bytes()),
        })
    }

    /// The names in full. Another account's or region's instance is not here.
    pub fn name(&self, call: &Call) -> Result<Named, Refusal> {
        let invalid = || {
            Refusal::new(
                "InvalidInstanceException",
                "The specified container instance was not found.",
            )
        };
        let arn: Arn = self.instance.parse().map_err(|_| invalid())?;
        let (kind, rest) = arn.resource_parts().ok_or_else(invalid)?;
        let (cluster, id) = rest.split_once('/').ok_or_else(invalid)?;
        if kind != "container-instance"
            || arn != ContainerInstance::arn_of(&call.region, &call.account, cluster, id)
        {
            return Err(invalid());
        }
        let asked = self
            .cluster
            .rsplit('/')
            .next()
            .filter(|name| !name.is_empty())
            .unwrap_or("default");
        if asked != cluster {
            return Err(Refusal::new(
                "InvalidClusterException",
                "The container instance belongs to another cluster.",
            ));
        }
        Ok(Named {
            key: ContainerInstance::key_of(&call.region, cluster, id),
            cluster_arn: Arn::regional(
                "ecs",
                &call.region,
                &call.account,
                format_args!("cluster/{cluster}"),
            ),
            arn,
        })
    }

    /// Whether the agent says it is ours: only such an agent is told what AWS's protocol does not have.
    pub fn is_ours(&self) -> bool {
        self.versions.agent_hash.as_deref() == Some("portcullis")
    }

    /// What CloudTrail shows of the request.
    pub fn parameters(&self) -> Value {
        let mut shown = json!({
            (self.channel.cluster_parameter()): self.cluster,
            (self.channel.instance_parameter()): self.instance,
        });
        if let (Channel::Acs, Some(members)) = (self.channel, shown.as_object_mut()) {
            members.insert("sendCredentials".to_owned(), self.send_credentials.into());
        }
        shown
    }

    /// The answer that turns the connection into a websocket.
    pub fn response(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(key) = HeaderValue::try_from(&self.accept_key) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, key);
        }
        response
    }
}

/// The container instance of a connection, not yet known to exist.
#[derive(Debug, Clone)]
pub(super) struct Named {
    pub arn: Arn,
    pub cluster_arn: Arn,
    key: String,
}

impl Named {
    /// The check of an opening: the instance's registrant alone, with its agent's key.
    pub fn check(&self, view: &Snapshot, call: &Call, action: &'static str) -> Check {
        let instance = view.ecs.container_instances.get(&self.key);
        Check::new(action, self.arn.as_str())
            .with("ecs:cluster", self.cluster_arn.as_str())
            .only_for(instance.and_then(|instance| owner(call, instance)))
    }

    /// The instance must be there and not deregistered.
    pub fn accept(
        self,
        view: &Snapshot,
        call: &Arc<Call>,
        check: Check,
        proofs: &Proofs,
        channel: Channel,
    ) -> Result<Accepted, Refused> {
        let instance = view.ecs.container_instances.get(&self.key).ok_or_else(|| {
            not_an_agent(
                "InvalidInstanceException",
                "The specified container instance was not found.",
            )
        })?;
        if !instance.is_registered() {
            return Err(not_an_agent(
                "InactiveInstanceException",
                "The container instance is no longer active.",
            ));
        }
        let admission = proofs.admit(channel, instance, call)?;
        Ok(Accepted {
            arn: self.arn,
            cluster_arn: self.cluster_arn,
            key: self.key,
            call: Arc::clone(call),
            check,
            admission,
        })
    }
}

/// A connection that may begin.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    /// The instance's ARN.
    pub arn: Arn,
    /// Its cluster's ARN.
    pub cluster_arn: Arn,
    /// Its key in the picture.
    pub key: String,
    /// Who opened the connection.
    pub call: Arc<Call>,
    /// The permission it was opened with.
    pub check: Check,
    /// How the agent was let in.
    pub admission: Admission,
}

/// A refusal that tells operators nothing.
fn not_an_agent(code: &'static str, text: &str) -> Refused {
    (ServiceError::new(code, 400, text), None)
}

fn query(text: &str) -> HashMap<String, String> {
    let decode = |part: &str| {
        percent_decode_str(&part.replace('+', " "))
            .decode_utf8_lossy()
            .into_owned()
    };
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_tells_the_channel() {
        let cases = [
            ("/acs/ws", Some(Channel::Acs)),
            ("/tcs//ws", Some(Channel::Tcs)),
            ("/a/b/acs/ws", Some(Channel::Acs)),
            ("/ws", None),
            ("/acs", None),
            ("/xacs/ws", None),
        ];
        for (path, channel) in cases {
            assert_eq!(Channel::of(path), channel, "{path}");
        }
    }

    #[test]
    fn agent_5_2_a_refusal_names_the_exception() {
        let response = Refusal::new("InactiveInstanceException", "gone").response();
        assert_eq!(response.status(), 400);
    }
}
