//! Rules that the tests by subject do not reach, one test each.

use std::collections::BTreeSet;

use portcullis_policy::{
    Context, Document, Kind, Malformed, Outcome, PolicySets, PolicyType, Principal, Value, Version, decide,
    explain,
};
use serde_json::{Value as Json, json};

use crate::compiled::verdict;
use crate::conditions::{check, holds, one};
use crate::scene::{
    ALLOWED, OTHER_ACCOUNT, Scene, USER, allow_all, allow_nothing, allow_to, denied, deny_all,
    federated_user, parse, policy, role_session, root, service, silent, source, user,
};

fn answer(document: &Json, kind: Kind) -> String {
    Document::parse(&document.to_string(), kind)
        .map_or_else(|refused| refused.to_string(), |_| "accepted".to_owned())
}

/// Whether an identity policy of one statement allows a request.
fn allows(action: Json, resource: Json, asked: (&str, &str)) -> bool {
    Scene::new(user())
        .identity(json!({"Effect": "Allow", "Action": action, "Resource": resource}))
        .asks(asked.0, asked.1)
        .allowed()
}

#[test]
fn r4_r6_without_a_version_or_under_2008_variables_are_text_and_all_else_is_the_same() {
    let statement = json!({"Effect": "Allow", "Action": "s3:Get*", "Resource": ["arn:aws:s3:::b/${aws:username}", "arn:aws:s3:::c/?/*"],
        "Condition": {"StringNotLike": {"k": "x*"}}});
    for document in [
        json!({"Statement": statement}),
        json!({"Version": "2008-10-17", "Statement": statement}),
    ] {
        let document = parse(&document, Kind::Session);
        assert_eq!(document.version(), Version::V2008);
        let scene = |asked: &str, k: &str| {
            let mut scene = Scene::new(role_session())
                .identity(allow_all())
                .asks("s3:GetObject", asked);
            scene.session = Some(vec![document.clone()]);
            scene.with("aws:username", "richard").with("k", k).allowed()
        };
        assert!(!scene("arn:aws:s3:::b/richard", "y"));
        assert!(scene("arn:aws:s3:::b/${aws:username}", "y"));
        assert!(scene("arn:aws:s3:::c/1/2/3", "y"));
        assert!(!scene("arn:aws:s3:::c/1/2/3", "xy"));
    }
}

#[test]
fn r7_an_id_is_taken_and_has_no_effect() {
    let with = |id: &str| json!({"Version": "2012-10-17", "Id": id, "Statement": allow_all()});
    let document = parse(&with("anything at all"), Kind::Identity);
    assert_eq!(document.id(), Some("anything at all"));
    assert_eq!(answer(&with(""), Kind::Identity), "accepted");
    let without = parse(&policy(allow_all()), Kind::Identity);
    assert_eq!(
        (without.id(), without.statements().len()),
        (None, document.statements().len())
    );
}

#[test]
fn r15_one_value_or_a_flat_list_everywhere() {
    let one = json!({"Effect": "Allow", "Principal": {"AWS": USER}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket",
        "Condition": {"StringEquals": {"k": "a"}}});
    let many = json!({"Effect": "Allow", "Principal": {"AWS": ["111122223333", USER]}, "Action": ["s3:X", "s3:GetObject"],
        "Resource": ["arn:aws:s3:::x", "arn:aws:s3:::bucket"], "Condition": {"StringEquals": {"k": ["b", "a"]}}});
    for statements in [one.clone(), json!([one]), json!([many.clone()]), many] {
        let scene = Scene::new(user())
            .resource_policy(statements.clone())
            .with("k", "a");
        assert_eq!(scene.decide(), ALLOWED, "{statements}");
    }
    for nested in [
        json!({"Effect": "Allow", "Action": [["s3:*"]], "Resource": "*"}),
        json!({"Effect": "Allow", "Action": "s3:*", "Resource": [["*"]]}),
        json!([[{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]]),
    ] {
        assert_eq!(
            answer(&policy(nested), Kind::Identity),
            "Syntax errors in policy."
        );
    }
}

#[test]
fn r21_the_partitions_there_are() {
    let on = |partition: &str| {
        let resource = format!("arn:{partition}:ecs:us-east-1:111122223333:cluster/c");
        answer(
            &policy(json!({"Effect": "Allow", "Action": "ecs:*", "Resource": resource})),
            Kind::Identity,
        )
    };
    for known in [
        "aws",
        "aws-cn",
        "aws-us-gov",
        "aws-iso",
        "aws-iso-b",
        "aws-iso-e",
        "aws-iso-f",
        "aws-eusc",
        "*",
    ] {
        assert_eq!(on(known), "accepted", "{known}");
    }
    for unknown in ["AWS", "aws-iso-g", "aws*", ""] {
        let text = format!("Partition \"{unknown}\" is not valid for resource");
        assert!(on(unknown).starts_with(&text), "{}", on(unknown));
    }
}

#[test]
fn r25_every_refusal_has_one_code() {
    assert_eq!(Malformed::CODE, "MalformedPolicyDocument");
}

#[test]
fn r31_what_does_not_parse_is_no_document() {
    for text in [
        "",
        "{",
        "null",
        "[]",
        "\u{0}",
        r#"{"Version":"2012-10-17","Statement":[}"#,
    ] {
        for kind in [
            Kind::Identity,
            Kind::Trust,
            Kind::Session,
            Kind::Resource,
            Kind::ServiceControl,
        ] {
            assert_eq!(Document::parse(text, kind), Err(Malformed::Syntax), "{text:?}");
        }
    }
}

#[test]
fn r38_a_name_that_is_no_action_is_legal_and_matches_nothing_real() {
    let typo = json!({"Effect": "Allow", "Action": "ecs:DescribeCluster", "Resource": "*"});
    assert_eq!(answer(&policy(typo), Kind::Identity), "accepted");
    assert!(!allows(
        json!("ecs:DescribeCluster"),
        json!("*"),
        ("ecs:DescribeClusters", "*")
    ));
    // Permissions that are no API are actions like others.
    assert!(allows(
        json!("iam:Pass*"),
        json!("*"),
        ("iam:PassRole", "arn:aws:iam::111122223333:role/r")
    ));
}

#[test]
fn r39_one_arn_or_a_star_is_asked_for() {
    let arn = "arn:aws:ecs:us-east-1:111122223333:cluster/c";
    let of_arns = json!(["arn:aws:ecs:us-east-1:111122223333:*", arn]);
    assert!(allows(
        json!("ecs:*"),
        of_arns.clone(),
        ("ecs:DescribeClusters", arn)
    ));
    assert!(!allows(json!("ecs:*"), of_arns, ("ecs:ListClusters", "*")));
    assert!(allows(json!("ecs:*"), json!("*"), ("ecs:ListClusters", "*")));
}

#[test]
fn r42_everything_after_the_fifth_colon_is_the_resource() {
    let stream = "arn:aws:logs:us-east-1:111122223333:log-group:app:log-stream:web";
    let ask = |pattern: &str| allows(json!("logs:*"), json!(pattern), ("logs:PutLogEvents", stream));
    assert!(ask(
        "arn:aws:logs:us-east-1:111122223333:log-group:app:log-stream:web"
    ));
    assert!(ask(
        "arn:aws:logs:us-east-1:111122223333:log-group:app:log-stream:*"
    ));
    assert!(!ask("arn:aws:logs:us-east-1:111122223333:log-group:app"));
    // Case counts beyond the fifth colon, even where it looks like another field.
    assert!(!ask(
        "arn:aws:logs:us-east-1:111122223333:log-group:APP:log-stream:web"
    ));
    assert!(ask(
        "arn:aws:LOGS:US-EAST-1:111122223333:log-group:app:log-stream:web"
    ));
}

#[test]
fn r61_keys_of_the_principal_element_are_known_and_have_case() {
    for (key, value) in [
        ("AWS", "111122223333"),
        ("Service", "ecs.amazonaws.com"),
        ("Federated", "accounts.google.com"),
        (
            "CanonicalUser",
            "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be",
        ),
    ] {
        let with = |key: &str| {
            let statement =
                json!({"Effect": "Allow", "Principal": {key: value}, "Action": "s3:*", "Resource": "*"});
            answer(&policy(statement), Kind::Resource)
        };
        assert_eq!(with(key), "accepted");
        assert_eq!(with(&key.to_lowercase()), "Syntax errors in policy.");
    }
}

#[test]
fn r66_groups_are_no_principals() {
    let group = "arn:aws:iam::111122223333:group/admins";
    for kind in [Kind::Trust, Kind::Resource] {
        let mut statement =
            json!({"Effect": "Allow", "Principal": {"AWS": group}, "Action": "sts:AssumeRole"});
        if kind == Kind::Resource {
            statement["Resource"] = json!("*");
        }
        assert_eq!(
            answer(&policy(statement), kind),
            format!("Invalid principal in policy: \"AWS\":\"{group}\"")
        );
    }
}

#[test]
fn r72_a_statement_without_principal_matches_nobody() {
    // No such document can be written for a resource; one that was written for an identity shows the rule.
    let allow = parse(&policy(allow_all()), Kind::Identity);
    let deny = parse(&policy(json!([allow_all(), deny_all()])), Kind::Identity);
    for caller in [
        user(),
        role_session(),
        federated_user(),
        root(),
        service("ecs.amazonaws.com"),
        Principal::Anonymous,
    ] {
        let everyone = allow_to(json!("*"));
        let scene = Scene::new(caller.clone())
            .identity(allow_all())
            .session(allow_all())
            .resource_policy(everyone);
        assert_eq!(scene.decide(), ALLOWED, "{caller:?}");
        scene.run(|request, sets| {
            let answer = |sets: &PolicySets<'_>| {
                let decided = decide(request, sets);
                let explained = explain(request, sets);
                let answer = (decided.outcome, decided.by);
                assert_eq!((explained.outcome, explained.stopped_by), answer, "{caller:?}");
                assert_eq!(verdict(request, sets), answer, "{caller:?}");
                answer
            };
            // A Deny without Principal hits nobody where policies name principals.
            let rcps = [&[source("rcp", &deny)][..]];
            for (hung, by) in [
                (
                    PolicySets {
                        endpoint: Some(source("endpoint", &deny)),
                        ..*sets
                    },
                    PolicyType::Endpoint,
                ),
                (PolicySets { rcps: &rcps, ..*sets }, PolicyType::ResourceControl),
            ] {
                assert_eq!(answer(&hung), silent(by), "{caller:?}");
            }
            // Nor does an Allow reach anybody there; hung on an identity it is about whoever has it.
            let alone = PolicySets {
                identity: &[],
                resource: Some(source("bucket policy", &allow)),
                ..*sets
            };
            let expected = match &caller {
                Principal::Root { .. } => ALLOWED,
                Principal::Service(_) | Principal::Anonymous => silent(PolicyType::Resource),
                _ => silent(PolicyType::Identity),
            };
            assert_eq!(answer(&alone), expected, "{caller:?}");
            let attached = [source("own", &allow)];
            if caller.account().is_some() {
                assert_eq!(
                    answer(&PolicySets {
                        identity: &attached,
                        ..alone
                    }),
                    ALLOWED,
                    "{caller:?}"
                );
            }
        });
    }
}

#[test]
fn r62_other_wildcards_are_refused() {
    for value in [
        "arn:aws:iam::111122223333:user/*",
        "arn:aws:iam::*:root",
        "11112222333*",
        "arn:aws:iam::111122223333:role/?",
    ] {
        let statement = json!({"Effect": "Allow", "Principal": {"AWS": ["111122223333", value]}, "Action": "sts:AssumeRole"});
        let expected = format!("Invalid principal in policy: \"AWS\":\"{value}\"");
        assert_eq!(answer(&policy(statement), Kind::Trust), expected);
    }
}

#[test]
fn r84_host_bits_do_not_count_and_a_bare_address_is_one() {
    for (network, asked, inside) in [
        ("203.0.113.77/24", "203.0.113.1", true),
        ("203.0.113.77", "203.0.113.77", true),
        ("203.0.113.77", "203.0.113.78", false),
        ("203.0.113.77/32", "203.0.113.78", false),
        ("0.0.0.0/0", "198.51.100.1", true),
        ("2001:db8::1", "2001:db8::1", true),
        ("2001:db8::1", "2001:db8::2", false),
        ("2001:db8:ffff::/32", "2001:db8::2", true),
        ("::/0", "198.51.100.1", false),
    ] {
        check("IpAddress", json!(network), one(asked), inside);
        check("NotIpAddress", json!(network), one(asked), !inside);
    }
}

#[test]
fn r88_the_operator_decides_not_the_type_of_the_key() {
    let context: Context = [
        ("aws:SecureTransport", "true"),
        ("aws:MultiFactorAuthAge", "60.0"),
    ]
    .into_iter()
    .collect();
    assert!(holds(
        &json!({"StringEquals": {"aws:SecureTransport": "true"}}),
        &context
    ));
    assert!(!holds(
        &json!({"StringEquals": {"aws:SecureTransport": "TRUE"}}),
        &context
    ));
    assert!(holds(&json!({"Bool": {"aws:SecureTransport": "TRUE"}}), &context));
    assert!(!holds(
        &json!({"StringEquals": {"aws:MultiFactorAuthAge": "60"}}),
        &context
    ));
    assert!(holds(
        &json!({"NumericEquals": {"aws:MultiFactorAuthAge": "60"}}),
        &context
    ));
}

#[test]
fn r98_r99_operators_on_one_key_all_hold() {
    let context = |value: &str| -> Context { [("k", value)].into_iter().collect() };
    let variants = json!({"StringLike": {"k": "a*"}, "StringLikeIfExists": {"k": "*z"}, "ForAllValues:StringLike": {"k": "*m*"}});
    assert!(holds(&variants, &context("amz")));
    for misses_one in ["amy", "bmz", "az"] {
        assert!(!holds(&variants, &context(misses_one)), "{misses_one}");
    }
    let range = json!({"NumericGreaterThan": {"k": "1"}, "NumericLessThan": {"k": "9"}, "NumericNotEquals": {"k": "5"}});
    assert!(holds(&range, &context("4")));
    for outside in ["1", "5", "9"] {
        assert!(!holds(&range, &context(outside)), "{outside}");
    }
}

#[test]
fn r100_a_key_nobody_knows_is_a_missing_key() {
    check("StringEquals", json!("x"), one("x"), true);
    let nothing = Context::new();
    assert!(!holds(&json!({"StringEquals": {"no:SuchKey": "x"}}), &nothing));
    assert!(holds(&json!({"StringNotEquals": {"no:SuchKey": "x"}}), &nothing));
    assert!(holds(&json!({"Null": {"no:SuchKey": "true"}}), &nothing));
}

#[test]
fn r101_conditions_see_the_keys_of_one_check() {
    let cluster = "arn:aws:ecs:us-east-1:111122223333:cluster/c";
    let run = json!({"Effect": "Allow", "Action": ["ecs:RunTask", "iam:PassRole"], "Resource": "*",
        "Condition": {"ArnEqualsIfExists": {"ecs:cluster": cluster}, "StringEqualsIfExists": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}});
    let scene = |action: &str, key: &str, value: &str| {
        Scene::new(user())
            .identity(run.clone())
            .asks(action, "arn:aws:x:::y")
            .with(key, value)
            .allowed()
    };
    assert!(scene("ecs:RunTask", "ecs:cluster", cluster));
    assert!(!scene(
        "ecs:RunTask",
        "ecs:cluster",
        "arn:aws:ecs:us-east-1:111122223333:cluster/d"
    ));
    assert!(scene(
        "iam:PassRole",
        "iam:PassedToService",
        "ecs-tasks.amazonaws.com"
    ));
    assert!(!scene("iam:PassRole", "iam:PassedToService", "ec2.amazonaws.com"));
}

#[test]
fn r102_whatever_cannot_be_compared_does_not_match_and_nothing_fails() {
    let values = [
        "",
        "x",
        "NaN",
        "1e999",
        "\u{0}",
        "999.999.999.999",
        "arn:",
        "2026-13-45",
        "é",
        "${",
        "*",
    ];
    for operator in [
        "NumericEquals",
        "NumericLessThan",
        "DateEquals",
        "DateGreaterThan",
        "Bool",
        "BinaryEquals",
        "IpAddress",
        "ArnLike",
    ] {
        for asked in values {
            let wanted = if operator.starts_with("Date") {
                "2026-01-01"
            } else {
                "nothing like it"
            };
            check(operator, json!(wanted), one(asked), false);
        }
    }
    let scene = Scene::new(user()).identity(allow_all());
    assert_eq!(scene.decide(), scene.decide());
}

#[test]
fn r103_order_never_matters() {
    let statements = [
        json!({"Sid": "A", "Effect": "Allow", "Action": ["s3:Get*", "sqs:*"], "Resource": ["*", "arn:aws:s3:::x"],
            "Condition": {"StringLike": {"k": ["a", "b*"]}, "Null": {"j": "true"}}}),
        json!({"Sid": "B", "Effect": "Deny", "Action": "s3:GetObject", "Resource": "*", "Condition": {"StringEquals": {"k": "bad"}}}),
        json!({"Sid": "C", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}),
    ];
    for value in ["a", "bad", "c", "bx"] {
        let outcomes: BTreeSet<_> = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
            .into_iter()
            .map(|order| {
                let ordered: Vec<_> = order.iter().map(|at| statements[*at].clone()).collect();
                format!(
                    "{:?}",
                    Scene::new(user())
                        .identity(json!(ordered))
                        .with("k", value)
                        .decide()
                )
            })
            .collect();
        assert_eq!(outcomes.len(), 1, "{value}: {outcomes:?}");
    }
}

#[test]
fn r104_an_explanation_tells_of_each_condition_what_was_compared_and_by_which_rule() {
    let scene = Scene::new(user())
        .identity(
            json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {
            "StringEquals": {"aws:username": ["${aws:PrincipalTag/name}", "x"]},
            "NumericLessThan": {"aws:MultiFactorAuthAge": "60"},
            "Bool": {"aws:SecureTransport": "yes"},
            "StringNotLike": {"aws:TagKeys": "a*"}}}),
        )
        .with("aws:username", "richard")
        .with("aws:PrincipalTag/name", "Richard")
        .with("aws:SecureTransport", "true")
        .with("aws:TagKeys", ["b"]);
    let explanation = scene.explain();
    let mut told: Vec<_> = explanation.statements[0]
        .conditions
        .iter()
        .map(|one| {
            (
                one.key.as_str(),
                one.asked.clone(),
                one.wanted.to_vec(),
                one.met,
                one.rule,
            )
        })
        .collect();
    told.sort_by_key(|one| one.0);
    let some = |values: &[&str]| Some(values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>());
    let list = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        told,
        [
            ("aws:MultiFactorAuthAge", None, list(&["60"]), false, "R76"),
            (
                "aws:SecureTransport",
                some(&["true"]),
                list(&["yes"]),
                false,
                "R82"
            ),
            ("aws:TagKeys", some(&["b"]), list(&["a*"]), false, "R89"),
            (
                "aws:username",
                some(&["richard"]),
                list(&["Richard", "x"]),
                false,
                "R78"
            ),
        ]
    );
}

#[test]
fn r105_keys_are_shown_as_given_and_found_without_case() {
    let mut context = Context::new();
    context.insert("aws:PrincipalTag/CostCenter", "7");
    context.insert("aws:TagKeys", ["a", "b"]);
    assert_eq!(
        context.get("AWS:principaltag/costcenter"),
        Some(&Value::from("7"))
    );
    let shown: Vec<_> = context
        .iter()
        .map(|(key, value)| (key, value.values().len()))
        .collect();
    assert_eq!(shown, [("aws:PrincipalTag/CostCenter", 1), ("aws:TagKeys", 2)]);
    context.insert("aws:principaltag/COSTCENTER", "8");
    assert_eq!(context.iter().count(), 2);
    context.remove("AWS:TAGKEYS");
    assert_eq!(context.get("aws:TagKeys"), None);
}

#[test]
fn r113_each_set_bears_on_the_request() {
    let everyone = || allow_to(json!("*"));
    let deny_everyone = || json!([allow_to(json!("*")), {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]);
    let scene = || {
        Scene::new(role_session())
            .identity(allow_all())
            .boundary(allow_all())
            .session(allow_all())
            .resource_policy(everyone())
            .scp(allow_all())
            .rcp(everyone())
            .endpoint(everyone())
    };
    assert_eq!(scene().decide(), ALLOWED);
    // Several policies in one set: an Allow in any of them is one of the set, and so is a Deny.
    assert_eq!(
        scene()
            .identity(allow_nothing())
            .session(allow_nothing())
            .decide(),
        ALLOWED
    );
    assert_eq!(scene().session(deny_all()).decide(), denied(PolicyType::Session));
    for (scene, by) in [
        (scene().identity(deny_all()), PolicyType::Identity),
        (scene().boundary(deny_all()), PolicyType::Boundary),
        (scene().resource_policy(deny_everyone()), PolicyType::Resource),
        (scene().scp(deny_all()), PolicyType::ServiceControl),
        (scene().rcp(deny_everyone()), PolicyType::ResourceControl),
        (scene().endpoint(deny_everyone()), PolicyType::Endpoint),
    ] {
        assert_eq!(scene.decide(), denied(by));
    }
}

#[test]
fn r114_a_statement_applies_when_all_its_elements_match() {
    let statement = json!({"Effect": "Deny", "Principal": {"AWS": USER}, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket",
        "Condition": {"StringEquals": {"k": "v"}}});
    let hit = |element: &str, value: Json| {
        let mut statement = statement.clone();
        statement[element] = value;
        let scene = Scene::new(user()).identity(allow_all()).with("k", "v");
        scene.resource_policy(statement).decide().0
    };
    assert_eq!(hit("Sid", json!("Same")), Outcome::ExplicitDeny);
    for (element, other) in [
        ("Principal", json!({"AWS": OTHER_ACCOUNT})),
        ("Action", json!("s3:PutObject")),
        ("Resource", json!("arn:aws:s3:::other")),
        ("Condition", json!({"StringEquals": {"k": "w"}})),
    ] {
        assert_eq!(hit(element, other), Outcome::Allow, "{element}");
    }
    // A set in which nothing applies is silent.
    assert_eq!(
        Scene::new(user()).identity(allow_nothing()).decide(),
        silent(PolicyType::Identity)
    );
}

#[test]
fn r143_short_and_long_arns_never_match_each_other() {
    let arn = |rest: &str| format!("arn:aws:ecs:us-east-1:111122223333:{rest}");
    let ask = |pattern: &str, asked: &str| {
        allows(
            json!("ecs:*"),
            json!(arn(pattern)),
            ("ecs:DescribeTasks", &arn(asked)),
        )
    };
    for (short, long) in [
        ("task/1dc5c17a", "task/default/1dc5c17a"),
        ("container-instance/0123", "container-instance/default/0123"),
        ("service/web", "service/default/web"),
    ] {
        assert!(ask(long, long) && ask(short, short));
        assert!(!ask(short, long) && !ask(long, short), "{short}");
    }
    assert!(!ask("task-definition/web", "task-definition/web:7"));
    assert!(ask("task-definition/web:*", "task-definition/web:7"));
}
