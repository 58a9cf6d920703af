//! What questions and policies are made of.

use super::dice::Dice;

/// What the values of a key look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Text,
    Arn,
    Number,
    Date,
    Bool,
    Address,
    Binary,
}

/// Keys with the shape of their values, and whether they hold several.
pub const KEYS: [(&str, Shape, bool); 36] = [
    ("aws:username", Shape::Text, false),
    ("aws:userid", Shape::Text, false),
    ("aws:PrincipalTag/team", Shape::Text, false),
    ("aws:ResourceTag/Owner", Shape::Text, false),
    ("aws:RequestTag/a:b/c", Shape::Text, false),
    ("aws:TagKeys", Shape::Text, true),
    ("aws:PrincipalArn", Shape::Arn, false),
    ("aws:SourceArn", Shape::Arn, false),
    ("aws:SourceIp", Shape::Address, false),
    ("aws:VpcSourceIp", Shape::Address, false),
    ("aws:CurrentTime", Shape::Date, false),
    ("aws:EpochTime", Shape::Date, false),
    ("aws:TokenIssueTime", Shape::Date, false),
    ("aws:MultiFactorAuthAge", Shape::Number, false),
    ("aws:MultiFactorAuthPresent", Shape::Bool, false),
    ("aws:SecureTransport", Shape::Bool, false),
    ("aws:CalledVia", Shape::Text, true),
    ("aws:VpceOrgPaths", Shape::Text, true),
    ("ecs:cluster", Shape::Arn, false),
    ("ecs:ResourceTag/Owner", Shape::Text, false),
    ("ecs:task-cpu", Shape::Number, false),
    ("ecs:capacity-provider", Shape::Arn, true),
    ("ecs:account-setting", Shape::Text, false),
    ("ecs:no-such-key", Shape::Text, false),
    ("iam:PassedToService", Shape::Text, false),
    ("iam:ResourceTag/Owner", Shape::Text, false),
    ("s3:prefix", Shape::Text, false),
    ("s3:max-keys", Shape::Number, false),
    ("secretsmanager:ResourceTag/Owner", Shape::Text, false),
    ("ssm:resourceTag/Owner", Shape::Text, false),
    ("sts:ExternalId", Shape::Text, false),
    ("accounts.google.com:sub", Shape::Text, false),
    ("acme:blob", Shape::Binary, false),
    ("acme:limit", Shape::Number, false),
    ("acme:many", Shape::Number, true),
    ("plain", Shape::Text, false),
];

const TEXTS: [&str; 18] = [
    "richard",
    "Richard",
    "alice",
    "",
    "a",
    "ab",
    "*",
    "a*b",
    "?",
    "$",
    "${aws:username}",
    "true",
    "10",
    "a/b",
    "Ärger",
    "ärger",
    "kelvin",
    "\u{212a}elvin",
];
const ARNS: [&str; 10] = [
    "arn:aws:ecs:us-east-1:111122223333:cluster/default",
    "arn:aws:ecs:us-east-1:111122223333:cluster/Default",
    "arn:aws:ecs:eu-west-1:111122223333:cluster/prod",
    "arn:aws:iam::111122223333:role/app/web",
    "arn:aws:iam::111122223333:user/richard",
    "arn:aws:s3:::bucket",
    "arn:aws:s3:us-east-2:9:store/abc:1:finance/x",
    "arn:aws:s3:::",
    "arn:aws:s3",
    "bucket",
];
const NUMBERS: [&str; 17] = [
    "0",
    "-0",
    "00",
    "1",
    "10",
    "10.0",
    "010",
    "9.999",
    "-1",
    "-1.5",
    "3600",
    "1e3",
    ".5",
    "5.",
    "+7",
    "123456789012345678901234567890",
    "ten",
];
const DATES: [&str; 20] = [
    "2026",
    "2026-11",
    "2026-11-22",
    "2026-11-22T10:00Z",
    "2026-11-22T10:00:00Z",
    "2026-11-22T11:00:00+01:00",
    "2026-11-22T10:00:00.500Z",
    "2026-11-22T10:00:00.5Z",
    "1795341600",
    "1795341600.5",
    "0",
    "-1",
    "1970-01-01",
    "9999-12-31T23:59:59Z",
    "2024-02-29",
    "2023-02-29",
    "2026-11-22T24:00:00Z",
    "2026-11-22t10:00:00z",
    "99999999999",
    "2026-11-22T10:00:60Z",
];
const BOOLS: [&str; 6] = ["true", "false", "True", "FALSE", "yes", ""];
const ADDRESSES: [&str; 15] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.255.255.255",
    "11.0.0.0",
    "0.0.0.0",
    "255.255.255.255",
    "203.0.113.7",
    "::1",
    "2001:db8::1",
    "2001:DB8:0:0:0:0:0:1",
    "::ffff:10.0.0.1",
    "010.0.0.1",
    "10.0.0",
    "10.0.0.1/8",
    "localhost",
];
const BINARIES: [&str; 6] = ["QUJD", "QUJDRA==", "QUJDRA", "QUI=", "", "no base64!"];

impl Shape {
    pub fn values(self) -> &'static [&'static str] {
        match self {
            Self::Text => &TEXTS,
            Self::Arn => &ARNS,
            Self::Number => &NUMBERS,
            Self::Date => &DATES,
            Self::Bool => &BOOLS,
            Self::Address => &ADDRESSES,
            Self::Binary => &BINARIES,
        }
    }

    /// Operators made for such values; `Null` and `StringLike` fit all.
    pub fn operators(self) -> &'static [&'static str] {
        match self {
            Self::Text => &[
                "StringEquals",
                "StringNotEquals",
                "StringEqualsIgnoreCase",
                "StringNotEqualsIgnoreCase",
                "StringLike",
                "StringNotLike",
            ],
            Self::Arn => &[
                "ArnEquals",
                "ArnLike",
                "ArnNotEquals",
                "ArnNotLike",
                "StringLike",
                "StringEquals",
            ],
            Self::Number => &[
                "NumericEquals",
                "NumericNotEquals",
                "NumericLessThan",
                "NumericLessThanEquals",
                "NumericGreaterThan",
                "NumericGreaterThanEquals",
            ],
            Self::Date => &[
                "DateEquals",
                "DateNotEquals",
                "DateLessThan",
                "DateLessThanEquals",
                "DateGreaterThan",
                "DateGreaterThanEquals",
            ],
            Self::Bool => &["Bool", "Bool", "StringEquals"],
            Self::Address => &["IpAddress", "NotIpAddress"],
            Self::Binary => &["BinaryEquals"],
        }
    }
}

pub const SHAPES: [Shape; 7] = [
    Shape::Text,
    Shape::Arn,
    Shape::Number,
    Shape::Date,
    Shape::Bool,
    Shape::Address,
    Shape::Binary,
];

/// Actions with resources they may be asked for.
const ASKED: [(&str, &[&str]); 23] = [
    (
        "ecs:RunTask",
        &[
            TASK_DEFINITION,
            "arn:aws:ecs:us-east-1:111122223333:task-definition/web:10",
        ],
    ),
    (
        "ecs:StopTask",
        &[
            TASK,
            "arn:aws:ecs:us-east-1:111122223333:task/prod/2",
            "arn:aws:ecs:us-east-1:111122223333:task/1",
        ],
    ),
    (
        "ecs:ListTasks",
        &["arn:aws:ecs:us-east-1:111122223333:container-instance/default/*"],
    ),
    (
        "ecs:DescribeClusters",
        &["arn:aws:ecs:us-east-1:111122223333:cluster/default"],
    ),
    (
        "ecs:DeleteCluster",
        &["arn:aws:ecs:us-east-1:111122223333:cluster/prod"],
    ),
    ("ecs:ListClusters", &["*"]),
    ("ecs:PutAccountSetting", &["*"]),
    (
        "ecs:TagResource",
        &[TASK, "arn:aws:ecs:us-east-1:111122223333:cluster/default"],
    ),
    ("ecs:NoSuchAction", &[TASK, "*"]),
    (
        "s3:GetObject",
        &[
            OBJECT,
            "arn:aws:s3:::bucket/",
            "arn:aws:s3:::bucket/a:b*c",
            "arn:aws:s3:::bucket/Richard/x",
        ],
    ),
    ("s3:ListBucket", &["arn:aws:s3:::bucket", "arn:aws:s3:::bucket2"]),
    ("s3:ListAllMyBuckets", &["*"]),
    (
        "iam:PassRole",
        &[
            "arn:aws:iam::111122223333:role/app/web",
            "arn:aws:iam::444455556666:role/Richard",
        ],
    ),
    ("iam:ListUsers", &["arn:aws:iam::111122223333:user/*"]),
    (
        "iam:GetUser",
        &[
            "arn:aws:iam::111122223333:user/richard",
            "arn:aws:iam::111122223333:user/Richard",
        ],
    ),
    ("sts:AssumeRole", &["arn:aws:iam::111122223333:role/target"]),
    ("sts:TagSession", &["arn:aws:iam::111122223333:role/target"]),
    ("kms:Decrypt", &["arn:aws:kms:us-east-1:111122223333:key/1234"]),
    (
        "dynamodb:GetItem",
        &["arn:aws:dynamodb:us-east-1:111122223333:table/prod-1"],
    ),
    (
        "logs:PutLogEvents",
        &["arn:aws:logs:us-east-1:111122223333:log-group:/a/b:log-stream:c"],
    ),
    (
        "ssm:GetParameter",
        &[
            "arn:aws:ssm:us-east-1::parameter/aws/x",
            "arn:aws-cn:ssm:cn-north-1:111122223333:parameter/x",
        ],
    ),
    (
        "secretsmanager:GetSecretValue",
        &["arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/db-AbCdEf"],
    ),
    (
        "acme:DoIt",
        &[
            "arn:aws:acme:us-east-1:111122223333:thing/richard",
            "arn:aws:Acme:US-east-1:111122223333:thing:A",
        ],
    ),
];

const TASK_DEFINITION: &str = "arn:aws:ecs:us-east-1:111122223333:task-definition/web:7";
const TASK: &str = "arn:aws:ecs:us-east-1:111122223333:task/default/1";
const OBJECT: &str = "arn:aws:s3:::bucket/richard/x";

/// Principals a policy may name, by the key they stand under.
pub const PRINCIPALS: [(&str, &str); 22] = [
    ("AWS", "*"),
    ("AWS", "111122223333"),
    ("AWS", "444455556666"),
    ("AWS", "arn:aws:iam::111122223333:root"),
    ("AWS", "arn:aws:iam::444455556666:root"),
    ("AWS", "arn:aws:iam::111122223333:user/richard"),
    ("AWS", "arn:aws:iam::111122223333:user/Richard"),
    ("AWS", "AIDARICHARD0000000001"),
    ("AWS", "arn:aws:iam::111122223333:role/app/web"),
    ("AWS", "arn:aws:iam::111122223333:role/app/WEB"),
    ("AWS", "arn:aws:iam::111122223333:role/web"),
    ("AWS", "AROAWEB00000000000001"),
    ("AWS", "arn:aws:sts::111122223333:assumed-role/web/s1"),
    ("AWS", "arn:aws:sts::111122223333:assumed-role/Web/s1"),
    ("AWS", "arn:aws:sts::111122223333:assumed-role/web/S1"),
    ("AWS", "arn:aws:sts::111122223333:federated-user/bob"),
    (
        "AWS",
        "arn:aws:iam::111122223333:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
    ),
    ("Service", "ecs-tasks.amazonaws.com"),
    ("Service", "ecs.amazonaws.com"),
    ("Federated", "accounts.google.com"),
    ("Federated", "arn:aws:iam::111122223333:saml-provider/corp"),
    (
        "CanonicalUser",
        "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be",
    ),
];

/// An action, and resources it may be asked for.
pub fn asked(dice: &mut Dice) -> (&'static str, &'static [&'static str]) {
    ASKED[dice.below(ASKED.len())]
}

/// A resource of any action.
pub fn resource(dice: &mut Dice) -> &'static str {
    let (_, resources) = asked(dice);
    dice.pick(resources)
}

/// A key with the shape of its values, and whether it holds several.
pub fn key(dice: &mut Dice) -> (&'static str, Shape, bool) {
    KEYS[dice.below(KEYS.len())]
}

/// Every action that is asked for.
pub fn actions() -> impl Iterator<Item = &'static str> {
    ASKED.iter().map(|(action, _)| *action)
}
