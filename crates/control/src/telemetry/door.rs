//! The ways in for readers: `GET /portcullis/audit` tells who fetched credentials, `GET /portcullis/metrics` what containers use.
//! Ours and no part of an AWS protocol; signed as AWS requests are, decided and recorded by the gate under actions of their own.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use http::{Method, Response};
use http_body_util::Full;
use hyper::body::Bytes;
use percent_encoding::percent_decode_str;
use portcullis_core::{Arn, Timestamp, uuid};
use portcullis_wire::Service;
use serde_json::{Map, Value, json};

use super::fetches::{self, Fetch};
use crate::gate::call::Call;
use crate::gate::context::add_resource_tags;
use crate::gate::error::ServiceError;
use crate::gate::operation::Check;
use crate::gate::own_door::{self, answered, cluster_name, invalid};
use crate::gate::record::Outcome;
use crate::gate::{Gate, Peer};
use crate::world::records::ecs::Cluster;

/// Where fetches of credentials are read.
pub const AUDIT_PATH: &str = "/portcullis/audit";
/// The permission it takes, on the cluster.
pub const AUDIT_ACTION: &str = "portcullis:ReadAuditLog";
/// Where metrics are read.
pub const METRICS_PATH: &str = "/portcullis/metrics";
/// The permission it takes, on the cluster.
pub const METRICS_ACTION: &str = "portcullis:ReadMetrics";

const READ_AUDIT_LOG: &str = "ReadAuditLog";
const READ_METRICS: &str = "ReadMetrics";
/// Most fetches of one answer.
const FETCHES_MAX: usize = 500;
/// What tokens of pages are sealed for.
const TOKEN_PURPOSE: &str = "audit page";

static SERVICE: Service = own_door::service(&[READ_AUDIT_LOG, READ_METRICS]);

/// Whether a request is for one of these doors.
pub(crate) fn is_for(path: &str) -> bool {
    matches!(path, AUDIT_PATH | METRICS_PATH)
}

/// Answers a reader's request.
pub(crate) async fn serve(gate: &Arc<Gate>, parts: &Parts, body: &[u8], peer: Peer) -> Response<Full<Bytes>> {
    let request_id = uuid(gate.world().random().as_ref());
    let answer = answer(gate, parts, body, peer, &request_id).await;
    answered(answer, &SERVICE, &request_id)
}

async fn answer(
    gate: &Arc<Gate>,
    parts: &Parts,
    body: &[u8],
    peer: Peer,
    request_id: &str,
) -> Result<Value, ServiceError> {
    if parts.method != Method::GET {
        let text = "The audit log and metrics are read with GET.";
        return Err(ServiceError::new("MethodNotAllowedException", 405, text));
    }
    let (operation, action) = match parts.uri.path() {
        AUDIT_PATH => (READ_AUDIT_LOG, AUDIT_ACTION),
        _ => (READ_METRICS, METRICS_ACTION),
    };
    let who = gate.authenticate(&gate.world().view(), &SERVICE, parts, body)?;
    let call = gate.call(who, &SERVICE, operation, parts, peer, request_id);
    let read = read(gate, &call, parts, action).await;
    // A refusal of the gate is on record already.
    match &read {
        Ok((_, parameters)) => {
            let parameters = Some(parameters.clone());
            gate.record(&call, false, parameters, &Outcome::Answered(&|| Value::Null))
                .await;
        }
        Err(error) if !error.is_access_denied() => {
            gate.record(&call, false, None, &Outcome::Refused(error)).await;
        }
        Err(_) => {}
    }
    read.map(|(answer, _)| answer)
}

/// The answer, and what CloudTrail shows of the request.
async fn read(
    gate: &Arc<Gate>,
    call: &Call,
    parts: &Parts,
    action: &'static str,
) -> Result<(Value, Value), ServiceError> {
    let wish = Wish::read(parts.uri.query().unwrap_or_default())?;
    gate.check(call, &[wish.check(gate, call, action)]).await?;
    let answer = match action {
        AUDIT_ACTION => audit(gate, call, &wish)?,
        _ => metrics(gate, call, &wish),
    };
    Ok((answer, wish.parameters()))
}

fn audit(gate: &Gate, call: &Call, wish: &Wish) -> Result<Value, ServiceError> {
    let store = gate.world().store();
    let cluster = wish.cluster.as_ref().map(|_| wish.cluster_arn(call).to_string());
    let wants = |fetch: &Fetch| {
        let of_task = |task: &str| {
            let arn = fetch.task_arn.as_deref().unwrap_or_default();
            arn == task || arn.rsplit('/').next() == Some(task)
        };
        cluster.as_ref().is_none_or(|arn| *arn == fetch.cluster_arn)
            && wish.task.as_deref().is_none_or(of_task)
    };
    let region = call.region.as_str();
    let after = wish
        .after
        .as_deref()
        .map(|token| unseal(gate, call, token))
        .transpose()?;
    let page = fetches::read(
        store.as_ref(),
        region,
        after.as_deref(),
        wish.since,
        FETCHES_MAX,
        wants,
    );
    let page = page.map_err(|error| {
        tracing::error!(%error, "fetches of credentials could not be read");
        ServiceError::internal(call.service)
    })?;
    let token = match page.after {
        Some(after) => Some(seal(gate, call, &after)?),
        None => None,
    };
    Ok(json!({ "fetches": page.fetches, "nextToken": token }))
}

/// Where a page ended is an id of a fetch, perhaps of a cluster that the reader may not see.
fn seal(gate: &Gate, call: &Call, after: &str) -> Result<String, ServiceError> {
    let sealed = gate
        .world()
        .vault()
        .seal(TOKEN_PURPOSE, call.region.as_str().as_bytes(), after.as_bytes());
    let sealed = sealed.map_err(|_| ServiceError::internal(call.service))?;
    Ok(URL_SAFE_NO_PAD.encode(sealed))
}

fn unseal(gate: &Gate, call: &Call, token: &str) -> Result<String, ServiceError> {
    let wrong = || invalid("after must be the nextToken of an answer");
    let sealed = URL_SAFE_NO_PAD.decode(token).map_err(|_| wrong())?;
    let opened = gate
        .world()
        .vault()
        .open(TOKEN_PURPOSE, call.region.as_str().as_bytes(), &sealed);
    let opened = opened.map_err(|_| wrong())?;
    String::from_utf8(opened.to_vec()).map_err(|_| wrong())
}

fn metrics(gate: &Gate, call: &Call, wish: &Wish) -> Value {
    let now = gate.world().clock().now();
    let instances = match &wish.cluster {
        Some(cluster) => format!("{}/{cluster}/", call.region),
        None => format!("{}/", call.region),
    };
    let mut tasks = gate.world().telemetry().metrics.shown(&instances, now);
    if let Some(wanted) = &wish.task {
        tasks.retain(|task| {
            let arn = task.get("taskArn").and_then(Value::as_str).unwrap_or_default();
            arn == wanted || arn.rsplit('/').next() == Some(wanted)
        });
    }
    json!({ "tasks": tasks })
}

/// What a reader asks for.
#[derive(Debug, Default)]
struct Wish {
    /// The name of a cluster.
    cluster: Option<String>,
    /// ARN or id of a task.
    task: Option<String>,
    since: Option<Timestamp>,
    /// Where the last page ended.
    after: Option<String>,
}

impl Wish {
    fn read(query: &str) -> Result<Self, ServiceError> {
        let mut wish = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = percent_decode_str(value).decode_utf8_lossy().into_owned();
            match name {
                "cluster" => wish.cluster = Some(cluster_name(&value)?),
                "task" => wish.task = Some(value),
                "since" => {
                    let since = value.parse::<Timestamp>();
                    let text = "since must be a time such as 2026-11-22T00:00:00Z";
                    wish.since = Some(since.map_err(|_| invalid(text))?);
                }
                "after" => wish.after = Some(value),
                // Of requests that are signed in their query.
                name if name.starts_with("X-Amz-") => {}
                other => return Err(invalid(&format!("there is no parameter `{other}`"))),
            }
        }
        Ok(wish)
    }

    /// The permission it takes: on the cluster, or literally on all clusters of the region.
    fn check(&self, gate: &Gate, call: &Call, action: &'static str) -> Check {
        let arn = self.cluster_arn(call);
        let mut check = Check::new(action, arn.as_str()).with("ecs:cluster", arn.as_str());
        let view = gate.world().view();
        let key = self
            .cluster
            .as_deref()
            .map(|name| Cluster::key_of(&call.region, name));
        if let Some(cluster) = key.and_then(|key| view.ecs.clusters.get(&key)) {
            add_resource_tags(&mut check.context, "ecs", &cluster.tags);
        }
        check
    }

    fn cluster_arn(&self, call: &Call) -> Arn {
        let name = self.cluster.as_deref().unwrap_or("*");
        Arn::regional("ecs", &call.region, &call.account, format_args!("cluster/{name}"))
    }

    fn parameters(&self) -> Value {
        let mut shown = Map::new();
        let since = self.since.map(Timestamp::to_iso);
        let members = [
            ("cluster", &self.cluster),
            ("task", &self.task),
            ("since", &since),
            ("after", &self.after),
        ];
        for (name, value) in members {
            if let Some(value) = value {
                shown.insert(name.to_owned(), value.as_str().into());
            }
        }
        Value::Object(shown)
    }
}
