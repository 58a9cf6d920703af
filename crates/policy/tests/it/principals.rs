//! Principals in resource policies (R61-R72), with callers who have no other permission.

use portcullis_policy::{Outcome, Principal};
use serde_json::{Value as Json, json};

use crate::scene::{
    ACCOUNT, FEDERATED_USER, OTHER_ACCOUNT, ROLE, SESSION, Scene, USER, allow_all, allow_to, federated_user,
    role_session, root, service, user,
};

/// Whether an Allow for this principal is enough by itself.
#[track_caller]
fn check(caller: Principal, principal: Json, expected: bool) {
    let scene = Scene::new(caller).resource_policy(allow_to(principal.clone()));
    assert_eq!(
        scene.allowed(),
        expected,
        "{:?} under {principal}",
        scene.principal
    );
}

/// Whether a Deny for this principal element hits a caller who is otherwise allowed everything.
#[track_caller]
fn check_deny(scene: Scene, element: &str, principal: Json, expected: bool) {
    let deny = json!({"Effect": "Deny", element: principal, "Action": "*", "Resource": "*"});
    let scene = scene.identity(allow_all()).resource_policy(deny);
    let hit = scene.decide().0 == Outcome::ExplicitDeny;
    assert_eq!(hit, expected, "{:?} under {element} {principal}", scene.principal);
}

#[test]
fn r62_everyone() {
    for principal in [
        json!("*"),
        json!({"AWS": "*"}),
        json!({"AWS": ["x".repeat(16).to_uppercase(), "*".to_owned()]}),
    ] {
        for caller in [
            user(),
            role_session(),
            federated_user(),
            service("ecs.amazonaws.com"),
            Principal::Anonymous,
        ] {
            check(caller, principal.clone(), true);
        }
    }
}

#[test]
fn r61_several_keys_are_an_or() {
    let either = json!({"AWS": OTHER_ACCOUNT, "Service": ["ecs.amazonaws.com", "ecs-tasks.amazonaws.com"]});
    check(service("ecs-tasks.amazonaws.com"), either.clone(), true);
    check(user(), either, false);
}

#[test]
fn r63_r67_users_and_sessions_by_arn() {
    check(user(), json!({"AWS": USER}), true);
    check(
        user(),
        json!({"AWS": "arn:aws:iam::111122223333:user/Richard-Roe"}),
        false,
    );
    check(user(), json!({"AWS": SESSION}), false);
    check(role_session(), json!({"AWS": SESSION}), true);
    check(
        role_session(),
        json!({"AWS": "arn:aws:sts::111122223333:assumed-role/web/s2"}),
        false,
    );
    check(role_session(), json!({"AWS": ROLE}), true);
    check(federated_user(), json!({"AWS": FEDERATED_USER}), true);
}

#[test]
fn r65_unique_ids_match() {
    check(user(), json!({"AWS": "AIDARICHARDROE0000001"}), true);
    check(user(), json!({"AWS": "AIDAOTHER000000000001"}), false);
    check(role_session(), json!({"AWS": "AROAWEB00000000000001"}), true);
}

#[test]
fn r68_role_names_have_no_case_sessions_have() {
    check(
        role_session(),
        json!({"AWS": "arn:aws:iam::111122223333:role/app/WEB"}),
        true,
    );
    check(
        role_session(),
        json!({"AWS": "arn:aws:iam::111122223333:role/web"}),
        false,
    );
    check(
        role_session(),
        json!({"AWS": "arn:aws:sts::111122223333:assumed-role/Web/s1"}),
        true,
    );
    check(
        role_session(),
        json!({"AWS": "arn:aws:sts::111122223333:assumed-role/web/S1"}),
        false,
    );
}

#[test]
fn r64_the_account_delegates_and_grants_nothing_itself() {
    for principal in [
        json!({"AWS": ACCOUNT}),
        json!({"AWS": "arn:aws:iam::111122223333:root"}),
    ] {
        check(user(), principal.clone(), false);
        check(role_session(), principal.clone(), false);
        let with_identity = Scene::new(user())
            .identity(allow_all())
            .resource_policy(allow_to(principal));
        assert!(with_identity.allowed());
    }
}

#[test]
fn r69_services_match_exactly() {
    check(
        service("ecs-tasks.amazonaws.com"),
        json!({"Service": "ecs-tasks.amazonaws.com"}),
        true,
    );
    check(
        service("ecs.amazonaws.com"),
        json!({"Service": "ecs-tasks.amazonaws.com"}),
        false,
    );
    check(user(), json!({"Service": "ecs-tasks.amazonaws.com"}), false);
}

#[test]
fn r70_federated_callers_by_provider() {
    let provider = "arn:aws:iam::111122223333:oidc-provider/token.actions.githubusercontent.com";
    let caller = || Principal::Federated {
        provider: provider.to_owned(),
    };
    check(caller(), json!({"Federated": provider}), true);
    check(caller(), json!({"Federated": "accounts.google.com"}), false);
    check(caller(), json!({"AWS": ACCOUNT}), false);
}

#[test]
fn a_deny_for_the_account_hits_everybody_in_it() {
    for caller in [root(), user(), role_session(), federated_user()] {
        check_deny(Scene::new(caller), "Principal", json!({"AWS": ACCOUNT}), true);
    }
    check_deny(
        Scene::new(user()),
        "Principal",
        json!({"AWS": OTHER_ACCOUNT}),
        false,
    );
    check_deny(
        Scene::new(role_session()),
        "Principal",
        json!({"AWS": ROLE}),
        true,
    );
}

#[test]
fn r71_not_principal_excepts_those_listed() {
    let account = "arn:aws:iam::111122223333:root";
    for (caller, listed, hit) in [
        (user(), json!([USER]), false),
        (user(), json!([USER, account]), false),
        (user(), json!([account]), true),
        (user(), json!([ROLE]), true),
        (root(), json!([account]), false),
        (role_session(), json!([SESSION]), true),
        (role_session(), json!([SESSION, ROLE]), true),
        (role_session(), json!([ROLE, account]), false),
        (role_session(), json!([SESSION, ROLE, account]), false),
        (service("ecs.amazonaws.com"), json!([account]), true),
    ] {
        check_deny(Scene::new(caller), "NotPrincipal", json!({"AWS": listed}), hit);
    }
}

#[test]
fn r71_not_principal_with_deny_hits_every_bounded_caller() {
    check_deny(
        Scene::new(user()).boundary(allow_all()),
        "NotPrincipal",
        json!({"AWS": USER}),
        true,
    );
    check_deny(
        Scene::new(user()).boundary(allow_all()),
        "Principal",
        json!({"AWS": ROLE}),
        false,
    );
}
