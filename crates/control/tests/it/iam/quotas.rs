//! Sizes and numbers (R26).

use portcullis_api::iam::{self as api, op};

use super::{TASKS, group, policy, role};
use crate::harness::{Server, allow};

/// A policy of exactly that many characters, white space apart.
fn sized(characters: usize) -> String {
    let bare = allow("ecs:*", "*").len();
    allow(&format!("ecs:{}*", "x".repeat(characters - bare)), "*")
        .replace(':', " : ")
        .replace("ecs : ", "ecs:")
}

#[tokio::test]
async fn r26_inline_policies_share_a_quota_without_white_space() {
    let server = Server::start().await;
    server.user("u", "").await;
    group(&server, "g").await;
    role(&server, "r").await;
    let put = |name: &str, size| api::PutUserPolicyRequest {
        user_name: "u".to_owned(),
        policy_name: name.to_owned(),
        policy_document: sized(size),
    };
    server.root.ok::<op::PutUserPolicy>(&put("a", 1_024)).await;
    server.root.ok::<op::PutUserPolicy>(&put("b", 1_024)).await;
    let refused = server.root.err::<op::PutUserPolicy>(&put("b", 1_025)).await;
    assert_eq!(
        refused,
        "LimitExceeded: Maximum policy size of 2048 bytes exceeded for user u"
    );
    let put = api::PutGroupPolicyRequest {
        group_name: "g".to_owned(),
        policy_name: "a".to_owned(),
        policy_document: sized(5_121),
    };
    let refused = server.root.err::<op::PutGroupPolicy>(&put).await;
    assert_eq!(
        refused,
        "LimitExceeded: Maximum policy size of 5120 bytes exceeded for group g"
    );
    let put = api::PutRolePolicyRequest {
        role_name: "r".to_owned(),
        policy_name: "a".to_owned(),
        policy_document: sized(10_241),
    };
    let refused = server.root.err::<op::PutRolePolicy>(&put).await;
    assert_eq!(
        refused,
        "LimitExceeded: Maximum policy size of 10240 bytes exceeded for role r"
    );
}

#[tokio::test]
async fn r26_managed_and_trust_policies_have_quotas() {
    let server = Server::start().await;
    policy(&server, "fits", &sized(6_144)).await;
    let create = api::CreatePolicyRequest {
        policy_name: "large".to_owned(),
        policy_document: sized(6_145),
        ..Default::default()
    };
    let refused = server.root.err::<op::CreatePolicy>(&create).await;
    assert_eq!(refused, "LimitExceeded: Cannot exceed quota for PolicySize: 6144");
    let fits = "x".repeat(2_048 - TASKS.len() - "\"Sid\":\"\",".len());
    let create = |sid: &str| api::CreateRoleRequest {
        role_name: "r".to_owned(),
        assume_role_policy_document: TASKS.replace("{\"Effect\"", &format!("{{\"Sid\":\"{sid}\",\"Effect\"")),
        ..Default::default()
    };
    let refused = server
        .root
        .err::<op::CreateRole>(&create(&format!("{fits}x")))
        .await;
    assert_eq!(
        refused,
        "LimitExceeded: Cannot exceed quota for ACLSizePerRole: 2048"
    );
    server.root.ok::<op::CreateRole>(&create(&fits)).await;
}

#[tokio::test]
async fn r26_ten_attached_policies_and_ten_groups() {
    let server = Server::start().await;
    server.user("u", "").await;
    for n in 0..11 {
        let arn = policy(&server, &format!("p{n}"), &allow("ecs:*", "*")).await;
        let attach = api::AttachUserPolicyRequest {
            user_name: "u".to_owned(),
            policy_arn: arn,
        };
        let reply = server.root.call::<op::AttachUserPolicy>(&attach).await;
        group(&server, &format!("g{n}")).await;
        let add = api::AddUserToGroupRequest {
            group_name: format!("g{n}"),
            user_name: "u".to_owned(),
        };
        let joined = server.root.call::<op::AddUserToGroup>(&add).await;
        if n < 10 {
            assert!(reply.is_ok() && joined.is_ok(), "{n}");
        } else {
            assert_eq!(
                reply.unwrap_err().to_string(),
                "LimitExceeded: Cannot exceed quota for PoliciesPerUser: 10"
            );
            assert_eq!(
                joined.unwrap_err().to_string(),
                "LimitExceeded: Cannot exceed quota for GroupsPerUser: 10"
            );
        }
    }
}

#[tokio::test]
async fn the_summary_counts() {
    let server = Server::start().await;
    server.user("u", "").await;
    role(&server, "r").await;
    policy(&server, "p", &allow("ecs:*", "*")).await;
    let summary = server
        .root
        .ok::<op::GetAccountSummary>(&Default::default())
        .await
        .summary_map
        .unwrap();
    for (key, value) in [
        ("Users", 1),
        ("Roles", 1),
        ("Policies", 1),
        ("AccessKeysPerUserQuota", 2),
        ("RolePolicySizeQuota", 10_240),
    ] {
        assert_eq!(summary.get(key), Some(&value), "{key}");
    }
}
