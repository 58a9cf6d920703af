//! Where AWS is silent about values of conditions: each test bears the name of the function of `open_points.rs` that decides.

use portcullis_policy::Context;
use serde_json::json;

use crate::conditions::{check, holds, one};

#[test]
fn r80_number_is_refused() {
    for (written, asked) in [
        ("+7", "7"),
        ("1e3", "1000"),
        ("1E-1", "0.1"),
        (".5", "0.5"),
        ("5.", "5"),
        ("007", "7"),
    ] {
        check("NumericEquals", json!(written), one(asked), true);
        check("NumericEquals", json!(asked), one(written), true);
    }
    // What is no number in any notation is none.
    for text in ["1_000", "1,5", "0x10", "ten", " 1", "Infinity"] {
        check("NumericLessThan", json!("99999"), one(text), false);
        check("NumericGreaterThanEquals", json!("-99999"), one(text), false);
    }
}

#[test]
fn r81_date_is_refused() {
    for (written, asked) in [
        ("2026-2-3t4Z", "2026-02-03T04:00:00Z"),
        ("2026-02-03T04:05", "2026-02-03T04:05:00Z"),
        ("2026-02-03T04:05:06+23", "2026-02-02T05:05:06Z"),
        ("2026-02-03T", "2026-02-03"),
        ("2023-02-30", "2023-03-02"),
    ] {
        check("DateEquals", json!(written), one(asked), true);
        check("DateEquals", json!(asked), one(written), true);
    }
    for text in [
        "2026-13-01",
        "2026-02-32",
        "2026-02-03T24:00Z",
        "today",
        "2026/02/03",
    ] {
        check("DateGreaterThan", json!("1970"), one(text), false);
        check("DateLessThan", json!("9999"), one(text), false);
    }
}

#[test]
fn r84_network_is_refused() {
    check("IpAddress", json!("10.0.0.0/08"), one("10.1.2.3"), true);
    check("IpAddress", json!("10.1.2.3"), one("10.1.2.3"), true);
    check("IpAddress", json!("2001:db8::1"), one("2001:DB8:0::1"), true);
    check("IpAddress", json!("2001:db8::1"), one("2001:db8::2"), false);
    for text in ["10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "010.0.0.1/8", "::/129"] {
        check("IpAddress", json!(text), one("10.0.0.1"), false);
        check("IpAddress", json!(text), one("::1"), false);
    }
}

#[test]
fn r78_folds_beyond_ascii() {
    check("StringEqualsIgnoreCase", json!("ÄÖ"), one("äö"), true);
    // One character for one: what grows when its case changes is compared as it is.
    check("StringEqualsIgnoreCase", json!("ß"), one("SS"), false);
    check("StringEquals", json!("Ä"), one("ä"), false);
}

#[test]
fn r81_four_digits_are_a_year() {
    check("DateEquals", json!("2026"), one("2026-01-01T00:00:00Z"), true);
    check("DateEquals", json!("02026"), one("1970-01-01T00:33:46Z"), true);
}

#[test]
fn r84_mapped_address_is_ipv4() {
    check("IpAddress", json!("10.0.0.0/8"), one("::ffff:10.1.2.3"), true);
    check("IpAddress", json!("::ffff:10.0.0.0/104"), one("10.1.2.3"), true);
    check("NotIpAddress", json!("10.0.0.0/8"), one("::ffff:10.1.2.3"), false);
}

#[test]
fn r86_r87_negated_holds_for_invalid() {
    check("ArnNotEquals", json!("arn:aws:s3:::b"), one("no-arn"), true);
    check("ArnNotEquals", json!("no-arn"), one("arn:aws:s3:::b"), false);
    for operator in ["NumericNotEquals", "DateNotEquals", "NotIpAddress"] {
        check(
            operator,
            json!(if operator == "NotIpAddress" {
                "10.0.0.1"
            } else {
                "2020"
            }),
            one("none"),
            false,
        );
    }
}

#[test]
fn r89_multi_valued_key_may_match() {
    let context: Context = [("k", ["a"])].into_iter().collect();
    assert!(!holds(&json!({"StringEquals": {"k": "a"}}), &context));
    assert!(!holds(&json!({"StringNotEquals": {"k": "b"}}), &context));
}

#[test]
fn r92_set_operator_if_exists_holds_for_missing_key() {
    check("ForAnyValue:StringNotLikeIfExists", json!("o-x/*"), None, true);
    check("ForAnyValue:StringLikeIfExists", json!("o-x/*"), None, true);
    check("ForAnyValue:StringLike", json!("o-x/*"), None, false);
}

#[test]
fn r96_counts_as_missing() {
    let context: Context = [("k", Vec::<String>::new())].into_iter().collect();
    assert!(holds(&json!({"Null": {"k": "true"}}), &context));
    let context: Context = [("k", "")].into_iter().collect();
    assert!(holds(&json!({"Null": {"k": "false"}}), &context));
    assert!(!holds(
        &json!({"ForAllValues:StringEquals": {"k": "a"}}),
        &context
    ));
}
