//! The policies of the mission's documents, with this account's numbers and names in them.

use portcullis_core::{AccountId, Region};

const RUN_TASK: &str = include_str!("../../policies/12-runtask.json");
const DESCRIBE_SERVICES: &str = include_str!("../../policies/18b-describe-services-owner-corrected.json");
const DELETE_CLUSTER_MFA: &str = include_str!("../../policies/02-bp-deletecluster-mfa.json");
const REGISTER: &str = include_str!("../../policies/11-taskdef-register-list-describe.json");
const TRUST_ECS_TASKS: &str = include_str!("../../policies/19-trust-ecs-tasks.json");

/// The cluster, family and account the printed policies name.
const PRINTED_ACCOUNT: &str = "111122223333";
/// The cluster the printed policies name.
pub const CLUSTER: &str = "default";
/// The family the printed policies name.
pub const FAMILY: &str = "my-family";

/// A policy of the documents and what is to be said about it.
pub struct Printed {
    /// The name it gets.
    pub name: &'static str,
    /// What it allows, and whether it is as printed.
    pub remark: &'static str,
    text: &'static str,
}

/// What richard-roe may do.
pub const RICHARDS: [Printed; 4] = [
    Printed {
        name: "RunTask",
        remark: "RunTask of one family on one cluster (ecs:cluster), as printed",
        text: RUN_TASK,
    },
    Printed {
        name: "DescribeOwnServices",
        remark: "DescribeServices where the tag Owner is his user name; corrected: the printed first statement allows it on every service, so the condition of the second never mattered",
        text: DESCRIBE_SERVICES,
    },
    Printed {
        name: "DeleteClusterWithMfa",
        remark: "DeleteCluster only with MFA, as printed",
        text: DELETE_CLUSTER_MFA,
    },
    Printed {
        name: "RegisterTaskDefinitions",
        remark: "RegisterTaskDefinition, as printed",
        text: REGISTER,
    },
];

impl Printed {
    /// The document for this account and region; the printed ones are for us-east-1.
    pub fn document(&self, account: &AccountId, region: &Region) -> String {
        self.text
            .replace(PRINTED_ACCOUNT, account.as_str())
            .replace("us-east-1", region.as_str())
    }
}

/// The trust policy of task roles and execution roles, as printed.
pub fn trust_ecs_tasks() -> &'static str {
    TRUST_ECS_TASKS
}

/// The trust policy of the container instance's role.
pub fn trust_ec2() -> String {
    TRUST_ECS_TASKS.replace("ecs-tasks.amazonaws.com", "ec2.amazonaws.com")
}

/// What the task may do: describe the cluster it runs in, and nothing else.
pub fn task_permissions(account: &AccountId, region: &Region) -> String {
    let cluster = format!("arn:aws:ecs:{region}:{account}:cluster/{CLUSTER}");
    statement("ecs:DescribeClusters", &[cluster])
}

/// PassRole for exactly these roles and exactly this service.
pub fn pass_roles(roles: &[String]) -> String {
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Sid": "PassTaskRoles",
            "Effect": "Allow",
            "Action": "iam:PassRole",
            "Resource": roles,
            "Condition": { "StringEquals": { "iam:PassedToService": "ecs-tasks.amazonaws.com" } }
        }]
    })
    .to_string()
}

fn statement(action: &str, resources: &[String]) -> String {
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Action": action, "Resource": resources }]
    })
    .to_string()
}
