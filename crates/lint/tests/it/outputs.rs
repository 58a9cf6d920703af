//! What other programs read: ValidatePolicy's answer and SARIF.

use std::collections::BTreeSet;

use portcullis_lint::output::{Checked, sarif, validate_policy};
use portcullis_lint::{FindingKind, IssueCode, Kind, check};
use serde_json::{Value, json};

const POLICY: &str = r#"{
  "Version": "2012-10-17",
  "Statement": [
    {"Sid": "Täglich", "Effect": "Allow", "Action": ["ecs:DescribeCluster"], "Resource": "*"},
    {"Effect": "Allow", "Action": "ecs:DescribeServices", "Resource": "*"},
    {"Effect": "Allow", "Action": "ecs:DescribeServices", "Resource": "arn:aws:ecs:*:*:service/*",
     "Condition": {"StringEquals": {"ecs:ResourceTag/Owner": "${aws:username}"}}}
  ]
}"#;

fn answer() -> Value {
    let findings = check(POLICY, Kind::Identity);
    let document = Checked {
        name: "policies/own services.json",
        text: POLICY,
        findings: &findings,
    };
    serde_json::to_value(validate_policy(&[document])).unwrap()
}

fn log() -> Value {
    let findings = check(POLICY, Kind::Identity);
    let document = Checked {
        name: "policies/own services.json",
        text: POLICY,
        findings: &findings,
    };
    serde_json::to_value(sarif(&[document])).unwrap()
}

#[test]
fn json_has_the_shape_of_validate_policy() {
    insta::assert_json_snapshot!(answer());
}

#[test]
fn places_are_lines_from_one_columns_and_offsets_from_zero_in_characters() {
    let answer = answer();
    let finding = answer["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|f| f["issueCode"] == "INVALID_ACTION")
        .unwrap();
    let location = &finding["locations"][0];
    let path = json!([{"value": "Statement"}, {"index": 0}, {"value": "Action"}, {"index": 0}]);
    assert_eq!(location["path"], path);
    let line = POLICY.lines().nth(3).unwrap();
    let before: Vec<char> = line
        .split("\"ecs:DescribeCluster\"")
        .next()
        .unwrap()
        .chars()
        .collect();
    assert_eq!(location["span"]["start"]["line"], 4);
    assert_eq!(location["span"]["start"]["column"], before.len());
    let offset = location["span"]["start"]["offset"].as_u64().unwrap() as usize;
    let from: String = POLICY.chars().skip(offset).take(21).collect();
    assert_eq!(from, "\"ecs:DescribeCluster\"");
}

#[test]
fn sarif_has_the_members_the_standard_requires() {
    let log = log();
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().unwrap().ends_with("sarif-2.1.0.json"));
    let run = &log["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "portcullis");
    assert_eq!(run["columnKind"], "unicodeCodePoints");
    let rules = driver["rules"].as_array().unwrap();
    let ids: BTreeSet<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), IssueCode::ALL.len());
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), check(POLICY, Kind::Identity).len());
    for result in results {
        let rule = &rules[result["ruleIndex"].as_u64().unwrap() as usize];
        assert_eq!(rule["id"], result["ruleId"]);
        assert_eq!(rule["defaultConfiguration"]["level"], result["level"]);
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let location = &result["locations"][0]["physicalLocation"];
        assert_eq!(
            location["artifactLocation"]["uri"],
            "policies/own%20services.json"
        );
        let region = &location["region"];
        for member in ["startLine", "startColumn", "endLine", "endColumn"] {
            assert!(region[member].as_u64().unwrap() >= 1, "{member}");
        }
    }
}

#[test]
fn sarif_rules_carry_help_and_a_severity() {
    let log = log();
    for (rule, code) in log["runs"][0]["tool"]["driver"]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .zip(IssueCode::ALL)
    {
        assert_eq!(rule["id"], code.name());
        for member in ["shortDescription", "fullDescription", "help"] {
            assert!(!rule[member]["text"].as_str().unwrap().is_empty(), "{code}");
        }
        let is_security = code.kind() == FindingKind::SecurityWarning;
        assert_eq!(
            rule["properties"]["security-severity"].is_string(),
            is_security,
            "{code}"
        );
    }
}

#[test]
fn sarif_fixes_replace_what_was_found() {
    let log = log();
    let results = log["runs"][0]["results"].as_array().unwrap();
    let fixed = results.iter().find(|r| r["ruleId"] == "INVALID_ACTION").unwrap();
    insta::assert_json_snapshot!(fixed);
}

#[test]
fn absolute_paths_are_file_uris() {
    let document = Checked {
        name: "/srv/policies/a.json",
        text: "",
        findings: &check("", Kind::Identity),
    };
    let log = serde_json::to_value(sarif(&[document])).unwrap();
    let uri = &log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(uri, "file:///srv/policies/a.json");
}
