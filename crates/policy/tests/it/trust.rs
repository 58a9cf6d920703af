//! Trust policies of roles (R124-R126).

use portcullis_policy::{PolicyType, Principal};
use serde_json::{Value as Json, json};

use crate::scene::{
    ACCOUNT, ALLOWED, OTHER_ACCOUNT, ROLE, SESSION, Scene, USER, allow_all, role_session, service, silent,
    user,
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

#[test]
fn r126_unsigned_callers_by_the_trust_policy_alone() {
    let provider = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com";
    let trust = json!({"Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringLike": {"token.actions.githubusercontent.com:sub": "repo:me/app:*"}}});
    let scene = |sub: &str| {
        let caller = Principal::Federated {
            provider: provider.to_owned(),
        };
        let scene = Scene::new(caller)
            .trust(trust.clone())
            .with("token.actions.githubusercontent.com:sub", sub);
        Scene {
            action: "sts:AssumeRoleWithWebIdentity".to_owned(),
            ..scene
        }
    };
    assert_eq!(scene("repo:me/app:ref:main").decide(), ALLOWED);
    assert_eq!(
        scene("repo:other/app:ref:main").decide(),
        silent(PolicyType::RoleTrust)
    );
}
