//! What S3 calls a public bucket policy: one that allows somebody who is not named, and whom no condition binds to fixed
//! values.

use portcullis_policy::{Document, Statement};

use crate::services::resource_policies::is_for_everybody;

/// The keys that bind a request to somebody or somewhere, if their values are fixed.
const BINDING_KEYS: [&str; 16] = [
    "aws:PrincipalArn",
    "aws:PrincipalAccount",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:SourceIp",
    "aws:SourceArn",
    "aws:SourceVpc",
    "aws:SourceVpce",
    "aws:SourceOwner",
    "aws:SourceAccount",
    "aws:SourceOrgID",
    "aws:SourceOrgPaths",
    "aws:userid",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "s3:DataAccessPointArn",
    "s3:DataAccessPointAccount",
];

/// Positive operators; the others let through whom they do not name.
const OPERATORS: [&str; 6] = [
    "StringEquals",
    "StringEqualsIgnoreCase",
    "StringLike",
    "ArnEquals",
    "ArnLike",
    "IpAddress",
];

/// Whether a bucket's policy is public.
pub(super) fn is_public(policy: &Document) -> bool {
    policy.statements().iter().any(is_public_statement)
}

fn is_public_statement(statement: &Statement) -> bool {
    is_for_everybody(statement)
        && !statement.conditions.iter().any(|condition| {
            let mut values = condition.values.iter();
            is_binding(&condition.key, &condition.operator.to_string())
                && values.all(|value| is_fixed(&condition.key, &value.text))
        })
}

/// `IfExists` and the set operators do not bind: they let through a request that lacks the key.
fn is_binding(key: &str, operator: &str) -> bool {
    let is_known = BINDING_KEYS.iter().any(|known| known.eq_ignore_ascii_case(key));
    is_known && OPERATORS.contains(&operator)
}

fn is_fixed(key: &str, value: &str) -> bool {
    // Only the session's name, after a role's id, may be left open.
    let value = match value.strip_suffix(":*") {
        Some(id) if key.eq_ignore_ascii_case("aws:userid") => id,
        _ => value,
    };
    if key.eq_ignore_ascii_case("aws:SourceIp") {
        let wide = |bits: &str| bits.parse::<u8>().is_ok_and(|bits| bits == 0);
        return !value.rsplit_once('/').is_some_and(|(_, bits)| wide(bits));
    }
    !value.contains(['*', '?']) && !value.contains("${")
}

#[cfg(test)]
mod tests {
    use portcullis_policy::Kind;

    use super::*;

    fn is_public_with(principal: &str, condition: &str) -> bool {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"s3:GetObject",
                "Resource":"arn:aws:s3:::b/*","Condition":{{{condition}}}}}]}}"#
        );
        is_public(&Document::parse(&text, Kind::Resource).unwrap())
    }

    #[test]
    fn a_policy_is_public_that_allows_whom_nothing_names() {
        let anybody = r#""*""#;
        let one = r#"{"AWS":"arn:aws:iam::111122223333:root"}"#;
        let service = r#"{"Service":"cloudtrail.amazonaws.com"}"#;
        for (principal, condition, expected) in [
            (anybody, "", true),
            (r#"{"AWS":"*"}"#, "", true),
            (r#"{"AWS":["*","arn:aws:iam::111122223333:root"]}"#, "", true),
            (one, "", false),
            (service, "", false),
            (
                anybody,
                r#""StringEquals":{"aws:PrincipalOrgID":"o-abc1234567"}"#,
                false,
            ),
            (
                anybody,
                r#""StringEquals":{"AWS:principalaccount":"111122223333"}"#,
                false,
            ),
            (
                anybody,
                r#""StringLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/x"}"#,
                true,
            ),
            (
                anybody,
                r#""StringEqualsIfExists":{"aws:PrincipalAccount":"111122223333"}"#,
                true,
            ),
            (
                anybody,
                r#""StringNotEquals":{"aws:PrincipalAccount":"111122223333"}"#,
                true,
            ),
            (anybody, r#""IpAddress":{"aws:SourceIp":"203.0.113.0/24"}"#, false),
            (
                anybody,
                r#""IpAddress":{"aws:SourceIp":["203.0.113.0/24","0.0.0.0/0"]}"#,
                true,
            ),
            (
                anybody,
                r#""StringLike":{"aws:userid":"AROAEXAMPLEEXAMPLE123:*"}"#,
                false,
            ),
            (
                anybody,
                r#""StringEquals":{"aws:PrincipalArn":"${aws:PrincipalArn}"}"#,
                true,
            ),
            (anybody, r#""Bool":{"aws:SecureTransport":"true"}"#, true),
        ] {
            assert_eq!(
                is_public_with(principal, condition),
                expected,
                "{principal} {condition}"
            );
        }
    }
}
