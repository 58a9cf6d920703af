//! Roles and their trust policies.

use portcullis_api::iam::{self as api, op};
use portcullis_api::sts;

use super::{TASKS, role};
use crate::harness::{ACCOUNT, Server, allow};

fn trusting(principal: &str) -> String {
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "sts:AssumeRole" }]
    })
    .to_string()
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .unwrap()
        .into_owned()
}

async fn trust_of(server: &Server, name: &str) -> String {
    let get = api::GetRoleRequest {
        role_name: name.to_owned(),
    };
    let role = server.root.ok::<op::GetRole>(&get).await.role;
    decoded(&role.assume_role_policy_document.unwrap())
}

#[tokio::test]
async fn a_role_is_read_back_as_made() {
    let server = Server::start().await;
    let made = role(&server, "Worker").await;
    assert_eq!(
        (made.max_session_duration, made.description.as_ref()),
        (Some(3_600), None)
    );
    assert_eq!(trust_of(&server, "worker").await, TASKS);
    let update = api::UpdateRoleRequest {
        role_name: "Worker".to_owned(),
        description: Some("does things".to_owned()),
        max_session_duration: Some(7_200),
    };
    server.root.ok::<op::UpdateRole>(&update).await;
    let get = api::GetRoleRequest {
        role_name: "Worker".to_owned(),
    };
    let read = server.root.ok::<op::GetRole>(&get).await.role;
    assert_eq!(
        (read.max_session_duration, read.description.as_deref()),
        (Some(7_200), Some("does things"))
    );
    assert_eq!(read.role_id, made.role_id);
}

#[tokio::test]
async fn r65_principals_of_a_trust_policy_must_exist() {
    let server = Server::start().await;
    role(&server, "r").await;
    for missing in ["user/none", "role/none", "role/path/r"] {
        let arn = format!("arn:aws:iam::{ACCOUNT}:{missing}");
        let update = api::UpdateAssumeRolePolicyRequest {
            role_name: "r".to_owned(),
            policy_document: trusting(&arn),
        };
        let refused = server.root.err::<op::UpdateAssumeRolePolicy>(&update).await;
        let text = format!("MalformedPolicyDocument: Invalid principal in policy: \"AWS\":\"{arn}\"");
        assert_eq!(refused, text);
    }
}

#[tokio::test]
async fn r65_an_entity_made_anew_does_not_inherit_trust() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    let arn = format!("arn:aws:iam::{ACCOUNT}:user/u");
    let create = api::CreateRoleRequest {
        role_name: "r".to_owned(),
        assume_role_policy_document: trusting(&arn),
        ..Default::default()
    };
    let made = server.root.ok::<op::CreateRole>(&create).await.role;
    assert_eq!(trust_of(&server, "r").await, trusting(&arn));
    let assume = sts::AssumeRoleRequest {
        role_arn: made.arn,
        role_session_name: "s1".to_owned(),
        ..Default::default()
    };
    user.ok::<sts::op::AssumeRole>(&assume).await;
    let key = api::DeleteAccessKeyRequest {
        user_name: Some("u".to_owned()),
        access_key_id: user.access_key_id.clone(),
    };
    server.root.ok::<op::DeleteAccessKey>(&key).await;
    server
        .root
        .ok::<op::DeleteUser>(&api::DeleteUserRequest {
            user_name: "u".to_owned(),
        })
        .await;
    assert!(trust_of(&server, "r").await.contains("\"AIDA"));
    let again = server.user("u", &allow("sts:*", "*")).await;
    assert!(
        again
            .err::<sts::op::AssumeRole>(&assume)
            .await
            .starts_with("AccessDenied: ")
    );
    assert!(trust_of(&server, "r").await.contains("\"AIDA"));
}

#[tokio::test]
async fn r65_a_renamed_entity_keeps_trust_and_shows_its_new_arn() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    let create = api::CreateRoleRequest {
        role_name: "r".to_owned(),
        assume_role_policy_document: trusting(&format!("arn:aws:iam::{ACCOUNT}:user/u")),
        ..Default::default()
    };
    let made = server.root.ok::<op::CreateRole>(&create).await.role;
    let rename = api::UpdateUserRequest {
        user_name: "u".to_owned(),
        new_path: Some("/a\"b/".to_owned()),
        new_user_name: Some("v".to_owned()),
    };
    server.root.ok::<op::UpdateUser>(&rename).await;
    let shown = trust_of(&server, "r").await;
    assert_eq!(shown, trusting(&format!("arn:aws:iam::{ACCOUNT}:user/a\"b/v")));
    let assume = sts::AssumeRoleRequest {
        role_arn: made.arn,
        role_session_name: "s1".to_owned(),
        ..Default::default()
    };
    user.ok::<sts::op::AssumeRole>(&assume).await;
}

#[tokio::test]
async fn r149_r150_an_instance_profile_needs_the_right_to_pass_the_role() {
    let server = Server::start().await;
    role(&server, "r").await;
    let user = server.user("u", &allow("iam:*InstanceProfile*", "*")).await;
    let create = api::CreateInstanceProfileRequest {
        instance_profile_name: "i".to_owned(),
        ..Default::default()
    };
    user.ok::<op::CreateInstanceProfile>(&create).await;
    let add = api::AddRoleToInstanceProfileRequest {
        instance_profile_name: "i".to_owned(),
        role_name: "r".to_owned(),
    };
    let refused = user.err::<op::AddRoleToInstanceProfile>(&add).await;
    assert!(
        refused.contains(&format!(
            "iam:PassRole on resource: arn:aws:iam::{ACCOUNT}:role/r "
        )),
        "{refused}"
    );
    server
        .allow(
            "u",
            "pass",
            &allow("iam:PassRole", &format!("arn:aws:iam::{ACCOUNT}:role/r")),
        )
        .await;
    user.ok::<op::AddRoleToInstanceProfile>(&add).await;
}
