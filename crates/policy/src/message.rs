//! The text of an access-denied error (R169-R174, R177, R179).

use std::fmt::Write as _;

use crate::decide::{Decision, Outcome};
use crate::{PolicyType, open_points};

/// What the caller is told. `principal_arn` is the ARN GetCallerIdentity gives, `action` IAM's own spelling,
/// `resource` an ARN or `*` (R169).
pub fn access_denied_message(
    principal_arn: &str,
    action: &str,
    resource: &str,
    decision: &Decision<'_>,
) -> String {
    let refused = Refused {
        principal_arn,
        action,
        resource,
        outcome: decision.outcome,
        by: decision.by,
        cross_account: decision.cross_account,
        policy_arn: decision.denying_policy_arn(),
    };
    refused.message(Form::default())
}

/// The message, and where its caller finds the whole explanation under an authorization id (R174). `id` is of
/// lower-case letters and digits (R175).
pub fn with_authorization_id(message: &str, region: &str, id: &str) -> String {
    format!(
        "{message}. Go to https://{region}.console.aws.amazon.com/iam/home?region={region}#/authorization-details/{id} \
         for complete details, or call the GetRequestAuthorizationDetails API with the following authorization id: {id}"
    )
}

/// The message in the words of Amazon EC2, with what `sts:DecodeAuthorizationMessage` decodes (R177). `encoded` is the
/// sealed text that only the service that wrote it can open (R178).
pub fn with_encoded_message(message: &str, encoded: &str) -> String {
    format!(
        "You are not authorized to perform this operation. {message}. Encoded authorization failure message: {encoded}"
    )
}

/// A refusal, as far as messages tell of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused<'a> {
    pub(crate) principal_arn: &'a str,
    pub(crate) action: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) outcome: Outcome,
    pub(crate) by: Option<PolicyType>,
    pub(crate) cross_account: bool,
    /// The managed policy whose Deny stopped the request.
    pub(crate) policy_arn: Option<&'a str>,
}

/// How much a message tells; AWS has changed it over the years.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    /// R173: whether an explicit deny names its policy's ARN.
    names_policy: bool,
    /// R179: whether callers of another account are told the policy type.
    names_type_across_accounts: bool,
}

impl Default for Form {
    fn default() -> Self {
        Self {
            names_policy: open_points::r173_message_names_policy(),
            names_type_across_accounts: open_points::r179_cross_account_message_names_type(),
        }
    }
}

impl Refused<'_> {
    pub(crate) fn message(&self, form: Form) -> String {
        let Self {
            principal_arn,
            action,
            resource,
            ..
        } = self;
        let mut message =
            format!("User: {principal_arn} is not authorized to perform: {action} on resource: {resource}");
        // Writing into a String cannot fail.
        let _infallible = self.write_reason(form, &mut message);
        message
    }

    fn write_reason(&self, form: Form, message: &mut String) -> std::fmt::Result {
        let Some(by) = self.by else { return Ok(()) };
        if self.cross_account && !form.names_type_across_accounts {
            return Ok(());
        }
        match self.outcome {
            Outcome::ExplicitDeny => {
                write!(message, " with an explicit deny in {}", by.name_with_article())?;
                match self
                    .policy_arn
                    .filter(|_| form.names_policy && names_its_policies(by))
                {
                    Some(arn) => write!(message, ": {arn}"),
                    None => Ok(()),
                }
            }
            Outcome::ImplicitDeny => {
                write!(
                    message,
                    " because no {} allows the {} action",
                    by.name(),
                    self.action
                )
            }
            Outcome::Allow => Ok(()),
        }
    }
}

/// R173: the types whose policies messages name.
fn names_its_policies(policy_type: PolicyType) -> bool {
    match policy_type {
        PolicyType::ServiceControl
        | PolicyType::ResourceControl
        | PolicyType::Boundary
        | PolicyType::Session
        | PolicyType::Identity => true,
        PolicyType::Endpoint | PolicyType::Resource | PolicyType::RoleTrust => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:iam::111122223333:policy/guard";

    fn reason(by: PolicyType, cross_account: bool, form: Form) -> String {
        let refused = Refused {
            principal_arn: "P",
            action: "a:B",
            resource: "R",
            outcome: Outcome::ExplicitDeny,
            by: Some(by),
            cross_account,
            policy_arn: Some(ARN),
        };
        let start = "User: P is not authorized to perform: a:B on resource: R";
        refused.message(form).strip_prefix(start).unwrap().to_owned()
    }

    const TELLING: Form = Form {
        names_policy: true,
        names_type_across_accounts: false,
    };

    #[test]
    fn r173_since_2026_an_explicit_deny_names_its_policy() {
        for (by, expected) in [
            (
                PolicyType::Identity,
                " with an explicit deny in an identity-based policy: ARN",
            ),
            (
                PolicyType::ServiceControl,
                " with an explicit deny in a service control policy: ARN",
            ),
            (
                PolicyType::Boundary,
                " with an explicit deny in a permissions boundary: ARN",
            ),
            (
                PolicyType::Session,
                " with an explicit deny in a session policy: ARN",
            ),
            (
                PolicyType::Resource,
                " with an explicit deny in a resource-based policy",
            ),
            (
                PolicyType::RoleTrust,
                " with an explicit deny in the role trust policy",
            ),
            (
                PolicyType::Endpoint,
                " with an explicit deny in a VPC endpoint policy",
            ),
        ] {
            assert_eq!(reason(by, false, TELLING), expected.replace("ARN", ARN));
        }
    }

    #[test]
    fn r173_r179_other_accounts_are_not_told_the_policy() {
        assert_eq!(reason(PolicyType::Identity, true, TELLING), "");
    }

    #[test]
    fn r173_today_no_policy_is_named() {
        let reason = reason(PolicyType::Identity, false, Form::default());
        assert_eq!(reason, " with an explicit deny in an identity-based policy");
    }
}
