//! Where AWS is silent: each test bears the name of the function of `open_points.rs` that decides, and shows what we chose.

use portcullis_core::{Tag, Tags};
use portcullis_policy::{
    Context, Document, Kind, Outcome, PolicySets, PolicyType, Source, access_denied_message, decide,
    size_quota, size_without_whitespace,
};
use serde_json::{Value as Json, json};

use crate::conditions::{check, holds, one};
use crate::scene::{
    ACCOUNT, ALLOWED, FEDERATED_USER, OTHER_ACCOUNT, Scene, USER, allow_all, allow_nothing, denied, deny_all,
    federated_user, policy, root, silent, user,
};

const SYNTAX: &str = "Syntax errors in policy.";

/// What a document of one kind is told.
fn answer(text: &str, kind: Kind) -> String {
    Document::parse(text, kind).map_or_else(|refused| refused.to_string(), |_| "accepted".to_owned())
}

/// Whether an identity policy with this pattern matches a resource.
fn matches(pattern: &str, resource: &str) -> bool {
    Scene::new(user())
        .identity(json!({"Effect": "Allow", "Action": "*", "Resource": pattern}))
        .asks("x:Y", resource)
        .allowed()
}

#[test]
fn r3_error() {
    let twice = r#"{"Version":"2012-10-17","Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    assert_eq!(answer(twice, Kind::Identity), SYNTAX);
    assert_eq!(
        answer(&twice.replacen("\"Version\"", "\"Id\"", 1), Kind::Identity),
        "accepted"
    );
}

#[test]
fn r5_requires_version_2012() {
    let old = |statement: Json| json!({"Version": "2008-10-17", "Statement": statement}).to_string();
    let statement = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*"});
    let refused = "Policy document must be version 2012-10-17 or greater.";
    for kind in [Kind::Identity, Kind::Boundary] {
        assert_eq!(answer(&old(statement.clone()), kind), refused);
    }
    for kind in [Kind::Session, Kind::ServiceControl] {
        assert_eq!(answer(&old(statement.clone()), kind), "accepted", "{kind:?}");
    }
    let trust =
        json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"});
    assert_eq!(answer(&old(trust), Kind::Trust), "accepted");
}

#[test]
fn r11_unique_part() {
    let two = |a: &str, b: &str| {
        let statement = |sid: &str| json!({"Sid": sid, "Effect": "Allow", "Action": "s3:*", "Resource": "*"});
        answer(
            &policy(json!([statement(a), statement(b)])).to_string(),
            Kind::Identity,
        )
    };
    assert_eq!(two("read", "Read"), "accepted");
    assert_eq!(
        two("read", "read"),
        "Statement IDs (SID) in a single policy must be unique."
    );
}

#[test]
fn r14_error() {
    let named = policy(json!({"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}));
    assert_eq!(
        answer(&named.to_string(), Kind::Identity),
        "Policy document should not specify a principal."
    );
}

#[test]
fn r22_operator_names_have_case() {
    let with = |principal: bool, operator: &str| {
        let mut statement = json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*",
            "Condition": {operator: {"k": "1"}}});
        if principal {
            statement["Principal"] = json!("*");
        }
        policy(statement).to_string()
    };
    for kind in [Kind::Identity, Kind::Boundary, Kind::Session] {
        assert_eq!(answer(&with(false, "stringequals"), kind), SYNTAX);
        assert_eq!(answer(&with(false, "StringEquals"), kind), "accepted");
    }
    for operator in ["stringequals", "FORALLVALUES:StringLikeifexists", "NULL"] {
        assert_eq!(
            answer(&with(true, operator), Kind::Resource),
            "accepted",
            "{operator}"
        );
    }
    assert_eq!(answer(&with(true, "nullifexists"), Kind::Resource), SYNTAX);
    let read = Document::parse(&with(true, "foranyvalue:stringEQUALS"), Kind::Resource).unwrap();
    assert_eq!(
        read.statements()[0].conditions[0].operator.to_string(),
        "ForAnyValue:StringEquals"
    );
}

#[test]
fn r24_trust_policy_may_use_wildcards() {
    for action in ["sts:*", "sts:AssumeRole*", "*"] {
        let trust =
            json!({"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": action});
        assert_eq!(
            answer(&policy(trust).to_string(), Kind::Trust),
            "AssumeRole policy may only specify STS AssumeRole actions."
        );
    }
}

#[test]
fn r26_counts() {
    assert_eq!(size_without_whitespace("{ \"a b\"\t:\r\n1 }"), "{\"ab\":1}".len());
    // Other white space counts.
    assert_eq!(size_without_whitespace("\u{a0}\u{85}"), 2);
}

#[test]
fn r26_trust_policy_size() {
    assert_eq!(size_quota(Kind::Trust), Some(2_048));
}

#[test]
fn r26_control_policy_size() {
    assert_eq!(size_quota(Kind::ServiceControl), Some(5_120));
    assert_eq!(size_quota(Kind::ResourceControl), Some(5_120));
}

#[test]
fn r29_empty_value_list_holds() {
    check("StringEquals", json!([]), one("a"), false);
    check("StringNotEquals", json!([]), one("a"), false);
    check("StringEqualsIfExists", json!([]), None, false);
    check("ForAllValues:StringEquals", json!([]), None, true);
    check("ForAllValues:StringEquals", json!([]), one("a"), false);
}

#[test]
fn r32_is_refused() {
    for allow in [
        json!({"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::b"}),
        json!({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
        json!({"Effect": "Allow", "Action": "s3:*Object", "Resource": "*"}),
        json!({"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}}),
    ] {
        assert_eq!(
            answer(&policy(allow.clone()).to_string(), Kind::ServiceControl),
            "accepted",
            "{allow}"
        );
    }
}

#[test]
fn r35_star_is_every_service() {
    let scene = Scene::new(user()).identity(json!({"Effect": "Allow", "Action": "*:Get*", "Resource": "*"}));
    assert!(scene.allowed());
    assert!(!scene.asks("s3:PutObject", "*").allowed());
}

#[test]
fn r44_resource_part_wildcards_match_colons() {
    assert!(matches("arn:aws:s3:::b/*z", "arn:aws:s3:::b/x:y:z"));
    assert!(matches("arn:aws:s3:::b/x?y", "arn:aws:s3:::b/x:y"));
}

#[test]
fn r45_short_arn_is_padded() {
    let task = "arn:aws:ecs:us-east-1:111122223333:task/default/0123";
    assert!(matches("arn:aws:ecs:us-east-1", task));
    let deny = json!([
        {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "arn:aws:ecs"}
    ]);
    assert_eq!(
        Scene::new(user())
            .asks("x:Y", task)
            .resource_policy(deny)
            .decide(),
        ALLOWED
    );
}

#[test]
fn r47_matches_nothing() {
    assert!(matches(
        "arn:aws:e*:us-east-1:111122223333:cluster/c",
        "arn:aws:ecs:us-east-1:111122223333:cluster/c"
    ));
    assert!(matches(
        "arn:aws:ecs:us-east-1:111122223333:cl*",
        "arn:aws:ecs:us-east-1:111122223333:cluster/c"
    ));
    assert!(matches(
        "arn:aws:ecs:us-east-1:111122223333:c?uster/c",
        "arn:aws:ecs:us-east-1:111122223333:cluster/c"
    ));
}

#[test]
fn r52_bool_takes_variables() {
    let context: Context = [("wanted", "true"), ("k", "true")].into_iter().collect();
    assert!(holds(&json!({"Bool": {"k": "${wanted}"}}), &context));
}

#[test]
fn r53_early_variable_matches_nothing() {
    let scene = |pattern: &str, resource: &str| {
        Scene::new(user())
            .identity(json!({"Effect": "Allow", "Action": "*", "Resource": pattern}))
            .asks("ecs:RunTask", resource)
            .with("region", "us-east-1")
            .allowed()
    };
    let replaced = "arn:aws:ecs:us-east-1:1:cluster/c";
    assert!(!scene("arn:aws:ecs:${region}:1:cluster/c", replaced));
    assert!(!scene(
        "arn:aws:ecs:${region}:1:cluster/c",
        "arn:aws:ecs:${region}:1:cluster/c"
    ));
    assert!(scene("arn:aws:ecs:us-east-1:1:cluster/${none, 'c'}", replaced));
}

#[test]
fn r56_default_replaces_empty_value() {
    let context: Context = [("empty", ""), ("k", "")].into_iter().collect();
    assert!(holds(
        &json!({"StringEquals": {"k": "${empty, 'all'}"}}),
        &context
    ));
    assert!(!holds(
        &json!({"StringEquals": {"k": "${absent, 'all'}"}}),
        &context
    ));
}

#[test]
fn r57_not_resource_holds_unresolved() {
    let ask = |statements: Json| {
        Scene::new(user())
            .identity(statements)
            .asks("s3:GetObject", "arn:aws:s3:::other/x")
            .decide()
    };
    let home = "arn:aws:s3:::bucket/${aws:PrincipalTag/home}";
    let allow = json!({"Effect": "Allow", "Action": "*", "NotResource": home});
    assert_eq!(ask(allow), silent(PolicyType::Identity));
    let deny = json!([allow_all(), {"Effect": "Deny", "Action": "*", "NotResource": home}]);
    assert_eq!(ask(deny), denied(PolicyType::Identity));
}

#[test]
fn r71_not_principal_deny_hits_bounded_callers() {
    let guard = json!({"Effect": "Deny", "NotPrincipal": {"AWS": USER}, "Action": "*", "Resource": "*"});
    let scene = || {
        Scene::new(user())
            .identity(allow_all())
            .resource_policy(guard.clone())
    };
    assert_eq!(scene().decide(), ALLOWED);
    assert_eq!(
        scene().boundary(allow_all()).decide(),
        denied(PolicyType::Resource)
    );
}

#[test]
fn r41_r57_star_asks_for_variables() {
    let home = "arn:aws:s3:::bucket/${aws:PrincipalTag/home}";
    let ask = |effect: &str, asked: &str| {
        let statement = json!({"Effect": effect, "Action": "s3:*", "NotResource": home});
        let rest =
            json!({"Effect": "Allow", "Action": if effect == "Deny" { "*" } else { "x:y" }, "Resource": "*"});
        Scene::new(user())
            .identity(json!([statement, rest]))
            .asks("s3:ListAllMyBuckets", asked)
            .decide()
    };
    assert_eq!(ask("Allow", "*"), ALLOWED);
    assert_eq!(ask("Allow", "arn:aws:s3:::other"), silent(PolicyType::Identity));
    assert_eq!(ask("Deny", "*"), denied(PolicyType::Identity));
}

#[test]
fn r46_floating_letter_has_case() {
    assert!(matches("arn:*:user/*", "arn:aws:iam::1:user/x"));
    assert!(!matches("arn:*:user/*", "arn:aws:iam::1:useR/x"));
    assert!(!matches("arn:*:User/*", "arn:aws:iam::1:user/x"));
    assert!(matches("arn:*:US-EAST-1:*", "arn:aws:ecs:us-east-1:1:cluster/c"));
    assert!(!matches("arn:*:US-EAST-1:*", "arn:aws:s3:::b/us-east-1:x"));
    let guarded = |asked: &str| {
        let guard = json!({"Effect": "Deny", "Action": "*", "Resource": "arn:aws:*:EU-*:*:cluster/Prod"});
        let scene = Scene::new(user()).identity(json!([allow_all(), guard]));
        scene.asks("ecs:DeleteCluster", asked).decide() == denied(PolicyType::Identity)
    };
    assert!(guarded("arn:aws:ecs:eu-west-1:1:cluster/Prod"));
    assert!(!guarded("arn:aws:ecs:eu-west-1:1:cluster/prod"));
}

#[test]
fn r71_federated_user_is_excepted() {
    let guarded = |listed: Json| {
        let guard =
            json!({"Effect": "Deny", "NotPrincipal": {"AWS": listed}, "Action": "*", "Resource": "*"});
        let scene = Scene::new(federated_user())
            .identity(allow_all())
            .session(allow_all());
        scene.resource_policy(guard).decide() == denied(PolicyType::Resource)
    };
    assert!(!guarded(json!([USER, ACCOUNT])));
    assert!(!guarded(json!([FEDERATED_USER, USER, ACCOUNT])));
    assert!(!guarded(json!("*")));
    for too_little in [
        json!(USER),
        json!(ACCOUNT),
        json!(FEDERATED_USER),
        json!([FEDERATED_USER, USER]),
        json!([FEDERATED_USER, ACCOUNT]),
    ] {
        assert!(guarded(too_little.clone()), "{too_little}");
    }
}

#[test]
fn r121_session_policies_bind_root() {
    let scene = || Scene::new(root());
    assert_eq!(scene().decide(), ALLOWED);
    assert_eq!(scene().session(allow_all()).decide(), ALLOWED);
    assert_eq!(
        scene().session(allow_nothing()).decide(),
        silent(PolicyType::Session)
    );
    let some = json!([allow_all(), deny_all()]);
    assert_eq!(scene().session(some).decide(), denied(PolicyType::Session));
}

#[test]
fn r160_null_finds_absent() {
    let hits = |context: Context| holds(&json!({"Null": {"aws:MultiFactorAuthPresent": "true"}}), &context);
    assert!(hits(Context::new()), "a long-term key has no such key");
    let session: Context = [("aws:MultiFactorAuthPresent", "false")].into_iter().collect();
    assert!(!hits(session), "a session without MFA has it");
}

#[test]
fn r164_value_of_same_keys() {
    let mut tags = Tags::new();
    tags.set(Tag::new("Owner", "a"));
    tags.set(Tag::new("OWNER", "b"));
    let mut context = Context::new();
    context.insert_tags("aws:ResourceTag", &tags);
    for operator in ["StringEquals", "StringNotEquals", "StringLike"] {
        assert!(
            !holds(
                &json!({operator: {"aws:ResourceTag/owner": ["a", "b"]}}),
                &context
            ),
            "{operator}"
        );
    }
    assert!(holds(
        &json!({"ForAnyValue:StringEquals": {"aws:ResourceTag/owner": "a"}}),
        &context
    ));
}

#[test]
fn r172_order() {
    let endpoint =
        json!({"Effect": "Allow", "Principal": {"Service": "a.b"}, "Action": "*", "Resource": "*"});
    let mut scene = Scene::new(user())
        .boundary(allow_nothing())
        .session(allow_nothing())
        .rcp(endpoint.clone())
        .scp(allow_nothing())
        .endpoint(endpoint.clone())
        .of_account(OTHER_ACCOUNT)
        .resource_policy(endpoint);
    let mut named = Vec::new();
    while let (Outcome::ImplicitDeny, Some(by)) = scene.decide() {
        named.push(by);
        match by {
            PolicyType::ServiceControl => scene.scps.clear(),
            PolicyType::ResourceControl => scene.rcps.clear(),
            PolicyType::Endpoint => scene.endpoint = None,
            PolicyType::Resource => scene.resource_account = None,
            PolicyType::Boundary => scene.boundary = None,
            PolicyType::Session => scene.session = None,
            PolicyType::Identity => scene = scene.identity(allow_all()),
            PolicyType::RoleTrust => panic!("there is no role"),
        }
    }
    use PolicyType::{Boundary, Endpoint, Identity, Resource, ResourceControl, ServiceControl, Session};
    assert_eq!(
        named,
        [
            ServiceControl,
            ResourceControl,
            Endpoint,
            Resource,
            Boundary,
            Session,
            Identity
        ]
    );
}

#[test]
fn r173_message_names_policy() {
    Scene::new(user()).identity(deny_all()).run(|request, sets| {
        let guard = [Source {
            arn: Some("arn:aws:iam::111122223333:policy/guard"),
            ..sets.identity[0]
        }];
        let sets = PolicySets {
            identity: &guard,
            ..*sets
        };
        let decision = decide(request, &sets);
        let message = access_denied_message("arn:x", request.action, request.resource, &decision);
        assert!(
            message.ends_with("with an explicit deny in an identity-based policy"),
            "{message}"
        );
    });
}

#[test]
fn r179_cross_account_message_names_type() {
    let abroad = Scene::new(user()).of_account(OTHER_ACCOUNT).identity(allow_all());
    assert!(
        abroad.message().ends_with("on resource: arn:aws:s3:::bucket"),
        "{}",
        abroad.message()
    );
}
