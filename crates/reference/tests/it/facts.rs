//! Global keys, principals, partitions, operations.

use portcullis_reference::global::{self, Group};
use portcullis_reference::{
    KeyType, key_type, operation_without_action, operations_without_action, partition, partitions, service,
    service_linked_roles, service_principal, service_principals,
};

use crate::model::{members, read};

#[test]
fn r106_global_keys_are_those_of_the_list() {
    let list = read("global-condition-keys.json");
    let list = list["keys"].as_array().unwrap();
    assert_eq!(global::keys().count(), list.len());
    for listed in list {
        let name = listed["key"].as_str().unwrap();
        let found = global::key(name).unwrap();
        assert_eq!(found.name, name);
        assert_eq!(found.multi_valued, listed["multi"], "{name}");
        assert_eq!(found.key_type.element().name(), listed["type"], "{name}");
        assert_eq!(found.key_type.is_multi_valued(), listed["multi"], "{name}");
        assert_eq!(found.sensitive, listed["sensitive"] == true, "{name}");
        assert_eq!(found.group.name(), listed["group"], "{name}");
        assert!(found.id.is_everywhere(), "{name}");
    }
}

#[test]
fn r107_keys_in_which_wildcards_are_dangerous() {
    let sensitive: Vec<_> = global::keys()
        .filter(|key| key.sensitive)
        .map(|key| key.name)
        .collect();
    assert_eq!(
        sensitive,
        [
            "aws:PrincipalAccount",
            "aws:PrincipalOrgID",
            "aws:ResourceAccount",
            "aws:ResourceOrgID",
            "aws:SourceAccount",
            "aws:SourceOrgID",
            "aws:SourceVpc",
            "aws:SourceVpce",
            "aws:VpceAccount",
            "aws:VpceOrgID",
        ]
    );
}

#[test]
fn keys_in_a_policys_spelling_have_their_types() {
    for (name, expected) in [
        ("aws:CurrentTime", Some(KeyType::Date)),
        ("aws:epochtime", Some(KeyType::DateOrNumeric)),
        ("aws:SourceIp", Some(KeyType::Ip)),
        ("aws:TagKeys", Some(KeyType::ArrayOfString)),
        ("aws:PrincipalTag/team", Some(KeyType::String)),
        ("aws:FederatedProvider", Some(KeyType::StringOrArn)),
        ("ecs:cluster", Some(KeyType::Arn)),
        ("ecs:task-cpu", Some(KeyType::Numeric)),
        ("ecs:subnet", Some(KeyType::ArrayOfString)),
        ("identitystore:UserId", Some(KeyType::String)),
        ("ecs:nothing", None),
    ] {
        assert_eq!(key_type(name), expected, "{name}");
    }
    assert_eq!(
        global::key("aws:principaltag/team").unwrap().group,
        Group::Principal
    );
    assert_eq!(global::key("ecs:cluster"), None);
}

#[test]
fn key_prefixes_have_owners() {
    let model = read("authz-reference.json");
    for (prefix, owner) in members(&model["key_prefix_owner"]) {
        let found = portcullis_reference::ServiceId::of_key_prefix(prefix);
        assert_eq!(found, service(owner[0].as_str().unwrap()), "{prefix}");
    }
    assert_eq!(
        portcullis_reference::ServiceId::of_key_prefix("ecs"),
        service("ecs")
    );
    assert_eq!(
        portcullis_reference::ServiceId::of_key_prefix("example.com"),
        None
    );
}

#[test]
fn service_principals_are_those_of_the_list() {
    let list = read("service-principals.json");
    assert!(service_principals().map(|principal| principal.name).is_sorted());
    let both = members(&list["derived"]).chain(members(&list["ecs_related"]));
    let names: std::collections::BTreeSet<_> = both.map(|(name, _)| name.as_str()).collect();
    assert!(service_principals().map(|principal| principal.name).eq(names));
    let tasks = service_principal("ECS-tasks.amazonaws.com").unwrap();
    assert!(tasks.ecs_related && tasks.passed_to && !tasks.service_linked_role);
    assert_eq!(service_principal("ecs-task.amazonaws.com"), None);
    let roles = members(&list["service_linked_roles"]);
    let roles = roles.map(|(role, principal)| (role.as_str(), principal.as_str().unwrap()));
    assert_eq!(
        service_linked_roles().collect::<std::collections::BTreeMap<_, _>>(),
        roles.collect()
    );
}

#[test]
fn partitions_are_those_of_the_list() {
    let list = read("partitions.json");
    let list = list["partitions"].as_array().unwrap();
    assert_eq!(partitions().len(), list.len());
    for listed in list {
        let found = partition(listed["id"].as_str().unwrap()).unwrap();
        assert_eq!(found.dns_suffix(), listed["dns_suffix"]);
        assert_eq!(found.dual_stack_dns_suffix(), listed["dual_stack_dns_suffix"]);
        assert_eq!(found.implicit_global_region(), listed["implicit_global_region"]);
        assert_eq!(found.region_pattern(), listed["region_regex"]);
        let ecs = listed["ecs_regions"].as_array().unwrap();
        let regions = listed["regions"].as_array().unwrap().iter();
        let regions = regions.map(|region| (region.as_str().unwrap(), ecs.contains(region)));
        let known: Vec<_> = found.regions().collect();
        assert_eq!(known, regions.collect::<Vec<_>>(), "{found:?}");
    }
    assert_eq!(partition("aws-mars"), None);
}

#[test]
fn operations_without_an_action_of_their_name() {
    let needs = |name: &str| -> Option<Vec<String>> {
        let operation = operation_without_action(name)?;
        Some(operation.actions().map(|action| action.to_string()).collect())
    };
    assert_eq!(needs("s3:listobjectsv2").unwrap(), ["s3:ListBucket"]);
    assert_eq!(
        needs("kms:ReEncrypt").unwrap(),
        ["kms:ReEncryptFrom", "kms:ReEncryptTo"]
    );
    assert_eq!(needs("ecs:CreateGateway").unwrap(), [""; 0]);
    assert_eq!(needs("ecs:RunTask"), None);
    for operation in operations_without_action() {
        assert_eq!(
            operation.service.action(operation.name),
            None,
            "{}",
            operation.name
        );
    }
}
