//! The condition keys of a simulation: what the caller says, over what is known of the simulated principal.

use portcullis_api::iam as api;
use portcullis_core::Tags;
use portcullis_policy::Context;

use crate::gate::call::Call;
use crate::services::iam::entity::Subject;
use crate::services::iam::errors::IamError;
use crate::world::Snapshot;

/// The context of a simulation.
pub(super) fn of(
    view: &Snapshot,
    call: &Call,
    subject: Option<&Subject<'_>>,
    entries: Option<&Vec<api::ContextEntry>>,
) -> Result<Context, IamError> {
    let mut context = Context::new();
    if let Some(subject) = subject {
        add_principal(&mut context, view, subject);
    }
    context.insert("aws:CurrentTime", call.now);
    context.insert("aws:EpochTime", call.now.as_seconds());
    for entry in entries.into_iter().flatten() {
        add_entry(&mut context, entry)?;
    }
    Ok(context)
}

fn add_principal(context: &mut Context, view: &Snapshot, subject: &Subject<'_>) {
    context.insert("aws:PrincipalAccount", view.account.as_str());
    let tags = match subject {
        Subject::User(user) => {
            context.insert("aws:PrincipalArn", &user.arn);
            context.insert("aws:PrincipalType", "User");
            context.insert("aws:userid", user.id.as_str());
            context.insert("aws:username", user.name.as_str());
            &user.tags
        }
        Subject::Role(role) => {
            context.insert("aws:PrincipalArn", &role.arn);
            context.insert("aws:PrincipalType", "AssumedRole");
            &role.tags
        }
        Subject::Group(_) => &Tags::new(),
    };
    context.insert_tags("aws:PrincipalTag", tags);
}

/// A key with a value, or with several when its type is a list.
fn add_entry(context: &mut Context, entry: &api::ContextEntry) -> Result<(), IamError> {
    let invalid = |text: &str| Err(IamError::InvalidInput(text.to_owned()));
    let (Some(name), Some(values)) = (&entry.context_key_name, &entry.context_key_values) else {
        return invalid("A context entry needs ContextKeyName and ContextKeyValues.");
    };
    let is_list = entry
        .context_key_type
        .as_deref()
        .is_some_and(|kind| kind.ends_with("List"));
    match (is_list, values.as_slice()) {
        (true, values) => context.insert(name.as_str(), values.to_vec()),
        (false, [value]) => context.insert(name.as_str(), value.as_str()),
        (false, _) => return invalid("A context key of a single-valued type needs exactly one value."),
    }
    Ok(())
}

/// Keys, each once and as first written; keys are the same without case (R75).
pub(super) fn unique<'a>(keys: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut unique: Vec<String> = Vec::new();
    for key in keys {
        if !unique.iter().any(|known| known.eq_ignore_ascii_case(key)) {
            unique.push(key.to_owned());
        }
    }
    unique
}
