//! The authorisation of every action of ECS (ecs.md 15): for each resource it is checked on, the right ARN allows and a
//! wrong one does not; for each condition key, a condition on its value allows and one on another value does not. The
//! cases stand in `tests/data/authorization.json`; `cargo xtask authz` makes the table of them and fails when one is
//! missing. Actions without an operation here are asked of the engine alone.

use std::collections::BTreeMap;
use std::convert::Infallible;

use http::Request;
use portcullis_api::ecs::op;
use portcullis_control::world::Tx;
use portcullis_control::world::records::ecs::ContainerInstance;
use portcullis_policy::{Context, Document, Kind, PolicySets, Principal, Source, decide};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{arn, ok};
use crate::agent::Instance;
use crate::harness::{ACCOUNT, Client, Server, without_authorization_id};

#[derive(Deserialize)]
struct Case {
    /// Without its prefix.
    action: String,
    /// The operation that checks it, where that has another name; `null` when there is none here.
    #[serde(default = "same")]
    operation: Option<String>,
    /// Why the engine alone is asked.
    #[serde(default)]
    note: Option<String>,
    #[serde(default)]
    input: Value,
    checks: Vec<Check>,
}

fn same() -> Option<String> {
    Some(String::new())
}

/// One check of the action.
#[derive(Deserialize, Clone)]
struct Check {
    /// The resource part of the ARN, or `*` for actions without resource.
    resource: String,
    #[serde(default)]
    keys: BTreeMap<String, Value>,
}

/// What the cases' placeholders stand for.
struct Scene {
    server: Server,
    names: BTreeMap<&'static str, String>,
}

impl Scene {
    async fn new() -> Self {
        let server = Server::start().await;
        server.user("asker", "").await;
        let names = furnish(&server).await;
        Self { server, names }
    }

    fn filled(&self, text: &str) -> String {
        let start = text.replace("${ARN}", &arn(""));
        let one =
            |text: String, (name, value): (&&str, &String)| text.replace(&format!("${{{name}}}"), value);
        self.names.iter().fold(start, one)
    }

    fn resource(&self, check: &Check) -> String {
        match check.resource.as_str() {
            "*" => "*".to_owned(),
            part => self.filled(&format!("${{ARN}}{part}")),
        }
    }
}

/// Something of every kind, all with the tag `Team`.
async fn furnish(server: &Server) -> BTreeMap<&'static str, String> {
    let root = &server.root;
    let tags = json!([{ "key": "Team", "value": "blue" }]);
    ok::<op::CreateCluster>(root, json!({ "clusterName": "c", "tags": tags })).await;
    let definition = json!({
        "family": "web", "cpu": "256", "memory": "512", "tags": tags,
        "containerDefinitions": [{ "name": "app", "image": "busybox" }],
    });
    ok::<op::RegisterTaskDefinition>(root, definition).await;
    let instance = Instance::register_plain(root, "c", &[]).await.arn;
    let tag = json!({ "resourceArn": instance, "tags": tags });
    ok::<op::TagResource>(root, tag).await;
    connect(server, "asker", &instance).await;
    let start =
        json!({ "cluster": "c", "taskDefinition": "web", "containerInstances": [instance], "tags": tags });
    let started = ok::<op::StartTask>(root, start).await;
    let task = started["tasks"][0]["taskArn"].as_str().unwrap().to_owned();
    let service = json!({ "cluster": "c", "serviceName": "web", "taskDefinition": "web", "desiredCount": 0, "tags": tags });
    ok::<op::CreateService>(root, service).await;
    let probe = json!({
        "family": "probe", "cpu": "256", "memory": "512", "tags": tags,
        "containerDefinitions": [{ "name": "agent", "image": "busybox" }],
    });
    ok::<op::RegisterDaemonTaskDefinition>(root, probe).await;
    let group = format!(
        "arn:aws:autoscaling:us-east-1:{ACCOUNT}:autoScalingGroup:11111111-2222-3333-4444-555555555555:autoScalingGroupName/g"
    );
    let provider =
        json!({ "name": "mine", "tags": tags, "autoScalingGroupProvider": { "autoScalingGroupArn": group } });
    ok::<op::CreateCapacityProvider>(root, provider).await;
    let providers =
        json!({ "cluster": "c", "capacityProviders": ["mine"], "defaultCapacityProviderStrategy": [] });
    ok::<op::PutClusterCapacityProviders>(root, providers).await;
    let daemon = json!({
        "clusterArn": "c", "daemonName": "watch", "tags": tags, "capacityProviderArns": ["mine"],
        "daemonTaskDefinitionArn": "probe",
    });
    let daemon = ok::<op::CreateDaemon>(root, daemon).await;
    let watch =
        ok::<op::DescribeDaemon>(root, json!({ "daemonArn": daemon["daemonArn"] })).await["daemon"].clone();
    let external = json!({ "cluster": "c", "serviceName": "ext", "tags": tags, "desiredCount": 0, "deploymentController": { "type": "EXTERNAL" } });
    ok::<op::CreateService>(root, external).await;
    let set = json!({ "cluster": "c", "service": "ext", "taskDefinition": "web", "tags": tags });
    let set = ok::<op::CreateTaskSet>(root, set).await;
    let web = json!({ "cluster": "c", "services": ["web"] });
    let web = ok::<op::DescribeServices>(root, web).await["services"][0].clone();
    let last = |arn: &Value| arn.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    BTreeMap::from([
        ("INSTANCE", last(&json!(instance))),
        ("TASK", last(&json!(task))),
        ("SET", set["taskSet"]["id"].as_str().unwrap().to_owned()),
        ("DEPLOYMENT", last(&web["currentServiceDeployment"])),
        ("DAEMON_DEPLOYMENT", last(&watch["deploymentArn"])),
        ("DAEMON_REVISION", last(&watch["currentRevisions"][0]["arn"])),
        ("REVISION", last(&web["currentServiceRevisions"][0]["arn"])),
    ])
}

/// An agent of a user's for the instance: only its registrant reports on its tasks.
pub(super) async fn connect(server: &Server, user: &str, instance: &str) {
    let [id, cluster, ..] = instance.rsplit('/').collect::<Vec<_>>()[..] else {
        panic!("{instance} names a cluster and an id");
    };
    let key = ContainerInstance::key_of(&"us-east-1".parse().unwrap(), cluster, id);
    let connected = |tx: &mut Tx<'_>| -> Result<(), Infallible> {
        let mut instance =
            ContainerInstance::clone(&tx.view().ecs.container_instances.get(&key).unwrap().clone());
        instance.agent_connected = true;
        instance.registered_by = tx.view().user(user).map(|user| user.id.clone());
        tx.put(instance);
        Ok(())
    };
    server.gate.world().write(connected).await.unwrap();
}

/// A policy that allows everything but the action, and the action as `own` says.
fn policy(case: &Case, own: Vec<Value>) -> String {
    let mut statements =
        vec![json!({ "Effect": "Allow", "NotAction": format!("ecs:{}", case.action), "Resource": "*" })];
    statements.extend(own);
    json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
}

/// What one cell of the table asks: with `right` the call is allowed, with `wrong` it is not.
struct Cell {
    name: String,
    check: usize,
    right: String,
    wrong: String,
}

fn cells(scene: &Scene, case: &Case) -> Vec<Cell> {
    let allow = |resource: &str| json!({ "Effect": "Allow", "Action": format!("ecs:{}", case.action), "Resource": resource });
    let mut cells = Vec::new();
    for (at, check) in case.checks.iter().enumerate() {
        let others = || -> Vec<Value> {
            let others = case.checks.iter().enumerate().filter(|(other, _)| *other != at);
            others.map(|(_, other)| allow(&scene.resource(other))).collect()
        };
        let resource = scene.resource(check);
        let elsewhere = match resource.as_str() {
            "*" => arn("*"),
            resource => {
                let (kind, rest) = resource.split_once('/').unwrap();
                format!("{kind}/x{rest}")
            }
        };
        let with = |own: Value| policy(case, others().into_iter().chain([own]).collect());
        cells.push(Cell {
            name: format!("{} on {}", case.action, check.resource),
            check: at,
            right: with(allow(&resource)),
            wrong: with(allow(&elsewhere)),
        });
        for (key, value) in &check.keys {
            let (operator, value) = match value {
                Value::Array(values) => ("ForAnyValue:StringEquals", values[0].as_str().unwrap()),
                value => ("StringEquals", value.as_str().unwrap()),
            };
            let value = scene.filled(value);
            let conditional = |value: &str| {
                let mut statement = allow(&resource);
                statement["Condition"] = json!({ operator: { key: value } });
                with(statement)
            };
            cells.push(Cell {
                name: format!("{} on {} by {key}", case.action, check.resource),
                check: at,
                right: conditional(&value),
                wrong: conditional(&format!("{value}x")),
            });
        }
    }
    cells
}

/// What the gate says to a call under a policy: the text of a refusal of this action, or nothing.
async fn refusal(scene: &Scene, case: &Case, policy: &str) -> Option<String> {
    let server = &scene.server;
    server.allow("asker", "p", policy).await;
    let key = portcullis_api::iam::CreateAccessKeyRequest {
        user_name: Some("asker".to_owned()),
    };
    let key = server
        .root
        .ok::<portcullis_api::iam::op::CreateAccessKey>(&key)
        .await
        .access_key;
    let client = server.root.with(&key.access_key_id, &key.secret_access_key, None);
    let refused = send(
        server,
        &client,
        &operation(case),
        &scene.filled(&case.input.to_string()),
    )
    .await;
    let gone = portcullis_api::iam::DeleteAccessKeyRequest {
        user_name: Some("asker".to_owned()),
        access_key_id: key.access_key_id,
    };
    server
        .root
        .ok::<portcullis_api::iam::op::DeleteAccessKey>(&gone)
        .await;
    refused
}

fn operation(case: &Case) -> String {
    match case.operation.as_deref().unwrap() {
        "" => case.action.clone(),
        other => other.to_owned(),
    }
}

async fn send(server: &Server, client: &Client, operation: &str, body: &str) -> Option<String> {
    let request = Request::post("http://127.0.0.1:4566/")
        .header("content-type", "application/x-amz-json-1.1")
        .header(
            "x-amz-target",
            format!("AmazonEC2ContainerServiceV20141113.{operation}"),
        );
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    client.sign("ecs", &mut parts, body.as_bytes(), client.now());
    let reply = server
        .accounts
        .serve(&parts, body.as_bytes(), client.peer.clone())
        .await;
    let told: Value = serde_json::from_slice(&reply.body).unwrap();
    let code = told["__type"].as_str().unwrap_or_default();
    assert!(!code.ends_with("SerializationException"), "{operation}: {told}");
    let text = told["message"].as_str().unwrap_or_default();
    assert!(!text.starts_with("The operation "), "{operation}: {told}");
    code.ends_with("AccessDeniedException")
        .then(|| without_authorization_id(text).0)
}

pub(super) fn changes_nothing(operation: &str) -> bool {
    ["Describe", "List", "Get", "Discover"]
        .iter()
        .any(|verb| operation.starts_with(verb))
}

/// A request of an operation, and the resources its action is checked on.
pub(super) struct Sample {
    pub(super) action: String,
    pub(super) input: Value,
    pub(super) resources: Vec<String>,
}

/// A request of each operation that checks its own action, several of those that are checked on several kinds.
pub(super) fn by_operation() -> Vec<Sample> {
    let groups: BTreeMap<String, Vec<Case>> =
        serde_json::from_str(include_str!("../../data/authorization.json")).unwrap();
    let own = groups
        .into_values()
        .flatten()
        .filter(|case| case.operation.as_deref() == Some(""));
    let sample = |case: Case| Sample {
        action: case.action,
        input: case.input,
        resources: case.checks.into_iter().map(|check| check.resource).collect(),
    };
    own.map(sample).collect()
}

/// The cases of one group, over the wire.
async fn over_the_wire(group: &str) {
    let groups: BTreeMap<String, Vec<Case>> =
        serde_json::from_str(include_str!("../../data/authorization.json")).unwrap();
    let refusing = Scene::new().await;
    let mut wrong = Vec::new();
    for case in &groups[group] {
        for (at, cell) in cells(&refusing, case).into_iter().enumerate() {
            let check = &case.checks[cell.check];
            let on = refusing.resource(check);
            let text = format!(
                "is not authorized to perform: ecs:{} on resource: {on} because",
                case.action
            );
            match refusal(&refusing, case, &cell.wrong).await {
                None => wrong.push(format!("{}: allowed by another value", cell.name)),
                Some(refused) if !refused.contains(&text) => wrong.push(format!("{}: {refused}", cell.name)),
                Some(_) => {}
            }
            let fresh = if changes_nothing(&operation(case)) {
                None
            } else {
                Some(Scene::new().await)
            };
            let allowing = fresh.as_ref().unwrap_or(&refusing);
            let right = cells(allowing, case).swap_remove(at).right;
            if let Some(refused) = refusal(allowing, case, &right).await {
                wrong.push(format!("{}: {refused}", cell.name));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn authorization_of_clusters() {
    over_the_wire("clusters").await;
}

#[tokio::test]
async fn authorization_of_definitions() {
    over_the_wire("definitions").await;
}

#[tokio::test]
async fn authorization_of_instances() {
    over_the_wire("instances").await;
}

#[tokio::test]
async fn authorization_of_tasks() {
    over_the_wire("tasks").await;
}

#[tokio::test]
async fn authorization_of_services() {
    over_the_wire("services").await;
}

#[tokio::test]
async fn authorization_of_providers() {
    over_the_wire("providers").await;
}

#[tokio::test]
async fn authorization_of_task_sets() {
    over_the_wire("task_sets").await;
}

#[tokio::test]
async fn authorization_of_deployments() {
    over_the_wire("deployments").await;
}

#[tokio::test]
async fn authorization_of_daemon_definitions() {
    over_the_wire("daemon_definitions").await;
}

#[tokio::test]
async fn authorization_of_daemons() {
    over_the_wire("daemons").await;
}

#[tokio::test]
async fn authorization_of_tags() {
    over_the_wire("tags").await;
}

#[tokio::test]
async fn authorization_of_settings() {
    over_the_wire("settings").await;
}

#[test]
fn authorization_of_engine() {
    let groups: BTreeMap<String, Vec<Case>> =
        serde_json::from_str(include_str!("../../data/authorization.json")).unwrap();
    let served = portcullis_control::services::operations();
    for case in &groups["engine"] {
        assert!(case.operation.is_none() && case.note.is_some(), "{}", case.action);
        // What has an operation is asked over the wire; of tagging only kinds that are not there yet may stand here.
        let mut rows = served
            .rows()
            .into_iter()
            .filter(|row| row.meta.service.name == "ecs");
        let is_served = rows.any(|row| row.meta.name == case.action);
        assert!(
            !is_served || case.action.ends_with("agResource"),
            "{} is served: give it a case of its own",
            case.action
        );
        for check in &case.checks {
            by_the_engine(&case.action, check);
        }
    }
}

/// The engine alone, given what the reference says the service would give it.
fn by_the_engine(action: &str, check: &Check) {
    let resource = match check.resource.as_str() {
        "*" => "*".to_owned(),
        part => arn(part),
    };
    let mut context = Context::new();
    let filled = |text: &Value| text.as_str().unwrap().replace("${ARN}", &arn(""));
    for (key, value) in &check.keys {
        match value {
            Value::Array(values) => context.insert(key, values.iter().map(filled).collect::<Vec<_>>()),
            value => context.insert(key, filled(value)),
        };
    }
    let allows = |statement: Value| {
        let document = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
        let document = Document::parse(&document, Kind::Identity).unwrap();
        let principal = Principal::User {
            arn: format!("arn:aws:iam::{ACCOUNT}:user/asker").parse().unwrap(),
            id: "AIDAASKER00000000001".to_owned(),
            account: ACCOUNT.parse().unwrap(),
        };
        let account = ACCOUNT.parse().unwrap();
        let action = format!("ecs:{action}");
        let request = portcullis_policy::Request {
            principal: &principal,
            action: &action,
            resource: &resource,
            context: &context,
            resource_account: Some(&account),
        };
        let identity = [Source {
            name: "p",
            arn: None,
            attached_to: None,
            document: &document,
        }];
        let sets = PolicySets {
            identity: &identity,
            ..PolicySets::default()
        };
        decide(&request, &sets).is_allowed()
    };
    let statement = |resource: &str, condition: Value| json!({ "Effect": "Allow", "Action": format!("ecs:{action}"), "Resource": resource, "Condition": condition });
    let elsewhere = match resource.split_once('/') {
        Some((kind, rest)) => format!("{kind}/x{rest}"),
        None => arn("*"),
    };
    assert!(allows(statement(&resource, json!({}))), "{action} on {resource}");
    assert!(
        !allows(statement(&elsewhere, json!({}))),
        "{action} on {elsewhere}"
    );
    for (key, value) in &check.keys {
        let (operator, value) = match value {
            Value::Array(values) => ("ForAnyValue:StringEquals", filled(&values[0])),
            value => ("StringEquals", filled(value)),
        };
        let condition = |value: &str| json!({ operator: { key: value } });
        assert!(
            allows(statement(&resource, condition(&value))),
            "{action} by {key}"
        );
        assert!(
            !allows(statement(&resource, condition(&format!("{value}x")))),
            "{action} by {key}"
        );
    }
}
