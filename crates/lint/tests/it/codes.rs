//! Every code has an example that it is about and one that it is not: tests/data/codes.json.

use std::fmt::Write as _;

use portcullis_lint::{FindingKind, IssueCode, Kind, check};
use serde_json::{Value, json};

fn kind(name: Option<&str>) -> Kind {
    match name {
        None => Kind::Identity,
        Some("trust") => Kind::Trust,
        Some("resource") => Kind::Resource,
        Some("scp") => Kind::ServiceControl,
        Some("rcp") => Kind::ResourceControl,
        Some(other) => panic!("no kind {other}"),
    }
}

/// An example is a text, a policy, or statements that still need their policy.
fn text(example: &Value) -> String {
    if let Some(text) = example["text"].as_str() {
        return text.to_owned();
    }
    let policy = match example["statements"].as_array() {
        Some(statements) => json!({"Version": "2012-10-17", "Statement": statements}),
        None => example["policy"].clone(),
    };
    serde_json::to_string_pretty(&policy).unwrap()
}

fn examples() -> Value {
    serde_json::from_str(include_str!("../data/codes.json")).unwrap()
}

/// That the document is refused for no other reason cannot have an example: the test of refusals shows that.
fn codes() -> impl Iterator<Item = IssueCode> {
    IssueCode::ALL
        .iter()
        .copied()
        .filter(|code| *code != IssueCode::RefusedByIam)
}

#[test]
fn every_code_finds_its_bad_example_and_leaves_the_good_one_alone() {
    let examples = examples();
    let mut problems = String::new();
    for code in codes() {
        let pair = &examples[code.name()];
        if pair.is_null() {
            writeln!(problems, "{code}: no examples").unwrap();
            continue;
        }
        for (which, wanted) in [("bad", true), ("good", false)] {
            let example = &pair[which];
            let findings = check(&text(example), kind(example["kind"].as_str()));
            let found = findings.iter().any(|f| f.code == code);
            let has_other_errors = !wanted && findings.iter().any(|f| f.kind() == FindingKind::Error);
            if found != wanted || has_other_errors {
                writeln!(problems, "{code} {which}:\n{}", crate::lines(&findings)).unwrap();
            }
        }
    }
    assert!(problems.is_empty(), "{problems}");
}

#[test]
fn there_are_no_examples_of_codes_that_do_not_exist() {
    let examples = examples();
    let names: Vec<&str> = codes().map(IssueCode::name).collect();
    for name in examples.as_object().unwrap().keys() {
        assert!(names.contains(&name.as_str()), "{name}");
    }
}

#[test]
fn what_is_said_of_the_bad_examples() {
    let examples = examples();
    let mut all = String::new();
    for code in codes() {
        let example = &examples[code.name()]["bad"];
        for finding in check(&text(example), kind(example["kind"].as_str())) {
            if finding.code == code {
                writeln!(
                    all,
                    "{}: {}: {}",
                    code,
                    crate::path(&finding.path),
                    finding.message
                )
                .unwrap();
            }
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn codes_are_spelt_alike_and_titles_are_sentences() {
    for code in IssueCode::ALL {
        let info = code.info();
        let is_code_letter = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        assert!(info.name.chars().all(is_code_letter), "{code}");
        assert!(info.title.ends_with('.') && info.help.ends_with('.'), "{code}");
    }
}

/// Rules whose sense is in the difference: what limits a grant and what only seems to.
#[test]
fn what_only_seems_to_limit_a_grant_does_not_count() {
    let pass_role = |condition: Value| {
        let statement =
            json!({"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": condition});
        let text = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        let findings = check(&text, Kind::Identity);
        findings
            .iter()
            .any(|f| f.code == IssueCode::PassRoleWithStarInResource)
    };
    let service = "ecs-tasks.amazonaws.com";
    for (condition, expected) in [
        (json!({"StringEquals": {"iam:PassedToService": service}}), false),
        (
            json!({"StringLike": {"IAM:passedtoservice": "ecs*.amazonaws.com"}}),
            false,
        ),
        (json!({"StringLike": {"iam:PassedToService": "*"}}), true),
        (json!({"StringNotEquals": {"iam:PassedToService": service}}), true),
        (
            json!({"StringEqualsIfExists": {"iam:PassedToService": service}}),
            false,
        ),
        (json!({"Null": {"iam:PassedToService": "false"}}), true),
        (
            json!({"StringEquals": {"aws:RequestedRegion": "us-east-1"}}),
            true,
        ),
    ] {
        assert_eq!(pass_role(condition.clone()), expected, "{condition}");
    }
}

#[test]
fn r153_tags_of_a_passed_role_are_never_seen() {
    let text = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*",
        "Condition": {"StringEquals": {"aws:ResourceTag/team": "web", "iam:PassedToService": "ecs-tasks.amazonaws.com"}}}}"#;
    let findings = check(text, Kind::Identity);
    assert!(
        findings
            .iter()
            .any(|f| f.code == IssueCode::AllowWithUnsupportedTagKey),
        "{findings:?}"
    );
}

#[test]
fn r160_the_mfa_table() {
    let codes = |effect: &str, condition: Value| {
        let statement =
            json!({"Effect": effect, "Action": "ecs:ListClusters", "Resource": "*", "Condition": condition});
        let text = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        let is_mfa = |code: &&str| code.starts_with("MFA");
        let found = check(&text, Kind::Identity);
        found.iter().map(|f| f.code.name()).find(is_mfa).unwrap_or("none")
    };
    let present = "aws:MultiFactorAuthPresent";
    let age = "aws:MultiFactorAuthAge";
    for (effect, condition, expected) in [
        ("Allow", json!({"Bool": {present: "true"}}), "none"),
        (
            "Allow",
            json!({"BoolIfExists": {present: "true"}}),
            "MFA_WITH_IF_EXISTS",
        ),
        ("Allow", json!({"Null": {present: "false"}}), "MFA_BY_NULL"),
        ("Allow", json!({"NumericLessThan": {age: "3600"}}), "none"),
        (
            "Allow",
            json!({"NumericLessThanIfExists": {age: "3600"}}),
            "MFA_WITH_IF_EXISTS",
        ),
        (
            "Allow",
            json!({"NumericLessThanIfExists": {age: "3600"}, "Bool": {present: "true"}}),
            "none",
        ),
        (
            "Deny",
            json!({"Bool": {present: "false"}}),
            "MFA_DENY_MISSES_LONG_TERM_KEYS",
        ),
        ("Deny", json!({"BoolIfExists": {present: "false"}}), "none"),
        ("Deny", json!({"Null": {present: "true"}}), "MFA_BY_NULL"),
    ] {
        assert_eq!(codes(effect, condition.clone()), expected, "{effect} {condition}");
    }
}

#[test]
fn r112_r166_tag_keys_of_services_are_known_and_reach_their_actions() {
    let codes = |action: &str, key: &str| {
        let statement = json!({"Effect": "Allow", "Action": action, "Resource": "*",
            "Condition": {"StringEquals": {key: "x"}}});
        let text = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        let findings = check(&text, Kind::Identity);
        findings
            .iter()
            .map(|f| f.code.name())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        codes(
            "secretsmanager:GetSecretValue",
            "secretsmanager:ResourceTag/Owner"
        ),
        ""
    );
    assert_eq!(codes("ecs:StopTask", "ECS:resourcetag/Owner"), "");
    assert_eq!(
        codes("ecs:ListClusters", "ecs:ResourceTag/Owner"),
        "UNSUPPORTED_CONDITION_KEY"
    );
    assert_eq!(
        codes("ecs:StopTask", "ecs:ResourceTag"),
        "MISSING_TAG_KEY_IN_CONDITION"
    );
}
