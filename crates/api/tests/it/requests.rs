//! Requests as clients send them, accepted and refused.

use std::collections::BTreeMap;

use portcullis_api::{cloudtrail, ecs, iam, sts};
use portcullis_wire::{Operation, decode_request, encode_request};

fn survives<O: Operation>(input: &O::Input) {
    let request = encode_request::<O>(input);
    assert_eq!(
        decode_request::<O>(&request.body).as_ref(),
        Ok(input),
        "{}",
        String::from_utf8_lossy(&request.body)
    );
}

fn refused<O: Operation>(body: &str) -> String {
    let error = decode_request::<O>(body.as_bytes()).unwrap_err();
    let reply = error.reply(O::META.service);
    format!(
        "{} {} {}: {}",
        O::META.name,
        reply.status,
        reply.code,
        reply.message
    )
}

#[test]
fn nested_query_inputs_survive() {
    let tags = vec![iam::Tag {
        key: "Owner".to_owned(),
        value: "richard + roe = 1".to_owned(),
    }];
    survives::<iam::op::CreateRole>(&iam::CreateRoleRequest {
        role_name: "task-role".to_owned(),
        assume_role_policy_document: "{\n \"Version\": \"2012-10-17\"\n}".to_owned(),
        max_session_duration: Some(3600),
        tags: Some(tags),
        ..Default::default()
    });
    survives::<iam::op::SimulateCustomPolicy>(&iam::SimulateCustomPolicyRequest {
        policy_input_list: vec!["{}".to_owned()],
        action_names: vec!["ecs:RunTask".to_owned(), "ecs:StopTask".to_owned()],
        context_entries: Some(vec![iam::ContextEntry {
            context_key_name: Some("ecs:cluster".to_owned()),
            context_key_values: Some(vec!["a".to_owned(), "b".to_owned()]),
            context_key_type: Some("stringList".to_owned()),
        }]),
        ..Default::default()
    });
    survives::<sts::op::AssumeRole>(&sts::AssumeRoleRequest {
        role_arn: "arn:aws:iam::123456789012:role/demo".to_owned(),
        role_session_name: "session".to_owned(),
        policy_arns: Some(vec![sts::PolicyDescriptorType {
            arn: Some("arn:aws:iam::aws:policy/ReadOnlyAccess".to_owned()),
        }]),
        transitive_tag_keys: Some(vec!["Owner".to_owned()]),
        ..Default::default()
    });
    survives::<sts::op::GetCallerIdentity>(&sts::GetCallerIdentityRequest {});
}

#[test]
fn json_inputs_survive() {
    survives::<ecs::op::RegisterTaskDefinition>(&ecs::RegisterTaskDefinitionRequest {
        family: "web".to_owned(),
        container_definitions: vec![ecs::ContainerDefinition {
            name: Some("app".to_owned()),
            docker_labels: Some(BTreeMap::from([("a".to_owned(), "b".to_owned())])),
            ..Default::default()
        }],
        ..Default::default()
    });
    survives::<ecs::op::RegisterContainerInstance>(&ecs::RegisterContainerInstanceRequest {
        client_token: Some("11111111-2222-3333-4444-555555555555".to_owned()),
        ..Default::default()
    });
    survives::<ecs::op::DiscoverPollEndpoint>(&ecs::DiscoverPollEndpointRequest {
        zone_id: Some(String::new()),
        ..Default::default()
    });
}

#[test]
fn violations_get_the_services_own_code_and_awss_words() {
    let form = |text: &str| format!("Version=2010-05-08&{text}");
    let answers = [
        refused::<iam::op::CreateUser>(&form("UserName=")),
        refused::<iam::op::CreateUser>(&form("UserName=rich%C3%A9")),
        refused::<iam::op::CreateRole>(&form("RoleName=r")),
        refused::<iam::op::CreateUser>(&form(
            "UserName=a&Path=nowhere&Tags.member.1.Key=&Tags.member.1.Value=v",
        )),
        refused::<iam::op::ListUsers>(&form("MaxItems=0")),
        refused::<iam::op::ListUsers>(&form("MaxItems=all")),
        refused::<iam::op::UpdateAccessKey>(&form("AccessKeyId=AKIDEXAMPLEEXAMPLE1&Status=Off")),
        refused::<iam::op::UntagUser>(&form("UserName=a&TagKeys.member.1=")),
        refused::<sts::op::AssumeRole>(
            "RoleArn=arn:aws:iam::123456789012:role/demo&RoleSessionName=a b&DurationSeconds=899",
        ),
        refused::<ecs::op::RunTask>("{}"),
        refused::<ecs::op::RunTask>("{\"taskDefinition\":\"a\",\"propagateTags\":\"MOON\"}"),
        refused::<ecs::op::RunTask>("{\"taskDefinition\":7}"),
        refused::<ecs::op::TagResource>("{\"resourceArn\":\"a\",\"tags\":[{\"key\":\"<>\"}]}"),
        refused::<cloudtrail::op::LookupEvents>("{\"MaxResults\":51}"),
    ];
    insta::assert_snapshot!(answers.join("\n"));
}
