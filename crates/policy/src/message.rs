//! The text of an access-denied error (R169-R173, R179).

use crate::decide::{Decision, Outcome};
use crate::open_points;

/// What the caller is told. `principal_arn` is the ARN GetCallerIdentity gives, `action` IAM's own spelling,
/// `resource` an ARN or `*` (R169).
pub fn access_denied_message(
    principal_arn: &str,
    action: &str,
    resource: &str,
    decision: &Decision<'_>,
) -> String {
    let mut message =
        format!("User: {principal_arn} is not authorized to perform: {action} on resource: {resource}");
    let Some(policy_type) = decision.by else {
        return message;
    };
    if decision.cross_account && !open_points::r179_cross_account_message_names_type() {
        return message;
    }
    match decision.outcome {
        Outcome::ExplicitDeny => {
            message.push_str(&format!(
                " with an explicit deny in {}",
                policy_type.name_with_article()
            ));
            if let Some(arn) = decision
                .denying_policy_arn()
                .filter(|_| open_points::r173_message_names_policy())
            {
                message.push_str(&format!(": {arn}"));
            }
        }
        Outcome::ImplicitDeny => {
            message.push_str(&format!(
                " because no {} allows the {action} action",
                policy_type.name()
            ));
        }
        Outcome::Allow => {}
    }
    message
}
