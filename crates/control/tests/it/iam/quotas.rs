//! Sizes and numbers (R26).

use portcullis_api::iam::{self as api, op};

use portcullis_control::bootstrap::{self, IamQuotas};

use super::certificates::{create_provider, self_signed, upload};
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

/// One more of a kind: `None` when it was made, else why not.
async fn one_more(server: &Server, kind: &str, name: &str) -> Option<String> {
    let root = &server.root;
    let name = name.to_owned();
    macro_rules! make {
        ($operation:ident, $request:expr) => {
            root.call::<op::$operation>(&$request).await.err()
        };
    }
    let refused = match kind {
        "users" => make!(
            CreateUser,
            api::CreateUserRequest {
                user_name: name,
                ..Default::default()
            }
        ),
        "groups" => make!(
            CreateGroup,
            api::CreateGroupRequest {
                group_name: name,
                path: None
            }
        ),
        "roles" => make!(
            CreateRole,
            api::CreateRoleRequest {
                role_name: name,
                assume_role_policy_document: TASKS.to_owned(),
                ..Default::default()
            }
        ),
        "policies" => make!(
            CreatePolicy,
            api::CreatePolicyRequest {
                policy_name: name,
                policy_document: allow("ecs:*", "*"),
                ..Default::default()
            }
        ),
        "instance-profiles" => make!(
            CreateInstanceProfile,
            api::CreateInstanceProfileRequest {
                instance_profile_name: name,
                ..Default::default()
            }
        ),
        "server-certificates" => make!(UploadServerCertificate, upload(&name, self_signed())),
        "saml-providers" => make!(CreateSAMLProvider, create_provider(&name)),
        "oidc-providers" => make!(
            CreateOpenIDConnectProvider,
            api::CreateOpenIDConnectProviderRequest {
                url: format!("https://{name}.example"),
                ..Default::default()
            }
        ),
        other => panic!("no kind {other}"),
    };
    refused.map(|error| error.to_string())
}

#[tokio::test]
async fn an_account_has_quotas_of_its_own_for_every_kind() {
    let server = Server::start().await;
    let kinds = [
        ("users", "UsersPerAccount"),
        ("groups", "GroupsPerAccount"),
        ("roles", "RolesPerAccount"),
        ("policies", "PoliciesPerAccount"),
        ("instance-profiles", "InstanceProfilesPerAccount"),
        ("server-certificates", "ServerCertificatesPerAccount"),
        ("saml-providers", "SAMLProvidersPerAccount"),
        ("oidc-providers", "OpenIdConnectProvidersPerAccount"),
    ];
    let mut quotas = IamQuotas::default();
    for (kind, _) in kinds {
        quotas.set(&format!("{kind}=1")).unwrap();
    }
    bootstrap::iam_quotas(server.gate.world(), quotas).await.unwrap();
    for (kind, name) in kinds {
        assert_eq!(one_more(&server, kind, "first").await, None, "{kind}");
        let refused = one_more(&server, kind, "second").await.unwrap();
        assert_eq!(
            refused,
            format!("LimitExceeded: Cannot exceed quota for {name}: 1"),
            "{kind}"
        );
    }
    let counted = summary(&server).await;
    for key in [
        "Users",
        "Groups",
        "Roles",
        "Policies",
        "InstanceProfiles",
        "ServerCertificates",
    ] {
        assert_eq!((counted[key], counted[&format!("{key}Quota")]), (1, 1), "{key}");
    }
}

#[tokio::test]
async fn an_account_has_awss_quotas_until_it_is_given_others() {
    let server = Server::start().await;
    for number in 0..300 {
        group(&server, &format!("g{number}")).await;
    }
    assert_eq!(
        one_more(&server, "groups", "one-more").await.as_deref(),
        Some("LimitExceeded: Cannot exceed quota for GroupsPerAccount: 300")
    );
    let mut quotas = IamQuotas::default();
    quotas.set("groups=301").unwrap();
    bootstrap::iam_quotas(server.gate.world(), quotas).await.unwrap();
    assert_eq!(one_more(&server, "groups", "one-more").await, None);
}

#[tokio::test]
async fn the_quotas_of_the_first_account_are_those_of_every_account() {
    let server = Server::start().await;
    let mut quotas = IamQuotas::default();
    quotas.set("groups=1").unwrap();
    bootstrap::iam_quotas(server.gate.world(), quotas).await.unwrap();
    let (_, member) = crate::accounts::account(&server, "member").await;
    let create = |name: &str| api::CreateGroupRequest {
        group_name: name.to_owned(),
        ..Default::default()
    };
    member.ok::<op::CreateGroup>(&create("one")).await;
    assert_eq!(
        member.err::<op::CreateGroup>(&create("two")).await,
        "LimitExceeded: Cannot exceed quota for GroupsPerAccount: 1"
    );
}

#[test]
fn a_quota_that_does_not_exist_is_refused() {
    for text in [
        "",
        "roles",
        "roles=",
        "roles=many",
        "roles=-1",
        "Roles=1",
        "keys=1",
    ] {
        let refused = IamQuotas::default().set(text).unwrap_err().to_string();
        assert!(
            refused.starts_with(&format!("`{text}` is no quota: write NAME=NUMBER"))
                && refused.contains("roles"),
            "{refused}"
        );
    }
}

async fn summary(server: &Server) -> std::collections::BTreeMap<String, i32> {
    let all = Default::default();
    let summary = server.root.ok::<op::GetAccountSummary>(&all).await;
    summary.summary_map.unwrap()
}

#[tokio::test]
async fn the_summary_counts() {
    let server = Server::start().await;
    server.user("u", "").await;
    role(&server, "r").await;
    let arn = policy(&server, "p", &allow("ecs:*", "*")).await;
    for name in ["g", "h"] {
        group(&server, name).await;
        let attach = api::AttachGroupPolicyRequest {
            group_name: name.to_owned(),
            policy_arn: arn.clone(),
        };
        server.root.ok::<op::AttachGroupPolicy>(&attach).await;
    }
    for (kind, name) in [
        ("server-certificates", "web"),
        ("saml-providers", "login"),
        ("oidc-providers", "ci"),
    ] {
        assert_eq!(one_more(&server, kind, name).await, None, "{kind}");
    }
    let summary = summary(&server).await;
    for (key, value) in [
        ("Users", 1),
        ("UsersQuota", 5_000),
        ("Groups", 2),
        ("Roles", 1),
        ("Policies", 1),
        ("PolicyVersionsInUse", 1),
        ("ServerCertificates", 1),
        ("Providers", 2),
        ("AccountAccessKeysPresent", 1),
        ("AccountSigningCertificatesPresent", 0),
        ("AccountPasswordPresent", 0),
        ("AccessKeysPerUserQuota", 2),
        ("RolePolicySizeQuota", 10_240),
    ] {
        assert_eq!(summary.get(key), Some(&value), "{key}");
    }
    assert_eq!(summary.len(), 34);
}
