//! STS: sessions and what limits them.

use portcullis_api::{ecs, iam, sts};

use crate::harness::{ACCOUNT, Client, Server, allow};

fn trust(principal: &str) -> String {
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Allow", "Principal": { "AWS": principal }, "Action": "sts:AssumeRole" }]
    })
    .to_string()
}

async fn role(server: &Server, name: &str, trust: &str, policy: &str) -> String {
    let create = iam::CreateRoleRequest {
        role_name: name.to_owned(),
        assume_role_policy_document: trust.to_owned(),
        ..Default::default()
    };
    let role = server.root.ok::<iam::op::CreateRole>(&create).await.role;
    let put = iam::PutRolePolicyRequest {
        role_name: name.to_owned(),
        policy_name: "p".to_owned(),
        policy_document: policy.to_owned(),
    };
    server.root.ok::<iam::op::PutRolePolicy>(&put).await;
    role.arn
}

fn assume(role: &str) -> sts::AssumeRoleRequest {
    sts::AssumeRoleRequest {
        role_arn: role.to_owned(),
        role_session_name: "session".to_owned(),
        ..Default::default()
    }
}

fn session(client: &Client, credentials: Option<sts::Credentials>) -> Client {
    let c = credentials.unwrap();
    client.with(&c.access_key_id, &c.secret_access_key, Some(&c.session_token))
}

#[tokio::test]
async fn r124_a_trust_policy_that_names_the_user_is_enough_alone() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    let arn = role(
        &server,
        "r",
        &trust(&format!("arn:aws:iam::{ACCOUNT}:user/u")),
        &allow("ecs:ListClusters", "*"),
    )
    .await;
    let reply = user.ok::<sts::op::AssumeRole>(&assume(&arn)).await;
    let me = session(&user, reply.credentials);
    let who = me.ok::<sts::op::GetCallerIdentity>(&Default::default()).await;
    assert_eq!(
        who.arn.unwrap(),
        format!("arn:aws:sts::{ACCOUNT}:assumed-role/r/session")
    );
    me.ok::<ecs::op::ListClusters>(&Default::default()).await;
}

#[tokio::test]
async fn r124_a_trust_policy_that_names_the_account_leaves_it_to_the_users_policies() {
    let server = Server::start().await;
    let arn = role(&server, "r", &trust(ACCOUNT), &allow("*", "*")).await;
    let without = server.user("without", "").await;
    let refused = without.err::<sts::op::AssumeRole>(&assume(&arn)).await;
    assert!(refused.starts_with("AccessDenied: User: "), "{refused}");
    let with = server.user("with", &allow("sts:AssumeRole", &arn)).await;
    with.ok::<sts::op::AssumeRole>(&assume(&arn)).await;
}

#[tokio::test]
async fn r121_a_session_policy_only_shrinks() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    let arn = role(
        &server,
        "r",
        &trust(&format!("arn:aws:iam::{ACCOUNT}:user/u")),
        &allow("ecs:List*", "*"),
    )
    .await;
    let request = sts::AssumeRoleRequest {
        policy: Some(allow("ecs:*", "*")),
        ..assume(&arn)
    };
    let wide = session(&user, user.ok::<sts::op::AssumeRole>(&request).await.credentials);
    wide.ok::<ecs::op::ListClusters>(&Default::default()).await;
    assert!(
        wide.call::<ecs::op::DescribeClusters>(&Default::default())
            .await
            .is_err()
    );
    let request = sts::AssumeRoleRequest {
        policy: Some(allow("iam:*", "*")),
        ..assume(&arn)
    };
    let narrow = session(&user, user.ok::<sts::op::AssumeRole>(&request).await.credentials);
    let refused = narrow.err::<ecs::op::ListClusters>(&Default::default()).await;
    assert!(
        refused.contains("because no session policy allows the ecs:ListClusters action"),
        "{refused}"
    );
}

#[tokio::test]
async fn r125_root_may_not_assume_roles_and_chains_are_an_hour() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    let one = role(
        &server,
        "one",
        &trust(&format!("arn:aws:iam::{ACCOUNT}:user/u")),
        &allow("sts:*", "*"),
    )
    .await;
    let two = role(&server, "two", &trust(&one), &allow("*", "*")).await;
    let refused = server.root.err::<sts::op::AssumeRole>(&assume(&one)).await;
    assert_eq!(refused, "AccessDenied: Roles may not be assumed by root accounts");
    let first = session(
        &user,
        user.ok::<sts::op::AssumeRole>(&assume(&one)).await.credentials,
    );
    let long = sts::AssumeRoleRequest {
        duration_seconds: Some(3_601),
        ..assume(&two)
    };
    assert!(
        first
            .err::<sts::op::AssumeRole>(&long)
            .await
            .contains("role chaining")
    );
    first.ok::<sts::op::AssumeRole>(&assume(&two)).await;
}

#[tokio::test]
async fn a_session_ends_with_its_time_and_with_its_role() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    let arn = role(
        &server,
        "r",
        &trust(&format!("arn:aws:iam::{ACCOUNT}:user/u")),
        &allow("*", "*"),
    )
    .await;
    let request = sts::AssumeRoleRequest {
        duration_seconds: Some(900),
        ..assume(&arn)
    };
    let me = session(&user, user.ok::<sts::op::AssumeRole>(&request).await.credentials);
    server.clock.advance_seconds(899);
    me.ok::<sts::op::GetCallerIdentity>(&Default::default()).await;
    server.clock.advance_seconds(1);
    assert!(
        me.err::<sts::op::GetCallerIdentity>(&Default::default())
            .await
            .starts_with("ExpiredToken: ")
    );
    let me = session(&user, user.ok::<sts::op::AssumeRole>(&request).await.credentials);
    let policy = iam::DeleteRolePolicyRequest {
        role_name: "r".to_owned(),
        policy_name: "p".to_owned(),
    };
    server.root.ok::<iam::op::DeleteRolePolicy>(&policy).await;
    server
        .root
        .ok::<iam::op::DeleteRole>(&iam::DeleteRoleRequest {
            role_name: "r".to_owned(),
        })
        .await;
    assert!(
        me.err::<sts::op::GetCallerIdentity>(&Default::default())
            .await
            .starts_with("InvalidClientTokenId: ")
    );
}

#[tokio::test]
async fn r129_a_session_token_without_mfa_may_not_call_iam() {
    let server = Server::start().await;
    let user = server.user("u", &allow("*", "*")).await;
    let reply = user.ok::<sts::op::GetSessionToken>(&Default::default()).await;
    let me = session(&user, reply.credentials);
    me.ok::<ecs::op::ListClusters>(&Default::default()).await;
    assert!(me.call::<iam::op::ListUsers>(&Default::default()).await.is_err());
    let again = me.err::<sts::op::GetSessionToken>(&Default::default()).await;
    assert_eq!(
        again,
        "AccessDenied: Cannot call GetSessionToken with session credentials"
    );
}

#[tokio::test]
async fn r26_an_inline_session_policy_has_2048_characters_at_most_white_space_included() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    let arn = role(
        &server,
        "r",
        &trust(&format!("arn:aws:iam::{ACCOUNT}:user/u")),
        &allow("*", "*"),
    )
    .await;
    let request = |characters: usize| sts::AssumeRoleRequest {
        policy: Some(format!("{:<characters$}", allow("*", "*"))),
        ..assume(&arn)
    };
    user.ok::<sts::op::AssumeRole>(&request(2_048)).await;
    let long = request(2_049);
    let refused = user.err::<sts::op::AssumeRole>(&long).await;
    let expected = format!(
        "ValidationError: 1 validation error detected: Value '{}' at 'policy' failed to satisfy constraint: Member \
         must have length less than or equal to 2048",
        long.policy.unwrap()
    );
    assert_eq!(refused, expected);
}

/// A session of role `one` with a source identity and a transitive tag, and the ARN of a role it may assume.
async fn chain(server: &Server) -> (Client, String) {
    let user = server.user("u", "").await;
    let actions = r#"["sts:AssumeRole","sts:TagSession","sts:SetSourceIdentity"]"#;
    let trust = |principal: &str| trust(principal).replace(r#""sts:AssumeRole""#, actions);
    let user_arn = format!("arn:aws:iam::{ACCOUNT}:user/u");
    let one = role(server, "one", &trust(&user_arn), &allow("sts:*", "*")).await;
    let two = role(server, "two", &trust(&one), &allow("*", "*")).await;
    let request = sts::AssumeRoleRequest {
        source_identity: Some("alice".to_owned()),
        tags: Some(vec![tag("Team", "blue")]),
        transitive_tag_keys: Some(vec!["Team".to_owned()]),
        ..assume(&one)
    };
    let reply = user.ok::<sts::op::AssumeRole>(&request).await;
    (session(&user, reply.credentials), two)
}

fn tag(key: &str, value: &str) -> sts::Tag {
    sts::Tag {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

#[tokio::test]
async fn a_chained_session_cannot_have_another_source_identity() {
    let server = Server::start().await;
    let (first, two) = chain(&server).await;
    let request = |source: Option<&str>| sts::AssumeRoleRequest {
        source_identity: source.map(str::to_owned),
        ..assume(&two)
    };
    let refused = first.err::<sts::op::AssumeRole>(&request(Some("bob"))).await;
    assert_eq!(
        refused,
        "ValidationError: The source identity is already set for this assume role session"
    );
    for same in [None, Some("alice")] {
        let reply = first.ok::<sts::op::AssumeRole>(&request(same)).await;
        assert_eq!(reply.source_identity.as_deref(), Some("alice"));
    }
}

#[tokio::test]
async fn r131_an_inherited_transitive_tag_cannot_be_overridden() {
    let server = Server::start().await;
    let (first, two) = chain(&server).await;
    let request = |key: &str, value: &str| sts::AssumeRoleRequest {
        tags: Some(vec![tag(key, value)]),
        ..assume(&two)
    };
    for (key, value) in [("Team", "red"), ("team", "blue")] {
        let refused = first.err::<sts::op::AssumeRole>(&request(key, value)).await;
        assert_eq!(
            refused,
            "InvalidParameterValue: One of the specified transitive tag keys can't be set because it conflicts with \
             a transitive tag key from the calling session."
        );
    }
    first.ok::<sts::op::AssumeRole>(&request("Stage", "test")).await;
}

#[tokio::test]
async fn a_session_lives_on_when_its_user_is_renamed_and_ends_when_the_user_goes() {
    let server = Server::start().await;
    let user = server.user("u", &allow("*", "*")).await;
    let reply = user.ok::<sts::op::GetSessionToken>(&Default::default()).await;
    let me = session(&user, reply.credentials);
    let rename = |from: &str, to: &str| iam::UpdateUserRequest {
        user_name: from.to_owned(),
        new_user_name: Some(to.to_owned()),
        ..Default::default()
    };
    server.root.ok::<iam::op::UpdateUser>(&rename("u", "v")).await;
    server.user("u", "").await;
    let who = me.ok::<sts::op::GetCallerIdentity>(&Default::default()).await;
    assert_eq!(who.arn.unwrap(), format!("arn:aws:iam::{ACCOUNT}:user/v"));
    me.ok::<ecs::op::ListClusters>(&Default::default()).await;
    let policy = iam::DeleteUserPolicyRequest {
        user_name: "v".to_owned(),
        policy_name: "p".to_owned(),
    };
    server.root.ok::<iam::op::DeleteUserPolicy>(&policy).await;
    let key = iam::DeleteAccessKeyRequest {
        user_name: Some("v".to_owned()),
        access_key_id: user.access_key_id.clone(),
    };
    server.root.ok::<iam::op::DeleteAccessKey>(&key).await;
    let delete = iam::DeleteUserRequest {
        user_name: "v".to_owned(),
    };
    server.root.ok::<iam::op::DeleteUser>(&delete).await;
    server.user("v", "").await;
    let refused = me.err::<sts::op::GetCallerIdentity>(&Default::default()).await;
    assert!(refused.starts_with("InvalidClientTokenId: "), "{refused}");
}

#[tokio::test]
async fn r125_what_a_chain_hands_on_needs_its_permission_at_every_link() {
    let server = Server::start().await;
    let (first, two) = chain(&server).await;
    first.ok::<sts::op::AssumeRole>(&assume(&two)).await;
    let one = format!("arn:aws:iam::{ACCOUNT}:role/one");
    let narrow = iam::UpdateAssumeRolePolicyRequest {
        role_name: "two".to_owned(),
        policy_document: trust(&one),
    };
    server.root.ok::<iam::op::UpdateAssumeRolePolicy>(&narrow).await;
    let refused = first.err::<sts::op::AssumeRole>(&assume(&two)).await;
    assert!(
        refused.contains("is not authorized to perform: sts:TagSession"),
        "{refused}"
    );
}

#[tokio::test]
async fn an_access_key_id_tells_its_account() {
    let server = Server::start().await;
    let user = server.user("u", &allow("sts:GetAccessKeyInfo", "*")).await;
    let of = |id: &str| sts::GetAccessKeyInfoRequest {
        access_key_id: id.to_owned(),
    };
    type Info = sts::op::GetAccessKeyInfo;
    for id in [user.access_key_id.as_str(), server.root.access_key_id.as_str()] {
        // The root key of these tests is chosen and too short for the model; the user's is made here.
        if id.len() >= 16 {
            assert_eq!(
                user.ok::<Info>(&of(id)).await.account.as_deref(),
                Some(ACCOUNT),
                "{id}"
            );
        }
    }
    let reply = user.ok::<Info>(&of("ASIAY34FZKBOKMUTVV7A")).await;
    assert_eq!(reply.account.as_deref(), Some("609629065308"));
    let refused = user.err::<Info>(&of("AKIAIOSFODNN7EXAMPLE")).await;
    assert!(refused.starts_with("ValidationError: "), "{refused}");
}

#[tokio::test]
async fn assume_role_refuses_what_is_no_role_and_what_it_does_not_have() {
    let server = Server::start().await;
    let user = server.user("u", &allow("sts:*", "*")).await;
    for arn in ["arn:aws:iam::123456789012:user/u", "nonsense-of-twenty-letters"] {
        let refused = user.err::<sts::op::AssumeRole>(&assume(arn)).await;
        assert_eq!(refused, format!("ValidationError: {arn} is invalid"));
    }
    let arn = role(&server, "r", &trust(ACCOUNT), &allow("*", "*")).await;
    let request = sts::AssumeRoleRequest {
        provided_contexts: Some(vec![sts::ProvidedContext {
            provider_arn: Some("arn:aws:iam::aws:contextProvider/IdentityCenter".to_owned()),
            context_assertion: Some("text".to_owned()),
        }]),
        ..assume(&arn)
    };
    let refused = user.err::<sts::op::AssumeRole>(&request).await;
    assert!(refused.starts_with("ValidationError: "), "{refused}");
}

/// A trust policy that asks for every key the calls of AssumeRole have.
fn trust_in_these_keys() -> String {
    let may = |action: &str, equals: serde_json::Value, each: serde_json::Value| {
        serde_json::json!({
            "Effect": "Allow", "Principal": { "AWS": format!("arn:aws:iam::{ACCOUNT}:user/u") }, "Action": action,
            "Condition": { "StringEquals": equals, "ForAllValues:StringEquals": each },
        })
    };
    let call = serde_json::json!({
        "sts:ExternalId": "e-1", "sts:RoleSessionName": "session", "sts:SourceIdentity": "uu",
        "aws:RequestTag/Team": "blue", "iam:ResourceTag/Stage": "test",
    });
    let each = serde_json::json!({ "aws:TagKeys": ["Team"], "sts:TransitiveTagKeys": ["Team"] });
    let (team, identity) = (
        serde_json::json!({ "aws:RequestTag/Team": "blue" }),
        serde_json::json!({ "sts:SourceIdentity": "uu" }),
    );
    serde_json::json!({
        "Version": "2012-10-17",
        "Statement": [
            may("sts:AssumeRole", call, each.clone()),
            may("sts:TagSession", team, each),
            may("sts:SetSourceIdentity", identity, serde_json::json!({})),
        ]
    })
    .to_string()
}

#[tokio::test]
async fn r125_the_keys_of_the_call_reach_the_trust_policy() {
    let server = Server::start().await;
    let user = server.user("u", "").await;
    let trust = trust_in_these_keys();
    let arn = role(&server, "r", &trust, &allow("*", "*")).await;
    let tag = iam::TagRoleRequest {
        role_name: "r".to_owned(),
        tags: vec![iam::Tag {
            key: "Stage".to_owned(),
            value: "test".to_owned(),
        }],
    };
    server.root.ok::<iam::op::TagRole>(&tag).await;
    let good = sts::AssumeRoleRequest {
        external_id: Some("e-1".to_owned()),
        source_identity: Some("uu".to_owned()),
        tags: Some(vec![sts::Tag {
            key: "Team".to_owned(),
            value: "blue".to_owned(),
        }]),
        transitive_tag_keys: Some(vec!["Team".to_owned()]),
        ..assume(&arn)
    };
    let reply = user.ok::<sts::op::AssumeRole>(&good).await;
    assert_eq!(reply.source_identity.as_deref(), Some("uu"));
    let others = [
        sts::AssumeRoleRequest {
            external_id: Some("e-2".to_owned()),
            ..good.clone()
        },
        sts::AssumeRoleRequest {
            external_id: None,
            ..good.clone()
        },
        sts::AssumeRoleRequest {
            role_session_name: "other".to_owned(),
            ..good.clone()
        },
        sts::AssumeRoleRequest {
            source_identity: None,
            ..good.clone()
        },
        sts::AssumeRoleRequest {
            tags: None,
            transitive_tag_keys: None,
            ..good.clone()
        },
    ];
    for (number, request) in others.iter().enumerate() {
        let refused = user.err::<sts::op::AssumeRole>(request).await;
        assert!(refused.starts_with("AccessDenied: "), "{number}: {refused}");
    }
}

#[tokio::test]
async fn what_sts_does_not_have_says_so() {
    let server = Server::start().await;
    let user = server.user("u", &allow("sts:*", "*")).await;
    let root = sts::AssumeRootRequest {
        target_principal: ACCOUNT.to_owned(),
        task_policy_arn: sts::PolicyDescriptorType {
            arn: Some("arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials".to_owned()),
        },
        ..Default::default()
    };
    let refused = user.err::<sts::op::AssumeRoot>(&root).await;
    assert!(refused.starts_with("AccessDenied: "), "{refused}");
    let delegated = sts::GetDelegatedAccessTokenRequest {
        trade_in_token: "token".to_owned(),
    };
    let refused = user.err::<sts::op::GetDelegatedAccessToken>(&delegated).await;
    assert!(refused.starts_with("InvalidAction: "), "{refused}");
}
