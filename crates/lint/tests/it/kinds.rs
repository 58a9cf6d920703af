//! What kind of policy a document is, when nobody says.

use portcullis_lint::{Kind, detect_kind};

#[test]
fn principals_and_actions_tell_the_kind() {
    for (text, expected) in [
        (
            r#"{"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}}"#,
            Kind::Identity,
        ),
        (
            r#"{"Statement": {"Principal": "*", "Action": "sts:AssumeRole"}}"#,
            Kind::Trust,
        ),
        (
            r#"{"Statement": [{"Principal": "*", "Action": ["STS:AssumeRole", "sts:TagSession"]}]}"#,
            Kind::Trust,
        ),
        (
            r#"{"Statement": [{"NotPrincipal": {}, "Action": "s3:*", "Resource": "*"}]}"#,
            Kind::Resource,
        ),
        (
            r#"{"Statement": [{"Principal": "*", "Action": "sts:*", "Resource": "*"}]}"#,
            Kind::Resource,
        ),
        ("not json", Kind::Identity),
    ] {
        assert_eq!(detect_kind(text), expected, "{text}");
    }
}
