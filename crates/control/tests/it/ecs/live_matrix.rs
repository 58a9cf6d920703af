//! The permission matrix of the mission's policies against a live server: user richard-roe holds one policy alone and asks
//! for every action of ECS that has an operation here, by a signed call, on resources in and out of the policy's scope. Each
//! answer is what the page of the engine's matrix says (`portcullis-policy`, `it__matrix__*.snap`).
//!
//! What no request can name stays the engine's alone: ARNs of the old short form, a definition without revision (resolved
//! before it is authorised), a `*` where an id belongs, another account's cluster.

mod page;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use http::Request;
use portcullis_api::ecs::op;
use portcullis_api::{iam, sts};
use serde_json::{Value, json};

use self::page::{Column, Page};
use super::authorization::{by_operation, changes_nothing, connect};
use super::ok;
use crate::agent::Instance;
use crate::harness::{ACCOUNT, Client, Server, without_authorization_id};
use crate::rules::context::Phone;
use crate::rules::session;

const ASKER: &str = "richard-roe";
/// As the policies name them.
const TASK: &str = "1dc5c17a-422b-4dc4-b493-371970c6c4d6";
const INSTANCE: &str = "c9c9a6f2-8766-464b-8805-9c57b9368fb0";
const NOTHING: &str = "00000000000000000000000000000000";
const CLUSTERS: [&str; 4] = ["default", "other", "my-cluster-1", "my-cluster-2"];

fn engine_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policy/tests")
}

/// An account where everything exists that requests name, with the tags of a column, and richard-roe with his policy.
struct Scene {
    server: Server,
    asker: Client,
    ids: BTreeMap<String, String>,
}

impl Scene {
    async fn new(policy: &str, column: &Column) -> Self {
        let server = Server::start().await;
        let user = server.user(ASKER, "").await;
        let mut ids = BTreeMap::new();
        definitions(&server, &column.tags).await;
        for cluster in CLUSTERS {
            furnish(&server, cluster, &column.tags, &mut ids).await;
        }
        let policy = policy
            .replace(TASK, &ids["TASK default"])
            .replace(INSTANCE, &ids["INSTANCE default"]);
        give(&server, &policy.replace("111122223333", ACCOUNT)).await;
        let asker = match column.mfa {
            None => user,
            Some(false) => session(
                &user,
                user.ok::<sts::op::GetSessionToken>(&Default::default())
                    .await
                    .credentials,
            ),
            Some(true) => with_mfa(&server, &user).await,
        };
        Self { server, asker, ids }
    }

    /// A text of `data/authorization.json` for a cluster: `c` stands for it there, and `web:1` for the definition.
    fn filled(&self, text: &str, cluster: &str) -> String {
        let text = text
            .replace("${ARN}", &format!("arn:aws:ecs:us-east-1:{ACCOUNT}:"))
            .replace("\"c\"", &format!("\"{cluster}\""))
            .replace("/c/", &format!("/{cluster}/"))
            .replace("cluster/c", &format!("cluster/{cluster}"));
        let of_cluster = |name: &str| self.ids.get(&format!("{name} {cluster}"));
        [
            "TASK",
            "INSTANCE",
            "OTHER",
            "SET",
            "DEPLOYMENT",
            "REVISION",
            "DAEMON_DEPLOYMENT",
            "DAEMON_REVISION",
        ]
        .iter()
        .fold(text, |text, name| {
            text.replace(
                &format!("${{{name}}}"),
                of_cluster(name).map_or("", String::as_str),
            )
        })
    }

    /// The text of a refusal of the action, if the call is refused.
    async fn refusal(&self, ask: &Ask, cluster: &str) -> Option<String> {
        let body = self.filled(&ask.input.to_string(), cluster);
        let request = Request::post("http://127.0.0.1:4566/")
            .header("content-type", "application/x-amz-json-1.1")
            .header(
                "x-amz-target",
                format!("AmazonEC2ContainerServiceV20141113.{}", ask.action),
            );
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        let client = self.asker.region(ask.region);
        client.sign("ecs", &mut parts, body.as_bytes(), client.now());
        let accounts = &self.server.accounts;
        let reply = accounts.serve(&parts, body.as_bytes(), client.peer.clone()).await;
        let told: Value = serde_json::from_slice(&reply.body).unwrap();
        let code = told["__type"].as_str().unwrap_or_default();
        assert!(
            !code.ends_with("SerializationException"),
            "{}: {told}",
            ask.action
        );
        let text = without_authorization_id(told["message"].as_str().unwrap_or_default()).0;
        let of_this = text.contains(&format!(
            "is not authorized to perform: ecs:{} on resource: ",
            ask.action
        ));
        (code.ends_with("AccessDeniedException") && of_this).then_some(text)
    }
}

/// As a managed policy: AmazonECS_FullAccess is larger than what an inline policy may be.
async fn give(server: &Server, document: &str) {
    let arn = crate::iam::policy(server, "p", document).await;
    let attach = iam::AttachUserPolicyRequest {
        user_name: ASKER.to_owned(),
        policy_arn: arn,
    };
    server.root.ok::<iam::op::AttachUserPolicy>(&attach).await;
}

async fn with_mfa(server: &Server, user: &Client) -> Client {
    let phone = Phone::enable(server, ASKER).await;
    let input = sts::GetSessionTokenRequest {
        serial_number: Some(format!("arn:aws:iam::{ACCOUNT}:mfa/phone")),
        token_code: Some(phone.code(server, 0)),
        ..Default::default()
    };
    session(
        user,
        user.ok::<sts::op::GetSessionToken>(&input).await.credentials,
    )
}

async fn definitions(server: &Server, tags: &Value) {
    for family in ["my-family", "other", "web"] {
        for _ in 1..=4 {
            let container = json!({ "name": "app", "image": "busybox", "memory": 16 });
            let input = json!({ "family": family, "tags": tags, "containerDefinitions": [container] });
            ok::<op::RegisterTaskDefinition>(&server.root, input).await;
        }
    }
    let container = json!({ "name": "agent", "image": "busybox" });
    let probe =
        json!({ "family": "probe", "cpu": "256", "memory": "512", "containerDefinitions": [container] });
    ok::<op::RegisterDaemonTaskDefinition>(&server.root, probe).await;
    let group = format!(
        "arn:aws:autoscaling:us-east-1:{ACCOUNT}:autoScalingGroup:11111111-2222-3333-4444-555555555555:autoScalingGroupName/g"
    );
    let provider = json!({ "name": "mine", "autoScalingGroupProvider": { "autoScalingGroupArn": group } });
    ok::<op::CreateCapacityProvider>(&server.root, provider).await;
}

/// A cluster with two instances, a task, a service, one with a task set, and a daemon.
async fn furnish(server: &Server, cluster: &str, tags: &Value, ids: &mut BTreeMap<String, String>) {
    let root = &server.root;
    ok::<op::CreateCluster>(root, json!({ "clusterName": cluster })).await;
    let last = |arn: &Value| arn.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let mut keep = |name: &str, id: String| ids.insert(format!("{name} {cluster}"), id);
    let instance = Instance::register_plain(root, cluster, &[]).await.arn;
    connect(server, ASKER, &instance).await;
    let other = Instance::register_plain(root, cluster, &[]).await.arn;
    connect(server, ASKER, &other).await;
    keep("INSTANCE", last(&json!(instance)));
    keep("OTHER", last(&json!(other)));
    let start = json!({ "cluster": cluster, "taskDefinition": "web", "containerInstances": [instance], "tags": tags });
    let started = ok::<op::StartTask>(root, start).await;
    keep("TASK", last(&started["tasks"][0]["taskArn"]));
    let service = json!({ "cluster": cluster, "serviceName": "web", "taskDefinition": "web", "desiredCount": 0, "tags": tags });
    let web = ok::<op::CreateService>(root, service).await["service"].clone();
    keep("DEPLOYMENT", last(&web["currentServiceDeployment"]));
    let read = ok::<op::DescribeServices>(root, json!({ "cluster": cluster, "services": ["web"] })).await;
    keep(
        "REVISION",
        last(&read["services"][0]["currentServiceRevisions"][0]["arn"]),
    );
    let controller = json!({ "type": "EXTERNAL" });
    let external = json!({ "cluster": cluster, "serviceName": "ext", "desiredCount": 0, "deploymentController": controller });
    ok::<op::CreateService>(root, external).await;
    let providers =
        json!({ "cluster": cluster, "capacityProviders": ["mine"], "defaultCapacityProviderStrategy": [] });
    ok::<op::PutClusterCapacityProviders>(root, providers).await;
    let daemon = json!({
        "clusterArn": cluster, "daemonName": "watch", "tags": tags, "capacityProviderArns": ["mine"],
        "daemonTaskDefinitionArn": "probe",
    });
    let daemon = ok::<op::CreateDaemon>(root, daemon).await;
    let read = json!({ "daemonArn": daemon["daemonArn"] });
    let daemon = ok::<op::DescribeDaemon>(root, read).await["daemon"].clone();
    keep("DAEMON_DEPLOYMENT", last(&daemon["deploymentArn"]));
    keep("DAEMON_REVISION", last(&daemon["currentRevisions"][0]["arn"]));
    let set = json!({ "cluster": cluster, "service": "ext", "taskDefinition": "web" });
    keep(
        "SET",
        ok::<op::CreateTaskSet>(root, set).await["taskSet"]["id"]
            .as_str()
            .unwrap()
            .to_owned(),
    );
}

/// One request, and the rows of the page that speak of it: all must allow it.
#[derive(Clone)]
struct Ask {
    action: String,
    region: &'static str,
    input: Value,
    rows: Vec<String>,
    /// Where StartTask is asked to start, as columns call it.
    on: Option<&'static str>,
}

impl Ask {
    fn new(action: &str, input: Value, row: &str) -> Self {
        let rows = vec![row.to_owned()];
        Self {
            action: action.to_owned(),
            region: "us-east-1",
            input,
            rows,
            on: None,
        }
    }

    /// The clusters it is asked on: all where it names nothing else.
    fn clusters(&self) -> &'static [&'static str] {
        match self.rows.as_slice() {
            [one] if one == "cluster/c" => &CLUSTERS,
            _ if self.region != "us-east-1" => &CLUSTERS[..1],
            // What is not there, and the literal star, stand on the page for `default` alone.
            [one] if one.ends_with("/0") || one.ends_with("/*") => &CLUSTERS[..1],
            _ => &CLUSTERS[..2],
        }
    }
}

/// One request of each operation, from the cases of `authorization.rs`, without what needs further permissions.
fn asks() -> Vec<Ask> {
    let mut asks = Vec::new();
    for case in by_operation() {
        let mut input = case.input;
        if !case.action.ends_with("agResource") {
            let members = input.as_object_mut().unwrap();
            for member in [
                "tags",
                "volumeConfigurations",
                "capacityProviderStrategy",
                "vpcLatticeConfigurations",
            ] {
                members.remove(member);
            }
            if let Some(named) = members.get_mut("taskDefinition").filter(|named| **named == "web") {
                *named = json!("web:3");
            }
        }
        // No policy tells services, sets or families apart but by the rows the page has.
        let rows = case.resources.iter().map(|row| {
            let row = row
                .replace("${TASK}", "TASK")
                .replace("${INSTANCE}", "INSTANCE")
                .replace("web:1", "other:3");
            row.replace("c/new", "c/web")
                .replace("c/ext", "c/web")
                .replace("app:*", "other:3")
                .replace("cluster/new", "cluster/other")
        });
        asks.push(Ask {
            rows: rows.collect(),
            ..Ask::new(&case.action, input, "")
        });
    }
    asks.extend(of_the_pages_own());
    asks
}

/// What the page tells apart further.
fn of_the_pages_own() -> Vec<Ask> {
    let mut asks = Vec::new();
    for (definition, row) in [
        ("my-family:3", "my-family:3"),
        ("my-family:4", "my-family:4"),
        ("my-family", "my-family:4"),
        ("other:3", "other:3"),
    ] {
        let row = format!("task-definition/{row}");
        asks.push(Ask::new(
            "RunTask",
            json!({ "cluster": "c", "taskDefinition": definition }),
            &row,
        ));
        for (instance, on) in [("${INSTANCE}", "on INSTANCE"), ("${OTHER}", "on another")] {
            let input =
                json!({ "cluster": "c", "taskDefinition": definition, "containerInstances": [instance] });
            asks.push(Ask {
                on: Some(on),
                ..Ask::new("StartTask", input, &row)
            });
        }
    }
    let unknown = json!({ "cluster": "c", "tasks": [NOTHING] });
    asks.push(Ask::new("DescribeTasks", unknown, "task/c/0"));
    asks.push(Ask::new(
        "StopTask",
        json!({ "cluster": "c", "task": NOTHING }),
        "task/c/0",
    ));
    let unknown = json!({ "cluster": "c", "containerInstances": [NOTHING] });
    asks.push(Ask::new(
        "DescribeContainerInstances",
        unknown,
        "container-instance/c/0",
    ));
    asks.push(Ask::new(
        "ListTasks",
        json!({ "cluster": "c" }),
        "container-instance/c/*",
    ));
    for (action, input) in [
        ("DescribeClusters", json!({ "clusters": ["c"] })),
        ("DeleteCluster", json!({ "cluster": "c" })),
        ("ListContainerInstances", json!({ "cluster": "c" })),
    ] {
        asks.push(Ask {
            region: "us-west-2",
            ..Ask::new(action, input, "cluster/c (us-west-2)")
        });
    }
    asks
}

/// Whether a request to this cluster is one of the column.
fn is_of(column: &Column, ask: &Ask, cluster: &str) -> bool {
    let cluster_fits = column
        .cluster
        .as_deref()
        .is_none_or(|of| of == cluster || cluster.starts_with("my-"));
    let host_fits = match (&column.on, ask.on) {
        (Some(of), Some(on)) => of == on,
        (Some(of), None) => of == "on INSTANCE",
        (None, _) => true,
    };
    // What is not there has no tags, whatever the column says.
    let is_missing = ask.rows.iter().any(|row| row.ends_with("/0"));
    let tags_fit = !is_missing || column.tags == json!([]);
    cluster_fits && host_fits && tags_fit
}

/// Every cell of one policy.
async fn section(page: &Page, name: &str, policy: &str, wrong: &mut Vec<String>) -> usize {
    let mut asked = 0;
    for (n, column) in page.columns(name).iter().enumerate() {
        let refusing = Scene::new(policy, column).await;
        for ask in asks() {
            for cluster in ask
                .clusters()
                .iter()
                .filter(|cluster| is_of(column, &ask, cluster))
            {
                let row = |row: &String| {
                    row.replace("/c/", &format!("/{cluster}/"))
                        .replace("cluster/c", &format!("cluster/{cluster}"))
                };
                let allowed = ask
                    .rows
                    .iter()
                    .all(|of| page.allows(name, &ask.action, &row(of), n));
                // What is allowed may change the account for those after it.
                let fresh = match allowed && !changes_nothing(&ask.action) {
                    true => Some(Scene::new(policy, column).await),
                    false => None,
                };
                let scene = fresh.as_ref().unwrap_or(&refusing);
                let refusal = scene.refusal(&ask, cluster).await;
                if refusal.is_none() != allowed {
                    let expected = if allowed { "allows" } else { "refuses" };
                    wrong.push(format!(
                        "{name} {expected} {} {cluster} {:?}, column {n}: {refusal:?}",
                        ask.action, ask.rows
                    ));
                }
                asked += 1;
            }
        }
    }
    asked
}

#[tokio::test]
async fn every_call_is_answered_as_the_matrix_of_the_engine_says() {
    let page = Page::read(
        &engine_folder().join("it/snapshots/it__matrix__the_permission_matrix_of_the_missions_policies.snap"),
    );
    let (mut wrong, mut asked) = (Vec::new(), 0);
    for name in page.policies() {
        let policy = fs::read_to_string(engine_folder().join("data").join(&name)).unwrap();
        asked += section(&page, &name, &policy, &mut wrong).await;
    }
    assert!(
        wrong.is_empty(),
        "{} of {asked}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(asked > 5_000, "only {asked} cells were asked");
}

/// IAM's operations of the mission's policies, asked about richard-roe and, where another is possible, about somebody else.
async fn of_iam(client: &Client) -> Vec<String> {
    let mut allowed = Vec::new();
    macro_rules! ask {
        ($operation:ident, $($input:tt)*) => {{
            let input = portcullis_wire::json::from_value(&json!($($input)*)).unwrap();
            let refused = match client.call::<iam::op::$operation>(&input).await {
                Err(error) => error.to_string().starts_with("AccessDenied"),
                Ok(_) => false,
            };
            if !refused {
                allowed.push(stringify!($operation));
            }
        }};
    }
    macro_rules! ask_of_users {
        ($($operation:ident),*) => {
            for (user, whose) in [(ASKER, "richard-roe"), ("jane", "jane")] {
                let before = allowed.len();
                $( ask!($operation, { "UserName": user, "PolicyName": "p" }); )*
                allowed.insert(before, whose);
            }
        };
    }
    ask_of_users!(
        GetUser,
        GetUserPolicy,
        ListGroupsForUser,
        ListAttachedUserPolicies,
        ListUserPolicies,
        DeleteUser
    );
    allowed.push("anything");
    let managed = "arn:aws:iam::aws:policy/AdministratorAccess";
    ask!(GetGroupPolicy, { "GroupName": "g", "PolicyName": "p" });
    ask!(ListAttachedGroupPolicies, { "GroupName": "g" });
    ask!(ListGroupPolicies, { "GroupName": "g" });
    ask!(ListGroups, {});
    ask!(GetPolicy, { "PolicyArn": managed });
    ask!(GetPolicyVersion, { "PolicyArn": managed, "VersionId": "v1" });
    ask!(ListPolicyVersions, { "PolicyArn": managed });
    ask!(ListPolicies, {});
    ask!(ListUsers, {});
    ask!(GetRole, { "RoleName": "r" });
    ask!(ListRoles, {});
    ask!(ListInstanceProfiles, {});
    ask!(ListAttachedRolePolicies, { "RoleName": "r" });
    ask!(AttachRolePolicy, { "RoleName": "r", "PolicyArn": managed });
    ask!(CreateRole, { "RoleName": "r", "AssumeRolePolicyDocument": "{}" });
    ask!(CreateServiceLinkedRole, { "AWSServiceName": "ecs.amazonaws.com" });
    ask!(DeleteRole, { "RoleName": "r" });
    ask!(CreateAccessKey, { "UserName": "jane" });
    allowed.into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn the_matrix_of_the_missions_policies_on_iams_operations() {
    let page = Page::read(
        &engine_folder().join("it/snapshots/it__matrix__the_permission_matrix_of_the_missions_policies.snap"),
    );
    let mut lines = Vec::new();
    for name in page.policies() {
        let policy = fs::read_to_string(engine_folder().join("data").join(&name)).unwrap();
        let server = Server::start().await;
        let asker = server.user(ASKER, "").await;
        server.user("jane", "").await;
        give(&server, &policy).await;
        lines.push(format!("{name}: {}", of_iam(&asker).await.join(" ")));
    }
    insta::assert_snapshot!(lines.join("\n"));
}
