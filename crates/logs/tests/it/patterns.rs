//! Filter patterns: AWS's examples and every kind of broken one as data, and a naive evaluator beside ours.

use portcullis_logs::Pattern;
use portcullis_logs::pattern::PATTERN_CHARS_MAX;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::naive::{fields, json as naive_json, terms};

#[path = "../../fuzz/src/targets.rs"]
mod targets;

#[test]
fn every_example_does_what_it_says() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../data/patterns.json")).unwrap();
    for case in cases {
        let rule = case["rule"].as_str().unwrap();
        let read = Pattern::parse(case["pattern"].as_str().unwrap());
        if let Some(error) = case.get("error") {
            assert_eq!(
                read.map_err(|error| error.to_string()).err().as_deref(),
                error.as_str(),
                "{rule}"
            );
            continue;
        }
        let pattern = read.unwrap_or_else(|error| panic!("{rule}: {error}"));
        for (list, is_match) in [("matches", true), ("misses", false)] {
            for message in case[list].as_array().unwrap() {
                let message = message.as_str().unwrap();
                assert_eq!(pattern.matches(message), is_match, "{rule}: {message}");
                assert_eq!(pattern.extract(message).is_some(), is_match, "{rule}: {message}");
            }
        }
    }
}

#[test]
fn a_pattern_has_at_most_1024_characters() {
    let longest = "ä".repeat(PATTERN_CHARS_MAX);
    assert!(Pattern::parse(&longest).is_ok());
    assert!(Pattern::parse(&format!("{longest}x")).is_err());
    for nest in ["(", "{ ((((((((", "[(((("] {
        assert!(Pattern::parse(&nest.repeat(100)).is_err());
    }
    let deep = format!("{{ {}$.a = 1{} }}", "(".repeat(400), ")".repeat(400));
    assert!(Pattern::parse(&deep).is_err());
}

#[test]
fn fields_are_extracted_by_name_or_number() {
    let message = "127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] \"GET /index.html HTTP/1.0\" 404 1534";
    for (pattern, expected) in [
        (
            "[]",
            json!({"$1": "127.0.0.1", "$2": "-", "$3": "frank", "$4": "10/Oct/2000:13:25:15 -0700", "$5": "GET /index.html HTTP/1.0", "$6": "404", "$7": "1534"}),
        ),
        (
            "[..., request=*.html*, status_code=4*,]",
            json!({"$1": "127.0.0.1", "$2": "-", "$3": "frank", "$4": "10/Oct/2000:13:25:15 -0700", "$request": "GET /index.html HTTP/1.0", "$status_code": "404", "$7": "1534"}),
        ),
        (
            "[ip, identity, ..., size]",
            json!({"$ip": "127.0.0.1", "$identity": "-", "$3": "frank", "$4": "10/Oct/2000:13:25:15 -0700", "$5": "GET /index.html HTTP/1.0", "$6": "404", "$size": "1534"}),
        ),
        ("frank", json!({})),
        ("", json!({})),
    ] {
        let values = Pattern::parse(pattern).unwrap().extract(message).unwrap();
        let values: serde_json::Map<String, Value> = values
            .into_iter()
            .map(|(name, value)| (name, value.into()))
            .collect();
        assert_eq!(Value::from(values), expected, "{pattern}");
    }
    let pattern = Pattern::parse("{ $.a.b = 1 || $.c[0] = x || $.gone = 1 || $.a.b > 0 }").unwrap();
    let values = pattern.extract(r#"{"a":{"b":7},"c":["y"]}"#).unwrap();
    assert_eq!(
        values,
        [
            ("$.a.b".to_owned(), "7".to_owned()),
            ("$.c[0]".to_owned(), "y".to_owned())
        ]
    );
}

#[test]
fn the_fuzz_corpus_is_taken() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/pattern");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        targets::pattern(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 50);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn terms_do_what_the_naive_evaluator_does(pattern in terms::pattern(), message in "[abc \n]{0,8}") {
        let text = terms::write(&pattern);
        prop_assert_eq!(Pattern::parse(&text).unwrap().matches(&message), terms::matches(&pattern, &message), "{}", text);
    }

    #[test]
    fn json_does_what_the_naive_evaluator_does(condition in naive_json::condition(), message in naive_json::message()) {
        let text = format!("{{ {} }}", naive_json::write(&condition));
        prop_assume!(text.chars().count() <= PATTERN_CHARS_MAX);
        let read = Pattern::parse(&text);
        prop_assert!(read.is_ok(), "{}", text);
        prop_assert_eq!(read.unwrap().matches(&message.to_string()), naive_json::holds(&condition, &message), "{} {}", text, message);
    }

    #[test]
    fn fields_do_what_the_naive_evaluator_does(pattern in fields::pattern(), message in prop::collection::vec(fields::value(), 0..6)) {
        let text = fields::write(&pattern);
        let line = message.join(" ");
        prop_assert_eq!(Pattern::parse(&text).unwrap().matches(&line), fields::matches(&pattern, &message), "{} {}", text, line);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[a-c1*%$.\\[\\]{}()=!<>&|?\"' ,\\\\-]{0,24}", message in "[a-c1 \\[\\]\"{}:]{0,12}") {
        targets::pattern(format!("{text}\0{message}").as_bytes());
    }
}
