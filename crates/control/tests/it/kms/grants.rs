//! Grants: they allow what they name to whom they name, under their constraints, until they end.

use portcullis_api::kms::{self as api, op};

use super::{ciphertext, context, decrypt, encrypt, key, may_use};
use crate::harness::{ACCOUNT, Client, Server, allow};

fn arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{name}")
}

fn grant(key: &str, grantee: &str, operations: &[&str]) -> api::CreateGrantRequest {
    api::CreateGrantRequest {
        key_id: key.to_owned(),
        grantee_principal: Some(arn(grantee)),
        operations: operations.iter().map(|one| (*one).to_owned()).collect(),
        ..Default::default()
    }
}

async fn granted(client: &Client, create: &api::CreateGrantRequest) -> (String, String) {
    let reply = client.ok::<op::CreateGrant>(create).await;
    (reply.grant_id.unwrap(), reply.grant_token.unwrap())
}

#[tokio::test]
async fn a_grant_allows_its_operations_to_its_grantee_until_it_is_revoked() {
    let server = Server::start().await;
    let caller = server.user("caller", "").await;
    let other = server.user("other", "").await;
    let (id, key_arn) = key(&server.root).await;
    let (another, _) = key(&server.root).await;
    assert_eq!(may_use(&caller, &server, &id).await, (false, false));
    let (grant_id, token) = granted(&server.root, &grant(&id, "caller", &["Encrypt"])).await;
    assert_eq!(may_use(&caller, &server, &id).await, (true, false));
    assert_eq!(may_use(&other, &server, &id).await, (false, false));
    assert_eq!(may_use(&caller, &server, &another).await, (false, false));
    // Its token is taken, and a forged one is not.
    let with = |token: &str| api::EncryptRequest {
        grant_tokens: Some(vec![token.to_owned()]),
        ..encrypt(&id, &[])
    };
    caller.ok::<op::Encrypt>(&with(&token)).await;
    let forged = caller.err::<op::Encrypt>(&with("AAAA")).await;
    assert!(forged.starts_with("InvalidGrantTokenException: "), "{forged}");

    let list = api::ListGrantsRequest {
        key_id: id.clone(),
        ..Default::default()
    };
    let [shown] = &server.root.ok::<op::ListGrants>(&list).await.grants.unwrap()[..] else {
        panic!("one grant");
    };
    assert_eq!(shown.grantee_principal.as_deref(), Some(arn("caller").as_str()));
    assert_eq!(shown.key_id.as_deref(), Some(key_arn.as_str()));
    assert_eq!(
        shown.issuing_account.as_deref(),
        Some(format!("arn:aws:iam::{ACCOUNT}:root").as_str())
    );

    let revoke = api::RevokeGrantRequest {
        key_id: id.clone(),
        grant_id,
        ..Default::default()
    };
    assert!(
        caller
            .err::<op::RevokeGrant>(&revoke)
            .await
            .starts_with("AccessDeniedException: ")
    );
    server.root.ok::<op::RevokeGrant>(&revoke).await;
    assert_eq!(may_use(&caller, &server, &id).await, (false, false));
    let again = server.root.err::<op::RevokeGrant>(&revoke).await;
    assert!(again.starts_with("NotFoundException: "), "{again}");
}

#[tokio::test]
async fn a_deny_anywhere_is_stronger_than_a_grant() {
    let server = Server::start().await;
    let deny =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}}"#;
    let caller = server.user("caller", deny).await;
    let (id, _) = key(&server.root).await;
    granted(&server.root, &grant(&id, "caller", &["Encrypt", "Decrypt"])).await;
    assert_eq!(may_use(&caller, &server, &id).await, (false, true));
}

#[tokio::test]
async fn constraints_bind_the_encryption_context() {
    let server = Server::start().await;
    let caller = server.user("caller", "").await;
    let (equals, _) = key(&server.root).await;
    let (subset, _) = key(&server.root).await;
    let pairs = context(&[("app", "web")]);
    let constrained = |key: &str, constraints| api::CreateGrantRequest {
        constraints: Some(constraints),
        ..grant(key, "caller", &["Encrypt", "DescribeKey"])
    };
    let of_equals = api::GrantConstraints {
        encryption_context_equals: pairs.clone(),
        ..Default::default()
    };
    let of_subset = api::GrantConstraints {
        encryption_context_subset: pairs,
        ..Default::default()
    };
    granted(&server.root, &constrained(&equals, of_equals)).await;
    granted(&server.root, &constrained(&subset, of_subset)).await;
    for (pairs, by_equals, by_subset) in [
        (&[][..], false, false),
        (&[("app", "web")], true, true),
        (&[("app", "web"), ("more", "x")], false, true),
        (&[("app", "db")], false, false),
    ] {
        for (key, expected) in [(&equals, by_equals), (&subset, by_subset)] {
            let encrypts = caller.call::<op::Encrypt>(&encrypt(key, pairs)).await;
            assert_eq!(encrypts.is_ok(), expected, "{pairs:?}");
        }
    }
    // Operations without a context are not bound.
    let describe = api::DescribeKeyRequest {
        key_id: equals,
        ..Default::default()
    };
    caller.ok::<op::DescribeKey>(&describe).await;
}

#[tokio::test]
async fn a_grantee_hands_on_no_more_than_it_has() {
    let server = Server::start().await;
    let caller = server.user("caller", "").await;
    let next = server.user("next", "").await;
    let (id, _) = key(&server.root).await;
    let constraints = |pairs: &[(&str, &str)]| {
        Some(api::GrantConstraints {
            encryption_context_subset: context(pairs),
            ..Default::default()
        })
    };
    let first = api::CreateGrantRequest {
        constraints: constraints(&[("app", "web")]),
        ..grant(&id, "caller", &["CreateGrant", "Encrypt"])
    };
    granted(&server.root, &first).await;
    for (operations, pairs, expected) in [
        (&["Decrypt"][..], &[("app", "web")][..], false),
        (&["Encrypt"], &[], false),
        (&["Encrypt"], &[("app", "db")], false),
        (&["Encrypt", "Decrypt"], &[("app", "web")], false),
        (&["Encrypt"], &[("app", "web"), ("more", "x")], true),
    ] {
        let handed = api::CreateGrantRequest {
            constraints: constraints(pairs),
            ..grant(&id, "next", operations)
        };
        let made = caller.call::<op::CreateGrant>(&handed).await;
        assert_eq!(made.is_ok(), expected, "{operations:?} {pairs:?}");
    }
    next.ok::<op::Encrypt>(&encrypt(&id, &[("app", "web"), ("more", "x")]))
        .await;
    assert!(
        next.call::<op::Encrypt>(&encrypt(&id, &[("app", "web")]))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_grant_is_retired_by_those_it_concerns_by_token_or_by_name() {
    let server = Server::start().await;
    let grantee = server.user("grantee", "").await;
    let retirer = server.user("retirer", "").await;
    let stranger = server.user("stranger", "").await;
    let (id, key_arn) = key(&server.root).await;
    let by_retirer = api::CreateGrantRequest {
        retiring_principal: Some(arn("retirer")),
        ..grant(&id, "grantee", &["Encrypt"])
    };
    let (one, token) = granted(&server.root, &by_retirer).await;
    let retirable = api::ListRetirableGrantsRequest {
        retiring_principal: Some(arn("retirer")),
        ..Default::default()
    };
    let shown = server
        .root
        .ok::<op::ListRetirableGrants>(&retirable)
        .await
        .grants
        .unwrap();
    assert_eq!(shown[0].grant_id.as_deref(), Some(one.as_str()));
    let by_token = api::RetireGrantRequest {
        grant_token: Some(token),
        ..Default::default()
    };
    for client in [&grantee, &stranger] {
        assert!(
            client
                .err::<op::RetireGrant>(&by_token)
                .await
                .starts_with("AccessDeniedException: ")
        );
    }
    retirer.ok::<op::RetireGrant>(&by_token).await;
    // The grantee itself, where the grant says so: that grant and no other.
    let (other, _) = granted(&server.root, &grant(&id, "grantee", &["Decrypt"])).await;
    let (own, _) = granted(&server.root, &grant(&id, "grantee", &["Encrypt", "RetireGrant"])).await;
    let named = |grant: &str| api::RetireGrantRequest {
        key_id: Some(key_arn.clone()),
        grant_id: Some(grant.to_owned()),
        ..Default::default()
    };
    assert!(
        grantee
            .err::<op::RetireGrant>(&named(&other))
            .await
            .starts_with("AccessDeniedException: ")
    );
    grantee.ok::<op::RetireGrant>(&named(&own)).await;
    let neither = server.root.err::<op::RetireGrant>(&Default::default()).await;
    assert!(neither.starts_with("ValidationException: "), "{neither}");
}

#[tokio::test]
async fn asking_again_under_the_same_name_makes_no_second_grant() {
    let server = Server::start().await;
    server.user("caller", "").await;
    let (id, _) = key(&server.root).await;
    let named = api::CreateGrantRequest {
        name: Some("once".to_owned()),
        ..grant(&id, "caller", &["Encrypt"])
    };
    let (one, _) = granted(&server.root, &named).await;
    let (again, _) = granted(&server.root, &named).await;
    assert_eq!(one, again);
    let other = api::CreateGrantRequest {
        operations: vec!["Decrypt".to_owned()],
        ..named
    };
    let (other, _) = granted(&server.root, &other).await;
    assert_ne!(one, other);
}

#[tokio::test]
async fn what_no_grant_can_be_is_refused() {
    let server = Server::start().await;
    server.user("caller", "").await;
    let (id, _) = key(&server.root).await;
    for (create, expected) in [
        (grant(&id, "nobody", &["Encrypt"]), "InvalidArnException: "),
        (grant(&id, "caller", &["Sign"]), "ValidationException: "),
        (grant(&id, "caller", &[]), "ValidationException: "),
        (
            api::CreateGrantRequest {
                grantee_principal: None,
                ..grant(&id, "caller", &["Encrypt"])
            },
            "ValidationException: ",
        ),
        (grant("alias/x", "caller", &["Encrypt"]), "NotFoundException: "),
    ] {
        let refused = server.root.err::<op::CreateGrant>(&create).await;
        assert!(refused.starts_with(expected), "{refused}");
    }
}

#[tokio::test]
async fn the_keys_of_grants_let_policies_limit_them() {
    let server = Server::start().await;
    server.user("next", "").await;
    let (id, _) = key(&server.root).await;
    let caller = server.user("caller", "").await;
    let cases = [
        (
            r#""ForAllValues:StringEquals":{"kms:GrantOperations":["Encrypt"]}"#,
            true,
        ),
        (
            r#""ForAllValues:StringEquals":{"kms:GrantOperations":["Decrypt"]}"#,
            false,
        ),
        (r#""StringLike":{"kms:GranteePrincipal":"*user/next"}"#, true),
        (r#""StringLike":{"kms:GranteePrincipal":"*user/other"}"#, false),
        (
            r#""StringEquals":{"kms:GrantConstraintType":"EncryptionContextEquals"}"#,
            true,
        ),
        (r#""Bool":{"kms:GrantIsForAWSResource":"true"}"#, false),
        (r#""StringLike":{"kms:RetiringPrincipal":"*"}"#, false),
    ];
    let create = api::CreateGrantRequest {
        constraints: Some(api::GrantConstraints {
            encryption_context_equals: context(&[("a", "b")]),
            ..Default::default()
        }),
        ..grant(&id, "next", &["Encrypt"])
    };
    for (condition, expected) in cases {
        let own = format!(
            r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"kms:CreateGrant","Resource":"*","Condition":{{{condition}}}}}}}"#
        );
        server.allow("caller", "p", &own).await;
        assert_eq!(
            caller.call::<op::CreateGrant>(&create).await.is_ok(),
            expected,
            "{condition}"
        );
    }
}

#[tokio::test]
async fn a_role_session_is_its_roles_grantee() {
    let server = Server::start().await;
    let trust = crate::accounts::trust(&format!("arn:aws:iam::{ACCOUNT}:root"));
    let role = crate::accounts::create_role(&server.root, "worker", &trust).await;
    let (id, _) = key(&server.root).await;
    let create = api::CreateGrantRequest {
        grantee_principal: Some(role.clone()),
        ..grant(&id, "x", &["Decrypt"])
    };
    granted(&server.root, &create).await;
    let who = server.user("who", &allow("sts:AssumeRole", "*")).await;
    let assumed = who
        .ok::<portcullis_api::sts::op::AssumeRole>(&crate::accounts::assume(&role))
        .await;
    let keys = assumed.credentials.unwrap();
    let session = who.with(
        &keys.access_key_id,
        &keys.secret_access_key,
        Some(&keys.session_token),
    );
    let blob = ciphertext(&server.root, &id, &[]).await;
    session.ok::<op::Decrypt>(&decrypt(&blob, &[])).await;
    assert!(session.call::<op::Encrypt>(&encrypt(&id, &[])).await.is_err());
    assert!(who.call::<op::Decrypt>(&decrypt(&blob, &[])).await.is_err());
}
