//! What is asked: whether it can be asked at all, and what is odd about it.

use anyhow::ensure;
use portcullis_reference::ActionId;

/// Whether this is SERVICE:NAME.
pub fn is_action(text: &str) -> bool {
    text.split_once(':')
        .is_some_and(|(service, name)| !service.is_empty() && !name.is_empty() && !name.contains(':'))
}

/// Refuses resources that no request has: neither an ARN nor `*`.
pub fn known_form(resource: &str) -> anyhow::Result<()> {
    let is_arn = resource.starts_with("arn:") && resource.splitn(6, ':').count() == 6;
    ensure!(
        is_arn || resource == "*",
        "--resource {resource}: wanted an ARN (arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE) or `*`"
    );
    Ok(())
}

/// What is odd about asking for this: an action that does not exist, or one that is never asked on such a resource.
pub fn oddity(action: &str, resource: &str) -> Option<String> {
    let Some(known) = portcullis_reference::action(action) else {
        return Some(format!(
            "the service authorisation reference has no action {action}"
        ));
    };
    if resource == "*" || portcullis_lint::is_asked_on(known, resource) {
        return None;
    }
    Some(match asked_on(known) {
        None => format!("{action} has no resources: it is asked on `*`, never on {resource}"),
        Some(types) => {
            format!("{action} is asked on resources of type {types}, and {resource} is of none of them")
        }
    })
}

/// `task (arn:...)`: the types of resources an action is asked on.
fn asked_on(action: ActionId) -> Option<String> {
    let types: Vec<String> = action
        .resource_types()
        .map(|one| {
            format!(
                "{} ({})",
                one.resource_type.name(),
                one.resource_type.arn_format()
            )
        })
        .collect();
    (!types.is_empty()).then(|| types.join(" or "))
}
