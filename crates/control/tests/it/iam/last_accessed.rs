//! Access Advisor's reports over the wire.

use portcullis_api::ecs;
use portcullis_api::iam::{self as api, op};
use portcullis_core::Timestamp;

use super::{group, policy, role};
use crate::harness::{ACCOUNT, BEGINNING, Client, Server, allow};

const ACTION_LEVEL: &str = "ACTION_LEVEL";

async fn generate(client: &Client, arn: &str, granularity: Option<&str>) -> String {
    let request = api::GenerateServiceLastAccessedDetailsRequest {
        arn: arn.to_owned(),
        granularity: granularity.map(str::to_owned),
    };
    let reply = client
        .ok::<op::GenerateServiceLastAccessedDetails>(&request)
        .await;
    reply.job_id.unwrap()
}

async fn get(client: &Client, job: &str) -> api::GetServiceLastAccessedDetailsResponse {
    let request = api::GetServiceLastAccessedDetailsRequest {
        job_id: job.to_owned(),
        ..Default::default()
    };
    client.ok::<op::GetServiceLastAccessedDetails>(&request).await
}

/// The report about `arn`, as root reads it.
async fn report(server: &Server, arn: &str, granularity: Option<&str>) -> Vec<api::ServiceLastAccessed> {
    let job = generate(&server.root, arn, granularity).await;
    let reply = get(&server.root, &job).await;
    assert_eq!((reply.job_status.as_str(), reply.error), ("COMPLETED", None));
    reply.services_last_accessed
}

async fn entities(server: &Server, arn: &str, service: &str) -> Vec<(String, Option<Timestamp>)> {
    let request = api::GetServiceLastAccessedDetailsWithEntitiesRequest {
        job_id: generate(&server.root, arn, None).await,
        service_namespace: service.to_owned(),
        ..Default::default()
    };
    let reply = server
        .root
        .ok::<op::GetServiceLastAccessedDetailsWithEntities>(&request)
        .await;
    assert_eq!(reply.job_status, "COMPLETED");
    let list = reply.entity_details_list.into_iter();
    list.map(|one| (one.entity_info.name, one.last_authenticated))
        .collect()
}

fn user_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{name}")
}

fn namespaces(services: &[api::ServiceLastAccessed]) -> Vec<&str> {
    services
        .iter()
        .map(|service| service.service_namespace.as_str())
        .collect()
}

async fn join(server: &Server, user: &str, group: &str) {
    let add = api::AddUserToGroupRequest {
        group_name: group.to_owned(),
        user_name: user.to_owned(),
    };
    server.root.ok::<op::AddUserToGroup>(&add).await;
}

async fn attach_to_group(server: &Server, group: &str, policy: &str) {
    let attach = api::AttachGroupPolicyRequest {
        group_name: group.to_owned(),
        policy_arn: policy.to_owned(),
    };
    server.root.ok::<op::AttachGroupPolicy>(&attach).await;
}

async fn attach_to_user(server: &Server, user: &str, policy: &str) {
    let attach = api::AttachUserPolicyRequest {
        user_name: user.to_owned(),
        policy_arn: policy.to_owned(),
    };
    server.root.ok::<op::AttachUserPolicy>(&attach).await;
}

async fn list_clusters(client: &Client) {
    let _ = client.call::<ecs::op::ListClusters>(&Default::default()).await;
}

#[tokio::test]
async fn a_user_report_lists_the_services_granted_with_the_last_attempt() {
    let server = Server::start().await;
    let policy = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject", "ecs:List*"], "Resource": "*"},
        {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"},
        {"Effect": "Deny", "Action": "sqs:*", "Resource": "*"}]}"#;
    let user = server.user("u", policy).await;
    // Not granted: an attempt, but no service of the report.
    user.call::<op::ListUsers>(&Default::default()).await.unwrap_err();
    let before = report(&server, &user_arn("u"), None).await;
    assert_eq!(namespaces(&before), ["ecs", "s3"]);
    assert!(before.iter().all(|service| {
        service.last_authenticated.is_none() && service.total_authenticated_entities == Some(0)
    }));
    list_clusters(&user.region("eu-west-1")).await;
    let after = report(&server, &user_arn("u"), None).await;
    let ecs = &after[0];
    assert_eq!(ecs.service_name, "Amazon Elastic Container Service");
    assert_eq!(ecs.last_authenticated, Some(BEGINNING.parse().unwrap()));
    assert_eq!(ecs.last_authenticated_entity, Some(user_arn("u")));
    assert_eq!(ecs.last_authenticated_region.as_deref(), Some("eu-west-1"));
    assert_eq!(ecs.total_authenticated_entities, Some(1));
    assert_eq!(ecs.tracked_actions_last_accessed, None);
    assert_eq!(after[1].last_authenticated, None);
}

#[tokio::test]
async fn an_action_level_report_lists_the_granted_actions_of_services_served_here() {
    let server = Server::start().await;
    let policy = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["ecs:ListC*", "iam:PassRole", "iam:GetUser", "s3:*"], "Resource": "*"}]}"#;
    let user = server.user("u", policy).await;
    list_clusters(&user).await;
    let job = generate(
        &user_with(&server, "auditor").await,
        &user_arn("u"),
        Some(ACTION_LEVEL),
    )
    .await;
    assert_eq!(job.len(), 36);
    let services = report(&server, &user_arn("u"), Some(ACTION_LEVEL)).await;
    let actions = |service: usize| {
        let tracked = services[service].tracked_actions_last_accessed.as_ref();
        tracked.map(|actions| {
            let shown = |one: &api::TrackedActionLastAccessed| {
                (one.action_name.clone().unwrap(), one.last_accessed_time.is_some())
            };
            actions.iter().map(shown).collect::<Vec<_>>()
        })
    };
    assert_eq!(namespaces(&services), ["ecs", "iam", "s3"]);
    assert_eq!(
        actions(0).unwrap(),
        [
            ("ListClusters".to_owned(), true),
            ("ListContainerInstances".to_owned(), false)
        ]
    );
    // PassRole is no call and never tracked.
    assert_eq!(actions(1).unwrap(), [("GetUser".to_owned(), false)]);
    // There is no S3 here: nothing is known of its actions.
    assert_eq!(actions(2), None);
    let tracked = services[0].tracked_actions_last_accessed.as_ref().unwrap();
    assert_eq!(tracked[0].last_accessed_entity, Some(user_arn("u")));
    assert_eq!(tracked[0].last_accessed_region.as_deref(), Some("us-east-1"));
}

async fn user_with(server: &Server, name: &str) -> Client {
    server.user(name, &allow("iam:*", "*")).await
}

#[tokio::test]
async fn attempts_that_were_denied_count() {
    let server = Server::start().await;
    let policy = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "ecs:ListClusters", "Resource": "*",
         "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}]}"#;
    let user = server.user("u", policy).await;
    user.call::<ecs::op::ListClusters>(&Default::default())
        .await
        .unwrap_err();
    let services = report(&server, &user_arn("u"), None).await;
    assert!(services[0].last_authenticated.is_some());
}

#[tokio::test]
async fn at_action_level_denied_attempts_count_for_what_identity_policies_grant() {
    let server = Server::start().await;
    let user = server.user("u", &allow("ecs:*", "*")).await;
    let put = api::PutUserPermissionsBoundaryRequest {
        user_name: "u".to_owned(),
        permissions_boundary: "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess".to_owned(),
    };
    server.root.ok::<op::PutUserPermissionsBoundary>(&put).await;
    user.call::<ecs::op::CreateCluster>(&Default::default())
        .await
        .unwrap_err();
    let attempted = async || {
        let services = report(&server, &user_arn("u"), Some("ACTION_LEVEL")).await;
        let service = services
            .into_iter()
            .find(|one| one.service_namespace == "ecs")
            .unwrap();
        let actions = service.tracked_actions_last_accessed.unwrap().into_iter();
        let attempted = actions.filter(|action| action.last_accessed_time.is_some());
        let names: Vec<_> = attempted.filter_map(|action| action.action_name).collect();
        (service.last_authenticated.is_some(), names)
    };
    assert_eq!(attempted().await, (true, vec!["CreateCluster".to_owned()]));
    // What a Deny leaves nothing of is not granted: the action is not listed, its attempt still one at the service.
    let deny = allow("ecs:CreateCluster", "*").replace("Allow", "Deny");
    server.allow("u", "deny", &deny).await;
    assert_eq!(attempted().await, (true, Vec::new()));
}

#[tokio::test]
async fn what_is_only_granted_by_a_boundary_is_not_listed() {
    let server = Server::start().await;
    server.user("u", &allow("ecs:*", "*")).await;
    let put = api::PutUserPermissionsBoundaryRequest {
        user_name: "u".to_owned(),
        permissions_boundary: "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess".to_owned(),
    };
    server.root.ok::<op::PutUserPermissionsBoundary>(&put).await;
    assert_eq!(namespaces(&report(&server, &user_arn("u"), None).await), ["ecs"]);
}

#[tokio::test]
async fn a_group_report_is_about_its_members() {
    let server = Server::start().await;
    group(&server, "g").await;
    attach_to_group(&server, "g", "arn:aws:iam::aws:policy/AmazonECS_FullAccess").await;
    for name in ["a", "b", "c"] {
        server.user(name, "").await;
    }
    let (a, b) = (
        server.user("member-a", "").await,
        server.user("member-b", "").await,
    );
    for name in ["member-a", "member-b", "c"] {
        join(&server, name, "g").await;
    }
    list_clusters(&a).await;
    server.clock.advance_seconds(10);
    list_clusters(&b).await;
    let arn = format!("arn:aws:iam::{ACCOUNT}:group/g");
    let services = report(&server, &arn, None).await;
    let ecs = services
        .iter()
        .find(|service| service.service_namespace == "ecs")
        .unwrap();
    assert_eq!(ecs.total_authenticated_entities, Some(2));
    assert_eq!(ecs.last_authenticated_entity, Some(user_arn("member-b")));
    let beginning: Timestamp = BEGINNING.parse().unwrap();
    assert_eq!(
        entities(&server, &arn, "ecs").await,
        [
            ("member-b".to_owned(), Some(beginning.plus_seconds(10))),
            ("member-a".to_owned(), Some(beginning)),
            ("c".to_owned(), None),
        ]
    );
    // The services of a member are those of its groups, too.
    let member = report(&server, &user_arn("member-a"), None).await;
    assert_eq!(namespaces(&member), namespaces(&services));
}

#[tokio::test]
async fn a_policy_report_is_about_the_users_and_roles_that_have_it() {
    let server = Server::start().await;
    let arn = policy(&server, "ExamplePolicy1", &allow("ecs:*", "*")).await;
    assert_eq!(entities(&server, &arn, "ecs").await, []);
    group(&server, "g").await;
    attach_to_group(&server, "g", &arn).await;
    let (direct, member) = (server.user("direct", "").await, server.user("member", "").await);
    server.user("stranger", &allow("ecs:*", "*")).await;
    attach_to_user(&server, "direct", &arn).await;
    join(&server, "member", "g").await;
    // Once, though it has the policy twice.
    join(&server, "direct", "g").await;
    role(&server, "r").await;
    let attach = api::AttachRolePolicyRequest {
        role_name: "r".to_owned(),
        policy_arn: arn.clone(),
    };
    server.root.ok::<op::AttachRolePolicy>(&attach).await;
    list_clusters(&direct).await;
    server.clock.advance_seconds(1);
    list_clusters(&member).await;
    let services = report(&server, &arn, Some(ACTION_LEVEL)).await;
    assert_eq!(namespaces(&services), ["ecs"]);
    assert_eq!(services[0].last_authenticated_entity, Some(user_arn("member")));
    assert_eq!(services[0].total_authenticated_entities, Some(2));
    let names: Vec<_> = entities(&server, &arn, "ecs")
        .await
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["member", "direct", "r"]);
    // Not granted: nobody.
    assert_eq!(entities(&server, &arn, "s3").await, []);
}

#[tokio::test]
async fn an_aws_managed_policy_has_a_report_too() {
    let server = Server::start().await;
    let arn = "arn:aws:iam::aws:policy/AmazonECS_FullAccess";
    let user = server.user("u", "").await;
    attach_to_user(&server, "u", arn).await;
    list_clusters(&user).await;
    let services = report(&server, arn, None).await;
    let ecs = services
        .iter()
        .find(|service| service.service_namespace == "ecs")
        .unwrap();
    assert_eq!(ecs.last_authenticated_entity, Some(user_arn("u")));
    assert!(namespaces(&services).is_sorted());
}

#[tokio::test]
async fn reports_come_in_pages() {
    let server = Server::start().await;
    server.user("u", &allow("*", "*")).await;
    let job = generate(&server.root, &user_arn("u"), None).await;
    let (mut seen, mut marker, mut pages) = (Vec::new(), None, 0);
    loop {
        let request = api::GetServiceLastAccessedDetailsRequest {
            job_id: job.clone(),
            max_items: Some(150),
            marker: marker.clone(),
        };
        let reply = server
            .root
            .ok::<op::GetServiceLastAccessedDetails>(&request)
            .await;
        assert_eq!(reply.is_truncated, Some(reply.marker.is_some()));
        pages += 1;
        seen.extend(
            reply
                .services_last_accessed
                .into_iter()
                .map(|one| one.service_namespace),
        );
        marker = reply.marker;
        if marker.is_none() {
            break;
        }
    }
    let all: Vec<_> = portcullis_reference::services()
        .map(|service| service.prefix().to_owned())
        .collect();
    assert_eq!(seen, all);
    assert_eq!(pages, all.len().div_ceil(150));
    assert_eq!(get(&server.root, &job).await.services_last_accessed.len(), 100);
}

#[tokio::test]
async fn only_whoever_asked_reads_a_report_and_only_for_a_day() {
    let server = Server::start().await;
    let (asking, other) = (
        user_with(&server, "asking").await,
        user_with(&server, "other").await,
    );
    let job = generate(&asking, &user_arn("other"), None).await;
    get(&asking, &job).await;
    let missing = format!("NoSuchEntity: The job with id {job} cannot be found.");
    let request = api::GetServiceLastAccessedDetailsRequest {
        job_id: job.clone(),
        ..Default::default()
    };
    for client in [&other, &server.root] {
        assert_eq!(
            client.err::<op::GetServiceLastAccessedDetails>(&request).await,
            missing
        );
    }
    server.clock.advance_seconds(24 * 3600);
    assert_eq!(
        asking.err::<op::GetServiceLastAccessedDetails>(&request).await,
        missing
    );
    portcullis_control::advisor::forget(server.gate.world()).await;
    assert!(server.gate.world().view().use_reports.is_empty());
}

#[tokio::test]
async fn a_report_about_what_is_gone_has_failed() {
    let server = Server::start().await;
    role(&server, "r").await;
    let job = generate(&server.root, &format!("arn:aws:iam::{ACCOUNT}:role/r"), None).await;
    let delete = api::DeleteRoleRequest {
        role_name: "r".to_owned(),
    };
    server.root.ok::<op::DeleteRole>(&delete).await;
    let reply = get(&server.root, &job).await;
    let error = reply.error.unwrap();
    assert_eq!(
        (reply.job_status.as_str(), reply.services_last_accessed),
        ("FAILED", vec![])
    );
    assert_eq!(
        (error.code.as_str(), error.message.as_str()),
        ("NoSuchEntity", "The role with name r cannot be found.")
    );
}

#[tokio::test]
async fn what_does_not_exist_has_no_report() {
    let server = Server::start().await;
    let arn = |resource: &str| format!("arn:aws:iam::{ACCOUNT}:{resource}");
    server.user("u", "").await;
    for (arn, refused) in [
        (
            arn("user/x"),
            "NoSuchEntity: The user with name x cannot be found.",
        ),
        (
            arn("user/path/u"),
            "NoSuchEntity: The user with name u cannot be found.",
        ),
        (
            arn("group/x"),
            "NoSuchEntity: The group with name x cannot be found.",
        ),
        (
            arn("role/x"),
            "NoSuchEntity: The role with name x cannot be found.",
        ),
        (
            arn("policy/x"),
            "NoSuchEntity: Policy arn:aws:iam::123456789012:policy/x was not found.",
        ),
        (
            arn("root"),
            "InvalidInput: ARN arn:aws:iam::123456789012:root is not valid.",
        ),
        (
            "what is this thing then?".to_owned(),
            "InvalidInput: ARN what is this thing then? is not valid.",
        ),
    ] {
        let request = api::GenerateServiceLastAccessedDetailsRequest {
            arn,
            granularity: None,
        };
        assert_eq!(
            server
                .root
                .err::<op::GenerateServiceLastAccessedDetails>(&request)
                .await,
            refused
        );
    }
    let request = api::GetServiceLastAccessedDetailsWithEntitiesRequest {
        job_id: generate(&server.root, &user_arn("u"), None).await,
        service_namespace: "no-such-service".to_owned(),
        ..Default::default()
    };
    let refused = server
        .root
        .err::<op::GetServiceLastAccessedDetailsWithEntities>(&request)
        .await;
    assert!(refused.starts_with("InvalidInput: "), "{refused}");
}

#[tokio::test]
async fn the_policies_that_grant_a_service_are_named() {
    let server = Server::start().await;
    server.user("u", &allow("s3:GetObject", "*")).await;
    group(&server, "g").await;
    join(&server, "u", "g").await;
    let managed = policy(&server, "m", &allow("ecs:RunTask", "*")).await;
    attach_to_user(&server, "u", &managed).await;
    attach_to_group(&server, "g", &managed).await;
    let put = api::PutGroupPolicyRequest {
        group_name: "g".to_owned(),
        policy_name: "of-group".to_owned(),
        policy_document: allow("*", "*"),
    };
    server.root.ok::<op::PutGroupPolicy>(&put).await;
    let ask = |arn: String, namespaces: &[&str]| api::ListPoliciesGrantingServiceAccessRequest {
        arn,
        service_namespaces: namespaces.iter().map(|one| (*one).to_owned()).collect(),
        ..Default::default()
    };
    let reply = server
        .root
        .ok::<op::ListPoliciesGrantingServiceAccess>(&ask(user_arn("u"), &["s3", "ecs"]))
        .await;
    let shown: Vec<_> = reply
        .policies_granting_service_access
        .into_iter()
        .map(|entry| {
            let policies = entry.policies.unwrap().into_iter().map(|one| {
                let holder = one.entity_type.zip(one.entity_name);
                let holder = holder.map(|(kind, name)| format!("{kind} {name}"));
                (
                    one.policy_name,
                    one.policy_type,
                    one.policy_arn.or(holder).unwrap(),
                )
            });
            (entry.service_namespace.unwrap(), policies.collect::<Vec<_>>())
        })
        .collect();
    let row = |name: &str, kind: &str, place: &str| (name.to_owned(), kind.to_owned(), place.to_owned());
    assert_eq!(
        shown,
        [
            (
                "s3".to_owned(),
                vec![row("of-group", "INLINE", "GROUP g"), row("p", "INLINE", "USER u")]
            ),
            (
                "ecs".to_owned(),
                vec![
                    row("m", "MANAGED", &managed),
                    row("of-group", "INLINE", "GROUP g")
                ]
            ),
        ]
    );
    let refused = server
        .root
        .err::<op::ListPoliciesGrantingServiceAccess>(&ask(user_arn("x"), &["s3"]))
        .await;
    assert_eq!(refused, "NoSuchEntity: The user with name x cannot be found.");
}

#[tokio::test]
async fn a_report_is_authorised_on_what_it_is_about() {
    let server = Server::start().await;
    let policy = allow(
        "iam:GenerateServiceLastAccessedDetails",
        &format!("arn:aws:iam::{ACCOUNT}:policy/*"),
    );
    let user = server.user("u", &policy).await;
    let arn = super::policy(&server, "ExamplePolicy1", &allow("ecs:*", "*")).await;
    generate(&user, &arn, None).await;
    let request = api::GenerateServiceLastAccessedDetailsRequest {
        arn: user_arn("u"),
        granularity: None,
    };
    let refused = user.err::<op::GenerateServiceLastAccessedDetails>(&request).await;
    let expected = format!(
        "AccessDenied: User: {arn} is not authorized to perform: iam:GenerateServiceLastAccessedDetails on resource: {arn} \
         because no identity-based policy allows the iam:GenerateServiceLastAccessedDetails action",
        arn = user_arn("u")
    );
    assert!(refused.starts_with(&expected), "{refused}");
}
