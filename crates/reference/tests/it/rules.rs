//! The rules of the policy language that rest on the reference, by number.

use std::collections::BTreeSet;

use portcullis_reference::{ActionId, KeyType, Reach, ServiceId, action, key_type, reach, services};

use crate::model::{MODEL, members};

fn act(name: &str) -> ActionId {
    action(name).unwrap_or_else(|| panic!("{name} is no action"))
}

#[test]
fn r112_a_service_key_is_absent_where_neither_action_nor_resource_type_lists_it() {
    for (name, key, applies) in [
        ("ecs:DeleteCluster", "ecs:cluster", false),
        ("ecs:RunTask", "ecs:cluster", true),
        ("ecs:StopTask", "ecs:cluster", true),
        ("ecs:ListServices", "ECS:Cluster", true),
        ("ecs:RunTask", "ecs:enable-execute-command", true),
        ("ecs:StopTask", "ecs:enable-execute-command", false),
        ("ecs:ExecuteCommand", "ecs:container-name", true),
        ("ecs:RunTask", "ecs:container-name", false),
        ("ecs:TagResource", "ecs:CreateAction", true),
        ("iam:PassRole", "iam:PassedToService", true),
        ("iam:GetRole", "iam:PassedToService", false),
        ("iam:GetRole", "iam:ResourceTag/team", true),
        ("sts:AssumeRole", "sts:ExternalId", true),
        ("sts:GetCallerIdentity", "sts:ExternalId", false),
        ("s3:GetObject", "s3:ExistingObjectTag/project", true),
        // Spelled `ResourceTag/tag-key` on their services' pages.
        (
            "secretsmanager:GetSecretValue",
            "secretsmanager:ResourceTag/Owner",
            true,
        ),
        (
            "secretsmanager:GetSecretValue",
            "secretsmanager:resourcetag/owner",
            true,
        ),
        (
            "secretsmanager:GetRandomPassword",
            "secretsmanager:ResourceTag/Owner",
            false,
        ),
        ("ssm:GetParameter", "ssm:resourceTag/Owner", true),
        ("ssm:ListCommands", "ssm:resourceTag/Owner", false),
        ("s3:ListAllMyBuckets", "s3:ExistingObjectTag/project", false),
        ("kms:Decrypt", "kms:EncryptionContext:AppName", true),
        ("ecs:RunTask", "kms:EncryptionContext:AppName", false),
        ("aws-marketplace:StartChangeSet", "catalog:ChangeType", true),
        ("ecs:RunTask", "catalog:ChangeType", false),
        // No such keys, but the prefixes of services.
        ("ecs:RunTask", "ecs:no-such-key", false),
        ("ecs:RunTask", "catalog:NoSuchKey", false),
    ] {
        assert_eq!(act(name).applies(key), applies, "{key} for {name}");
    }
}

#[test]
fn r112_global_keys_and_keys_of_no_service_always_apply() {
    for key in [
        "aws:PrincipalArn",
        "AWS:TagKeys",
        "aws:ResourceTag/x",
        "aws:SourceVpce",
        "aws:NotYetInvented",
        "ec2:SourceInstanceARN",
        "lambda:SourceFunctionArn",
        "identitystore:UserId",
        "saml:sub",
        "saml:NotListed",
        "www.amazon.com:user_id",
        "token.actions.githubusercontent.com:sub",
        "oidc.example.com/id/1:aud",
        "example:key",
        "nocolon",
        "",
    ] {
        assert_eq!(reach(key), Reach::Everywhere, "{key}");
        assert!(
            ActionId::all().step_by(97).all(|action| action.applies(key)),
            "{key}"
        );
    }
}

#[test]
fn r112_what_applies_is_what_the_model_lists() {
    let everywhere = |key: &str| reach(key) == Reach::Everywhere;
    for (prefix, page) in members(&MODEL["services"]) {
        let own_tag = members(&page["k"]).map(|(key, _)| key.as_str());
        let own_tag: BTreeSet<_> = own_tag.filter(|key| is_own_resource_tag(key)).collect();
        for (name, row) in members(&page["a"]) {
            let mut listed: BTreeSet<&str> = texts(&row["k"]).collect();
            for (resource, used) in members(&row["r"]) {
                listed.extend(texts(&used["k"]).chain(texts(&page["r"][resource]["k"])));
            }
            if listed.contains("aws:ResourceTag/${TagKey}") {
                listed.extend(&own_tag);
            }
            let found = act(&format!("{prefix}:{name}"));
            for key in &listed {
                assert!(found.applies(key), "{key} for {found}");
            }
            let applying: BTreeSet<_> = found
                .applying_keys()
                .map(|key| key.name().to_ascii_lowercase())
                .collect();
            let listed = listed.into_iter().filter(|key| !everywhere(key));
            assert_eq!(applying, listed.map(str::to_ascii_lowercase).collect(), "{found}");
        }
    }
}

fn texts(value: &serde_json::Value) -> impl Iterator<Item = &str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|text| text.as_str())
}

fn is_own_resource_tag(key: &str) -> bool {
    !key.starts_with("aws:") && key.to_ascii_lowercase().ends_with(":resourcetag/${tagkey}")
}

#[test]
fn r166_a_services_resource_tag_applies_where_the_global_one_is_listed() {
    for name in [
        "ecs:StopTask",
        "ecs:DeleteCluster",
        "ecs:UpdateService",
        "ecs:RunTask",
        "ecs:DescribeTasks",
    ] {
        assert!(act(name).applies("ecs:ResourceTag/Department"), "{name}");
    }
    for name in ["ecs:ListClusters", "ecs:DescribeTaskDefinition", "iam:PassRole"] {
        assert!(!act(name).applies("ecs:ResourceTag/Department"), "{name}");
    }
}

/// The names of the resource types of an ECS action.
fn resources(name: &str) -> Vec<&'static str> {
    let types = act(&format!("ecs:{name}")).resource_types();
    types.map(|used| used.resource_type.name()).collect()
}

#[test]
fn r140_actions_that_take_no_resource() {
    for name in [
        "ListClusters",
        "ListServices",
        "ListTaskDefinitions",
        "ListTaskDefinitionFamilies",
        "ListServicesByNamespace",
        "DescribeTaskDefinition",
        "DeregisterTaskDefinition",
        "DiscoverPollEndpoint",
        "ListAccountSettings",
        "PutAccountSetting",
        "PutAccountSettingDefault",
        "DeleteAccountSetting",
    ] {
        assert_eq!(resources(name), [""; 0], "{name}");
        assert!(!act(&format!("ecs:{name}")).has_resource_level(), "{name}");
    }
}

#[test]
fn r141_the_resource_type_of_each_action() {
    for (names, expected) in [
        (
            "CreateCluster DeleteCluster DescribeClusters UpdateCluster UpdateClusterSettings PutClusterCapacityProviders \
             RegisterContainerInstance DeregisterContainerInstance ListContainerInstances ListAttributes SubmitTaskStateChange \
             SubmitContainerStateChange SubmitAttachmentStateChanges",
            &["cluster"][..],
        ),
        (
            "Poll StartTelemetrySession DescribeContainerInstances UpdateContainerAgent UpdateContainerInstancesState \
             PutAttributes DeleteAttributes ListTasks",
            &["container-instance"],
        ),
        (
            "CreateService UpdateService DeleteService DescribeServices UpdateServicePrimaryTaskSet",
            &["service"],
        ),
        (
            "StopTask DescribeTasks GetTaskProtection UpdateTaskProtection",
            &["task"],
        ),
        (
            "RunTask StartTask RegisterTaskDefinition DeleteTaskDefinitions",
            &["task-definition"],
        ),
        (
            "CreateTaskSet DeleteTaskSet DescribeTaskSets UpdateTaskSet",
            &["task-set"],
        ),
        ("ExecuteCommand", &["cluster", "task"]),
    ] {
        for name in names.split_whitespace() {
            assert_eq!(resources(name), expected, "{name}");
        }
    }
}

#[test]
fn r147_keys_that_hold_arns_and_the_actions_that_have_them() {
    let having = |key: &str| {
        let ecs = ActionId::all().filter(|action| action.service().prefix() == "ecs" && action.applies(key));
        ecs.map(ActionId::name).collect::<Vec<_>>().join(" ")
    };
    for (key, expected) in [
        (
            "ecs:task-definition",
            "CreateExpressGatewayService CreateService CreateTaskSet UpdateExpressGatewayService UpdateService",
        ),
        (
            "ecs:service",
            "ContinueServiceDeployment CreateTaskSet DeleteTaskSet DescribeServiceDeployments DescribeServiceRevisions \
             DescribeTaskSets StopServiceDeployment UpdateTaskSet",
        ),
        ("ecs:task", "ExecuteCommand"),
        ("ecs:container-instances", "StartTask"),
    ] {
        assert_eq!(key_type(key), Some(KeyType::Arn), "{key}");
        assert_eq!(having(key), expected, "{key}");
    }
    assert_eq!(key_type("ecs:container-name"), Some(KeyType::String));
    assert_eq!(having("ecs:container-name"), "ExecuteCommand");
}

#[test]
fn r143_the_arn_formats_of_ecs() {
    let ecs = services().find(|service| service.prefix() == "ecs").unwrap();
    let formats: Vec<_> = ecs.resource_types().map(|found| found.arn_format()).collect();
    insta::assert_snapshot!(formats.join("\n"));
}

#[test]
fn r116_services_under_resource_control_policies() {
    let under: Vec<_> = services()
        .filter(|service| service.supports_rcp())
        .map(ServiceId::prefix)
        .collect();
    assert!(under.contains(&"s3") && under.contains(&"sts") && !under.contains(&"ecs"));
}

#[test]
fn r154_dependent_actions_of_run_task() {
    let needed: Vec<_> = act("ecs:RunTask")
        .dependent_actions()
        .map(|action| action.to_string())
        .collect();
    assert_eq!(needed, ["iam:PassRole"]);
}
