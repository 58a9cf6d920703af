//! `portcullis policy format`, `expand` and `minimise`.

use crate::tool::Desk;

const MESSY: &str = r#"{"Statement": [{"Resource": ["*"], "Action": ["ecs:Describe*", "ecs:DescribeTasks"], "Effect": "Allow"},
    {"Effect": "Allow", "Action": "ecs:ListClusters", "Resource": "*"}], "Version": "2012-10-17"}"#;

fn desk() -> Desk {
    let desk = Desk::new();
    desk.file("messy.json", MESSY);
    desk
}

#[test]
fn format_prints_writes_and_checks() {
    let desk = desk();
    insta::assert_snapshot!(desk.policy(&["format", "messy.json"]).page());
    let unformatted = desk.policy(&["format", "--check", "messy.json"]);
    assert_eq!(
        (unformatted.code, unformatted.stdout.as_str()),
        (1, "messy.json\n")
    );
    assert_eq!(desk.policy(&["format", "--write", "messy.json"]).code, 0);
    let formatted = desk.policy(&["format", "--check", "messy.json"]);
    assert_eq!((formatted.code, formatted.stdout.as_str()), (0, ""));
}

#[test]
fn expand_lists_actions() {
    let run = desk().policy(&["expand", "messy.json"]);
    assert!(
        run.stdout.contains("\"ecs:DescribeServices\",\n"),
        "{}",
        run.page()
    );
    assert!(!run.stdout.contains('?') && !run.stdout.contains("Describe*"));
}

#[test]
fn minimise_says_what_it_did() {
    let run = desk().policy(&["minimise", "messy.json"]);
    assert_eq!(run.code, 0);
    insta::assert_snapshot!(run.page());
}

#[test]
fn what_iam_refuses_ends_with_2() {
    let desk = desk();
    desk.file("bad.json", &MESSY.replace("Allow", "Perhaps"));
    for tool in ["format", "expand", "minimise"] {
        assert_eq!(desk.policy(&[tool, "bad.json"]).code, 2, "{tool}");
    }
    desk.file(
        "dup.json",
        "{\"Version\": \"2012-10-17\",\n \"Version\": \"2012-10-17\", \"Statement\": []}",
    );
    let told = desk.policy(&["diff", "dup.json", "messy.json"]).stderr;
    assert!(told.contains("dup.json:2:"), "{told}");
    for tool in ["format", "expand", "minimise"] {
        assert_eq!(desk.policy(&[tool, "dup.json"]).stderr, told, "{tool}");
    }
}
