//! The way in for operators: `GET /portcullis/hosts` tells which agents wait to be let in, `POST` lets one in. Ours and no part
//! of an AWS protocol; signed as AWS requests are, decided and recorded by the gate under actions of its own, which no policy
//! of AWS and no `ecs:*` grants: who runs tasks need not be who decides which machine may have their credentials.

use std::net::IpAddr;
use std::sync::Arc;

use http::request::Parts;
use http::{Method, Response};
use http_body_util::Full;
use hyper::body::Bytes;
use percent_encoding::percent_decode_str;
use portcullis_core::{Arn, uuid};
use portcullis_wire::Service;
use serde::Deserialize;
use serde_json::{Value, json};

use super::alarm::key_of;
use crate::gate::call::Call;
use crate::gate::context::add_resource_tags;
use crate::gate::error::ServiceError;
use crate::gate::operation::Check;
use crate::gate::own_door::{self, answered, cluster_name, invalid};
use crate::gate::record::Outcome;
use crate::gate::{Gate, Peer};
use crate::open_points;
use crate::services::ecs::remember;
use crate::world::records::ecs::{Approval, ContainerInstance, Standing};
use crate::world::{Snapshot, Tx};

/// Where hosts are listed and approved.
pub const PATH: &str = "/portcullis/hosts";
/// The permission to list them, on `container-instance/CLUSTER/*`.
pub const LIST_ACTION: &str = "portcullis:ListHosts";
/// The permission to let one in, on the container instance.
pub const APPROVE_ACTION: &str = "portcullis:ApproveHost";

const LIST: &str = "ListHosts";
const APPROVE: &str = "ApproveHost";
/// Most hosts of one answer: those that come first by their keys. A cluster narrows the question down.
const HOSTS_MAX: usize = 1_000;

static SERVICE: Service = own_door::service(&[LIST, APPROVE]);

/// What an operator lets in.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wish {
    /// The container instance's ARN.
    container_instance: String,
    /// The address from which its agent comes: what the operator saw, so that nobody changes it in between.
    source: String,
    /// The agent's key that the operator saw, if it has one: nobody puts another in its place in between.
    #[serde(default)]
    agent_key: Option<String>,
}

/// Answers an operator's request.
pub async fn serve(gate: &Arc<Gate>, parts: &Parts, body: &[u8], peer: Peer) -> Response<Full<Bytes>> {
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
    let operation = match parts.method {
        Method::GET => LIST,
        Method::POST => APPROVE,
        _ => {
            let text = "Hosts are listed with GET and approved with POST.";
            return Err(ServiceError::new("MethodNotAllowedException", 405, text));
        }
    };
    let who = gate.authenticate(&gate.world().view(), &SERVICE, parts, body)?;
    let call = gate.call(who, &SERVICE, operation, parts, peer, request_id);
    match operation {
        LIST => list(gate, &call, parts.uri.query().unwrap_or_default()).await,
        _ => approve(gate, &call, body).await,
    }
}

async fn list(gate: &Gate, call: &Call, query: &str) -> Result<Value, ServiceError> {
    let cluster = cluster_of(query)?;
    let scope = cluster.as_deref().unwrap_or("*");
    let resource = |kind: &str| Arn::regional("ecs", &call.region, &call.account, format_args!("{kind}"));
    let check = Check::new(
        LIST_ACTION,
        resource(&format!("container-instance/{scope}/*")).as_str(),
    )
    .with("ecs:cluster", resource(&format!("cluster/{scope}")).as_str());
    gate.check(call, std::slice::from_ref(&check)).await?;
    let view = gate.world().view();
    let prefix = match &cluster {
        Some(cluster) => format!("{}/{cluster}/", call.region),
        None => format!("{}/", call.region),
    };
    let rows = view.ecs.container_instances.prefix(&prefix);
    let hosts = rows
        .filter(|(_, row)| row.is_registered())
        .take(HOSTS_MAX)
        .map(|(_, row)| shown(row));
    let answer = json!({ "hosts": hosts.collect::<Vec<_>>() });
    let parameters = cluster.map(|cluster| json!({ "cluster": cluster }));
    gate.record(call, false, parameters, &Outcome::Answered(&|| Value::Null))
        .await;
    Ok(answer)
}

async fn approve(gate: &Gate, call: &Call, body: &[u8]) -> Result<Value, ServiceError> {
    let wish: Wish = serde_json::from_slice(body)
        .map_err(|_| invalid("the body must be {\"containerInstance\": \"ARN\", \"source\": \"ADDRESS\", \"agentKey\": null or \"KEY\"}"))?;
    let arn: Arn = wish.container_instance.parse().map_err(|_| not_found())?;
    let key = key_of(arn.as_str()).ok_or_else(not_found)?;
    if arn.account() != call.account.as_str() || arn.region() != call.region.as_str() {
        return Err(not_found());
    }
    let check = check_of(&gate.world().view(), &arn, &key);
    gate.check(call, std::slice::from_ref(&check)).await?;
    let parameters =
        json!({ "containerInstance": arn.as_str(), "source": wish.source, "agentKey": wish.agent_key });
    let run = |tx: &mut Tx<'_>| -> Result<Value, ServiceError> {
        let found = tx.view().ecs.container_instances.get(&key);
        let found = found.filter(|row| row.is_registered()).ok_or_else(not_found)?;
        let mut row = ContainerInstance::clone(found);
        row.agent.approval = Some(approval(&row, call, &wish)?);
        remember(tx, &row);
        let answer = shown(&row);
        tx.put(row);
        Ok(answer)
    };
    gate.change_on_record(call, parameters, run).await
}

/// The permission on the instance, which may not be there.
fn check_of(view: &Snapshot, arn: &Arn, key: &str) -> Check {
    let cluster = key.split('/').nth(1).unwrap_or_default();
    let head = arn.as_str().strip_suffix(arn.resource()).unwrap_or_default();
    let mut check =
        Check::new(APPROVE_ACTION, arn.as_str()).with("ecs:cluster", format!("{head}cluster/{cluster}"));
    if let Some(row) = view.ecs.container_instances.get(key) {
        add_resource_tags(&mut check.context, "ecs", &row.tags);
    }
    check
}

/// The word of `call`'s caller for an instance.
fn approval(row: &ContainerInstance, call: &Call, wish: &Wish) -> Result<Approval, ServiceError> {
    if row.agent.key.is_some() && !row.agent.held {
        return Err(invalid("the agent has a key of its own and needs no approval"));
    }
    if row.agent.key != wish.agent_key {
        let text = "the agent has another key than agentKey says, or one that agentKey does not say: list the hosts again";
        return Err(ServiceError::new("ConflictException", 409, text));
    }
    let address: IpAddr = wish
        .source
        .parse()
        .map_err(|_| invalid("source must be an IP address"))?;
    let source = address.to_canonical().to_string();
    if row.agent.key.is_none() && open_points::is_container_network(&source) {
        return Err(invalid("source is an address of containers, not of a host"));
    }
    Ok(Approval {
        by: call.caller.arn(),
        at: call.now,
        source,
    })
}

/// A host as operators see it.
fn shown(row: &ContainerInstance) -> Value {
    let agent = &row.agent;
    let mut shown = json!({
        "containerInstanceArn": row.arn.as_str(),
        "standing": agent.standing().as_str(),
        "agentConnected": row.agent_connected,
        "registeredAt": row.registered_at.to_iso(),
        "registeredBy": row.registered_by,
        "registeredFrom": agent.registered_from,
        "agentKey": agent.key,
    });
    let Some(members) = shown.as_object_mut() else {
        return shown;
    };
    if let Some(approval) = &agent.approval {
        let told = json!({ "by": approval.by, "at": approval.at.to_iso(), "source": approval.source });
        members.insert("approval".to_owned(), told);
    }
    if agent.standing() == Standing::Waiting && agent.key.is_some() {
        let why = "its principal speaks for another instance, or it registered without its key before";
        members.insert("waitsBecause".to_owned(), why.into());
    }
    if let Some(alert) = &agent.alert {
        let told = json!({
            "eventName": alert.kind.as_str(), "at": alert.at.to_iso(), "caller": alert.caller,
            "source": alert.source, "operation": alert.operation, "reason": alert.reason,
        });
        members.insert("lastAlert".to_owned(), told);
    }
    shown
}

/// `cluster` of the query: a name, or an ARN's.
fn cluster_of(query: &str) -> Result<Option<String>, ServiceError> {
    let mut cluster = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "cluster" => {
                cluster = Some(cluster_name(&percent_decode_str(value).decode_utf8_lossy())?);
            }
            // Of requests that are signed in their query.
            name if name.starts_with("X-Amz-") => {}
            other => return Err(invalid(&format!("there is no parameter `{other}`"))),
        }
    }
    Ok(cluster)
}

fn not_found() -> ServiceError {
    let text = "There is no such container instance in this account and region.";
    ServiceError::new("ResourceNotFoundException", 404, text)
}
