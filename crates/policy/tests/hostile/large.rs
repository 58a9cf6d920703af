//! Input that is too large or too deep, as IAM may be sent it.

use portcullis_policy::{Document, Kind, Program};

use crate::differential::ask::Asked;
use crate::inputs::{self, CHARACTERS, many_statements, policy};
use crate::naive::Policies;
use crate::targets::question;
use crate::within_memory;

const SYNTAX: &str = "Syntax errors in policy.";

/// Parses, and compiles what was taken, within the limit.
fn parsed(text: &str) -> Result<Document, String> {
    within_memory(text, || {
        let document = Document::parse(text, Kind::Identity).map_err(|refused| refused.to_string())?;
        let program = Program::compile([&document]);
        assert_eq!(program.statements(), document.statements().len());
        Ok(document)
    })
}

/// The policy, parsed and compiled, alone.
fn asked(text: &str) -> Asked {
    let mut policies = Policies::none();
    policies.identity = vec![serde_json::from_str(text).unwrap()];
    Asked::read(&policies).unwrap()
}

#[test]
fn r26_documents_of_131072_characters() {
    for (about, text) in inputs::large_documents() {
        assert!(
            text.len() <= CHARACTERS && text.len() > CHARACTERS / 2,
            "{about}: {}",
            text.len()
        );
        let document = parsed(&text);
        assert!(document.is_ok(), "{about}: {document:?}");
        let asked = asked(&text);
        let question = question("s3:GetObject", "arn:aws:s3:::bucket7/x", &[("k", "abcabc")]);
        within_memory(&text, || asked.engine(&question));
    }
    assert_eq!(parsed(&" ".repeat(CHARACTERS)).err().as_deref(), Some(SYNTAX));
    assert_eq!(parsed(&"\"".repeat(CHARACTERS)).err().as_deref(), Some(SYNTAX));
    assert_eq!(parsed(&"\\".repeat(CHARACTERS)).err().as_deref(), Some(SYNTAX));
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
    assert_eq!(
        parsed(&many_statements(10_000)).unwrap().statements().len(),
        10_000
    );
    for count in [10, 10_000] {
        let last = format!("arn:aws:s3:::bucket{}/x", count - 1);
        let text = many_statements(count);
        let asked = asked(&text);
        for (resource, allowed) in [(last.as_str(), true), ("arn:aws:s3:::bucket/x", false)] {
            let question = question("s3:GetObject", resource, &[]);
            let expected = asked.naively(&question);
            assert_eq!(expected.1.is_none(), allowed);
            for (door, answer) in within_memory(&text, || asked.engine(&question)) {
                assert_eq!(answer, expected, "{door}, {count} statements");
            }
        }
    }
}

#[test]
fn programs_of_hostile_policies_are_small() {
    for (about, text, times_the_text) in inputs::hard_to_compile() {
        let program = Program::compile([&parsed(&text).unwrap()]);
        let room = text.len() * times_the_text + 64 * 1_024;
        assert!(
            program.memory() <= room,
            "{about}: {} bytes, not {room}",
            program.memory()
        );
        let resource = format!("arn:aws:ec2:us-east-1:111122223333:{}b", "a".repeat(2_000));
        let question = question("ec2:DescribeInstances", &resource, &[]);
        let answers = within_memory(&text, || asked(&text).engine(&question));
        for (door, answer) in answers {
            assert_eq!(answer, answers[0].1, "{about}: {door}");
        }
    }
}

/// That this ends is the assertion.
#[test]
fn patterns_that_nearly_match_end() {
    for (about, text, resource) in inputs::backtracking() {
        let asked = asked(&text);
        let question = question("s3:GetObject", &resource, &[("k", &resource)]);
        for (door, answer) in within_memory(&text, || asked.engine(&question)) {
            assert!(answer.1.is_some(), "{about}: {door} allows");
        }
    }
}

#[test]
fn what_is_cut_off_is_refused() {
    let whole = policy(&inputs::statement("s3:*", "*"));
    for end in 0..whole.len() {
        assert!(parsed(&whole[..end]).is_err(), "{end}");
    }
}
