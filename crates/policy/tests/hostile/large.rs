//! Input that is too large or too deep, as IAM may be sent it.

use portcullis_policy::{Document, Kind, Program};

use crate::naive::Policies;
use crate::{MEMORY, MEMORY_LIMIT, differential::ask::Asked};

const SYNTAX: &str = "Syntax errors in policy.";
/// What IAM's API takes at most (R26).
const CHARACTERS: usize = 131_072;

/// Parses, and compiles what was taken, within the limit.
fn parsed(text: &str) -> Result<Document, String> {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let document = Document::parse(text, Kind::Identity).map_err(|refused| refused.to_string());
    if let Ok(document) = &document {
        let program = Program::compile([document]);
        assert_eq!(program.statements(), document.statements().len());
    }
    let memory = MEMORY.peak_usage().saturating_sub(before);
    assert!(
        memory <= MEMORY_LIMIT,
        "{memory} bytes for {} characters",
        text.len()
    );
    document
}

fn policy(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

fn statement(action: &str, resource: &str) -> String {
    format!(r#"{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}"#)
}

#[test]
fn r26_documents_of_131072_characters() {
    let padding = |around: usize| "a".repeat(CHARACTERS - around);
    let empty = policy(&statement("s3:*", "arn:aws:s3:::"));
    let long_resource = policy(&statement(
        "s3:*",
        &format!("arn:aws:s3:::{}", padding(empty.len())),
    ));
    assert_eq!(long_resource.len(), CHARACTERS);
    assert!(parsed(&long_resource).is_ok());
    let stars = "*a".repeat((CHARACTERS - empty.len()) / 2);
    assert!(parsed(&policy(&statement("s3:*", &format!("arn:aws:s3:::{stars}")))).is_ok());
    let variables = "${a}".repeat((CHARACTERS - empty.len()) / 4);
    assert!(parsed(&policy(&statement("s3:*", &format!("arn:aws:s3:::{variables}")))).is_ok());
    assert!(parsed(&policy(&statement(&format!("s3:{stars}"), "*"))).is_ok());
    assert_eq!(parsed(&" ".repeat(CHARACTERS)), Err(SYNTAX.to_owned()));
    assert_eq!(parsed(&"\"".repeat(CHARACTERS)), Err(SYNTAX.to_owned()));
    assert_eq!(parsed(&"\\".repeat(CHARACTERS)), Err(SYNTAX.to_owned()));
}

#[test]
fn deep_nesting_is_a_syntax_error() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for depth in [65, 1_000, CHARACTERS / 2] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert_eq!(parsed(&nested), Err(SYNTAX.to_owned()), "{depth} times {open}");
            assert_eq!(
                parsed(&open.repeat(depth)),
                Err(SYNTAX.to_owned()),
                "{depth} times {open}"
            );
            let within = format!(r#"{{"Version":"2012-10-17","Statement":{nested}}}"#);
            assert_eq!(
                parsed(&within),
                Err(SYNTAX.to_owned()),
                "{depth} times {open} in a statement"
            );
        }
    }
}

#[test]
fn ten_thousand_statements_are_decided_like_ten() {
    let many = |count: usize| {
        let others = (0..count).map(|nth| statement("s3:GetObject", &format!("arn:aws:s3:::bucket{nth}/*")));
        others.collect::<Vec<_>>().join(",")
    };
    assert_eq!(parsed(&policy(&many(10_000))).unwrap().statements().len(), 10_000);
    for count in [10, 10_000] {
        let last = format!("arn:aws:s3:::bucket{}/x", count - 1);
        let text = policy(&many(count));
        let mut policies = Policies::none();
        policies.identity = vec![serde_json::from_str(&text).unwrap()];
        let asked = Asked::read(&policies).unwrap();
        for (resource, allowed) in [(last.as_str(), true), ("arn:aws:s3:::bucket/x", false)] {
            let question = crate::targets::question("s3:GetObject", resource, &[]);
            let expected = asked.naively(&question);
            assert_eq!(expected.1.is_none(), allowed);
            for (door, answer) in asked.engine(&question) {
                assert_eq!(answer, expected, "{door}, {count} statements");
            }
        }
    }
}

/// Patterns that make backtracking matchers run for ever. That this ends is the assertion.
#[test]
fn patterns_of_many_stars_end() {
    let asked = format!("arn:aws:s3:::{}", "a".repeat(6_000));
    let pattern = format!("arn:aws:s3:::{}b", "*a".repeat(3_000));
    let like = r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{"k":"PATTERN"},"ArnLike":{"k":"PATTERN"}}}"#;
    let text = policy(&[statement("s3:*", &pattern), like.replace("PATTERN", &pattern)].join(","));
    let mut policies = Policies::none();
    policies.identity = vec![serde_json::from_str(&text).unwrap()];
    let read = Asked::read(&policies).unwrap();
    let question = crate::targets::question("s3:GetObject", &asked, &[("k", &asked)]);
    for (door, answer) in read.engine(&question) {
        assert!(answer.1.is_some(), "{door} allows");
    }
}
