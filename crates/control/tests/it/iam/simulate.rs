//! The policy simulator.

use portcullis_api::iam::{self as api, op};

use super::{group, role};
use crate::harness::{ACCOUNT, Server, allow};

fn entry(key: &str, kind: &str, values: &[&str]) -> api::ContextEntry {
    api::ContextEntry {
        context_key_name: Some(key.to_owned()),
        context_key_values: Some(values.iter().map(|value| (*value).to_owned()).collect()),
        context_key_type: Some(kind.to_owned()),
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

const CONDITIONAL: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {"Effect": "Allow", "Action": "ecs:RunTask", "Resource": "*",
     "Condition": {"ArnEquals": {"ecs:cluster": "arn:aws:ecs:us-east-1:123456789012:cluster/default"}}},
    {"Effect": "Deny", "Action": "ecs:DeleteCluster", "Resource": "*"}
  ]
}"#;

#[tokio::test]
async fn a_result_names_its_statements_and_the_keys_nobody_gave() {
    let server = Server::start().await;
    let mut request = api::SimulateCustomPolicyRequest {
        policy_input_list: vec![CONDITIONAL.to_owned()],
        action_names: names(&["ecs:RunTask", "ecs:DeleteCluster"]),
        ..Default::default()
    };
    let results = server
        .root
        .ok::<op::SimulateCustomPolicy>(&request)
        .await
        .evaluation_results
        .unwrap();
    assert_eq!(results[0].eval_decision, "implicitDeny");
    assert_eq!(results[0].missing_context_values, Some(names(&["ecs:cluster"])));
    assert_eq!(results[1].eval_decision, "explicitDeny");
    let statement = &results[1].matched_statements.as_ref().unwrap()[0];
    assert_eq!(statement.source_policy_id.as_deref(), Some("PolicyInputList.1"));
    assert_eq!(statement.source_policy_type.as_deref(), Some("IAM Policy"));
    assert_eq!(
        statement.start_position,
        Some(api::Position {
            line: Some(5),
            column: Some(105)
        })
    );
    assert_eq!(
        statement.end_position,
        Some(api::Position {
            line: Some(6),
            column: Some(71)
        })
    );
    let cluster = "arn:aws:ecs:us-east-1:123456789012:cluster/default";
    request.context_entries = Some(vec![entry("ECS:Cluster", "string", &[cluster])]);
    let results = server
        .root
        .ok::<op::SimulateCustomPolicy>(&request)
        .await
        .evaluation_results
        .unwrap();
    assert_eq!(results[0].eval_decision, "allowed");
    assert_eq!(results[0].missing_context_values, Some(Vec::new()));
}

#[tokio::test]
async fn an_action_has_one_result_that_sums_up_its_resources() {
    let server = Server::start().await;
    let arn = format!("arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/");
    let request = api::SimulateCustomPolicyRequest {
        policy_input_list: vec![allow("ecs:*Clusters", &format!("{arn}a"))],
        action_names: names(&["ecs:DescribeClusters", "ecs:StopTask"]),
        resource_arns: Some(vec![format!("{arn}a"), format!("{arn}b")]),
        max_items: Some(1),
        ..Default::default()
    };
    let reply = server.root.ok::<op::SimulateCustomPolicy>(&request).await;
    assert_eq!(reply.is_truncated, Some(true), "pages count actions");
    let rest = api::SimulateCustomPolicyRequest {
        marker: reply.marker,
        ..request.clone()
    };
    let describe = reply.evaluation_results.unwrap().remove(0);
    assert_eq!(describe.eval_decision, "implicitDeny");
    assert_eq!(
        describe.eval_resource_name.as_deref(),
        Some("arn:aws:ecs:${Region}:${Account}:cluster/${ClusterName}")
    );
    assert_eq!(describe.matched_statements.as_ref().map(Vec::len), Some(1));
    assert_eq!(describe.eval_decision_details, Some(Default::default()));
    let specific = describe.resource_specific_results.unwrap();
    let decisions: Vec<_> = specific
        .iter()
        .map(|result| result.eval_resource_decision.as_str())
        .collect();
    assert_eq!(decisions, ["allowed", "implicitDeny"]);
    assert_eq!(specific[1].matched_statements, None);
    let stop = server
        .root
        .ok::<op::SimulateCustomPolicy>(&rest)
        .await
        .evaluation_results
        .unwrap();
    assert_eq!(
        (stop.len(), stop[0].eval_action_name.as_str()),
        (1, "ecs:StopTask")
    );
    let one = api::SimulateCustomPolicyRequest {
        resource_arns: Some(vec![format!("{arn}a")]),
        ..request
    };
    let one = server
        .root
        .ok::<op::SimulateCustomPolicy>(&one)
        .await
        .evaluation_results
        .unwrap();
    assert_eq!(one[0].eval_resource_name, Some(format!("{arn}a")));
    assert_eq!(one[0].eval_decision, "allowed");
    let none = api::SimulateCustomPolicyRequest {
        policy_input_list: vec![allow("*", "*")],
        action_names: names(&["ecs:StopTask"]),
        ..Default::default()
    };
    let none = server
        .root
        .ok::<op::SimulateCustomPolicy>(&none)
        .await
        .evaluation_results
        .unwrap();
    assert_eq!(none[0].eval_resource_name.as_deref(), Some("*"));
    assert!(none[0].resource_specific_results.is_none() && none[0].eval_decision_details.is_none());
}

#[tokio::test]
async fn another_accounts_resource_needs_both_sides() {
    let server = Server::start().await;
    let queue = "arn:aws:sqs:us-east-1:999999999999:q";
    let resource = serde_json::json!({ "Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{ACCOUNT}:user/u") },
        "Action": "sqs:SendMessage", "Resource": queue } });
    server.user("u", "").await;
    let mut request = api::SimulateCustomPolicyRequest {
        policy_input_list: vec![allow("ecs:*", "*")],
        action_names: names(&["sqs:SendMessage"]),
        resource_arns: Some(names(&[queue])),
        resource_policy: Some(resource.to_string()),
        resource_owner: Some("arn:aws:iam::999999999999:root".to_owned()),
        caller_arn: Some(format!("arn:aws:iam::{ACCOUNT}:user/u")),
        ..Default::default()
    };
    let details = |result: &api::EvaluationResult| {
        let details = result.eval_decision_details.clone().unwrap();
        (details["IAM Policy"].clone(), details["Resource Policy"].clone())
    };
    let refused = server
        .root
        .ok::<op::SimulateCustomPolicy>(&request)
        .await
        .evaluation_results
        .unwrap();
    assert_eq!(refused[0].eval_decision, "implicitDeny");
    assert_eq!(
        details(&refused[0]),
        ("implicitDeny".to_owned(), "allowed".to_owned())
    );
    request.policy_input_list = vec![allow("sqs:*", "*")];
    let allowed = server
        .root
        .ok::<op::SimulateCustomPolicy>(&request)
        .await
        .evaluation_results
        .unwrap();
    assert_eq!(allowed[0].eval_decision, "allowed");
    assert_eq!(details(&allowed[0]), ("allowed".to_owned(), "allowed".to_owned()));
}

#[tokio::test]
async fn missing_keys_are_named_where_nothing_allowed_the_call() {
    let server = Server::start().await;
    let request = |policies: &[String]| api::SimulateCustomPolicyRequest {
        policy_input_list: policies.to_vec(),
        action_names: names(&["ecs:RunTask"]),
        ..Default::default()
    };
    let missing = async |policies: &[String]| {
        let reply = server
            .root
            .ok::<op::SimulateCustomPolicy>(&request(policies))
            .await;
        reply
            .evaluation_results
            .unwrap()
            .remove(0)
            .missing_context_values
            .unwrap()
    };
    let conditional = CONDITIONAL.to_owned();
    assert_eq!(missing(std::slice::from_ref(&conditional)).await, ["ecs:cluster"]);
    assert!(missing(&[conditional, allow("*", "*")]).await.is_empty());
    let own_name = allow("ecs:*", "arn:aws:ecs:*:*:task/${aws:username}");
    assert_eq!(missing(&[own_name]).await, ["aws:username"]);
}

#[tokio::test]
async fn boundaries_and_organizations_limit() {
    let server = Server::start().await;
    let request = api::SimulateCustomPolicyRequest {
        policy_input_list: vec![allow("*", "*")],
        permissions_boundary_policy_input_list: Some(vec![allow("ecs:*", "*")]),
        ordered_organization_policy_input_list: Some(vec![api::OrderedOrganizationPolicyType {
            service_control_policy_input_list: Some(vec![allow("ecs:List*", "*")]),
        }]),
        action_names: names(&["iam:ListUsers", "ecs:ListClusters", "ecs:StopTask"]),
        ..Default::default()
    };
    let results = server
        .root
        .ok::<op::SimulateCustomPolicy>(&request)
        .await
        .evaluation_results
        .unwrap();
    let facts: Vec<_> = results
        .iter()
        .map(|result| {
            let boundary = result.permissions_boundary_decision_detail.as_ref().unwrap();
            let organizations = result.organizations_decision_detail.as_ref().unwrap();
            let facts = (
                boundary.allowed_by_permissions_boundary,
                organizations.allowed_by_organizations,
            );
            (
                result.eval_decision.as_str(),
                facts.0 == Some(true),
                facts.1 == Some(true),
            )
        })
        .collect();
    assert_eq!(
        facts,
        [
            ("implicitDeny", false, false),
            ("allowed", true, true),
            ("implicitDeny", true, false)
        ]
    );
}

#[tokio::test]
async fn a_principals_own_policies_count_its_groups_too_and_can_be_left_out() {
    let server = Server::start().await;
    server.user("u", &allow("ecs:RunTask", "*")).await;
    group(&server, "g").await;
    let put = api::PutGroupPolicyRequest {
        group_name: "g".to_owned(),
        policy_name: "gp".to_owned(),
        policy_document: allow("ecs:StopTask", "*"),
    };
    server.root.ok::<op::PutGroupPolicy>(&put).await;
    let add = api::AddUserToGroupRequest {
        group_name: "g".to_owned(),
        user_name: "u".to_owned(),
    };
    server.root.ok::<op::AddUserToGroup>(&add).await;
    let mut request = api::SimulatePrincipalPolicyRequest {
        policy_source_arn: format!("arn:aws:iam::{ACCOUNT}:user/u"),
        action_names: names(&["ecs:RunTask", "ecs:StopTask", "ecs:ListTasks"]),
        ..Default::default()
    };
    let results = server
        .root
        .ok::<op::SimulatePrincipalPolicy>(&request)
        .await
        .evaluation_results
        .unwrap();
    let decisions: Vec<_> = results
        .iter()
        .map(|result| result.eval_decision.as_str())
        .collect();
    assert_eq!(decisions, ["allowed", "allowed", "implicitDeny"]);
    let source = |n: usize| {
        results[n].matched_statements.as_ref().unwrap()[0]
            .source_policy_id
            .clone()
            .unwrap()
    };
    assert_eq!(
        (source(0), source(1)),
        ("user_u_p".to_owned(), "group_g_gp".to_owned())
    );
    request.policy_exclusion_list = Some(vec![api::PolicyIdentifier {
        policy_type: Some("inline".to_owned()),
        policy_arn: None,
        inline_policy_identifier: Some(api::InlinePolicyIdentifierType {
            policy_name: "gp".to_owned(),
            attachment_type: "group".to_owned(),
            attachment_name: "g".to_owned(),
        }),
    }]);
    let results = server
        .root
        .ok::<op::SimulatePrincipalPolicy>(&request)
        .await
        .evaluation_results
        .unwrap();
    assert_eq!(results[1].eval_decision, "implicitDeny");
    request.policy_source_arn = format!("arn:aws:iam::{ACCOUNT}:user/none");
    assert!(
        server
            .root
            .err::<op::SimulatePrincipalPolicy>(&request)
            .await
            .starts_with("NoSuchEntity: ")
    );
}

#[tokio::test]
async fn a_roles_policies_see_its_name_and_tags() {
    let server = Server::start().await;
    role(&server, "r").await;
    let document = serde_json::json!({
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow", "Action": "ecs:*", "Resource": "*",
            "Condition": { "StringEquals": { "aws:PrincipalTag/team": "blue" } }
        }
    });
    let put = api::PutRolePolicyRequest {
        role_name: "r".to_owned(),
        policy_name: "p".to_owned(),
        policy_document: document.to_string(),
    };
    server.root.ok::<op::PutRolePolicy>(&put).await;
    let request = api::SimulatePrincipalPolicyRequest {
        policy_source_arn: format!("arn:aws:iam::{ACCOUNT}:role/r"),
        action_names: names(&["ecs:RunTask"]),
        ..Default::default()
    };
    let first = server
        .root
        .ok::<op::SimulatePrincipalPolicy>(&request)
        .await
        .evaluation_results
        .unwrap();
    assert_eq!(first[0].eval_decision, "implicitDeny");
    let tags = api::TagRoleRequest {
        role_name: "r".to_owned(),
        tags: vec![super::tag("Team", "blue")],
    };
    server.root.ok::<op::TagRole>(&tags).await;
    let second = server
        .root
        .ok::<op::SimulatePrincipalPolicy>(&request)
        .await
        .evaluation_results
        .unwrap();
    assert_eq!(second[0].eval_decision, "allowed");
}

#[tokio::test]
async fn the_keys_of_policies_are_listed_once() {
    let server = Server::start().await;
    server.user("u", CONDITIONAL).await;
    let custom = api::GetContextKeysForCustomPolicyRequest {
        policy_input_list: vec![
            CONDITIONAL.to_owned(),
            CONDITIONAL.replace("ecs:cluster", "ECS:CLUSTER"),
        ],
    };
    let keys = server
        .root
        .ok::<op::GetContextKeysForCustomPolicy>(&custom)
        .await
        .context_key_names;
    assert_eq!(keys, Some(names(&["ecs:cluster"])));
    let principal = api::GetContextKeysForPrincipalPolicyRequest {
        policy_source_arn: format!("arn:aws:iam::{ACCOUNT}:user/u"),
        policy_input_list: Some(vec![allow("ecs:*", "arn:aws:ecs:*:*:cluster/${aws:username}")]),
    };
    let keys = server
        .root
        .ok::<op::GetContextKeysForPrincipalPolicy>(&principal)
        .await
        .context_key_names;
    assert_eq!(keys, Some(names(&["ecs:cluster", "aws:username"])));
}

#[tokio::test]
async fn what_cannot_be_simulated_is_invalid_input() {
    let server = Server::start().await;
    let good = api::SimulateCustomPolicyRequest {
        policy_input_list: vec![allow("*", "*")],
        action_names: names(&["ecs:RunTask"]),
        ..Default::default()
    };
    let typed = |kind: &str, value: &str| api::SimulateCustomPolicyRequest {
        context_entries: Some(vec![entry("stack:test", kind, &[value])]),
        ..good.clone()
    };
    for (kind, value, form) in [
        ("numeric", "NaN", "numeric format"),
        ("dateList", "tomorrow", "DateTime format"),
        ("ip", "999.0.0.1", "IP address"),
        ("binary", "!base64", "base-64 encoded binary format"),
    ] {
        let refused = server
            .root
            .err::<op::SimulateCustomPolicy>(&typed(kind, value))
            .await;
        assert_eq!(
            refused,
            format!("InvalidInput: Invalid context value for key stack:test: expected {form}.")
        );
    }
    server
        .root
        .ok::<op::SimulateCustomPolicy>(&typed("ip", "10.0.0.0/8"))
        .await;
    let cases = [
        api::SimulateCustomPolicyRequest {
            policy_input_list: vec!["{".to_owned()],
            ..good.clone()
        },
        api::SimulateCustomPolicyRequest {
            marker: Some("no marker".to_owned()),
            ..good.clone()
        },
        api::SimulateCustomPolicyRequest {
            context_entries: Some(vec![
                entry("stack:test", "string", &["1"]),
                entry("STACK:TEST", "string", &["2"]),
            ]),
            ..good.clone()
        },
        api::SimulateCustomPolicyRequest {
            resource_arns: Some(names(&["no-arn"])),
            ..good.clone()
        },
        api::SimulateCustomPolicyRequest {
            context_entries: Some(vec![entry("aws:username", "string", &["a", "b"])]),
            ..good.clone()
        },
    ];
    for case in cases {
        let refused = server.root.err::<op::SimulateCustomPolicy>(&case).await;
        assert!(refused.starts_with("InvalidInput: "), "{refused}");
    }
}

#[tokio::test]
async fn r50_a_star_in_a_simulated_resource_is_any_such_resource() {
    let server = Server::start().await;
    let arn = |name: &str| format!("arn:aws:iam::{ACCOUNT}:user/{name}");
    let policy = serde_json::json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": "iam:*", "Resource": arn("team-*") },
        { "Effect": "Deny", "Action": "iam:DeleteUser", "Resource": arn("team-lead") },
    ] });
    let request = api::SimulateCustomPolicyRequest {
        policy_input_list: vec![policy.to_string()],
        action_names: names(&["iam:GetUser", "iam:DeleteUser"]),
        resource_arns: Some(vec![arn("team-*"), arn("team-a*"), arn("*")]),
        ..Default::default()
    };
    let reply = server.root.ok::<op::SimulateCustomPolicy>(&request).await;
    let results = reply.evaluation_results.unwrap();
    let specific = results
        .iter()
        .flat_map(|result| result.resource_specific_results.iter().flatten());
    let decisions: Vec<_> = specific
        .map(|result| result.eval_resource_decision.as_str())
        .collect();
    assert_eq!(
        decisions,
        [
            "allowed",
            "allowed",
            "implicitDeny",
            "explicitDeny",
            "allowed",
            "explicitDeny"
        ]
    );
}

#[tokio::test]
async fn a_members_organization_allows_what_no_policy_of_it_stops() {
    let server = Server::start().await;
    let (id, member) = crate::accounts::account(&server, "member").await;
    let create = api::CreateUserRequest {
        user_name: "u".to_owned(),
        ..Default::default()
    };
    for (client, account, expected) in [
        (&member, id.as_str(), Some(true)),
        // Service control policies never bind the management account.
        (&server.root, ACCOUNT, None),
    ] {
        client.ok::<op::CreateUser>(&create).await;
        let request = api::SimulatePrincipalPolicyRequest {
            policy_source_arn: format!("arn:aws:iam::{account}:user/u"),
            action_names: names(&["ecs:RunTask"]),
            ..Default::default()
        };
        let results = client.ok::<op::SimulatePrincipalPolicy>(&request).await;
        let result = &results.evaluation_results.unwrap()[0];
        let told = result.organizations_decision_detail.as_ref();
        assert_eq!(told.map(|told| told.allowed_by_organizations), expected.map(Some));
        assert_eq!(result.eval_decision, "implicitDeny");
    }
}
