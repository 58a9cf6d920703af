//! How the policy sets combine within one account (R113-R122, R128, R136).

use portcullis_policy::{Outcome, PolicyType, Principal, decide};
use serde_json::{Value as Json, json};

use crate::scene::{
    ACCOUNT, ALLOWED, FEDERATED_USER, ROLE, SESSION, Scene, USER, allow_all, allow_nothing, allow_to, denied,
    deny_all, federated_user, role_session, root, service, service_linked_session, silent, user,
};

#[test]
fn r122_the_default_is_implicit_deny() {
    assert_eq!(Scene::new(user()).decide(), silent(PolicyType::Identity));
    assert_eq!(
        Scene::new(user()).identity(allow_nothing()).decide(),
        silent(PolicyType::Identity)
    );
    assert_eq!(Scene::new(role_session()).decide(), silent(PolicyType::Identity));
    assert_eq!(
        Scene::new(Principal::Anonymous).decide(),
        silent(PolicyType::Resource)
    );
    assert_eq!(
        Scene::new(service("ecs.amazonaws.com")).decide(),
        silent(PolicyType::Resource)
    );
}

#[test]
fn r115_an_explicit_deny_in_any_set_is_final() {
    let open = || {
        Scene::new(role_session())
            .identity(allow_all())
            .boundary(allow_all())
            .session(allow_all())
            .resource_policy(allow_to(json!("*")))
            .scp(allow_all())
            .rcp(allow_to(json!("*")))
            .endpoint(allow_to(json!("*")))
    };
    let deny_everyone = || json!([allow_to(json!("*")), {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]);
    assert_eq!(open().decide(), ALLOWED);
    assert_eq!(open().identity(deny_all()).decide(), denied(PolicyType::Identity));
    assert_eq!(open().boundary(deny_all()).decide(), denied(PolicyType::Boundary));
    assert_eq!(open().session(deny_all()).decide(), denied(PolicyType::Session));
    assert_eq!(
        open().resource_policy(deny_everyone()).decide(),
        denied(PolicyType::Resource)
    );
    assert_eq!(
        open().scp(json!([allow_all(), deny_all()])).decide(),
        denied(PolicyType::ServiceControl)
    );
    assert_eq!(
        open().rcp(deny_everyone()).decide(),
        denied(PolicyType::ResourceControl)
    );
    assert_eq!(
        open().endpoint(deny_everyone()).decide(),
        denied(PolicyType::Endpoint)
    );
}

#[test]
fn r115_order_of_statements_and_policies_does_not_matter() {
    let first = Scene::new(user()).identity(json!([deny_all(), allow_all()]));
    let last = Scene::new(user()).identity(json!([allow_all(), deny_all()]));
    let apart = Scene::new(user()).identity(allow_all()).identity(deny_all());
    for scene in [first, last, apart] {
        assert_eq!(scene.decide(), denied(PolicyType::Identity));
    }
}

#[test]
fn r116_r117_every_level_must_allow() {
    let scene = || Scene::new(user()).identity(allow_all());
    assert_eq!(
        scene().scp(allow_all()).scp(allow_nothing()).decide(),
        silent(PolicyType::ServiceControl)
    );
    assert_eq!(scene().scp(allow_all()).scp(allow_all()).decide(), ALLOWED);
    let rcp_for_nobody = allow_to(json!({"AWS": "999900001111"}));
    assert_eq!(
        scene().rcp(allow_to(json!("*"))).rcp(rcp_for_nobody).decide(),
        silent(PolicyType::ResourceControl)
    );
}

#[test]
fn r116_r117_r133_who_is_exempt() {
    let by_scp = |caller| {
        Scene::new(caller)
            .identity(allow_all())
            .resource_policy(allow_to(json!("*")))
            .scp(deny_all())
    };
    let deny_everyone = json!({"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"});
    let by_rcp = |caller| {
        Scene::new(caller)
            .identity(allow_all())
            .resource_policy(allow_to(json!("*")))
            .rcp(deny_everyone.clone())
    };
    assert_eq!(by_scp(root()).decide(), denied(PolicyType::ServiceControl));
    assert_eq!(by_scp(service_linked_session()).decide(), ALLOWED);
    assert_eq!(by_scp(service("ecs.amazonaws.com")).decide(), ALLOWED);
    assert_eq!(by_scp(Principal::Anonymous).decide(), ALLOWED);
    assert_eq!(by_rcp(service_linked_session()).decide(), ALLOWED);
    for bound in [root(), user(), service("ecs.amazonaws.com"), Principal::Anonymous] {
        assert_eq!(by_rcp(bound).decide(), denied(PolicyType::ResourceControl));
    }
}

/// Which implicit denies an Allow in the resource's policy lifts (R118): identity, boundary, session.
#[track_caller]
fn check_lifts(caller: Principal, principal: Json, lifted: [bool; 3]) {
    let scene = |identity: bool, boundary: bool, session: bool| {
        let grant = |grants: bool| if grants { allow_all() } else { allow_nothing() };
        Scene {
            principal: caller.clone(),
            ..Scene::new(user())
        }
        .identity(grant(identity))
        .boundary(grant(boundary))
        .session(grant(session))
        .resource_policy(allow_to(principal.clone()))
    };
    let answers = [
        scene(false, true, true),
        scene(true, false, true),
        scene(true, true, false),
    ]
    .map(|scene| scene.allowed());
    assert_eq!(answers, lifted, "{caller:?} under {principal}");
}

#[test]
fn r118_what_a_resource_policy_lifts() {
    let everyone = json!("*");
    let all = [true; 3];
    check_lifts(user(), json!({"AWS": USER}), all);
    check_lifts(user(), everyone.clone(), all);
    check_lifts(role_session(), json!({"AWS": SESSION}), all);
    check_lifts(role_session(), everyone.clone(), all);
    check_lifts(role_session(), json!({"AWS": ROLE}), [true, false, false]);
    check_lifts(federated_user(), json!({"AWS": FEDERATED_USER}), all);
    check_lifts(federated_user(), everyone, all);
    check_lifts(federated_user(), json!({"AWS": USER}), [true, false, false]);
    for caller in [user(), role_session(), federated_user()] {
        check_lifts(caller, json!({"AWS": ACCOUNT}), [false; 3]);
    }
}

#[test]
fn r118_a_role_session_named_by_a_condition_counts_as_everyone() {
    let scene = Scene::new(role_session())
        .boundary(allow_nothing())
        .with("aws:PrincipalArn", ROLE);
    let named = json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*",
        "Condition": {"ArnEquals": {"aws:PrincipalArn": ROLE}}});
    assert_eq!(scene.resource_policy(named).decide(), ALLOWED);
}

#[test]
fn r119_identity_or_resource_suffices_within_the_account() {
    assert!(Scene::new(user()).identity(allow_all()).allowed());
    assert!(
        Scene::new(user())
            .resource_policy(allow_to(json!({"AWS": USER})))
            .allowed()
    );
    assert!(
        Scene::new(user())
            .identity(allow_all())
            .resource_policy(allow_to(json!({"AWS": ROLE})))
            .allowed()
    );
}

#[test]
fn r120_a_boundary_limits_and_grants_nothing() {
    assert_eq!(
        Scene::new(user()).boundary(allow_all()).decide(),
        silent(PolicyType::Identity)
    );
    let outside = Scene::new(user()).identity(allow_all()).boundary(allow_nothing());
    assert_eq!(outside.decide(), silent(PolicyType::Boundary));
    assert_eq!(
        Scene::new(user())
            .identity(allow_all())
            .boundary(allow_all())
            .decide(),
        ALLOWED
    );
    assert_eq!(Scene::new(root()).boundary(deny_all()).decide(), ALLOWED);
}

#[test]
fn r121_session_policies() {
    let session = || Scene::new(role_session()).identity(allow_all());
    assert_eq!(session().decide(), ALLOWED);
    assert_eq!(
        session().session(allow_nothing()).decide(),
        silent(PolicyType::Session)
    );
    assert_eq!(
        session().session(allow_nothing()).session(allow_all()).decide(),
        ALLOWED
    );
    assert_eq!(
        Scene::new(role_session()).session(allow_all()).decide(),
        silent(PolicyType::Identity)
    );
}

#[test]
fn r121_a_federated_user_without_session_policy_has_no_permissions_of_its_own() {
    let scene = || Scene::new(federated_user()).identity(allow_all());
    assert_eq!(scene().decide(), silent(PolicyType::Session));
    assert_eq!(scene().session(allow_all()).decide(), ALLOWED);
    assert!(
        scene()
            .resource_policy(allow_to(json!({"AWS": FEDERATED_USER})))
            .allowed()
    );
    assert!(!scene().resource_policy(allow_to(json!({"AWS": USER}))).allowed());
}

#[test]
fn r124_kms_key_policies_must_allow() {
    let key = "arn:aws:kms:us-east-1:111122223333:key/1234";
    let scene = || Scene::new(user()).identity(allow_all()).asks("kms:Decrypt", key);
    assert_eq!(
        scene().resource_policy(allow_to(json!({"AWS": ROLE}))).decide(),
        silent(PolicyType::Resource)
    );
    assert_eq!(
        scene()
            .resource_policy(allow_to(json!({"AWS": ACCOUNT})))
            .decide(),
        ALLOWED
    );
}

#[test]
fn r128_the_root_user_needs_no_policy_but_denies_bind_it() {
    let deny_account =
        json!({"Effect": "Deny", "Principal": {"AWS": ACCOUNT}, "Action": "*", "Resource": "*"});
    assert_eq!(Scene::new(root()).decide(), ALLOWED);
    assert_eq!(
        Scene::new(root())
            .resource_policy(allow_to(json!({"AWS": USER})))
            .decide(),
        ALLOWED
    );
    assert_eq!(
        Scene::new(root()).resource_policy(deny_account).decide(),
        denied(PolicyType::Resource)
    );
    assert_eq!(
        Scene::new(root()).scp(allow_nothing()).decide(),
        silent(PolicyType::ServiceControl)
    );
}

#[test]
fn r136_an_endpoint_policy_must_allow_as_well() {
    let scene = || Scene::new(user()).identity(allow_all());
    assert_eq!(scene().endpoint(allow_to(json!("*"))).decide(), ALLOWED);
    assert_eq!(
        scene().endpoint(allow_to(json!({"AWS": ROLE}))).decide(),
        silent(PolicyType::Endpoint)
    );
}

#[test]
fn r172_one_type_is_named() {
    let several = Scene::new(role_session())
        .boundary(allow_nothing())
        .session(allow_nothing())
        .scp(allow_nothing());
    assert_eq!(several.decide(), silent(PolicyType::ServiceControl));
    let below = Scene::new(role_session())
        .boundary(allow_nothing())
        .session(allow_nothing());
    assert_eq!(below.decide(), silent(PolicyType::Boundary));
    let both_deny = Scene::new(user()).identity(deny_all()).scp(deny_all());
    assert_eq!(both_deny.decide(), denied(PolicyType::ServiceControl));
    let explicit_first = Scene::new(user()).identity(deny_all()).scp(allow_nothing());
    assert_eq!(explicit_first.decide(), denied(PolicyType::Identity));
}

#[test]
fn a_decision_carries_the_statements_that_apply() {
    let scene = Scene::new(user()).identity(json!([
        {"Sid": "Other", "Effect": "Allow", "Action": "sqs:*", "Resource": "*"},
        {"Sid": "Read", "Effect": "Allow", "Action": "s3:Get*", "Resource": "*"},
        {"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}
    ]));
    let sids = |scene: &Scene| {
        scene.run(|request, sets| {
            let decision = decide(request, sets);
            let sids = decision
                .matched
                .iter()
                .map(|m| (m.index, m.statement.sid.clone().unwrap_or_default()));
            (decision.outcome, sids.collect::<Vec<_>>())
        })
    };
    assert_eq!(
        sids(&scene),
        (
            Outcome::Allow,
            vec![(1, "Read".to_owned()), (2, "All".to_owned())]
        )
    );
    let scene = scene.identity(json!({"Sid": "No", "Effect": "Deny", "Action": "s3:*", "Resource": "*"}));
    assert_eq!(sids(&scene), (Outcome::ExplicitDeny, vec![(0, "No".to_owned())]));
}

#[test]
fn r37_r49_not_action_and_not_resource() {
    let bucket = "arn:aws:s3:::bucket";
    let allows = |members: Json, action: &str, resource: &str| {
        let mut statement = json!({"Effect": "Allow"});
        statement
            .as_object_mut()
            .unwrap()
            .extend(members.as_object().unwrap().clone());
        Scene::new(user())
            .identity(statement)
            .asks(action, resource)
            .allowed()
    };
    let not_iam = json!({"NotAction": ["iam:*", "sts:*"], "Resource": "*"});
    assert!(allows(not_iam.clone(), "s3:GetObject", bucket));
    assert!(!allows(not_iam, "iam:PassRole", bucket));
    let not_bucket = json!({"Action": "*", "NotResource": [bucket]});
    assert!(!allows(not_bucket.clone(), "s3:GetObject", bucket));
    assert!(allows(not_bucket.clone(), "s3:GetObject", "arn:aws:s3:::other"));
    // R41: the request resource `*` is not in a list of ARNs.
    assert!(allows(not_bucket, "s3:ListAllMyBuckets", "*"));
}

#[test]
fn r57_not_resource_with_an_unresolved_variable_fails_closed() {
    let home = "arn:aws:s3:::bucket/${aws:PrincipalTag/home}";
    let resource = "arn:aws:s3:::bucket/x";
    let allow = Scene::new(user())
        .identity(json!({"Effect": "Allow", "Action": "*", "NotResource": home}))
        .asks("s3:GetObject", resource);
    assert_eq!(allow.decide(), silent(PolicyType::Identity));
    let deny = Scene::new(user())
        .identity(json!([allow_all(), {"Effect": "Deny", "Action": "*", "NotResource": home}]))
        .asks("s3:GetObject", resource);
    assert_eq!(deny.decide(), denied(PolicyType::Identity));
    // A listed pattern that matches decides before the unresolved one.
    let listed = json!([allow_all(), {"Effect": "Deny", "Action": "*", "NotResource": [home, "arn:aws:s3:::bucket/x"]}]);
    assert_eq!(
        Scene::new(user())
            .identity(listed)
            .asks("s3:GetObject", resource)
            .decide(),
        ALLOWED
    );
}
