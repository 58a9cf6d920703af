//! Statements with exactly what is found in them, so that nothing false is: tests/data/trust.json, conditions.json.

use std::fmt::Write as _;

use portcullis_lint::{Kind, check};
use serde_json::{Value, json};

/// Compares the codes found in a policy of one statement with those expected of it.
fn compare(about: &Value, kind: Kind, statement: &Value, expected: &Value, problems: &mut String) {
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]});
    let findings = check(&serde_json::to_string_pretty(&policy).unwrap(), kind);
    let mut found: Vec<&str> = findings.iter().map(|finding| finding.code.name()).collect();
    let mut wanted: Vec<&str> = expected
        .as_array()
        .unwrap()
        .iter()
        .map(|code| code.as_str().unwrap())
        .collect();
    found.sort_unstable();
    found.dedup();
    wanted.sort_unstable();
    if found != wanted {
        writeln!(
            problems,
            "{about}: {wanted:?}, but found\n{}",
            crate::lines(&findings)
        )
        .unwrap();
    }
}

#[test]
fn r70_r90_whom_a_trust_policy_lets_in() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../data/trust.json")).unwrap();
    let mut problems = String::new();
    for case in &cases {
        compare(
            &case["about"],
            Kind::Trust,
            &case["statement"],
            &case["found"],
            &mut problems,
        );
    }
    assert!(problems.is_empty(), "{problems}");
}

#[test]
fn r73_conditions_that_exclude_each_other_and_values_that_cannot_be() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../data/conditions.json")).unwrap();
    let mut problems = String::new();
    for case in &cases {
        let statement = json!({"Effect": "Allow", "Action": "ecs:ListClusters", "Resource": "*", "Condition": case["condition"]});
        compare(
            &case["about"],
            Kind::Identity,
            &statement,
            &case["found"],
            &mut problems,
        );
    }
    assert!(problems.is_empty(), "{problems}");
}

/// What the actions of several statements add up to counts, and is said once.
#[test]
fn roles_anywhere_may_have_its_actions_in_two_statements() {
    let statement = |action: Value| json!({"Effect": "Allow", "Principal": {"Service": "rolesanywhere.amazonaws.com"}, "Action": action});
    let count = |statements: Vec<Value>| {
        let policy = json!({"Version": "2012-10-17", "Statement": statements});
        check(&policy.to_string(), Kind::Trust).len()
    };
    let first = statement(json!("sts:AssumeRole"));
    let second = statement(json!(["sts:TagSession", "sts:SetSourceIdentity"]));
    assert_eq!(count(vec![first.clone(), second]), 0);
    assert_eq!(count(vec![first, statement(json!("sts:TagSession"))]), 1);
}

/// The ten keys of the rule, in Allow and Deny; whole ids and other keys are left alone.
#[test]
fn r107_a_pattern_for_a_key_that_says_whose_something_is() {
    const CODE: &str = "SENSITIVE_KEY_WITH_WILDCARD";
    let finds = |effect: &str, operator: &str, key: &str, value: &str| {
        let statement = json!({"Effect": effect, "Action": "s3:GetObject", "Resource": "*", "Condition": {operator: {key: value}}});
        let policy = json!({"Version": "2012-10-17", "Statement": statement});
        let findings = check(&policy.to_string(), Kind::Identity);
        findings.iter().any(|finding| finding.code.name() == CODE)
    };
    for (key, whole, pattern) in [
        ("aws:PrincipalAccount", "111122223333", "1111*"),
        ("aws:PrincipalOrgID", "o-a1b2c3d4e5", "o-*"),
        ("aws:ResourceAccount", "111122223333", "11112222333?"),
        ("aws:ResourceOrgID", "o-a1b2c3d4e5", "o-a1b2c3d4e?"),
        ("aws:SourceAccount", "111122223333", "*"),
        ("aws:SourceOrgID", "o-a1b2c3d4e5", "*e5"),
        ("aws:SourceVpc", "vpc-0123456789abcdef0", "vpc-*"),
        ("aws:SourceVpce", "vpce-0123456789abcdef0", "vpce-0*"),
        ("aws:VpceAccount", "111122223333", "1*"),
        ("aws:VpceOrgID", "o-a1b2c3d4e5", "o-*5"),
    ] {
        for effect in ["Allow", "Deny"] {
            assert!(
                finds(effect, "StringLike", key, pattern),
                "{effect} {key} {pattern}"
            );
            assert!(
                finds(effect, "StringNotLike", key, pattern),
                "{effect} {key} {pattern}"
            );
            assert!(
                finds(effect, "ForAnyValue:StringLikeIfExists", key, pattern),
                "{effect} {key} {pattern}"
            );
            assert!(!finds(effect, "StringLike", key, whole), "{effect} {key} {whole}");
            assert!(
                !finds(effect, "StringEquals", key, whole),
                "{effect} {key} {whole}"
            );
        }
        assert!(
            finds("Allow", "StringLike", &key.to_uppercase(), pattern),
            "{key}"
        );
    }
    for (key, pattern) in [
        ("aws:username", "a*"),
        ("aws:PrincipalOrgPaths", "o-a1b2c3d4e5/*"),
        ("aws:PrincipalTag/org", "o-*"),
    ] {
        assert!(!finds("Allow", "StringLike", key, pattern), "{key}");
    }
}
