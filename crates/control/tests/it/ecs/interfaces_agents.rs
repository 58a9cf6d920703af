//! What agents are told of the network interfaces of tasks and of their security groups (agent.md 5.2).

use portcullis_api::acs;
use portcullis_api::ec2::op as ec2;
use portcullis_api::ecs::op;
use portcullis_control::schedule::interfaces;
use serde_json::{Value, json};

use super::interfaces::OWN_NETWORKS;
use super::ok;
use super::tasks::{id_of, text};
use crate::agent::{Agent, Front, Instance, cluster, definition, eventually, is_connected};
use crate::harness::Server;

/// A server, its listener, a host that makes interfaces, its agent, a subnet and two groups.
struct Scene {
    server: Server,
    front: Front,
    instance: Instance,
    agent: Agent,
    subnet: String,
    web: String,
    clients: String,
}

impl Scene {
    async fn set() -> Self {
        let server = Server::start().await;
        cluster(&server, "c").await;
        let front = Front::open(&server).await;
        let instance = Instance::register(&server.root, "c", OWN_NETWORKS).await;
        let agent = instance.connect(&front, true).await.unwrap();
        eventually(&server, "connected", |view| is_connected(view, &instance.arn)).await;
        definition(&server, "own", |request| {
            request.network_mode = Some("awsvpc".to_owned())
        })
        .await;
        let root = &server.root;
        let vpc = ok::<ec2::CreateVpc>(root, json!({ "CidrBlock": "10.0.0.0/16" })).await;
        let vpc = text(&vpc["Vpc"]["VpcId"]);
        let input = json!({ "VpcId": vpc, "CidrBlock": "10.0.1.0/24", "AvailabilityZone": "us-east-1a" });
        let subnet = text(&ok::<ec2::CreateSubnet>(root, input).await["Subnet"]["SubnetId"]);
        let mut groups = Vec::new();
        for name in ["web", "clients"] {
            let group = json!({ "VpcId": vpc, "GroupName": name, "Description": "d" });
            groups.push(text(
                &ok::<ec2::CreateSecurityGroup>(root, group).await["GroupId"],
            ));
        }
        let clients = groups.pop().unwrap();
        let web = groups.pop().unwrap();
        Self {
            server,
            front,
            instance,
            agent,
            subnet,
            web,
            clients,
        }
    }

    async fn run(&self, group: &str) -> String {
        let network =
            json!({ "awsvpcConfiguration": { "subnets": [self.subnet], "securityGroups": [group] } });
        let input = json!({ "cluster": "c", "taskDefinition": "own", "networkConfiguration": network });
        let reply = ok::<op::RunTask>(&self.server.root, input).await;
        interfaces::settle(&self.server.gate).await;
        text(&reply["tasks"][0]["taskArn"])
    }

    async fn authorize(&self, permission: Value) {
        let input = json!({ "GroupId": self.web, "IpPermissions": [permission] });
        ok::<ec2::AuthorizeSecurityGroupIngress>(&self.server.root, input).await;
    }

    /// The next message about firewalls, acknowledged.
    async fn firewalls(&mut self) -> Vec<acs::PortcullisTaskFirewall> {
        let message: acs::PortcullisFirewallMessage = self.agent.expect().await;
        self.acknowledge(&message).await;
        message.firewalls
    }

    async fn acknowledge(&mut self, message: &acs::PortcullisFirewallMessage) {
        let ack = acs::AckRequest {
            cluster: message.cluster_arn.clone(),
            container_instance: message.container_instance_arn.clone(),
            message_id: message.message_id.clone(),
        };
        self.agent.send(&ack).await;
    }
}

fn rule(protocol: &str, port: i32, sources: &[&str]) -> acs::PortcullisFirewallRule {
    acs::PortcullisFirewallRule {
        protocol: protocol.to_owned(),
        from_port: port,
        to_port: port,
        sources: Some(sources.iter().map(|one| (*one).to_owned()).collect()),
        destinations: None,
    }
}

#[tokio::test]
async fn agent_5_2_a_payload_brings_the_interface_and_what_its_groups_come_to() {
    let mut scene = Scene::set().await;
    let from_all = json!({ "IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "IpRanges": [{ "CidrIp": "10.9.0.0/16" }] });
    scene.authorize(from_all).await;
    let arn = scene.run(&scene.web.clone()).await;
    let payload = scene.agent.take().await;
    let task = &payload.tasks[0];
    assert_eq!(
        (task.arn.as_str(), task.network_mode.as_deref()),
        (arn.as_str(), Some("awsvpc"))
    );
    let [interface] = task.elastic_network_interfaces.as_deref().unwrap() else {
        panic!("one interface");
    };
    let address = &interface.ipv4_addresses.as_ref().unwrap()[0];
    assert_eq!(
        (address.primary, address.private_address.as_deref()),
        (Some(true), Some("10.0.1.4"))
    );
    assert_eq!(
        interface.subnet_gateway_ipv4_address.as_deref(),
        Some("10.0.1.1/24")
    );
    assert_eq!(
        interface.private_dns_name.as_deref(),
        Some("ip-10-0-1-4.ec2.internal")
    );
    assert_eq!(interface.domain_name.as_deref().unwrap(), ["ec2.internal"]);
    let shown = ok::<op::DescribeTasks>(&scene.server.root, json!({ "cluster": "c", "tasks": [arn] })).await;
    let attachment = text(&shown["tasks"][0]["attachments"][0]["id"]);
    assert_eq!(id_of(interface.attachment_arn.as_deref().unwrap()), attachment);
    let firewall = interface.portcullis_firewall.as_ref().unwrap();
    assert_eq!(firewall.ingress, [rule("tcp", 80, &["10.9.0.0/16"])]);
    let out = acs::PortcullisFirewallRule {
        sources: None,
        destinations: Some(vec!["0.0.0.0/0".to_owned()]),
        ..rule("-1", -1, &[])
    };
    assert_eq!(firewall.egress, [out]);
}

#[tokio::test]
async fn agents_hear_of_rules_and_members_that_change() {
    let mut scene = Scene::set().await;
    let arn = scene.run(&scene.web.clone()).await;
    scene.agent.take().await;
    scene.instance.submit(&arn, "RUNNING", &[("app", None)]).await;
    // A rule about another group without members lets nobody in; it has none until a task comes.
    let members = json!({ "IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{ "GroupId": scene.clients }] });
    scene.authorize(members).await;
    let told = scene.firewalls().await;
    assert_eq!(
        (told.len(), told[0].task_arn.as_str(), told[0].ingress.as_slice()),
        (1, arn.as_str(), [].as_slice())
    );
    let client = scene.run(&scene.clients.clone()).await;
    let told = scene.firewalls().await;
    assert_eq!(told[0].ingress, [rule("tcp", 80, &["10.0.1.5/32"])]);
    // Its own firewall came with its payload: no message more.
    scene.instance.submit(&client, "RUNNING", &[("app", None)]).await;
    let stop = json!({ "cluster": "c", "task": client });
    ok::<op::StopTask>(&scene.server.root, stop).await;
    scene
        .instance
        .submit(&client, "STOPPED", &[("app", Some(0))])
        .await;
    interfaces::settle(&scene.server.gate).await;
    let told = scene.firewalls().await;
    assert_eq!((told.len(), told[0].ingress.as_slice()), (1, [].as_slice()));
}

#[tokio::test]
async fn what_changes_while_an_agent_is_at_work_comes_together_with_its_acknowledgement() {
    let mut scene = Scene::set().await;
    let arn = scene.run(&scene.web.clone()).await;
    scene.agent.take().await;
    scene.instance.submit(&arn, "RUNNING", &[("app", None)]).await;
    let open = |port: i32| {
        json!({ "IpProtocol": "tcp", "FromPort": port, "ToPort": port,
        "IpRanges": [{ "CidrIp": "10.0.0.0/8" }] })
    };
    scene.authorize(open(80)).await;
    let first: acs::PortcullisFirewallMessage = scene.agent.expect().await;
    assert_eq!(first.firewalls[0].ingress, [rule("tcp", 80, &["10.0.0.0/8"])]);
    for port in 81..90 {
        scene.authorize(open(port)).await;
        // Whatever the session sends meanwhile is passed over.
        scene
            .agent
            .send(&acs::TaskStopVerificationMessage::default())
            .await;
        let _: acs::TaskStopVerificationAck = scene.agent.expect().await;
    }
    scene.acknowledge(&first).await;
    let told = scene.firewalls().await;
    assert_eq!(told[0].ingress.len(), 10, "all of them, and at once");
}

#[tokio::test]
async fn a_new_session_brings_the_firewalls_of_all_tasks_that_run() {
    let mut scene = Scene::set().await;
    let arn = scene.run(&scene.web.clone()).await;
    scene.agent.take().await;
    scene.instance.submit(&arn, "RUNNING", &[("app", None)]).await;
    let again = scene.instance.connect(&scene.front, false).await.unwrap();
    scene.agent = again;
    let told = scene.firewalls().await;
    assert_eq!((told.len(), told[0].task_arn.as_str()), (1, arn.as_str()));
}
