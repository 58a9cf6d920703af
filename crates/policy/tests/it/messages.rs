//! What the caller is told (R169-R174, R177, R179).

use portcullis_policy::{
    Outcome, PolicySets, Source, access_denied_message, decide, with_authorization_id, with_encoded_message,
};
use serde_json::json;

use crate::scene::{
    OTHER_ACCOUNT, Scene, USER, allow_all, allow_nothing, allow_to, deny_all, role_session, service, user,
};

const USER_ASKS: &str = "User: arn:aws:iam::111122223333:user/richard-roe is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::bucket";

#[track_caller]
fn check(scene: Scene, reason: &str) {
    assert_eq!(scene.message(), format!("{USER_ASKS}{reason}"));
}

#[test]
fn r170_r171_implicit_denies() {
    let by_type = |name: &str| format!(" because no {name} allows the s3:GetObject action");
    let open = || Scene::new(user()).identity(allow_all());
    check(Scene::new(user()), &by_type("identity-based policy"));
    check(open().boundary(allow_nothing()), &by_type("permissions boundary"));
    check(open().session(allow_nothing()), &by_type("session policy"));
    check(open().scp(allow_nothing()), &by_type("service control policy"));
    check(
        open().endpoint(allow_to(json!({"Service": "a.b"}))),
        &by_type("VPC endpoint policy"),
    );
}

#[test]
fn r170_r171_explicit_denies() {
    let open = || Scene::new(user()).identity(allow_all());
    let deny_everyone = || json!({"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"});
    check(
        open().identity(deny_all()),
        " with an explicit deny in an identity-based policy",
    );
    check(
        open().resource_policy(deny_everyone()),
        " with an explicit deny in a resource-based policy",
    );
    check(
        open().boundary(deny_all()),
        " with an explicit deny in a permissions boundary",
    );
    check(
        open().session(deny_all()),
        " with an explicit deny in a session policy",
    );
    check(
        open().scp(deny_all()),
        " with an explicit deny in a service control policy",
    );
    check(
        open().rcp(deny_everyone()),
        " with an explicit deny in a resource control policy",
    );
    check(
        open().endpoint(deny_everyone()),
        " with an explicit deny in a VPC endpoint policy",
    );
}

#[test]
fn r171_trust_policies() {
    let trust = |effect: &str| json!({"Effect": effect, "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"});
    let asks = "User: ecs-tasks.amazonaws.com is not authorized to perform: sts:AssumeRole on resource: \
        arn:aws:iam::111122223333:role/target";
    let denied = Scene::new(service("ecs-tasks.amazonaws.com")).trust(trust("Deny"));
    assert_eq!(
        denied.message(),
        format!("{asks} with an explicit deny in the role trust policy")
    );
    let other = Scene::new(service("ecs.amazonaws.com")).trust(trust("Allow"));
    let expected = " because no role trust policy allows the sts:AssumeRole action";
    assert!(other.message().ends_with(expected), "{}", other.message());
}

#[test]
fn r169_role_sessions_are_named_by_their_session() {
    let scene = Scene::new(role_session()).asks("ecs:ListClusters", "*");
    assert_eq!(
        scene.message(),
        "User: arn:aws:sts::111122223333:assumed-role/web/s1 is not authorized to perform: ecs:ListClusters on resource: * \
         because no identity-based policy allows the ecs:ListClusters action"
    );
}

#[test]
fn r173_the_denying_policy_is_known_but_not_in_the_message() {
    let arn = "arn:aws:iam::111122223333:policy/guard";
    Scene::new(user()).identity(deny_all()).run(|request, sets| {
        let guard = [Source {
            arn: Some(arn),
            ..sets.identity[0]
        }];
        let decision = decide(
            request,
            &PolicySets {
                identity: &guard,
                ..*sets
            },
        );
        assert_eq!(
            (decision.outcome, decision.denying_policy_arn()),
            (Outcome::ExplicitDeny, Some(arn))
        );
        let message = access_denied_message("arn:x", request.action, request.resource, &decision);
        assert!(
            message.ends_with("with an explicit deny in an identity-based policy"),
            "{message}"
        );
    });
}

#[test]
fn r179_callers_of_other_accounts_are_not_told_the_type() {
    check(
        Scene::new(user()).of_account(OTHER_ACCOUNT).identity(allow_all()),
        "",
    );
    check(
        Scene::new(user()).of_account(OTHER_ACCOUNT).identity(deny_all()),
        "",
    );
}

#[test]
fn r174_the_message_says_where_the_whole_explanation_is() {
    let told = " because no identity-based policy allows the s3:GetObject action";
    let expected = format!(
        "{USER_ASKS}{told}. Go to https://eu-west-1.console.aws.amazon.com/iam/home?region=eu-west-1#/authorization-details/abc123 \
         for complete details, or call the GetRequestAuthorizationDetails API with the following authorization id: abc123"
    );
    let message = Scene::new(user()).message();
    assert_eq!(with_authorization_id(&message, "eu-west-1", "abc123"), expected);
}

#[test]
fn r177_ec2_says_it_in_its_own_words_and_with_the_encoded_message() {
    let told = " because no identity-based policy allows the ec2:RunInstances action";
    let instance = "arn:aws:ec2:us-east-1:111122223333:instance/*";
    let message = Scene::new(user()).asks("ec2:RunInstances", instance).message();
    assert_eq!(
        with_encoded_message(&message, "Zm9vYmFy"),
        format!(
            "You are not authorized to perform this operation. User: {USER} is not authorized to perform: ec2:RunInstances \
             on resource: {instance}{told}. Encoded authorization failure message: Zm9vYmFy"
        )
    );
}

/// Whatever the decision says to the caller, the explanation says.
#[test]
fn r169_the_explanation_has_the_message_of_the_decision() {
    let guard = || json!({"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"});
    for scene in [
        Scene::new(user()),
        Scene::new(user()).identity(deny_all()),
        Scene::new(user()).identity(allow_all()).scp(allow_nothing()),
        Scene::new(user()).identity(allow_all()).resource_policy(guard()),
        Scene::new(role_session())
            .of_account(OTHER_ACCOUNT)
            .identity(allow_all()),
    ] {
        assert_eq!(scene.explain().message(), Some(scene.message()));
    }
    assert_eq!(Scene::new(user()).identity(allow_all()).explain().message(), None);
}
