//! A caller of one account, a resource of another (R123).

use portcullis_policy::{PolicyType, Principal};
use serde_json::json;

use crate::scene::{
    ACCOUNT, ALLOWED, OTHER_ACCOUNT, ROLE, SESSION, Scene, USER, allow_all, allow_nothing, allow_to, denied,
    deny_all, role_session, root, service, silent, user,
};

fn scene(caller: Principal) -> Scene {
    Scene::new(caller).of_account(OTHER_ACCOUNT)
}

#[test]
fn r123_both_sides_must_allow() {
    for principal in [json!({"AWS": USER}), json!({"AWS": ACCOUNT}), json!("*")] {
        let both = scene(user())
            .identity(allow_all())
            .resource_policy(allow_to(principal.clone()));
        assert_eq!(both.decide(), ALLOWED, "{principal}");
        let resource_only = scene(user()).resource_policy(allow_to(principal));
        assert_eq!(resource_only.decide(), silent(PolicyType::Identity));
    }
    assert_eq!(
        scene(user()).identity(allow_all()).decide(),
        silent(PolicyType::Resource)
    );
    let another = scene(user())
        .identity(allow_all())
        .resource_policy(allow_to(json!({"AWS": ROLE})));
    assert_eq!(another.decide(), silent(PolicyType::Resource));
}

#[test]
fn r123_the_shortcuts_of_one_account_do_not_apply() {
    let named = || {
        scene(role_session())
            .identity(allow_all())
            .resource_policy(allow_to(json!({"AWS": SESSION})))
    };
    assert_eq!(named().decide(), ALLOWED);
    assert_eq!(
        named().boundary(allow_nothing()).decide(),
        silent(PolicyType::Boundary)
    );
    assert_eq!(
        named().session(allow_nothing()).decide(),
        silent(PolicyType::Session)
    );
    assert_eq!(
        named().scp(allow_nothing()).decide(),
        silent(PolicyType::ServiceControl)
    );
    assert_eq!(
        named().identity(deny_all()).decide(),
        denied(PolicyType::Identity)
    );
}

#[test]
fn r123_root_needs_the_other_account_too() {
    assert_eq!(scene(root()).decide(), silent(PolicyType::Resource));
    assert_eq!(
        scene(root())
            .resource_policy(allow_to(json!({"AWS": ACCOUNT})))
            .decide(),
        ALLOWED
    );
}

#[test]
fn r123_services_belong_to_no_account() {
    let granted = scene(service("ecs.amazonaws.com"))
        .resource_policy(allow_to(json!({"Service": "ecs.amazonaws.com"})));
    assert_eq!(granted.decide(), ALLOWED);
}
