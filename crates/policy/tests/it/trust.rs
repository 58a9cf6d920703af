//! Trust policies of roles (R124-R126).

use portcullis_policy::{PolicyType, Principal};
use serde_json::{Value as Json, json};

use crate::scene::{
    ACCOUNT, ALLOWED, OTHER_ACCOUNT, ROLE, SESSION, Scene, USER, allow_all, deny_all, role_session, service,
    silent, user,
};

fn trusts(principal: Json) -> Json {
    json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})
}

#[test]
fn r124_identity_alone_is_never_enough() {
    let scene = |principal| Scene::new(user()).identity(allow_all()).trust(trusts(principal));
    assert_eq!(
        scene(json!({"Service": "ecs-tasks.amazonaws.com"})).decide(),
        silent(PolicyType::RoleTrust)
    );
    assert_eq!(scene(json!({"AWS": ACCOUNT})).decide(), ALLOWED);
}

#[test]
fn r124_naming_the_caller_is_enough_within_the_account() {
    assert_eq!(
        Scene::new(user()).trust(trusts(json!({"AWS": USER}))).decide(),
        ALLOWED
    );
    assert_eq!(
        Scene::new(role_session())
            .trust(trusts(json!({"AWS": SESSION})))
            .decide(),
        ALLOWED
    );
    assert_eq!(
        Scene::new(role_session())
            .trust(trusts(json!({"AWS": ROLE})))
            .decide(),
        ALLOWED
    );
    let of_account = Scene::new(user()).trust(trusts(json!({"AWS": ACCOUNT})));
    assert_eq!(of_account.decide(), silent(PolicyType::Identity));
}

#[test]
fn r123_r124_across_accounts_both_sides_must_allow() {
    let named = || {
        Scene::new(user())
            .of_account(OTHER_ACCOUNT)
            .trust(trusts(json!({"AWS": USER})))
    };
    assert_eq!(named().decide(), silent(PolicyType::Identity));
    assert_eq!(named().identity(allow_all()).decide(), ALLOWED);
}

#[test]
fn r69_r157_services() {
    let task = |name| Scene::new(service(name)).trust(trusts(json!({"Service": "ecs-tasks.amazonaws.com"})));
    assert_eq!(task("ecs-tasks.amazonaws.com").decide(), ALLOWED);
    assert_eq!(task("ecs.amazonaws.com").decide(), silent(PolicyType::RoleTrust));
}

#[test]
fn r125_conditions_and_further_actions_of_trust_policies() {
    let with_id = json!({"Effect": "Allow", "Principal": {"AWS": USER}, "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:ExternalId": "secret"}}});
    let scene = || Scene::new(user()).trust(with_id.clone());
    assert_eq!(scene().decide(), silent(PolicyType::RoleTrust));
    assert_eq!(scene().with("sts:ExternalId", "secret").decide(), ALLOWED);
    let tag = Scene {
        action: "sts:TagSession".to_owned(),
        ..scene().with("sts:ExternalId", "secret")
    };
    assert_eq!(tag.decide(), silent(PolicyType::RoleTrust));
}

/// What a trust policy for a provider's callers says to one of them.
fn federated(caller: &str, action: &str, claims: [(&str, &str); 2]) -> Scene {
    let provider = |name: &str| format!("arn:aws:iam::111122223333:{name}");
    let trust = json!([
        {"Effect": "Allow", "Principal": {"Federated": provider("oidc-provider/oidc.example.com")},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringEquals": {"oidc.example.com:aud": "sts.amazonaws.com"}, "StringLike": {"oidc.example.com:sub": "repo:me/app:*"}}},
        {"Effect": "Allow", "Principal": {"Federated": provider("saml-provider/corp")},
            "Action": "sts:AssumeRoleWithSAML", "Condition": {"StringEquals": {"saml:aud": "https://signin.aws.amazon.com/saml"}}},
    ]);
    let caller = Principal::Federated {
        provider: provider(caller),
    };
    let scene = Scene::new(caller).trust(trust);
    let scene = claims
        .into_iter()
        .fold(scene, |scene, (key, value)| scene.with(key, value));
    scene.asks(action, "arn:aws:iam::111122223333:role/target")
}

#[test]
fn r126_unsigned_callers_by_the_trust_policy_alone() {
    const WEB: &str = "sts:AssumeRoleWithWebIdentity";
    const SAML: &str = "sts:AssumeRoleWithSAML";
    let (oidc, corp) = ("oidc-provider/oidc.example.com", "saml-provider/corp");
    let web = [
        ("oidc.example.com:aud", "sts.amazonaws.com"),
        ("oidc.example.com:sub", "repo:me/app:main"),
    ];
    let saml = [
        ("saml:aud", "https://signin.aws.amazon.com/saml"),
        ("saml:sub", "me"),
    ];
    assert_eq!(federated(oidc, WEB, web).decide(), ALLOWED);
    assert_eq!(federated(corp, SAML, saml).decide(), ALLOWED);
    for refused in [
        federated("oidc-provider/other.example.com", WEB, web),
        federated("saml-provider/other", SAML, saml),
        federated(corp, WEB, web),
        federated(oidc, SAML, saml),
        federated(oidc, "sts:AssumeRole", web),
        federated(oidc, "sts:TagSession", web),
        federated(
            oidc,
            WEB,
            [web[0], ("oidc.example.com:sub", "repo:other/app:main")],
        ),
        federated(oidc, WEB, [("oidc.example.com:aud", "other"), web[1]]),
        federated(oidc, WEB, [web[0], ("other.example.com:sub", "repo:me/app:main")]),
        federated(corp, SAML, [("saml:iss", "x"), saml[1]]),
    ] {
        assert_eq!(refused.decide(), silent(PolicyType::RoleTrust), "{refused:?}");
    }
    // Nothing of the role's account but its trust policy has a say, neither for nor against.
    let refused = || {
        federated(
            oidc,
            WEB,
            [web[0], ("oidc.example.com:sub", "repo:other/app:main")],
        )
    };
    assert_eq!(
        refused().identity(allow_all()).decide(),
        silent(PolicyType::RoleTrust)
    );
    for allowed in [
        federated(oidc, WEB, web).identity(deny_all()),
        federated(oidc, WEB, web).boundary(deny_all()),
        federated(oidc, WEB, web).scp(deny_all()),
        federated(oidc, WEB, web).of_account(ACCOUNT),
    ] {
        assert_eq!(allowed.decide(), ALLOWED, "{allowed:?}");
    }
}
