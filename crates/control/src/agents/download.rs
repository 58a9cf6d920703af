//! `GET /portcullis/agent-builds/FILE`: the build that an instance is being updated to, for its agent alone, in parts. Signed as
//! the agent's calls are, decided by `ecs:Poll` on the instance: who may hear that there is a build may have it.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Method, Response, header};
use http_body_util::Full;
use hyper::body::Bytes;
use percent_encoding::percent_decode_str;
use portcullis_core::{Arn, uuid};
use portcullis_wire::agent_build::SignedBuild;
use portcullis_wire::encode_error;
use serde_json::{Value, json};

use super::alarm::key_of;
use crate::gate::call::Call;
use crate::gate::error::ServiceError;
use crate::gate::operation::Check;
use crate::gate::record::Outcome;
use crate::gate::{Gate, Peer};
use crate::services::ecs::registrant::owner;
use crate::world::Snapshot;

/// Below which builds are.
pub(crate) const PATH: &str = "/portcullis/agent-builds/";
/// Largest part of one answer, in bytes; an agent asks until one is empty.
const PART_BYTES: u64 = 4 * 1024 * 1024;
/// The event's name in CloudTrail, and what the agent's key proves.
const OPERATION: &str = "GetAgentBuild";

/// What an agent asks for.
struct Wish {
    file: String,
    instance: Arn,
    key: String,
    offset: u64,
}

/// Whether a request is for a build.
pub(crate) fn is_for(path: &str) -> bool {
    path.starts_with(PATH)
}

/// Answers an agent.
pub(crate) async fn serve(gate: &Arc<Gate>, parts: &Parts, body: &[u8], peer: Peer) -> Response<Full<Bytes>> {
    let request_id = uuid(gate.world().random().as_ref());
    match answer(gate, parts, body, peer, &request_id).await {
        Ok(part) => {
            let mut response = Response::new(Full::new(Bytes::from(part)));
            let kind = HeaderValue::from_static("application/octet-stream");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response
        }
        Err(error) => {
            let reply = encode_error(&portcullis_api::ecs::SERVICE, &error.reply(), &request_id);
            Response::<Vec<u8>>::from(reply).map(|body| Full::new(Bytes::from(body)))
        }
    }
}

async fn answer(
    gate: &Arc<Gate>,
    parts: &Parts,
    body: &[u8],
    peer: Peer,
    request_id: &str,
) -> Result<Vec<u8>, ServiceError> {
    if parts.method != Method::GET || !body.is_empty() {
        let text = "Builds are read with GET.";
        return Err(ServiceError::new("MethodNotAllowedException", 405, text));
    }
    let view = gate.world().view();
    let service = &portcullis_api::ecs::SERVICE;
    let who = gate.authenticate(&view, service, parts, body)?;
    let call = gate.upgrade_call(who, service, OPERATION, parts, peer, request_id);
    let wish = Wish::read(parts, &call)?;
    gate.check(&call, &[wish.check(&view, &call)]).await?;
    let found = wish.build(&view);
    // One event for a build, not one for each of its parts.
    if wish.offset == 0 || found.is_err() {
        let outcome = match &found {
            Ok(_) => Outcome::Answered(&|| Value::Null),
            Err(error) => Outcome::Refused(error),
        };
        let parameters = json!({ "containerInstance": wish.instance.as_str(), "build": wish.file });
        gate.record(&call, false, Some(parameters), &outcome).await;
    }
    let (build, world) = (found?, Arc::clone(gate.world()));
    let read = tokio::task::spawn_blocking(move || {
        world
            .view()
            .neighbours()
            .agent_builds()
            .part(&build, wish.offset, PART_BYTES)
    });
    match read.await {
        Ok(Ok(part)) => Ok(part),
        Ok(Err(error)) => {
            tracing::error!(%error, "a build could not be read");
            Err(not_found())
        }
        Err(_) => Err(ServiceError::internal(service)),
    }
}

impl Wish {
    fn read(parts: &Parts, call: &Call) -> Result<Self, ServiceError> {
        let file = parts.uri.path().strip_prefix(PATH).unwrap_or_default();
        let (mut instance, mut offset) = (String::new(), 0);
        for pair in parts.uri.query().unwrap_or_default().split('&') {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("containerInstance", value) => {
                    instance = percent_decode_str(value).decode_utf8_lossy().into_owned();
                }
                ("offset", value) => offset = value.parse().map_err(|_| not_found())?,
                _ => {}
            }
        }
        let instance: Arn = instance.parse().map_err(|_| not_found())?;
        let is_here =
            instance.account() == call.account.as_str() && instance.region() == call.region.as_str();
        let key = key_of(instance.as_str())
            .filter(|_| is_here)
            .ok_or_else(not_found)?;
        Ok(Self {
            file: file.to_owned(),
            instance,
            key,
            offset,
        })
    }

    /// The permission on the instance, which is its agent's alone.
    fn check(&self, view: &Snapshot, call: &Call) -> Check {
        let cluster = self.key.split('/').nth(1).unwrap_or_default();
        let cluster = Arn::regional(
            "ecs",
            &call.region,
            &call.account,
            format_args!("cluster/{cluster}"),
        );
        let instance = view.ecs.container_instances.get(&self.key);
        Check::new("ecs:Poll", self.instance.as_str())
            .with("ecs:cluster", cluster.as_str())
            .only_for(instance.and_then(|instance| owner(call, instance)))
    }

    /// The build, if the instance is being updated to it.
    fn build(&self, view: &Snapshot) -> Result<SignedBuild, ServiceError> {
        let instance = view.ecs.container_instances.get(&self.key);
        let instance = instance.filter(|instance| instance.is_registered());
        let update = instance.and_then(|instance| instance.agent_update.as_ref());
        let wanted = update.filter(|update| update.is_staging() && update.build.file_name() == self.file);
        wanted.map(|update| update.build.clone()).ok_or_else(not_found)
    }
}

fn not_found() -> ServiceError {
    let text = "The container instance is not being updated to such a build.";
    ServiceError::new("ResourceNotFoundException", 404, text)
}
