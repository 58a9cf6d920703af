//! What a request's resource would have to be: one of a type that the action is asked on, or one that a variable leads to.

use portcullis_reference::{ActionId, ResourceTypeId};

use crate::document::Statement;
use crate::explain::change::Change;
use crate::explain::needs::{Need, Relation};
use crate::matching::resource::ResourceMatch;
use crate::{Context, Request, Value};

/// Parts of a resource's name tried as a variable's value before giving up.
const MAX_TRIED: usize = 512;

/// Asks for a resource, and the pattern for all of its kind: for an action that is never asked on `*`, asked on it.
pub(super) fn wanted(request: &Request<'_>) -> Option<(Change, String)> {
    if request.resource != "*" {
        return None;
    }
    let action = portcullis_reference::action(request.action)?;
    let required: Vec<ResourceTypeId> = required(action).collect();
    let types: Vec<String> = required
        .iter()
        .map(|one| format!("{} ({})", one.name(), one.arn_format()))
        .collect();
    let change = Change::Resource {
        action: action.to_string(),
        types: types.join(" or "),
    };
    Some((change, pattern(required.first()?.arn_format())))
}

fn required(action: ActionId) -> impl Iterator<Item = ResourceTypeId> {
    action
        .resource_types()
        .filter(|one| one.required)
        .map(|one| one.resource_type)
}

/// `arn:aws:ecs:*:*:task/*/*` for `arn:${Partition}:ecs:${Region}:${Account}:task/${ClusterName}/${TaskId}`.
fn pattern(format: &str) -> String {
    let mut pattern = String::new();
    let format = format.replacen("${Partition}", "aws", 1);
    let mut rest = format.as_str();
    while let Some((before, after)) = rest.split_once("${") {
        pattern.push_str(before);
        pattern.push('*');
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    pattern.push_str(rest);
    pattern
}

/// The one key without a value that keeps the statement's resources from being the request's, with a value that makes them
/// so, tried and found true (R57).
pub(super) fn missing_variable(statement: &Statement, request: &Request<'_>) -> Option<(Change, Context)> {
    let list = statement.resource.as_ref().filter(|list| !list.negated)?;
    list.patterns.iter().find_map(|pattern| {
        let mut absent = pattern
            .form
            .keys()
            .filter(|key| request.context.present(key).is_none());
        let key = absent.next()?;
        if absent.any(|other| !crate::text::same(other, key)) {
            return None;
        }
        parts(request.resource).take(MAX_TRIED).find_map(|value| {
            let mut context = request.context.clone();
            context.insert(key, Value::from(value));
            let context = context.applying_to(request.action).into_owned();
            let matches = pattern.form.matches(request.resource, &context) == ResourceMatch::Yes;
            matches.then(|| {
                let change = Change::Request {
                    key: key.to_owned(),
                    need: Need {
                        relation: Relation::Equal,
                        values: vec![value.to_owned()],
                        of_values: None,
                    },
                    example: Some(Value::from(value)),
                };
                (change, context)
            })
        })
    })
}

/// What stands between marks in a resource's name, the short before the long.
fn parts(resource: &str) -> impl Iterator<Item = &str> {
    let name = resource.splitn(6, ':').nth(5).unwrap_or_default();
    let is_mark = |c: char| !c.is_alphanumeric() && c != '_';
    let mut starts = vec![0];
    let mut ends = Vec::new();
    for (at, mark) in name.match_indices(is_mark) {
        ends.push(at);
        starts.push(at + mark.len());
    }
    ends.push(name.len());
    let words = ends.len();
    (0..words).flat_map(move |more| {
        let starts = starts.clone();
        let ends = ends.clone();
        let part = move |first: usize| name.get(*starts.get(first)?..*ends.get(first + more)?);
        (0..words - more).filter_map(part).filter(|part| !part.is_empty())
    })
}
