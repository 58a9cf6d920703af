//! Callers by the text that names them.

use portcullis_core::{AccountId, Arn};
use thiserror::Error;

use crate::Principal;

/// The session name of a role that is named without one.
const SESSION: &str = "simulation";

/// The text names no caller.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no principal: give the ARN of a user, a role, a role session or a federated user, an account, a service \
     such as ecs-tasks.amazonaws.com, an identity provider, or *"
)]
pub struct UnknownCaller(String);

/// The caller that a text names (R63): `arn:P:iam::ACCOUNT:user/NAME`, `...:role/NAME` (a session of it),
/// `arn:P:sts::ACCOUNT:assumed-role/ROLE/SESSION` (of a role without path), `...:federated-user/NAME` (of the user of that
/// name), `arn:P:iam::ACCOUNT:root` or the account alone, a service principal, a provider, or `*` for anybody unsigned.
/// Unique ids are unknown and stay empty.
pub fn caller(text: &str) -> Result<Principal, UnknownCaller> {
    if text == "*" {
        return Ok(Principal::Anonymous);
    }
    if let Ok(account) = text.parse::<AccountId>() {
        return Ok(Principal::Root { account });
    }
    let found = match text.parse::<Arn>() {
        Ok(arn) => of_arn(&arn),
        Err(_) => of_host(text),
    };
    found.ok_or_else(|| UnknownCaller(text.to_owned()))
}

fn of_host(text: &str) -> Option<Principal> {
    let is_host = text.contains('.') && !text.contains([' ', '*', '/', ':']);
    let is_service = [
        ".amazonaws.com",
        ".amazonaws.com.cn",
        ".amazon.com",
        ".aws.internal",
    ]
    .iter()
    .any(|suffix| text.ends_with(suffix));
    match (is_host, is_service) {
        (true, true) => Some(Principal::Service(text.to_owned())),
        (true, false) => Some(Principal::Federated {
            provider: text.to_owned(),
        }),
        (false, _) => None,
    }
}

fn of_arn(arn: &Arn) -> Option<Principal> {
    let account: AccountId = arn.account().parse().ok()?;
    let partition = arn.partition();
    if arn.service() == "iam" && arn.resource() == "root" {
        return Some(Principal::Root { account });
    }
    let (kind, name) = arn.resource_parts()?;
    let last = name.rsplit('/').next().filter(|last| !last.is_empty())?;
    let role = |role: &str| format!("arn:{partition}:iam::{account}:role/{role}").parse().ok();
    match (arn.service(), kind) {
        ("iam", "user") => Some(Principal::User {
            arn: arn.clone(),
            id: String::new(),
            account,
        }),
        ("iam", "role") => Some(Principal::RoleSession {
            session_arn: format!("arn:{partition}:sts::{account}:assumed-role/{last}/{SESSION}")
                .parse()
                .ok()?,
            role_arn: arn.clone(),
            role_id: String::new(),
            account,
        }),
        ("sts", "assumed-role") => {
            let (name, session) = name.split_once('/')?;
            (!session.is_empty() && !session.contains('/')).then_some(())?;
            Some(Principal::RoleSession {
                session_arn: arn.clone(),
                role_arn: role(name)?,
                role_id: String::new(),
                account,
            })
        }
        ("sts", "federated-user") => Some(Principal::FederatedUser {
            arn: arn.clone(),
            user_arn: format!("arn:{partition}:iam::{account}:user/{name}")
                .parse()
                .ok()?,
            user_id: String::new(),
            account,
        }),
        ("iam", "saml-provider" | "oidc-provider") => Some(Principal::Federated {
            provider: arn.as_str().to_owned(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r63_callers_are_read_from_their_arns() {
        for (text, name) in [
            (
                "arn:aws:iam::111122223333:user/a/b",
                "arn:aws:iam::111122223333:user/a/b",
            ),
            ("111122223333", "arn:aws:iam::111122223333:root"),
            ("arn:aws:iam::111122223333:root", "arn:aws:iam::111122223333:root"),
            (
                "arn:aws:iam::111122223333:role/app/web",
                "arn:aws:sts::111122223333:assumed-role/web/simulation",
            ),
            (
                "arn:aws:sts::111122223333:assumed-role/web/s1",
                "arn:aws:sts::111122223333:assumed-role/web/s1",
            ),
            (
                "arn:aws:sts::111122223333:federated-user/bob",
                "arn:aws:sts::111122223333:federated-user/bob",
            ),
            ("ecs-tasks.amazonaws.com", "ecs-tasks.amazonaws.com"),
            ("accounts.google.com", "accounts.google.com"),
            ("*", "anonymous"),
        ] {
            assert_eq!(caller(text).unwrap().name(), name, "{text}");
        }
    }

    #[test]
    fn what_is_no_caller_is_refused_with_advice() {
        for text in [
            "",
            "richard",
            "arn:aws:iam::111122223333:group/admins",
            "arn:aws:iam::1:user/a",
            "arn:aws:sts::111122223333:assumed-role/web",
            "arn:aws:s3:::bucket",
            "arn:aws:iam::111122223333:user/",
        ] {
            assert!(caller(text).is_err(), "{text}");
        }
    }
}
