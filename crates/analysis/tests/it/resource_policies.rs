//! Policies that name principals, against trying many callers.

use portcullis_analysis::{Answer, Options};
use portcullis_policy::{Context, Document, Kind, PolicySets, Principal, Request, decide};
use proptest::prelude::*;

use crate::support::{document, more, source};

fn user(account: &str, name: &str) -> Principal {
    Principal::User {
        arn: format!("arn:aws:iam::{account}:user/{name}").parse().unwrap(),
        id: "AIDAEXAMPLEEXAMPLE000".to_owned(),
        account: account.parse().unwrap(),
    }
}

fn session(account: &str, role: &str, name: &str) -> Principal {
    Principal::RoleSession {
        session_arn: format!("arn:aws:sts::{account}:assumed-role/{role}/{name}")
            .parse()
            .unwrap(),
        role_arn: format!("arn:aws:iam::{account}:role/{role}").parse().unwrap(),
        role_id: "AROAEXAMPLEEXAMPLE000".to_owned(),
        account: account.parse().unwrap(),
    }
}

fn callers() -> Vec<Principal> {
    let mut callers = vec![
        Principal::Anonymous,
        Principal::Service("sns.amazonaws.com".to_owned()),
        Principal::Service("sqs.amazonaws.com".to_owned()),
        Principal::Federated {
            provider: "accounts.google.com".to_owned(),
        },
    ];
    for account in ["111122223333", "444455556666"] {
        callers.push(Principal::Root {
            account: account.parse().unwrap(),
        });
        for name in ["a", "b"] {
            callers.push(user(account, name));
            callers.push(session(account, name, "s"));
            callers.push(session(account, name, "t"));
        }
    }
    callers
}

fn principals() -> impl Strategy<Value = String> {
    let one = prop::sample::select(vec![
        r#""*""#,
        r#"{"AWS": "*"}"#,
        r#"{"AWS": "111122223333"}"#,
        r#"{"AWS": ["arn:aws:iam::111122223333:user/a", "444455556666"]}"#,
        r#"{"AWS": "arn:aws:iam::111122223333:role/a"}"#,
        r#"{"AWS": ["arn:aws:iam::111122223333:role/a", "arn:aws:iam::111122223333:root"]}"#,
        r#"{"AWS": "arn:aws:sts::111122223333:assumed-role/a/s", "Service": "sns.amazonaws.com"}"#,
        r#"{"Service": "sns.amazonaws.com"}"#,
        r#"{"Federated": "accounts.google.com"}"#,
    ]);
    one.prop_map(str::to_owned)
}

fn policy() -> impl Strategy<Value = String> {
    let statement = (
        prop::sample::select(vec!["Allow", "Allow", "Deny"]),
        prop::sample::select(vec!["Principal", "Principal", "NotPrincipal"]),
        principals(),
        prop::sample::select(vec!["*", "s3:*", "s3:GetObject"]),
        prop::sample::select(vec!["*", "arn:aws:s3:::b/*", "arn:aws:s3:::b/x"]),
    )
        .prop_map(|(effect, element, principal, action, resource)| {
            format!(
                r#"{{"Effect": "{effect}", "{element}": {principal}, "Action": "{action}", "Resource": "{resource}"}}"#
            )
        });
    prop::collection::vec(statement, 1..4).prop_map(|statements| statements.join(", "))
}

/// Whether the policy's own Allow is enough for a caller of another account who may do everything.
fn grants(policy: &Document, caller: &Principal, action: &str, resource: &str) -> bool {
    let everything =
        r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
    let everything = Document::parse(everything, Kind::Identity).unwrap();
    let elsewhere = "999900001111".parse().unwrap();
    let request = Request {
        principal: caller,
        action,
        resource,
        resource_account: Some(&elsewhere),
        context: &Context::new(),
    };
    let sets = PolicySets {
        identity: &[source("everything", &everything)],
        resource: Some(source("policy", policy)),
        ..PolicySets::default()
    };
    decide(&request, &sets).is_allowed()
}

proptest! {
    #[test]
    fn agrees_with_trying_callers(old in policy(), new in policy()) {
        let (old, new) = (document(&old), document(&new));
        match more(&old, &new, Options::everything()) {
            Answer::More(witness) => {
                let (action, resource) = (&witness.action, &witness.resource);
                prop_assert!(grants(&new, &witness.principal, action, resource));
                prop_assert!(!grants(&old, &witness.principal, action, resource));
            }
            Answer::CannotTell(cause) => prop_assert!(false, "{cause}"),
            Answer::NoMore => {
                for caller in callers() {
                    for (action, resource) in [("s3:GetObject", "arn:aws:s3:::b/x"), ("s3:GetObject", "arn:aws:s3:::b/y"), ("sqs:SendMessage", "*")] {
                        let more = grants(&new, &caller, action, resource) && !grants(&old, &caller, action, resource);
                        prop_assert!(!more, "{caller:?} {action} {resource}");
                    }
                }
            }
        }
    }
}
