//! Values to try for policy variables.

use portcullis_policy::syntax::{Part, ResourceForm, Template};
use portcullis_policy::{Statement, Value};

use crate::problem::{Assignment, Problem, shared_key};
use crate::search::Model;

/// Every key a statement names, in conditions and in variables.
pub(crate) fn keys(statement: &Statement) -> impl Iterator<Item = &str> {
    let resources = statement.resource.iter().flat_map(|list| &list.patterns);
    let in_resources = resources.flat_map(|pattern| match &pattern.form {
        ResourceForm::Computed(template) => variables(template),
        ResourceForm::Everything | ResourceForm::Fixed(_) | ResourceForm::Nothing => Vec::new(),
    });
    let in_conditions = statement.conditions.iter().flat_map(|condition| {
        let in_values = condition
            .values
            .iter()
            .flat_map(|value| variables(&value.template));
        std::iter::once(condition.key.as_str()).chain(in_values)
    });
    in_resources.chain(in_conditions)
}

fn variables(template: &Template) -> Vec<&str> {
    let key = |part: &'_ Part| match part {
        Part::Variable { .. } => true,
        Part::Text(_) | Part::Escaped(_) => false,
    };
    if template.parts().iter().any(key) {
        template.keys().collect()
    } else {
        Vec::new()
    }
}

/// Assignments worth trying, the likeliest first: ordinary values; the values of a model that left variables open; and
/// every variable absent, one by one and all together.
pub(crate) fn assignments(problem: &Problem, model: &Model) -> Vec<Assignment> {
    let ordinary: Assignment = problem
        .variables
        .iter()
        .map(|key| (key.clone(), Some(ordinary_value(key).to_owned())))
        .collect();
    let mut suggested = ordinary.clone();
    for (key, value) in &model.values {
        let Some(name) = problem.keys.get(*key) else {
            continue;
        };
        for (variable, slot) in &mut suggested {
            if shared_key(variable) == *name {
                *slot = match value {
                    Some(Value::One(text)) => Some(text.clone()),
                    Some(Value::Many(_)) | None => None,
                };
            }
        }
    }
    let mut all = vec![suggested.clone(), ordinary.clone()];
    for key in &problem.variables {
        let mut without = suggested.clone();
        without.insert(key.clone(), None);
        all.push(without);
    }
    all.push(problem.variables.iter().map(|key| (key.clone(), None)).collect());
    // What looks like a wildcard is none (R54), and an empty text is a text.
    for odd in ["*", ""] {
        all.push(
            problem
                .variables
                .iter()
                .map(|key| (key.clone(), Some(odd.to_owned())))
                .collect(),
        );
    }
    all.dedup();
    all
}

fn ordinary_value(key: &str) -> &'static str {
    match key {
        "aws:username" => "richard-roe",
        "aws:userid" => "AIDACKCEVSQ6C2EXAMPLE",
        "aws:principalaccount" | "aws:sourceaccount" | "aws:resourceaccount" => "123456789012",
        "aws:principalarn" => "arn:aws:iam::123456789012:user/richard-roe",
        "aws:requestedregion" => "us-east-1",
        _ => "some-value",
    }
}
