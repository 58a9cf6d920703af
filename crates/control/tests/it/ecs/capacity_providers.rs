//! Capacity providers, their place in clusters, and tasks that go through them (ecs.md 2, 3).

use portcullis_api::ecs::op;
use serde_json::{Value, json};

use super::tasks::{Scene, merged};
use super::{allow_if, arn, err, ok};
use crate::agent::{Agent, Instance, definition, eventually, is_connected};
use crate::harness::{ACCOUNT, Server, allow};

const CAPACITY: &str = "ClientException: Capacity is unavailable at this time. Please try again later or in a different availability zone";

fn group(name: &str) -> String {
    format!(
        "arn:aws:autoscaling:us-east-1:{ACCOUNT}:autoScalingGroup:11111111-2222-3333-4444-555555555555:autoScalingGroupName/{name}"
    )
}

fn creation(name: &str) -> Value {
    json!({ "name": name, "autoScalingGroupProvider": { "autoScalingGroupArn": group(name) } })
}

async fn provider(server: &Server, name: &str) -> Value {
    ok::<op::CreateCapacityProvider>(&server.root, creation(name)).await["capacityProvider"].clone()
}

async fn names(server: &Server, more: Value) -> Vec<String> {
    let reply = ok::<op::DescribeCapacityProviders>(&server.root, more).await;
    let found = reply["capacityProviders"].as_array().unwrap().clone();
    found
        .iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_provider_is_made_changed_deleted_and_its_name_free_again() {
    let server = Server::start().await;
    let made = provider(&server, "hosts").await;
    let expected = json!({
        "capacityProviderArn": arn("capacity-provider/hosts"), "name": "hosts", "status": "ACTIVE",
        "type": "EC2_AUTOSCALING", "updateStatus": "CREATE_COMPLETE", "tags": [],
        "autoScalingGroupProvider": {
            "autoScalingGroupArn": group("hosts"), "managedDraining": "ENABLED",
            "managedTerminationProtection": "DISABLED",
            "managedScaling": { "status": "DISABLED", "targetCapacity": 100, "minimumScalingStepSize": 1,
                "maximumScalingStepSize": 10000, "instanceWarmupPeriod": 300 },
        },
    });
    assert_eq!(made, expected);
    let change = json!({ "name": "hosts", "autoScalingGroupProvider": {
        "managedScaling": { "status": "ENABLED", "targetCapacity": 80 } } });
    let changed = ok::<op::UpdateCapacityProvider>(&server.root, change).await["capacityProvider"].clone();
    let scaling = &changed["autoScalingGroupProvider"]["managedScaling"];
    assert_eq!(
        (&scaling["targetCapacity"], &scaling["status"]),
        (&json!(80), &json!("ENABLED"))
    );
    assert_eq!(changed["updateStatus"], "UPDATE_COMPLETE");
    let delete = json!({ "capacityProvider": arn("capacity-provider/hosts") });
    let gone =
        ok::<op::DeleteCapacityProvider>(&server.root, delete.clone()).await["capacityProvider"].clone();
    assert_eq!(
        (&gone["status"], &gone["updateStatus"]),
        (&json!("INACTIVE"), &json!("DELETE_COMPLETE"))
    );
    let shown = json!({ "capacityProviders": ["hosts"] });
    let shown = ok::<op::DescribeCapacityProviders>(&server.root, shown).await;
    assert_eq!(shown["capacityProviders"][0]["status"], "INACTIVE");
    assert_eq!(names(&server, json!({})).await, ["FARGATE", "FARGATE_SPOT"]);
    let again = err::<op::DeleteCapacityProvider>(&server.root, delete).await;
    assert!(
        again.starts_with("ClientException: The specified capacity provider does not exist."),
        "{again}"
    );
    provider(&server, "hosts").await;
}

#[tokio::test]
async fn what_is_wrong_with_a_provider_is_said_in_awss_words() {
    let server = Server::start().await;
    provider(&server, "known").await;
    let with_group = |name: &str, more: Value| {
        let group = merged(json!({ "autoScalingGroupArn": group("g") }), more);
        json!({ "name": name, "autoScalingGroupProvider": group })
    };
    let steps = json!({ "managedScaling": { "minimumScalingStepSize": 5, "maximumScalingStepSize": 2 } });
    let protected = json!({ "managedTerminationProtection": "ENABLED" });
    let cases = [
        (
            creation("aws-mine"),
            "ClientException: The specified capacity provider name is invalid.",
        ),
        (
            creation("ECS"),
            "ClientException: The specified capacity provider name is invalid.",
        ),
        (
            creation("FargateX"),
            "ClientException: The specified capacity provider name is invalid.",
        ),
        (
            creation("a b"),
            "ClientException: The specified capacity provider name is invalid.",
        ),
        (
            creation("known"),
            "ClientException: The specified capacity provider already exists.",
        ),
        (
            json!({ "name": "x" }),
            "ClientException: The capacity provider must have exactly one of",
        ),
        (
            with_group("x", steps),
            "ClientException: The minimum or maximum scaling step size value is invalid.",
        ),
        (
            with_group("x", protected),
            "ClientException: To enable managed termination protection",
        ),
    ];
    for (input, expected) in cases {
        let text = err::<op::CreateCapacityProvider>(&server.root, input.clone()).await;
        assert!(text.starts_with(expected), "{input}: {text}");
    }
    for name in ["FARGATE", "FARGATE_SPOT"] {
        let delete = json!({ "capacityProvider": name });
        let text = err::<op::DeleteCapacityProvider>(&server.root, delete).await;
        assert!(
            text.starts_with("ClientException: The specified capacity provider is reserved"),
            "{text}"
        );
    }
    let unknown = json!({ "name": "unknown", "autoScalingGroupProvider": {} });
    let text = err::<op::UpdateCapacityProvider>(&server.root, unknown).await;
    assert!(
        text.starts_with("ClientException: The specified capacity provider does not exist."),
        "{text}"
    );
}

#[tokio::test]
async fn all_are_listed_in_pages_of_ten_and_the_missing_named() {
    let server = Server::start().await;
    for number in 0..11 {
        provider(&server, &format!("p{number:02}")).await;
    }
    let mut seen = Vec::new();
    let mut token = Value::Null;
    loop {
        let mut input = json!({ "maxResults": 5 });
        if token != Value::Null {
            input["nextToken"] = token.clone();
        }
        let page = ok::<op::DescribeCapacityProviders>(&server.root, input).await;
        let found = page["capacityProviders"].as_array().unwrap().clone();
        seen.extend(found.iter().map(|one| one["name"].as_str().unwrap().to_owned()));
        token = page["nextToken"].clone();
        if token == Value::Null {
            break;
        }
    }
    assert_eq!(seen.len(), 13);
    assert_eq!(seen[..3], ["FARGATE", "FARGATE_SPOT", "p00"]);
    let input = json!({ "capacityProviders": ["p03", "nowhere"] });
    let reply = ok::<op::DescribeCapacityProviders>(&server.root, input).await;
    assert_eq!(
        reply["failures"],
        json!([{ "arn": arn("capacity-provider/nowhere"), "reason": "MISSING" }])
    );
    let many = err::<op::DescribeCapacityProviders>(&server.root, json!({ "maxResults": 11 })).await;
    assert!(
        many.starts_with("InvalidParameterException: Invalid maxResults"),
        "{many}"
    );
}

#[tokio::test]
async fn r148_tags_are_authorised_kept_and_propagated_nowhere() {
    let server = Server::start().await;
    let owner = json!([{ "key": "Owner", "value": "richard-roe" }]);
    let input = merged(creation("hosts"), json!({ "tags": owner }));
    let bare = server
        .user(
            "bare",
            &allow("ecs:CreateCapacityProvider", &arn("capacity-provider/*")),
        )
        .await;
    let refused = err::<op::CreateCapacityProvider>(&bare, input.clone()).await;
    assert!(refused.contains("ecs:TagResource"), "{refused}");
    let made = ok::<op::CreateCapacityProvider>(&server.root, input).await;
    assert_eq!(made["capacityProvider"]["tags"], owner);
    let resource = arn("capacity-provider/hosts");
    let more = json!({ "resourceArn": resource, "tags": [{ "key": "Stage", "value": "test" }] });
    ok::<op::TagResource>(&server.root, more).await;
    let describe = json!({ "capacityProviders": ["hosts"], "include": ["TAGS"] });
    let shown = ok::<op::DescribeCapacityProviders>(&server.root, describe.clone()).await;
    assert_eq!(shown["capacityProviders"][0]["tags"].as_array().unwrap().len(), 2);
    // Its tags decide about it.
    let mine = allow_if("ecs:*", "StringEquals", "aws:ResourceTag/Stage", "test");
    let tester = server.user("tester", &mine).await;
    ok::<op::DescribeCapacityProviders>(&tester, describe).await;
    let other =
        err::<op::DescribeCapacityProviders>(&tester, json!({ "capacityProviders": ["FARGATE"] })).await;
    assert!(
        other.contains("is not authorized to perform: ecs:DescribeCapacityProviders"),
        "{other}"
    );
    ok::<op::DeleteCapacityProvider>(&tester, json!({ "capacityProvider": "hosts" })).await;
}

#[tokio::test]
async fn r149_managed_instances_need_their_role_passed_and_are_refused_plainly() {
    let server = Server::start().await;
    let role = format!("arn:aws:iam::{ACCOUNT}:role/infrastructure");
    let template = json!({
        "ec2InstanceProfileArn": format!("arn:aws:iam::{ACCOUNT}:instance-profile/p"),
        "networkConfiguration": { "subnets": ["subnet-47f7b3cdee39910b8"] },
        "instanceMetadataTagsPropagation": true,
    });
    let managed = json!({ "infrastructureRoleArn": role, "instanceLaunchTemplate": template,
        "propagateTags": "CAPACITY_PROVIDER" });
    let input = json!({ "name": "managed", "managedInstancesProvider": managed });
    let maker = server
        .user("maker", &allow("ecs:CreateCapacityProvider", "*"))
        .await;
    let refused = err::<op::CreateCapacityProvider>(&maker, input.clone()).await;
    assert!(
        refused.contains("iam:PassRole on resource: arn:aws:iam::123456789012:role/infrastructure"),
        "{refused}"
    );
    for (key, value) in [
        ("ecs:propagate-tags", "CAPACITY_PROVIDER"),
        ("ecs:instance-metadata-tags-propagation", "true"),
    ] {
        let policy = allow_if("ecs:CreateCapacityProvider", "StringEquals", key, value);
        let user = server.user(key.rsplit(':').next().unwrap(), &policy).await;
        let text = err::<op::CreateCapacityProvider>(&user, input.clone()).await;
        assert!(text.contains("iam:PassRole"), "the key {key} is filled: {text}");
    }
    let plain = err::<op::CreateCapacityProvider>(&server.root, input).await;
    assert!(plain.starts_with("UnsupportedFeatureException"), "{plain}");
}

/// A scene with an Auto Scaling group of one host beside the instance that belongs to none.
async fn grouped(name: &str) -> (Scene, Instance, Agent) {
    let scene = Scene::set().await;
    provider(&scene.server, name).await;
    let host = Instance::register(
        &scene.server.root,
        "c",
        &[("portcullis.auto-scaling-group", Some(name))],
    )
    .await;
    let agent = host.connect(&scene.front, true).await.unwrap();
    eventually(&scene.server, "connected", |view| is_connected(view, &host.arn)).await;
    (scene, host, agent)
}

async fn associate(scene: &Scene, names: Value, strategy: Value) -> Result<(), String> {
    let input =
        json!({ "cluster": "c", "capacityProviders": names, "defaultCapacityProviderStrategy": strategy });
    let input = portcullis_wire::json::from_value(&input).unwrap();
    let reply = scene
        .server
        .root
        .call::<op::PutClusterCapacityProviders>(&input)
        .await;
    reply.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_strategy_sends_tasks_to_the_hosts_of_its_providers() {
    let (scene, host, _agent) = grouped("hosts").await;
    let through = json!({ "capacityProviderStrategy": [{ "capacityProvider": "hosts" }] });
    let text = scene.run_err(through.clone()).await;
    assert!(text.contains("not associated with the cluster"), "{text}");
    associate(&scene, json!(["hosts"]), json!([])).await.unwrap();
    let task = scene.run(through).await["tasks"][0].clone();
    assert_eq!(task["containerInstanceArn"], host.arn.as_str());
    assert_eq!(
        (&task["capacityProviderName"], &task["launchType"]),
        (&json!("hosts"), &json!("EC2"))
    );
    let plain = scene.run(json!({})).await["tasks"][0].clone();
    assert_eq!(plain.get("capacityProviderName"), None);
    // The cluster's own strategy counts where a request says nothing.
    associate(
        &scene,
        json!(["hosts"]),
        json!([{ "capacityProvider": "hosts", "weight": 1 }]),
    )
    .await
    .unwrap();
    let task = scene.run(json!({})).await["tasks"][0].clone();
    assert_eq!(task["capacityProviderName"], "hosts");
    let asked = scene.run(json!({ "launchType": "EC2" })).await["tasks"][0].clone();
    assert_eq!(asked.get("capacityProviderName"), None);
}

#[tokio::test]
async fn base_and_weight_divide_the_tasks_of_a_call() {
    let (scene, one, _agent) = grouped("one").await;
    provider(&scene.server, "two").await;
    let two = Instance::register(
        &scene.server.root,
        "c",
        &[("portcullis.auto-scaling-group", Some("two"))],
    )
    .await;
    let _second = two.connect(&scene.front, true).await.unwrap();
    eventually(&scene.server, "connected", |view| is_connected(view, &two.arn)).await;
    associate(&scene, json!(["one", "two"]), json!([])).await.unwrap();
    let strategy = json!([
        { "capacityProvider": "one", "base": 2, "weight": 1 },
        { "capacityProvider": "two", "weight": 3 },
    ]);
    let reply = scene
        .run(json!({ "count": 10, "capacityProviderStrategy": strategy }))
        .await;
    let tasks = reply["tasks"].as_array().unwrap();
    let on = |arn: &str| {
        tasks
            .iter()
            .filter(|task| task["containerInstanceArn"] == arn)
            .count()
    };
    assert_eq!((on(&one.arn), on(&two.arn)), (4, 6));
}

#[tokio::test]
async fn a_strategy_keeps_its_rules() {
    let (scene, ..) = grouped("one").await;
    provider(&scene.server, "two").await;
    associate(
        &scene,
        json!(["one", "two", "FARGATE", "FARGATE_SPOT"]),
        json!([]),
    )
    .await
    .unwrap();
    let item = |name: &str, base: i32, weight: i32| json!({ "capacityProvider": name, "base": base, "weight": weight });
    let cases = [
        (
            json!([item("one", 1, 1), item("two", 1, 1)]),
            "There are multiple capacity providers in the specified",
        ),
        (
            json!([item("one", 0, 0), item("two", 0, 0)]),
            "There are no capacity providers in the capacity provider",
        ),
        (
            json!([item("one", 0, 1), item("FARGATE", 0, 1)]),
            "A capacity provider strategy cannot contain a mix",
        ),
        (
            json!([item("one", 0, 1), item("one", 0, 1)]),
            "A capacity provider strategy cannot contain the capacity",
        ),
        (
            json!([item("three", 0, 1)]),
            "The specified capacity provider strategy cannot contain",
        ),
    ];
    for (strategy, expected) in cases {
        let text = scene
            .run_err(json!({ "capacityProviderStrategy": strategy }))
            .await;
        let expected = format!("InvalidParameterException: {expected}");
        assert!(text.starts_with(&expected), "{strategy}: {text}");
    }
    let both = json!({ "launchType": "EC2", "capacityProviderStrategy": [item("one", 0, 1)] });
    assert_eq!(
        scene.run_err(both).await,
        "InvalidParameterException: Specifying both a launch type and capacity provider strategy is not supported"
    );
}

#[tokio::test]
async fn providers_in_use_stay_and_associated_ones_cannot_be_deleted() {
    let (scene, host, _agent) = grouped("hosts").await;
    associate(&scene, json!(["hosts"]), json!([])).await.unwrap();
    let task = scene
        .run_one(json!({ "capacityProviderStrategy": [{ "capacityProvider": "hosts" }] }))
        .await;
    let refused = associate(&scene, json!([]), json!([])).await.unwrap_err();
    assert!(
        refused.contains(
            "ResourceInUseException: The specified capacity provider is in use and cannot be removed."
        ),
        "{refused}"
    );
    let delete = json!({ "capacityProvider": "hosts" });
    let text = err::<op::DeleteCapacityProvider>(&scene.server.root, delete.clone()).await;
    assert!(
        text.contains("because it is associated with cluster: c."),
        "{text}"
    );
    ok::<op::StopTask>(&scene.server.root, json!({ "cluster": "c", "task": task })).await;
    host.submit(&task, "STOPPED", &[("app", Some(0))]).await;
    associate(&scene, json!([]), json!([])).await.unwrap();
    ok::<op::DeleteCapacityProvider>(&scene.server.root, delete).await;
    let gone = associate(&scene, json!(["hosts"]), json!([])).await.unwrap_err();
    assert!(
        gone.contains("The specified capacity provider 'hosts' was not found."),
        "{gone}"
    );
}

async fn on_fargate(scene: &Scene) {
    definition(&scene.server, "small", |request| {
        request.requires_compatibilities = Some(vec!["FARGATE".to_owned()]);
        request.network_mode = Some("awsvpc".to_owned());
        request.cpu = Some("256".to_owned());
        request.memory = Some("512".to_owned());
    })
    .await;
}

async fn fargate(scene: &Scene, more: Value) -> Value {
    // Where hosts are that name no zone.
    let here = json!({ "Filters": [{ "Name": "availability-zone", "Values": ["us-east-1a"] }] });
    let subnets = ok::<portcullis_api::ec2::op::DescribeSubnets>(&scene.server.root, here).await;
    let subnet = &subnets["Subnets"][0]["SubnetId"];
    let network = json!({ "awsvpcConfiguration": { "subnets": [subnet] } });
    merged(
        json!({ "taskDefinition": "small", "launchType": "FARGATE", "networkConfiguration": network }),
        more,
    )
}

#[tokio::test]
async fn fargate_holds_size_version_and_placement_against_its_own_rules() {
    let scene = Scene::set().await;
    on_fargate(&scene).await;
    let cases = [
        (json!({}), CAPACITY),
        (
            json!({ "platformVersion": "1.5.0" }),
            "PlatformUnknownException: ",
        ),
        (
            json!({ "overrides": { "cpu": "256", "memory": "4096" } }),
            "ClientException: No Fargate configuration exists for given values: 256 CPU, 4096 memory.",
        ),
        (
            json!({ "placementStrategy": [{ "type": "random" }] }),
            "InvalidParameterException: Placement strategies are not supported with FARGATE launch type.",
        ),
        (
            json!({ "placementConstraints": [{ "type": "distinctInstance" }] }),
            "InvalidParameterException: Placement constraints are not supported with FARGATE launch type.",
        ),
    ];
    for (more, expected) in cases {
        let text = scene.run_err(fargate(&scene, more.clone()).await).await;
        assert!(text.starts_with(expected), "{more}: {text}");
    }
}

#[tokio::test]
async fn fargate_tasks_go_to_hosts_that_offer_themselves_and_can_carry_them() {
    let scene = Scene::set().await;
    on_fargate(&scene).await;
    let offered = ("portcullis.launch-type", Some("FARGATE"));
    let without = Instance::register(&scene.server.root, "c", &[offered]).await;
    let _first = without.connect(&scene.front, true).await.unwrap();
    eventually(&scene.server, "connected", |view| {
        is_connected(view, &without.arn)
    })
    .await;
    assert_eq!(
        scene.run_err(fargate(&scene, json!({})).await).await,
        CAPACITY,
        "no network interfaces there"
    );
    let able = [
        offered,
        ("ecs.capability.task-eni", None),
        ("portcullis.capability.security-groups", None),
        ("com.amazonaws.ecs.capability.docker-remote-api.1.18", None),
    ];
    let host = Instance::register(&scene.server.root, "c", &able).await;
    let _second = host.connect(&scene.front, true).await.unwrap();
    eventually(&scene.server, "connected", |view| is_connected(view, &host.arn)).await;
    let task = scene.run(fargate(&scene, json!({})).await).await["tasks"][0].clone();
    assert_eq!(task["launchType"], "FARGATE");
    assert_eq!(task["platformVersion"], "1.4.0");
    assert_eq!(
        task.get("containerInstanceArn"),
        None,
        "whose host it is, is not the caller's to know"
    );
    let plain = scene.run(json!({ "count": 4 })).await;
    for task in plain["tasks"].as_array().unwrap() {
        assert_eq!(
            task["containerInstanceArn"],
            scene.instance.arn.as_str(),
            "no EC2 task goes there"
        );
    }
}

#[tokio::test]
async fn a_provider_means_the_same_to_a_policy_and_to_the_scheduler_however_it_is_spelled() {
    let (scene, ..) = grouped("hosts").await;
    provider(&scene.server, "other").await;
    associate(&scene, json!(["hosts", "other"]), json!([]))
        .await
        .unwrap();
    let own = arn("capacity-provider/hosts");
    let barred = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "ecs:*", "Resource": "*" },
        { "Effect": "Deny", "Action": "ecs:*", "Resource": "*",
          "Condition": { "ForAnyValue:ArnEquals": { "ecs:capacity-provider": own } } },
    ] });
    let user = scene.server.user("barred", &barred.to_string()).await;
    let external = json!({ "cluster": "c", "serviceName": "sets", "desiredCount": 0,
        "deploymentController": { "type": "EXTERNAL" } });
    ok::<op::CreateService>(&scene.server.root, external).await;
    let plain = json!({ "cluster": "c", "serviceName": "plain", "desiredCount": 0, "taskDefinition": "web",
        "launchType": "EC2" });
    ok::<op::CreateService>(&scene.server.root, plain).await;
    let spellings = [
        "hosts".to_owned(),
        own.clone(),
        own.replace(ACCOUNT, "999999999999"),
        own.replace("us-east-1", "eu-west-1"),
        own.replace("arn:aws:", "arn:aws-cn:"),
        own.replace("arn:", "ARN:"),
        "x/capacity-provider/hosts".to_owned(),
        "capacity-provider/hosts".to_owned(),
        "arn:x/capacity-provider/hosts".to_owned(),
    ];
    for (at, spelling) in spellings.iter().enumerate() {
        let strategy = json!([{ "capacityProvider": spelling, "weight": 1 }]);
        let with = |more: Value| {
            merged(
                json!({ "cluster": "c", "capacityProviderStrategy": strategy }),
                more,
            )
        };
        let create =
            with(json!({ "serviceName": format!("s{at}"), "taskDefinition": "web", "desiredCount": 0 }));
        let update = with(json!({ "service": "plain" }));
        let set = with(json!({ "service": "sets", "taskDefinition": "web" }));
        let run = with(json!({ "taskDefinition": "web" }));
        let put = json!({ "cluster": "c", "capacityProviders": [spelling, "other"],
            "defaultCapacityProviderStrategy": [] });
        let cluster = json!({ "clusterName": format!("c{at}"), "capacityProviders": [spelling] });
        let refusals = [
            err::<op::CreateService>(&user, create).await,
            err::<op::UpdateService>(&user, update).await,
            err::<op::CreateTaskSet>(&user, set).await,
            err::<op::RunTask>(&user, run).await,
            err::<op::PutClusterCapacityProviders>(&user, put).await,
            err::<op::CreateCluster>(&user, cluster).await,
        ];
        for text in refusals {
            let expected = if at < 2 {
                "AccessDeniedException"
            } else {
                "InvalidParameterException"
            };
            assert!(text.starts_with(expected), "{spelling}: {text}");
        }
    }
    // An empty launch type says nothing: the cluster's own strategy counts, also for policies.
    let default = json!([{ "capacityProvider": own, "weight": 1 }]);
    associate(&scene, json!([own, "other"]), default).await.unwrap();
    let run = json!({ "cluster": "c", "taskDefinition": "web", "launchType": "" });
    let text = err::<op::RunTask>(&user, run).await;
    assert!(
        text.starts_with("AccessDeniedException") || text.contains("launchType"),
        "{text}"
    );
}

#[tokio::test]
async fn a_group_has_one_provider() {
    let server = Server::start().await;
    provider(&server, "hosts").await;
    let mut twin = creation("twin");
    twin["autoScalingGroupProvider"]["autoScalingGroupArn"] = json!(group("hosts"));
    let text = err::<op::CreateCapacityProvider>(&server.root, twin.clone()).await;
    assert!(
        text.starts_with("ClientException: The specified Auto Scaling group is already being used"),
        "{text}"
    );
    ok::<op::DeleteCapacityProvider>(&server.root, json!({ "capacityProvider": "hosts" })).await;
    ok::<op::CreateCapacityProvider>(&server.root, twin).await;
}
