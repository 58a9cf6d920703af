//! What is written is read back the same, shape by shape.

use portcullis_api::{acs, cloudtrail, ecs, iam, sts};
use portcullis_wire::{Frame, Operation, Shape, decode_reply, encode_frame, encode_reply, json};
use proptest::test_runner::{Config, TestRunner};

use crate::arbitrary;

/// Runs a property over values of a shape; few cases, since the shapes are many and large.
fn for_values<S: Shape>(property: impl Fn(S)) {
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        ..Config::with_cases(16)
    });
    let outcome = runner.run(&arbitrary::structure(S::schema()), |value| {
        property(json::from_value::<S>(&value).unwrap());
        Ok(())
    });
    if let Err(failure) = outcome {
        panic!("{}: {failure}", S::schema().name);
    }
}

fn json_keeps<S: Shape>() {
    for_values::<S>(|shape| {
        let value = json::to_value(&shape);
        assert_eq!(json::from_value::<S>(&value).unwrap(), shape);
        assert_eq!(json::parse(&json::to_bytes(&shape)).unwrap(), value);
    });
}

fn answers_keep<O: Operation>() {
    for_values::<O::Output>(|output| {
        let reply = encode_reply::<O>(&output, "id");
        assert_eq!(decode_reply::<O>(reply.status, &reply.body), Ok(output));
    });
}

fn frames_keep<S: Shape>() {
    for_values::<S>(|message| {
        let frame = Frame::parse(encode_frame(&message).as_bytes()).unwrap();
        assert!(frame.is::<S>());
        assert_eq!(frame.read::<S>().unwrap(), message);
    });
}

macro_rules! each {
    ($check:ident: $($($path:ident)::+),+ $(,)?) => {
        $($check::<$($path)::+>();)+
    };
}

#[test]
fn json_inputs_and_outputs() {
    each!(json_keeps:
        ecs::RegisterTaskDefinitionRequest, ecs::RunTaskRequest, ecs::CreateServiceRequest, ecs::UpdateServiceRequest,
        ecs::RegisterContainerInstanceRequest, ecs::SubmitTaskStateChangeRequest, ecs::CreateCapacityProviderRequest,
        ecs::DescribeTasksResponse, ecs::DescribeServicesResponse, ecs::DescribeContainerInstancesResponse,
        ecs::DescribeTaskDefinitionResponse, ecs::DescribeClustersResponse, cloudtrail::LookupEventsRequest,
        cloudtrail::LookupEventsResponse,
    );
}

#[test]
fn json_answers() {
    each!(answers_keep:
        ecs::op::DescribeClusters, ecs::op::RunTask, ecs::op::DescribeServices, ecs::op::ListTasks,
        ecs::op::DiscoverPollEndpoint, cloudtrail::op::LookupEvents,
    );
}

#[test]
fn query_answers() {
    each!(answers_keep:
        iam::op::CreateRole, iam::op::ListUsers, iam::op::CreateAccessKey, iam::op::CreateVirtualMFADevice,
        iam::op::GetAccountSummary, iam::op::SimulatePrincipalPolicy, iam::op::GetAccountAuthorizationDetails,
        iam::op::ListEntitiesForPolicy, iam::op::DeleteUser, sts::op::GetCallerIdentity, sts::op::AssumeRole,
        sts::op::GetSessionToken,
    );
}

#[test]
fn frames() {
    each!(frames_keep:
        acs::PayloadMessage, acs::AckRequest, acs::NackRequest, acs::HeartbeatMessage, acs::HeartbeatAckRequest,
        acs::IAMRoleCredentialsMessage, acs::IAMRoleCredentialsAckRequest, acs::TaskManifestMessage,
        acs::TaskStopVerificationMessage, acs::TaskStopVerificationAck, acs::PublishMetricsRequest,
        acs::PublishHealthRequest, acs::PublishInstanceStatusRequest, acs::CloseMessage, acs::ErrorMessage,
    );
}

#[test]
fn a_frame_of_the_genuine_agent_is_read() {
    let text = br#"{"type":"PublishMetricsRequest","message":{"metadata":{"cluster":"probe","containerInstance":"arn",
        "fin":true,"idle":true,"messageId":"m"},"timestamp":1795304278.775}}"#;
    let message: acs::PublishMetricsRequest = Frame::parse(text).unwrap().read().unwrap();
    assert_eq!(message.timestamp.unwrap().as_millis(), 1_795_304_278_775);
    assert_eq!(message.metadata.idle, Some(true));
}

#[test]
fn debug_hides_what_the_model_calls_sensitive() {
    let key = iam::AccessKey {
        secret_access_key: "hunter2".to_owned(),
        ..Default::default()
    };
    let credentials = acs::IAMRoleCredentials {
        secret_access_key: "hunter2".to_owned(),
        session_token: "hunter2".to_owned(),
        ..Default::default()
    };
    let session = sts::Credentials {
        session_token: "hunter2".to_owned(),
        ..Default::default()
    };
    let pair = ecs::KeyValuePair {
        name: Some("A".to_owned()),
        value: Some("hunter2".to_owned()),
    };
    let container = ecs::ContainerDefinition {
        environment: Some(vec![pair]),
        ..Default::default()
    };
    let shown = format!("{key:?} {credentials:?} {session:?} {container:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
}
