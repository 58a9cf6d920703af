//! What is thrown at the engine: the corpus of the fuzz targets, mutations of it, and documents as large as IAM's API
//! takes them.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::generate::Dice;
use crate::mutate;

/// What IAM's API takes at most (R26).
pub const CHARACTERS: usize = 131_072;

/// The committed inputs of a fuzz target.
pub fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    let read = |file: &std::path::PathBuf| std::fs::read(file).expect("a readable file");
    files.iter().map(read).collect()
}

/// Every input of the corpus of a target, then so many made from it.
pub fn each(name: &str, mutations: u64, seed: u64, mut run: impl FnMut(&[u8])) {
    let corpus = corpus(name);
    for input in &corpus {
        run(input);
    }
    let mut dice = Dice::seed(seed);
    for _ in 0..mutations {
        run(&mutate::mutated(&mut dice, &corpus));
    }
}

pub fn policy(statements: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#)
}

pub fn statement(action: &str, resource: &str) -> String {
    format!(r#"{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}"#)
}

/// So many statements about so many buckets.
pub fn many_statements(count: usize) -> String {
    let all = (0..count).map(|nth| statement("s3:GetObject", &format!("arn:aws:s3:::bucket{nth}/*")));
    policy(&all.collect::<Vec<_>>().join(","))
}

/// Documents of 131,072 characters that are taken, by what fills them.
pub fn large_documents() -> Vec<(&'static str, String)> {
    let resource = |text: &str| policy(&statement("s3:*", &format!("arn:aws:s3:::{text}")));
    let room = CHARACTERS - resource("").len();
    let filled = |piece: &str| piece.repeat(room / piece.len());
    let action = policy(&statement(&format!("s3:{}", filled("*a")), "*"));
    let conditions = |operator: &str, piece: &str| {
        let empty =
            r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"OPERATOR":{"k":["VALUES"]}}}"#;
        let room = CHARACTERS - policy(empty).len() - operator.len();
        let values = vec![piece; room / (piece.len() + 3)].join("\",\"");
        policy(&empty.replace("OPERATOR", operator).replace("VALUES", &values))
    };
    vec![
        ("one long resource", resource(&filled("a"))),
        ("one resource of stars", resource(&filled("*a"))),
        ("one resource of question marks", resource(&filled("?"))),
        ("one resource of variables", resource(&filled("${a}"))),
        ("one action of stars", action),
        ("values of StringLike", conditions("StringLike", "*a*b*c")),
        ("values of ArnLike", conditions("ArnLike", "arn:*:*:*:*:*a*b")),
        ("values of NumericEquals", conditions("NumericEquals", "1e1000")),
        ("values of IpAddress", conditions("NotIpAddress", "10.0.0.0/8")),
        ("short statements", many_statements(1_600)),
    ]
}

/// Patterns that make matchers go back again and again, in policies of the size that IAM stores, and what they nearly
/// match.
pub fn backtracking() -> Vec<(&'static str, String, String)> {
    let like = r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{"k":"PATTERN"},"ArnLike":{"k":"PATTERN"}}}"#;
    let policy = |pattern: &str| {
        let pattern = format!("arn:aws:s3:::{pattern}");
        policy(&[statement("s3:*", &pattern), like.replace("PATTERN", &pattern)].join(","))
    };
    let nearly = format!("arn:aws:s3:::{}", "a".repeat(6_000));
    vec![
        (
            "stars that go back",
            policy(&format!("{}b", "*a".repeat(950))),
            nearly.clone(),
        ),
        (
            "stars that go back, open at the end",
            policy(&format!("{}b*", "*a".repeat(950))),
            nearly.clone(),
        ),
        (
            "a long text that nearly fits",
            policy(&format!("*{}b*", "a".repeat(1_900))),
            nearly.clone(),
        ),
        (
            "question marks that nearly fit",
            policy(&format!("*{}b*", "?a".repeat(950))),
            nearly.clone(),
        ),
        (
            "question marks behind a variable",
            policy(&format!("*${{k2, 'a'}}{}b*", "?a".repeat(950))),
            nearly,
        ),
    ]
}

/// Policies that make automata and tables explode, with how many times its text a program may take.
pub fn hard_to_compile() -> Vec<(&'static str, String, usize)> {
    let many = |count: usize, statement: &dyn Fn(usize) -> Json| {
        let all: Vec<Json> = (0..count).map(statement).collect();
        json!({"Version": "2012-10-17", "Statement": all}).to_string()
    };
    let stars = "*a".repeat(3_000);
    let on = |pattern: String| json!({"Effect": "Allow", "Action": "ec2:*", "Resource": pattern});
    let letter = |n: usize| char::from(b"abcdefghijklmnopqrstuvwxyz"[n % 26]);
    let action = |n: usize| format!("ec2:*{}*{}*{}*", letter(n), letter(n / 26), letter(n / 676));
    let actions = |numbers: std::ops::Range<usize>| numbers.map(action).collect::<Vec<_>>();
    let not_equal = |n: usize| {
        let values: Vec<String> = (0..10).map(|m| format!("{n}-{m}")).collect();
        let key = format!("aws:PrincipalTag/{}", n % 80);
        json!({"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringNotEquals": {key: values}}})
    };
    let resources: Vec<String> = (0..5_000).map(|n| format!("arn:aws:ec2:*:*:{n}/*/x")).collect();
    vec![
        (
            "3,000 stars",
            many(1, &|_| on(format!("arn:aws:ec2:*:*:{stars}"))),
            8,
        ),
        (
            "3,000 stars between question marks",
            many(1, &|_| on(format!("arn:aws:ec2:*:*:?{stars}?"))),
            8,
        ),
        (
            "1,000 resources of stars",
            many(1_000, &|n| on(format!("arn:aws:ec2:*:*:*a{n}*b*"))),
            8,
        ),
        (
            "8,000 actions of stars",
            many(
                1,
                &|_| json!({"Effect": "Allow", "Action": actions(0..8_000), "Resource": "*"}),
            ),
            40,
        ),
        (
            "10,000 actions left out",
            many(
                1_000,
                &|n| json!({"Effect": "Allow", "NotAction": actions(n * 10..n * 10 + 10), "Resource": "*"}),
            ),
            40,
        ),
        ("10,000 values of 80 keys", many(1_000, &not_equal), 40),
        (
            "5,000 resources left out",
            many(
                1,
                &|_| json!({"Effect": "Deny", "Action": "*", "NotResource": resources}),
            ),
            40,
        ),
    ]
}
