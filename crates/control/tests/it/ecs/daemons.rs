//! Daemons: one task on every instance of their capacity providers, and the deployments that bring it there.

use portcullis_api::ecs::op;
use portcullis_control::world::records::ecs::Task;
use serde_json::{Value, json};

use super::stage::Stage;
use super::tasks::{id_of, merged};
use super::{allow_if, arn, err, ok};
use crate::harness::{Client, Server};

const GROUP: &str = "portcullis.auto-scaling-group";

fn definition(image: &str) -> Value {
    let container = json!({ "name": "app", "image": image, "memory": 64, "cpu": 256 });
    json!({ "family": "log", "containerDefinitions": [container] })
}

async fn register(client: &Client, input: Value) -> String {
    let made = ok::<op::RegisterDaemonTaskDefinition>(client, input).await;
    made["daemonTaskDefinitionArn"].as_str().unwrap().to_owned()
}

/// Capacity providers `p` and `q` of the groups of their names in cluster `c`, and definition `log:1`.
async fn furnish(client: &Client) {
    for name in ["p", "q"] {
        let group = json!({ "autoScalingGroupArn": name });
        let input = json!({ "name": name, "autoScalingGroupProvider": group });
        ok::<op::CreateCapacityProvider>(client, input).await;
    }
    let input =
        json!({ "cluster": "c", "capacityProviders": ["p", "q"], "defaultCapacityProviderStrategy": [] });
    ok::<op::PutClusterCapacityProviders>(client, input).await;
    register(client, definition("busybox:1")).await;
}

/// A cluster with so many instances of provider `p`.
pub async fn stage(instances: usize) -> Stage {
    let mut stage = Stage::set(&[]).await;
    furnish(&stage.server.root).await;
    for _ in 0..instances {
        stage.instance("us-east-1a", &[(GROUP, Some("p"))]).await;
    }
    stage
}

fn wish(more: Value) -> Value {
    let base = json!({
        "clusterArn": arn("cluster/c"), "daemonName": "d",
        "daemonTaskDefinitionArn": arn("daemon-task-definition/log:1"),
        "capacityProviderArns": [arn("capacity-provider/p")],
    });
    merged(base, more)
}

pub async fn create(stage: &Stage, more: Value) -> Value {
    ok::<op::CreateDaemon>(&stage.server.root, wish(more)).await
}

async fn update(stage: &Stage, more: Value) -> Value {
    let base = json!({
        "daemonArn": arn("daemon/c/d"),
        "daemonTaskDefinitionArn": arn("daemon-task-definition/log:2"),
        "capacityProviderArns": [arn("capacity-provider/p")],
    });
    ok::<op::UpdateDaemon>(&stage.server.root, merged(base, more)).await
}

async fn described(stage: &Stage) -> Value {
    let input = json!({ "daemonArn": arn("daemon/c/d") });
    ok::<op::DescribeDaemon>(&stage.server.root, input).await["daemon"].clone()
}

async fn deployment(stage: &Stage, reply: &Value) -> Value {
    let input = json!({ "daemonDeploymentArns": [reply["deploymentArn"]] });
    let found = ok::<op::DescribeDaemonDeployments>(&stage.server.root, input).await;
    found["daemonDeployments"][0].clone()
}

async fn state(stage: &Stage, instance: &str, status: &str) {
    let input = json!({ "cluster": "c", "containerInstances": [instance], "status": status });
    ok::<op::UpdateContainerInstancesState>(&stage.server.root, input).await;
}

fn revision(task: &Task) -> i32 {
    task.revision
}

#[tokio::test]
async fn a_daemon_has_one_task_on_every_instance_of_its_providers_and_on_no_other() {
    let mut stage = stage(2).await;
    stage.instance("us-east-1a", &[]).await;
    let other = stage.instance("us-east-1a", &[(GROUP, Some("q"))]).await;
    let made = create(&stage, json!({})).await;
    assert_eq!(made["daemonArn"], arn("daemon/c/d"));
    assert_eq!(made["status"], "ACTIVE");
    assert_eq!(deployment(&stage, &made).await["status"], "PENDING");
    stage.settle().await;
    assert_eq!(deployment(&stage, &made).await["status"], "IN_PROGRESS");
    stage.rest().await;
    assert_eq!(stage.by_instance().len(), 2);
    assert!(stage.by_instance().values().all(|count| *count == 1));
    let found = described(&stage).await;
    let (current, detail) = (&found["currentRevisions"], &found["currentRevisions"][0]);
    assert_eq!(current.as_array().unwrap().len(), 1);
    assert_eq!(
        (&detail["totalRunningCount"], &detail["totalWithoutDaemonCount"]),
        (&json!(2), &json!(0))
    );
    assert_eq!(detail["capacityProviders"][0]["arn"], arn("capacity-provider/p"));
    let done = deployment(&stage, &made).await;
    assert_eq!(done["status"], "SUCCESSFUL");
    assert_eq!(done["targetDaemonRevision"]["arn"], detail["arn"]);
    assert_eq!(done["deploymentConfiguration"]["drainPercent"], 25.0);
    assert_eq!(done["circuitBreaker"]["status"], "MONITORING_COMPLETE");
    // A new instance gets its task by itself, one of another provider only once it is asked for.
    let third = stage.instance("us-east-1a", &[(GROUP, Some("p"))]).await;
    stage.rest().await;
    assert_eq!(stage.by_instance().get(id_of(&third)), Some(&1));
    assert!(!stage.by_instance().contains_key(id_of(&other)));
    let both = json!([arn("capacity-provider/p"), arn("capacity-provider/q")]);
    let same = arn("daemon-task-definition/log:1");
    update(
        &stage,
        json!({ "daemonTaskDefinitionArn": same, "capacityProviderArns": both }),
    )
    .await;
    stage.rest().await;
    assert_eq!(stage.running().len(), 4);
    let on_other = stage.running();
    let on_other = on_other
        .iter()
        .find(|task| task.container_instance == id_of(&other));
    assert_eq!(on_other.unwrap().capacity_provider.as_deref(), Some("q"));
}

#[tokio::test]
async fn its_tasks_are_shown_and_listed_as_the_daemons() {
    let stage = stage(1).await;
    let tags = json!([{ "key": "Team", "value": "blue" }]);
    let more = json!({ "tags": tags, "propagateTags": "DAEMON", "enableECSManagedTags": true });
    let made = create(&stage, more).await;
    stage.rest().await;
    let running = stage.running();
    let shown = stage.task(&running[0]).await;
    assert_eq!(shown["group"], "daemon:d");
    assert_eq!(shown["taskDefinitionArn"], arn("daemon-task-definition/log:1"));
    assert_eq!(shown["capacityProviderName"], "p");
    assert_eq!(
        shown["startedBy"],
        made["deploymentArn"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
    );
    assert_eq!(
        shown["tags"],
        json!([
            { "key": "Team", "value": "blue" }, { "key": "aws:ecs:clusterName", "value": "c" }
        ])
    );
    let root = &stage.server.root;
    let listed = ok::<op::ListTasks>(root, json!({ "cluster": "c", "daemonName": "d" })).await;
    assert_eq!(listed["taskArns"], json!([running[0].arn.to_string()]));
    let none = ok::<op::ListTasks>(
        root,
        json!({ "cluster": "c", "daemonName": "d", "desiredStatus": "STOPPED" }),
    )
    .await;
    assert_eq!(none["taskArns"], json!([]));
    let unknown = err::<op::ListTasks>(root, json!({ "cluster": "c", "daemonName": "x" })).await;
    assert_eq!(unknown, "DaemonNotFoundException: Daemon not found.");
    // Nobody else starts tasks in the daemon's name.
    let spoof = json!({ "cluster": "c", "taskDefinition": "web", "group": "daemon:d" });
    let refused = err::<op::RunTask>(root, spoof).await;
    assert_eq!(
        refused,
        "InvalidParameterException: group cannot start with 'daemon:'."
    );
}

#[tokio::test]
async fn a_task_that_ends_is_started_again_and_never_on_a_draining_instance() {
    let stage = stage(2).await;
    create(&stage, json!({})).await;
    stage.rest().await;
    let first = stage.running()[0].clone();
    let input = json!({ "cluster": "c", "task": first.id });
    ok::<op::StopTask>(&stage.server.root, input).await;
    stage.rest().await;
    assert_eq!(stage.running().len(), 2);
    assert!(stage.running().iter().all(|task| task.id != first.id));
    let drained = stage.instances[0].arn.clone();
    state(&stage, &drained, "DRAINING").await;
    stage.rest().await;
    assert_eq!(
        stage.by_instance(),
        [(id_of(&stage.instances[1].arn).to_owned(), 1)].into()
    );
    // When it takes tasks again the daemon's is the first, in the same change.
    state(&stage, &drained, "ACTIVE").await;
    assert_eq!(stage.by_instance().get(id_of(&drained)), Some(&1));
    stage.rest().await;
    assert_eq!(stage.running().len(), 2);
}

#[tokio::test]
async fn an_update_replaces_no_more_than_its_drain_percent_at_once() {
    for (drain, least) in [
        (json!(null), 6),
        (json!(50.0), 4),
        (json!(0.0), 7),
        (json!(100.0), 0),
    ] {
        let stage = stage(8).await;
        let configuration = json!({ "drainPercent": drain });
        let configured = match drain.is_null() {
            true => json!({}),
            false => json!({ "deploymentConfiguration": configuration }),
        };
        let first = create(&stage, configured).await;
        stage.rest().await;
        let before = described(&stage).await["currentRevisions"][0]["arn"].clone();
        register(&stage.server.root, definition("busybox:2")).await;
        let second = update(&stage, json!({})).await;
        assert_ne!(first["deploymentArn"], second["deploymentArn"]);
        let mut fewest = 8;
        stage
            .play(|stage| {
                fewest = fewest.min(stage.running().len());
                assert!(stage.by_instance().values().all(|count| *count <= 1));
            })
            .await;
        assert_eq!(fewest, least, "{drain}");
        assert!(stage.running().iter().all(|task| revision(task) == 2));
        let done = deployment(&stage, &second).await;
        assert_eq!(done["status"], "SUCCESSFUL");
        assert_eq!(done["sourceDaemonRevisions"][0]["arn"], before);
    }
}

#[tokio::test]
async fn an_update_that_fails_is_rolled_back_and_told_so() {
    let mut stage = stage(4).await;
    create(&stage, json!({})).await;
    stage.rest().await;
    let good = described(&stage).await["currentRevisions"][0]["arn"].clone();
    let bad =
        json!({ "family": "bad", "containerDefinitions": [{ "name": "app", "image": "no", "memory": 64 }] });
    let bad = register(&stage.server.root, bad).await;
    stage.broken.insert("bad".to_owned());
    let failing = update(
        &stage,
        json!({ "daemonTaskDefinitionArn": bad, "enableECSManagedTags": true }),
    )
    .await;
    for _ in 0..20 {
        stage.rest().await;
        stage.server.clock.advance_seconds(60);
    }
    stage.rest().await;
    let done = deployment(&stage, &failing).await;
    assert_eq!(done["status"], "ROLLBACK_SUCCESSFUL", "{done:#}");
    assert_eq!(done["circuitBreaker"]["status"], "TRIGGERED");
    assert_eq!(done["circuitBreaker"]["threshold"], 3);
    assert_eq!(done["rollback"]["rollbackTargetDaemonRevisionArn"], good);
    assert_eq!(
        done["rollback"]["rollbackCapacityProviders"],
        json!([arn("capacity-provider/p")])
    );
    let now = described(&stage).await;
    assert_eq!(now["currentRevisions"].as_array().unwrap().len(), 1);
    assert_eq!(now["currentRevisions"][0]["arn"], good);
    assert_eq!(stage.running().len(), 4);
    assert!(stage.running().iter().all(|task| task.family == "log"));
}

#[tokio::test]
async fn a_first_deployment_that_fails_stops_and_starts_nothing_more() {
    let mut stage = stage(4).await;
    stage.broken.insert("log".to_owned());
    let made = create(&stage, json!({})).await;
    for _ in 0..20 {
        stage.rest().await;
        stage.server.clock.advance_seconds(60);
    }
    let done = deployment(&stage, &made).await;
    assert_eq!(done["status"], "STOPPED");
    assert_eq!(
        done["statusReason"],
        "ECS deployment circuit breaker: task failed to start."
    );
    assert_eq!(stage.alive().len(), 0);
}

#[tokio::test]
async fn a_deleted_daemon_stops_everywhere_and_is_gone_and_its_history_stays() {
    let stage = stage(3).await;
    create(&stage, json!({})).await;
    stage.rest().await;
    let root = &stage.server.root;
    let definition = json!({ "daemonTaskDefinition": arn("daemon-task-definition/log:1") });
    ok::<op::DeleteDaemonTaskDefinition>(root, definition.clone()).await;
    let kept = ok::<op::DescribeDaemonTaskDefinition>(root, definition.clone()).await;
    assert_eq!(kept["daemonTaskDefinition"]["status"], "DELETE_IN_PROGRESS");
    let named = json!({ "daemonArn": arn("daemon/c/d") });
    let ended = ok::<op::DeleteDaemon>(root, named.clone()).await;
    assert_eq!(ended["status"], "DELETE_IN_PROGRESS");
    assert_eq!(described(&stage).await["status"], "DELETE_IN_PROGRESS");
    let again = err::<op::DeleteDaemon>(root, named.clone()).await;
    assert_eq!(again, "DaemonNotActiveException: Daemon was not ACTIVE.");
    let renewed = err::<op::CreateDaemon>(root, wish(json!({}))).await;
    assert!(renewed.starts_with("ClientException"), "{renewed}");
    stage.rest().await;
    assert_eq!(stage.alive().len(), 0);
    let gone = err::<op::DescribeDaemon>(root, named).await;
    assert_eq!(gone, "DaemonNotFoundException: Daemon not found.");
    assert_eq!(deployment(&stage, &ended).await["status"], "SUCCESSFUL");
    let forgotten = ok::<op::DescribeDaemonTaskDefinition>(root, definition).await;
    assert_eq!(forgotten["daemonTaskDefinition"]["status"], "DELETED");
}

#[tokio::test]
async fn a_daemon_goes_on_after_a_restart() {
    let stage = stage(2).await;
    let made = create(&stage, json!({})).await;
    stage.settle().await;
    let stage = stage.restart().await;
    stage.rest().await;
    assert_eq!(stage.running().len(), 2);
    assert_eq!(deployment(&stage, &made).await["status"], "SUCCESSFUL");
}

#[tokio::test]
async fn the_same_daemon_twice_is_one_and_another_of_its_name_is_refused() {
    let stage = stage(1).await;
    let root = &stage.server.root;
    let made = create(&stage, json!({ "clientToken": "t" })).await;
    assert_eq!(
        create(&stage, json!({ "clientToken": "t", "critical": false })).await,
        made
    );
    assert_eq!(create(&stage, json!({})).await, made);
    let other = err::<op::CreateDaemon>(root, wish(json!({ "critical": false }))).await;
    assert_eq!(
        other,
        "InvalidParameterException: Creation of daemon was not idempotent."
    );
}

#[tokio::test]
async fn deployments_and_daemons_are_listed_newest_first_in_pages() {
    let stage = stage(1).await;
    let root = &stage.server.root;
    let mut made = vec![create(&stage, json!({})).await["deploymentArn"].clone()];
    for _ in 0..2 {
        stage.server.clock.advance_seconds(1);
        let same = json!({ "daemonTaskDefinitionArn": arn("daemon-task-definition/log:1") });
        made.insert(0, update(&stage, same).await["deploymentArn"].clone());
    }
    let mut listed = Vec::new();
    let mut token = Value::Null;
    loop {
        let mut input = json!({ "daemonArn": arn("daemon/c/d"), "maxResults": 2 });
        if token.is_string() {
            input["nextToken"] = token.clone();
        }
        let page = ok::<op::ListDaemonDeployments>(root, input).await;
        let rows = page["daemonDeployments"].as_array().unwrap();
        listed.extend(rows.iter().map(|row| row["daemonDeploymentArn"].clone()));
        token = page["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(listed, made);
    let stopped = json!({ "daemonArn": arn("daemon/c/d"), "status": ["STOPPED"] });
    let stopped = ok::<op::ListDaemonDeployments>(root, stopped).await;
    assert_eq!(stopped["daemonDeployments"].as_array().unwrap().len(), 2);
    let of = |provider: &str| json!({ "clusterArn": "c", "capacityProviderArns": [arn(provider)] });
    let found = ok::<op::ListDaemons>(root, of("capacity-provider/p")).await;
    assert_eq!(found["daemonSummariesList"][0]["daemonArn"], arn("daemon/c/d"));
    let found = ok::<op::ListDaemons>(root, of("capacity-provider/q")).await;
    assert_eq!(found["daemonSummariesList"], json!([]));
    // The cluster, then what else is asked, then the page.
    let mut wrong = json!({ "clusterArn": "none", "capacityProviderArns": ["arn:aws:ecs"], "maxResults": 0 });
    let mut refused = Vec::new();
    for (name, right) in [
        ("clusterArn", json!("c")),
        ("capacityProviderArns", json!([])),
        ("maxResults", json!(1)),
    ] {
        refused.push(err::<op::ListDaemons>(root, wrong.clone()).await);
        wrong[name] = right;
    }
    assert_eq!(
        refused,
        [
            "ClusterNotFoundException: Cluster not found.",
            "InvalidParameterException: Invalid identifier: arn:aws:ecs",
            "InvalidParameterException: Invalid maxResults: 0. It must be between 1 and 100.",
        ]
    );
    let detail = described(&stage).await;
    let revisions =
        json!({ "daemonRevisionArns": [detail["currentRevisions"][0]["arn"], arn("daemon-revision/c/d/1")] });
    let found = ok::<op::DescribeDaemonRevisions>(root, revisions).await;
    assert_eq!(
        found["daemonRevisions"][0]["containerImages"][0]["image"],
        "busybox:1"
    );
    assert_eq!(found["daemonRevisions"][0]["critical"], true);
    assert_eq!(found["failures"][0]["reason"], "MISSING");
}

#[tokio::test]
async fn what_no_daemon_can_be_is_refused() {
    let stage = stage(1).await;
    let root = &stage.server.root;
    let shared = merged(definition("busybox"), json!({ "pidMode": "shared" }));
    let shared = register(root, shared).await;
    let p = arn("capacity-provider/p");
    let cases = [
        (
            json!({ "daemonName": "a b" }),
            "InvalidParameterException: Daemon name",
        ),
        (
            json!({ "clusterArn": "none" }),
            "ClusterNotFoundException: Cluster not found.",
        ),
        (
            json!({ "capacityProviderArns": [] }),
            "InvalidParameterException: capacityProviderArns cannot be empty.",
        ),
        (
            json!({ "capacityProviderArns": [p, "p"] }),
            "InvalidParameterException: The capacity provider p is specified more than once.",
        ),
        (
            json!({ "capacityProviderArns": [arn("capacity-provider/FARGATE")] }),
            "InvalidParameterException: Daemons are not supported for the capacity provider FARGATE.",
        ),
        (
            json!({ "daemonTaskDefinitionArn": arn("daemon-task-definition/none:1") }),
            "ClientException: Unable to describe daemon task definition.",
        ),
        (
            json!({ "daemonTaskDefinitionArn": shared }),
            "UnsupportedFeatureException: This server does not support pidMode shared of daemons yet.",
        ),
        (
            json!({ "enableExecuteCommand": true }),
            "InvalidParameterException: The daemon couldn't be created",
        ),
        (
            json!({ "deploymentConfiguration": { "drainPercent": 101.0 } }),
            "InvalidParameterException: 1 validation error detected",
        ),
        (
            json!({ "deploymentConfiguration": { "bakeTimeInMinutes": 5 } }),
            "UnsupportedFeatureException: This server does not support bakeTimeInMinutes",
        ),
        (
            json!({ "deploymentConfiguration": { "bakeTimeInMinutes": 2000 } }),
            "InvalidParameterException: bakeTimeInMinutes",
        ),
        (
            json!({ "clientToken": "x".repeat(37) }),
            "InvalidParameterException: clientToken",
        ),
    ];
    for (more, expected) in cases {
        let refused = err::<op::CreateDaemon>(root, wish(more.clone())).await;
        assert!(refused.starts_with(expected), "{more}: {refused}");
    }
    let input = json!({ "daemonArn": arn("service/c/d") });
    let refused = err::<op::DescribeDaemon>(root, input).await;
    assert!(refused.starts_with("InvalidParameterException"), "{refused}");
    create(&stage, json!({})).await;
    let cluster = err::<op::PutClusterCapacityProviders>(
        root,
        json!({ "cluster": "c", "capacityProviders": [], "defaultCapacityProviderStrategy": [] }),
    )
    .await;
    assert!(cluster.starts_with("ResourceInUseException"), "{cluster}");
}

#[tokio::test]
async fn the_roles_of_a_daemons_tasks_must_be_passed_by_who_creates_and_who_updates_it() {
    let server = Server::start().await;
    let root = &server.root;
    ok::<op::CreateCluster>(root, json!({ "clusterName": "c" })).await;
    furnish(root).await;
    let role = merged(definition("busybox"), json!({ "taskRoleArn": "agent" }));
    let with_role = register(root, role).await;
    let policy = allow_if("ecs:*", "StringEquals", "aws:PrincipalType", "User");
    let asker = server.user("asker", &policy).await;
    let input = wish(json!({ "daemonTaskDefinitionArn": with_role }));
    let refused = err::<op::CreateDaemon>(&asker, input.clone()).await;
    assert!(refused.contains("iam:PassRole on resource"), "{refused}");
    ok::<op::CreateDaemon>(&asker, wish(json!({}))).await;
    let change = json!({
        "daemonArn": arn("daemon/c/d"), "daemonTaskDefinitionArn": with_role,
        "capacityProviderArns": [arn("capacity-provider/p")],
    });
    let refused = err::<op::UpdateDaemon>(&asker, change).await;
    assert!(refused.contains("iam:PassRole on resource"), "{refused}");
}
