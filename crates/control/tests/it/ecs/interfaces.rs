//! The network interfaces of `awsvpc` tasks: how they come, are shown and go (ecs.md 9).

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use portcullis_api::ec2::op as ec2;
use portcullis_api::ecs::op;
use portcullis_control::schedule::interfaces;
use portcullis_control::world::Tx;
use portcullis_control::world::records::ecs::{LastStatus, Task};
use portcullis_control::world::records::iam::Role;
use proptest::prelude::{any, prop};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::ok;
use super::stage::Stage;
use super::tasks::{id_of, merged, text};
use crate::agent::definition;

/// What hosts have whose agents make network interfaces of tasks.
pub const OWN_NETWORKS: &[(&str, Option<&str>)] = &[
    ("ecs.capability.task-eni", None),
    ("portcullis.capability.security-groups", None),
];

/// A stage with a host for `awsvpc` tasks, family `own` of such, and a VPC with a subnet of eleven addresses.
pub struct Net {
    pub stage: Stage,
    pub vpc: String,
    pub subnet: String,
    pub group: String,
}

impl Net {
    pub async fn set() -> Self {
        Self::with(OWN_NETWORKS).await
    }

    pub async fn with(attributes: &[(&str, Option<&str>)]) -> Self {
        let mut stage = Stage::set(&[]).await;
        stage.instance("us-east-1a", attributes).await;
        definition(&stage.server, "own", |request| {
            request.network_mode = Some("awsvpc".to_owned());
            request.cpu = Some("256".to_owned());
            request.memory = Some("512".to_owned());
            request.requires_compatibilities = Some(vec!["EC2".to_owned(), "FARGATE".to_owned()]);
            // Sizes are the task's.
            request.container_definitions[0].cpu = None;
        })
        .await;
        let root = &stage.server.root;
        let vpc = ok::<ec2::CreateVpc>(root, json!({ "CidrBlock": "10.0.0.0/16" })).await;
        let vpc = text(&vpc["Vpc"]["VpcId"]);
        let input = json!({ "VpcId": vpc, "CidrBlock": "10.0.1.0/28", "AvailabilityZone": "us-east-1a" });
        let subnet = ok::<ec2::CreateSubnet>(root, input).await;
        let subnet = text(&subnet["Subnet"]["SubnetId"]);
        let group = json!({ "VpcId": vpc, "GroupName": "web", "Description": "d" });
        let group = text(&ok::<ec2::CreateSecurityGroup>(root, group).await["GroupId"]);
        Self {
            stage,
            vpc,
            subnet,
            group,
        }
    }

    pub fn network(&self) -> Value {
        json!({ "awsvpcConfiguration": { "subnets": [self.subnet], "securityGroups": [self.group] } })
    }

    pub async fn run(&self, more: Value) -> Value {
        let base = json!({ "cluster": "c", "taskDefinition": "own", "networkConfiguration": self.network() });
        ok::<op::RunTask>(&self.stage.server.root, merged(base, more)).await
    }

    pub async fn run_one(&self, more: Value) -> String {
        text(&self.run(more).await["tasks"][0]["taskArn"])
    }

    pub async fn task(&self, arn: &str) -> Value {
        let input = json!({ "cluster": "c", "tasks": [arn] });
        ok::<op::DescribeTasks>(&self.stage.server.root, input).await["tasks"][0].clone()
    }

    pub async fn stop(&self, arn: &str) -> Value {
        let input = json!({ "cluster": "c", "task": arn });
        ok::<op::StopTask>(&self.stage.server.root, input).await["task"].clone()
    }

    pub async fn interfaces(&self) -> Vec<Value> {
        let input = json!({ "Filters": [{ "Name": "subnet-id", "Values": [self.subnet] }] });
        let found = ok::<ec2::DescribeNetworkInterfaces>(&self.stage.server.root, input).await;
        found["NetworkInterfaces"].as_array().unwrap().clone()
    }

    /// The agent says how far a task is.
    pub async fn submit(&self, arn: &str, status: &str) {
        let exit = (status == "STOPPED").then_some(0);
        self.stage.instances[0]
            .submit(arn, status, &[("app", exit)])
            .await;
    }

    /// Takes its policy from ECS's own role, or gives it back.
    pub async fn let_ecs(&self, may: bool) {
        let change = |tx: &mut Tx<'_>| -> Result<(), Infallible> {
            let mut role = Role::clone(tx.view().role("AWSServiceRoleForECS").unwrap());
            let policy = "arn:aws:iam::aws:policy/aws-service-role/AmazonECSServiceRolePolicy";
            role.permissions.attached.clear();
            if may {
                role.permissions.attached.push(policy.parse().unwrap());
            }
            tx.put(role);
            Ok(())
        };
        self.stage.server.gate.world().write(change).await.unwrap();
    }

    /// The EC2 calls on record that ECS made for interfaces, by name: the clock stands still, so that they have no order.
    pub async fn calls(&self) -> Vec<String> {
        let records = self.stage.server.records().await;
        let of_ec2 = records.iter().filter(|record| {
            record["eventSource"] == "ec2.amazonaws.com"
                && record["userIdentity"]["arn"].as_str().is_some_and(|arn| {
                    arn.ends_with("assumed-role/AWSServiceRoleForECS/ecs-eni-provisioning")
                })
        });
        let line = |record: &Value| {
            let name = text(&record["eventName"]);
            match record["errorCode"].as_str() {
                Some(code) => format!("{name} {code}"),
                None => name,
            }
        };
        let mut lines: Vec<String> = of_ec2.map(line).collect();
        lines.sort();
        lines
    }
}

/// What a detail of a task's attachment says.
pub fn detail(task: &Value, name: &str) -> Option<String> {
    let details = task["attachments"][0]["details"].as_array().unwrap();
    let found = details.iter().find(|one| one["name"] == name);
    found.map(|one| text(&one["value"]))
}

fn states(task: &Value) -> (String, String) {
    (text(&task["lastStatus"]), text(&task["attachments"][0]["status"]))
}

fn pair(status: &str, attachment: &str) -> (String, String) {
    (status.to_owned(), attachment.to_owned())
}

#[tokio::test]
async fn a_task_goes_to_its_host_with_an_interface_and_ends_without() {
    let net = Net::set().await;
    let root = &net.stage.server.root;
    let made = net.run(json!({})).await["tasks"][0].clone();
    let arn = text(&made["taskArn"]);
    assert_eq!(states(&made), pair("PROVISIONING", "PRECREATED"));
    assert_eq!(made["attachments"][0]["type"], "ElasticNetworkInterface");
    assert_eq!(
        made["attachments"][0]["details"],
        json!([{ "name": "subnetId", "value": net.subnet }])
    );
    assert_eq!(made["containers"][0]["networkInterfaces"], json!([]));
    // Nobody can report what no agent knows of.
    net.submit(&arn, "RUNNING").await;
    assert_eq!(states(&net.task(&arn).await), pair("PROVISIONING", "PRECREATED"));

    net.stage.settle().await;
    let task = net.task(&arn).await;
    assert_eq!(states(&task), pair("PENDING", "ATTACHED"));
    let interface = net.interfaces().await.pop().unwrap();
    let attachment = text(&task["attachments"][0]["id"]);
    assert_eq!(
        interface["Description"],
        format!("arn:aws:ecs:us-east-1:123456789012:attachment/{attachment}")
    );
    assert_eq!(
        (&interface["Status"], &interface["RequesterManaged"]),
        (&json!("in-use"), &json!(true))
    );
    assert!(text(&interface["RequesterId"]).ends_with(":ecs-eni-provisioning"));
    assert_eq!(interface["Groups"][0]["GroupId"], json!(net.group));
    assert_eq!(interface["PrivateIpAddress"], "10.0.1.4");
    assert_eq!(interface["Attachment"]["Status"], "attached");
    let hosts = ok::<ec2::DescribeInstances>(root, json!({})).await;
    assert_eq!(
        interface["Attachment"]["InstanceId"],
        hosts["Reservations"][0]["Instances"][0]["InstanceId"]
    );
    for (name, member) in [
        ("networkInterfaceId", "NetworkInterfaceId"),
        ("macAddress", "MacAddress"),
        ("privateDnsName", "PrivateDnsName"),
        ("privateIPv4Address", "PrivateIpAddress"),
    ] {
        assert_eq!(detail(&task, name).unwrap(), text(&interface[member]), "{name}");
    }
    assert_eq!(
        task["containers"][0]["networkInterfaces"],
        json!([{ "attachmentId": attachment, "privateIpv4Address": "10.0.1.4" }])
    );
}

#[tokio::test]
async fn a_task_passes_through_all_states_and_its_interface_ends_with_it() {
    let net = Net::set().await;
    let arn = net.run_one(json!({})).await;
    net.stage.settle().await;
    net.submit(&arn, "PENDING").await;
    assert_eq!(net.task(&arn).await["lastStatus"], "ACTIVATING");
    net.submit(&arn, "RUNNING").await;
    assert_eq!(net.task(&arn).await["lastStatus"], "RUNNING");
    let stopping = net.stop(&arn).await;
    assert_eq!(
        (&stopping["lastStatus"], &stopping["desiredStatus"]),
        (&json!("RUNNING"), &json!("STOPPED"))
    );
    net.stage.settle().await;
    assert_eq!(net.task(&arn).await["lastStatus"], "STOPPING");
    net.submit(&arn, "STOPPED").await;
    assert_eq!(states(&net.task(&arn).await), pair("DEPROVISIONING", "DETACHED"));
    assert!(net.task(&arn).await["stoppedAt"].is_null());
    net.stage.settle().await;
    let stopped = net.task(&arn).await;
    assert_eq!(states(&stopped), pair("STOPPED", "DELETED"));
    assert_eq!(stopped["stopCode"], "UserInitiated");
    assert!(!stopped["stoppedAt"].is_null());
    assert_eq!(detail(&stopped, "privateIPv4Address").unwrap(), "10.0.1.4");
    assert_eq!(net.interfaces().await, Vec::<Value>::new());
    assert_eq!(
        net.calls().await,
        [
            "AttachNetworkInterface",
            "CreateNetworkInterface",
            "DeleteNetworkInterface",
            "DetachNetworkInterface"
        ]
    );
}

#[tokio::test]
async fn a_task_of_fargate_gets_an_interface_by_permission_and_shows_no_host() {
    let attributes = [OWN_NETWORKS, &[("portcullis.launch-type", Some("FARGATE"))]].concat();
    let net = Net::with(&attributes).await;
    let network = merged(
        net.network()["awsvpcConfiguration"].clone(),
        json!({ "assignPublicIp": "ENABLED" }),
    );
    let more = json!({ "launchType": "FARGATE", "networkConfiguration": { "awsvpcConfiguration": network } });
    let arn = net.run_one(more).await;
    net.stage.settle().await;
    let task = net.task(&arn).await;
    assert_eq!(states(&task), pair("PENDING", "ATTACHED"));
    assert_eq!(
        (&task["launchType"], &task["platformVersion"]),
        (&json!("FARGATE"), &json!("1.4.0"))
    );
    assert_eq!(
        (&task["platformFamily"], &task["ephemeralStorage"]),
        (&json!("Linux"), &json!({ "sizeInGiB": 20 }))
    );
    assert!(task["containerInstanceArn"].is_null());
    let interface = net.interfaces().await.pop().unwrap();
    assert_eq!(interface["Status"], "in-use");
    assert!(interface["Attachment"]["InstanceId"].is_null() && interface["Association"].is_null());
    net.submit(&arn, "RUNNING").await;
    net.stop(&arn).await;
    net.submit(&arn, "STOPPED").await;
    net.stage.settle().await;
    assert_eq!(states(&net.task(&arn).await), pair("STOPPED", "DELETED"));
    assert_eq!(
        net.calls().await,
        [
            "CreateNetworkInterface",
            "CreateNetworkInterfacePermission",
            "DeleteNetworkInterface"
        ]
    );
}

#[tokio::test]
async fn a_host_has_so_many_interfaces_and_others_have_none() {
    let few = [OWN_NETWORKS, &[("portcullis.network-interfaces", Some("2"))]].concat();
    let net = Net::with(&few).await;
    let reply = net.run(json!({ "count": 3 })).await;
    assert_eq!(reply["tasks"].as_array().unwrap().len(), 2);
    assert_eq!(reply["failures"][0]["reason"], "RESOURCE:ENI");
    // The place is held until the interface is gone.
    let arn = text(&reply["tasks"][0]["taskArn"]);
    net.stage.settle().await;
    net.submit(&arn, "RUNNING").await;
    net.stop(&arn).await;
    net.submit(&arn, "STOPPED").await;
    assert_eq!(net.run(json!({})).await["failures"][0]["reason"], "RESOURCE:ENI");
    net.stage.settle().await;
    assert_eq!(net.run(json!({})).await["failures"], json!([]));

    let unable = Net::with(&[("ecs.capability.task-eni", None)]).await;
    assert_eq!(unable.run(json!({})).await["failures"][0]["reason"], "ATTRIBUTE");
}

#[tokio::test]
async fn a_service_replaces_tasks_that_lost_their_hosts_with_interfaces_of_their_own() {
    let mut net = Net::set().await;
    let create = json!({ "taskDefinition": "own", "desiredCount": 3, "networkConfiguration": net.network() });
    net.stage.create(create).await;
    net.stage.rest().await;
    assert_eq!(net.interfaces().await.len(), 3);
    assert_eq!(net.stage.service().await["runningCount"], 3);
    let second = net.stage.instance("us-east-1a", OWN_NETWORKS).await;
    let gone = json!({ "cluster": "c", "containerInstance": net.stage.instances[0].arn, "force": true });
    ok::<op::DeregisterContainerInstance>(&net.stage.server.root, gone).await;
    net.stage.rest().await;
    net.stage.rest().await;
    assert_eq!(net.stage.by_instance(), [(id_of(&second).to_owned(), 3)].into());
    assert_eq!(net.interfaces().await.len(), 3);
    let events = net.stage.events().await;
    assert!(
        events
            .iter()
            .any(|event| event.ends_with("has reached a steady state.")),
        "{events:#?}"
    );
}

/// What a test does next.
#[derive(Debug, Clone, Copy)]
enum Doing {
    Run,
    Stop,
    Report,
    Settle,
    Forbid,
    Restart,
}

const DOINGS: [Doing; 8] = [
    Doing::Run,
    Doing::Run,
    Doing::Stop,
    Doing::Report,
    Doing::Report,
    Doing::Settle,
    Doing::Forbid,
    Doing::Restart,
];

/// Lets something happen to a task chosen by number.
async fn happen(mut net: Net, doing: Doing, number: usize) -> Net {
    let alive = net.stage.alive();
    let chosen = alive.get(number % alive.len().max(1)).cloned();
    match (doing, chosen) {
        (Doing::Run, _) => drop(net.run(json!({ "count": 1 + number % 3 })).await),
        (Doing::Stop, Some(task)) => drop(net.stop(task.arn.as_str()).await),
        (Doing::Report, Some(task)) => {
            let status = if number.is_multiple_of(2) {
                "RUNNING"
            } else {
                "STOPPED"
            };
            net.submit(task.arn.as_str(), status).await;
        }
        (Doing::Settle, _) => net.stage.settle().await,
        (Doing::Forbid, _) => net.let_ecs(number.is_multiple_of(2)).await,
        (Doing::Restart, _) => net.stage = net.stage.restart().await,
        _ => {}
    }
    net
}

/// No interface, and no address, is two tasks'; every interface is some task's that has not stopped.
fn check(net: &Net) {
    let view = net.stage.server.gate.world().view();
    let mut owners: BTreeMap<String, String> = BTreeMap::new();
    let mut addresses = BTreeSet::new();
    let mut tokens = BTreeSet::new();
    for (_, task) in view.ecs.tasks.iter() {
        let interface = task.interface.as_ref().unwrap();
        if task.last != LastStatus::Stopped {
            tokens.insert(interface.attachment.clone());
        }
        let Some(made) = &interface.made else { continue };
        let before = owners.insert(made.id.clone(), task.id.clone());
        assert_eq!(before, None, "an interface is the interface of one task");
        if task.last != LastStatus::Stopped {
            assert!(addresses.insert(made.address.clone()), "an address is one task's");
        }
    }
    for (_, interface) in view.ec2.network_interfaces.iter() {
        let token = interface.client_token.clone().unwrap();
        assert!(tokens.contains(&token), "an interface outlives its task");
    }
}

#[test]
fn no_interface_is_ever_two_tasks_and_none_is_left() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let steps = prop::collection::vec((0..DOINGS.len(), any::<usize>()), 1..25);
    let mut runner = TestRunner::new(Config::with_cases(24));
    let outcome = runner.run(&steps, |steps| {
        runtime.block_on(async {
            let mut net = Net::set().await;
            for (doing, number) in steps {
                net = happen(net, DOINGS[doing], number).await;
                check(&net);
            }
            end_all(&net).await;
        });
        Ok(())
    });
    outcome.unwrap();
}

/// Ends all tasks, with ECS's role whole again.
async fn end_all(net: &Net) {
    net.let_ecs(true).await;
    for task in net.stage.alive() {
        net.stop(task.arn.as_str()).await;
    }
    net.stage.settle().await;
    for task in net.stage.alive() {
        net.submit(task.arn.as_str(), "STOPPED").await;
    }
    net.stage.server.clock.advance_seconds(600);
    net.stage.settle().await;
    check(net);
    assert_eq!(net.stage.alive(), Vec::<std::sync::Arc<Task>>::new());
    assert_eq!(net.interfaces().await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_an_interface_hangs_on_cannot_be_deleted_and_filters_find_it() {
    let net = Net::set().await;
    let root = &net.stage.server.root;
    let arn = net.run_one(json!({})).await;
    interfaces::settle(&net.stage.server.gate).await;
    let task = net.task(&arn).await;
    let interface = net.interfaces().await.pop().unwrap();
    let attachment = text(&interface["Attachment"]["AttachmentId"]);
    let host = text(&interface["Attachment"]["InstanceId"]);
    let found = |name: &'static str, value: String| async move {
        let input = json!({ "Filters": [{ "Name": name, "Values": [value] }] });
        let found = ok::<ec2::DescribeNetworkInterfaces>(root, input).await;
        found["NetworkInterfaces"].as_array().unwrap().len()
    };
    for (name, value) in [
        ("description", format!("*{}", text(&task["attachments"][0]["id"]))),
        ("attachment.attachment-id", attachment),
        ("attachment.instance-id", host),
        ("attachment.status", "attached".to_owned()),
        ("attachment.device-index", "1".to_owned()),
        ("group-id", net.group.clone()),
        ("private-ip-address", detail(&task, "privateIPv4Address").unwrap()),
        ("status", "in-use".to_owned()),
        ("requester-managed", "true".to_owned()),
    ] {
        assert_eq!(found(name, value).await, 1, "{name}");
    }
    assert_eq!(found("status", "available".to_owned()).await, 0);
    let refused = super::err::<ec2::DeleteSecurityGroup>(root, json!({ "GroupId": net.group })).await;
    assert!(refused.starts_with("DependencyViolation: "), "{refused}");
    let refused = super::err::<ec2::DeleteSubnet>(root, json!({ "SubnetId": net.subnet })).await;
    assert!(refused.starts_with("DependencyViolation: "), "{refused}");
    let refused = super::err::<ec2::DeleteVpc>(root, json!({ "VpcId": net.vpc })).await;
    assert!(refused.starts_with("DependencyViolation: "), "{refused}");
    // A host that is gone takes its tasks along, and ECS their interfaces.
    let gone = json!({ "cluster": "c", "containerInstance": net.stage.instances[0].arn, "force": true });
    ok::<op::DeregisterContainerInstance>(root, gone).await;
    interfaces::settle(&net.stage.server.gate).await;
    assert_eq!(net.interfaces().await, Vec::<Value>::new());
    ok::<ec2::DeleteSecurityGroup>(root, json!({ "GroupId": net.group })).await;
    ok::<ec2::DeleteSubnet>(root, json!({ "SubnetId": net.subnet })).await;
}
