//! `portcullis policy check`.

use serde_json::Value;

use crate::tool::Desk;

const CLEAN: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecs:ListClusters", "Resource": "*"}}"#;

fn desk() -> Desk {
    let desk = Desk::new();
    desk.file("policies/clean.json", CLEAN)
        .file("policies/empty.json", "")
        .file("policies/hello.json", "hello")
        .file(
            "policies/statements.json",
            r#"{"Version": "2012-10-17", "Statements": []}"#,
        );
    for name in ["a", "b", "c", "d", "e", "f"] {
        desk.file(
            &format!("policies/more/{name}.json"),
            r#"{"name": "x", "version": "1.0.0"}"#,
        );
    }
    desk
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn files_of_a_directory_do_not_vanish() {
    let run = desk().policy(&["check", "policies"]);
    assert_eq!(run.code, 1);
    insta::assert_snapshot!(run.page());
}

#[test]
fn programs_are_told_of_skipped_files_too() {
    let desk = desk();
    let answer = json(&desk.policy(&["check", "--format", "json", "policies"]).stdout);
    assert_eq!(answer["skipped"].as_array().unwrap().len(), 6);
    assert_eq!(answer["skipped"][0], "policies/more/a.json");
    let log = json(&desk.policy(&["check", "--format", "sarif", "policies"]).stdout);
    let notes = &log["runs"][0]["invocations"][0]["toolExecutionNotifications"];
    assert_eq!(notes.as_array().unwrap().len(), 6);
    insta::assert_json_snapshot!(notes[5]);
    let none = json(
        &desk
            .policy(&["check", "--format", "sarif", "policies/clean.json"])
            .stdout,
    );
    assert!(none["runs"][0].get("invocations").is_none());
}

#[test]
fn a_file_that_is_no_utf_8_is_an_error_with_its_offset() {
    let desk = Desk::new();
    desk.file("odd.json", "");
    std::fs::write(desk.path().join("odd.json"), b"{\"Version\":\n \"\xff\"}").unwrap();
    let run = desk.policy(&["check", "odd.json"]);
    assert_eq!(run.code, 2);
    insta::assert_snapshot!(run.page());
    let log = json(&desk.policy(&["check", "--format", "sarif", "odd.json"]).stdout);
    let result = &log["runs"][0]["results"][0];
    assert_eq!(result["level"], "error");
    let region = &result["locations"][0]["physicalLocation"]["region"];
    assert_eq!(
        (&region["startLine"], &region["startColumn"]),
        (&2.into(), &3.into())
    );
}

#[test]
fn what_cannot_be_read_is_counted() {
    let run = desk().policy(&["check", "nowhere.json", "policies/clean.json"]);
    assert_eq!(run.code, 2);
    insta::assert_snapshot!(run.page());
}
