//! The condition keys of a simulation: what the caller says, over what is known of the simulated principal.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_api::iam as api;
use portcullis_core::{Tags, Timestamp};
use portcullis_policy::Context;

use crate::gate::call::Call;
use crate::services::iam::entity::Subject;
use crate::services::iam::errors::IamError;
use crate::world::Snapshot;

/// What `aws:userid` is where no caller is named.
const NOBODY: &str = "STUB_PRINCIPAL_FOR_POLICY_SIMULATOR";

/// The context of a simulation of policies that belong to nobody: the caller's id is its ARN there.
pub(super) fn of_custom(
    view: &Snapshot,
    call: &Call,
    caller: Option<&Subject<'_>>,
    entries: Option<&Vec<api::ContextEntry>>,
) -> Result<Context, IamError> {
    let mut context = of(view, call, caller, None)?;
    let id = caller.map_or(NOBODY, |caller| caller.arn().as_str());
    context.insert("aws:userid", id);
    add_entries(&mut context, entries)?;
    Ok(context)
}

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
    add_entries(&mut context, entries)?;
    Ok(context)
}

/// What the caller says takes the place of what is known; each key may be said once, in any case.
fn add_entries(context: &mut Context, entries: Option<&Vec<api::ContextEntry>>) -> Result<(), IamError> {
    let mut seen: Vec<String> = Vec::new();
    for entry in entries.into_iter().flatten() {
        let name = entry.context_key_name.clone().unwrap_or_default();
        if seen.contains(&name.to_lowercase()) {
            return Err(IamError::InvalidInput(format!("Duplicate context key: {name}.")));
        }
        seen.push(name.to_lowercase());
        add_entry(context, entry)?;
    }
    Ok(())
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
    let kind = entry.context_key_type.as_deref().unwrap_or_default();
    let is_list = kind.ends_with("List");
    let expected = expected(kind.trim_end_matches("List"));
    if let Some((fits, form)) = expected
        && !values.iter().all(|value| fits(value))
    {
        return invalid(&format!("Invalid context value for key {name}: expected {form}."));
    }
    match (is_list, values.as_slice()) {
        (true, values) => context.insert(name.as_str(), values.to_vec()),
        (false, [value]) => context.insert(name.as_str(), value.as_str()),
        (false, _) => return invalid("A context key of a single-valued type needs exactly one value."),
    }
    Ok(())
}

/// Whether a value fits a type, and what the type calls its values.
type Form = (fn(&str) -> bool, &'static str);

/// What values of a type must be; of strings and booleans anything.
fn expected(kind: &str) -> Option<Form> {
    match kind {
        "numeric" => Some((is_number, "numeric format")),
        "date" => Some((|value| value.parse::<Timestamp>().is_ok(), "DateTime format")),
        "ip" => Some((is_address, "IP address")),
        "binary" => Some((
            |value| STANDARD.decode(value).is_ok(),
            "base-64 encoded binary format",
        )),
        _ => None,
    }
}

fn is_number(value: &str) -> bool {
    value.parse::<f64>().is_ok_and(f64::is_finite)
}

/// An address, or a network of them.
fn is_address(value: &str) -> bool {
    let (address, bits) = value.split_once('/').unwrap_or((value, "0"));
    match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => bits.parse().is_ok_and(|bits: u8| bits <= 32),
        Ok(IpAddr::V6(_)) => bits.parse().is_ok_and(|bits: u8| bits <= 128),
        Err(_) => false,
    }
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
