//! Whatever is thrown at it, the analysis comes to an end. That it does is the assertion; the bound is its effort
//! (`crates/analysis/src/effort.rs`), which no machine changes.

use portcullis_analysis::{Answer, Options, minimise};
use portcullis_policy::Kind;

use crate::support::{document, more};

fn ends(old: &str, new: &str) {
    let (old, new) = (document(old), document(new));
    more(&old, &new, Options::everything());
    more(&new, &old, Options::default());
}

fn allow(action: &str, resource: &str) -> String {
    format!(r#"{{"Effect": "Allow", "Action": "{action}", "Resource": "{resource}"}}"#)
}

#[test]
fn patterns_of_many_wildcards() {
    let stars = |c: &str| format!("arn:aws:s3:::{}", format!("*{c}").repeat(900));
    ends(&allow("s3:*", &stars("a")), &allow("s3:*", &stars("b")));
    let marks = |c: &str| format!("arn:aws:s3:::*{c}{}", "?".repeat(40));
    let many: Vec<String> = ["a", "b", "c", "d"]
        .iter()
        .map(|c| allow("s3:*", &marks(c)))
        .collect();
    ends(&many.join(","), &allow("s3:*", "arn:aws:s3:::*"));
    ends(
        &allow(&format!("s3:{}", "*a".repeat(300)), "*"),
        &allow(&format!("s3:{}", "*b".repeat(300)), "*"),
    );
}

#[test]
fn many_statements() {
    let run = |n: usize| {
        allow(
            "ecs:RunTask",
            &format!("arn:aws:ecs:us-east-1:111122223333:task-definition/f{n}:*"),
        )
    };
    let all: Vec<String> = (0..300).map(run).collect();
    ends(&all.join(","), &all.join(","));
    ends(
        &all.join(","),
        &allow(
            "ecs:RunTask",
            "arn:aws:ecs:us-east-1:111122223333:task-definition/f*",
        ),
    );
}

#[test]
fn many_conditions_that_combine() {
    let statement = |effect: &str, n: usize| {
        let conditions: Vec<String> = (0..6)
            .map(|k| format!(r#""aws:PrincipalTag/k{k}": "v{}""#, (n >> k) % 4))
            .collect();
        format!(
            r#"{{"Effect": "{effect}", "Action": "*", "Resource": "*", "Condition": {{"StringLike": {{{}}}}}}}"#,
            conditions.join(", ")
        )
    };
    let old: Vec<String> = (0..60).map(|n| statement("Allow", n * 7)).collect();
    let new: Vec<String> = (0..30)
        .map(|n| statement(if n % 3 == 0 { "Deny" } else { "Allow" }, n * 11))
        .collect();
    ends(&old.join(","), &format!("{}, {}", new.join(","), allow("*", "*")));
}

/// The same statements in another order, under other names: no search.
#[test]
fn policies_that_are_the_same_are_equal_at_once() {
    let statement = |n: usize| {
        format!(
            r#"{{"Sid": "S{n}", "Effect": "Allow", "Action": ["ecs:*", "s3:*"], "Resource": "arn:aws:s3:::{}", "Condition":
            {{"StringLike": {{"aws:username": "{}"}}}}}}"#,
            "*a?".repeat(30 + n),
            "*b".repeat(30 + n)
        )
    };
    let renamed = |n: usize| {
        statement(n)
            .replace("Sid\": \"S", "Sid\": \"T")
            .replace(r#"["ecs:*", "s3:*"]"#, r#"["s3:*", "ecs:*"]"#)
    };
    let all: Vec<String> = (0..40).map(statement).collect();
    let turned: Vec<String> = (0..40).rev().map(renamed).collect();
    let without_effort = Options {
        budget: 1,
        ..Options::everything()
    };
    let (old, new) = (document(&all.join(",")), document(&turned.join(",")));
    assert_eq!(more(&old, &new, without_effort), Answer::NoMore);
}

#[test]
fn statements_on_one_resource_each_become_one() {
    let run = |n: usize| {
        allow(
            "ecs:RunTask",
            &format!("arn:aws:ecs:us-east-1:111122223333:task-definition/f{n}:1"),
        )
    };
    let all: Vec<String> = (0..100).map(run).collect();
    let minimal = minimise(document(&all.join(",")).text(), Kind::Identity, false).unwrap();
    assert_eq!((minimal.steps.len(), minimal.gave_up), (99, false));
}

#[test]
fn minimisation_of_what_does_not_merge_ends() {
    let actions = ["ecs:RunTask", "s3:GetObject", "sqs:SendMessage", "sns:Publish"];
    let one = |n: usize| {
        format!(
            r#"{{"Effect": "Allow", "Action": "{}", "Resource": "arn:aws:x:us-east-1:111122223333:a/{n}", "Condition":
            {{"StringEquals": {{"aws:username": "u{n}"}}}}}}"#,
            actions[n % 4]
        )
    };
    let all: Vec<String> = (0..60).map(one).collect();
    minimise(document(&all.join(",")).text(), Kind::Identity, false).unwrap();
}
