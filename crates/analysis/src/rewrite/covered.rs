//! Whether other values of a policy may cover one, judged cheaply: a "no" spares a proof that would fail.

use std::collections::BTreeSet;

use portcullis_policy::Document;
use portcullis_policy::elements::known_actions_of;
use portcullis_policy::syntax::{ResourceForm, ResourcePattern};
use portcullis_reference::ActionId;

/// An action can be spared only if other patterns cover what it stands for.
pub(super) fn action(document: &Document, statement: usize, at: usize) -> bool {
    let mut needed = Vec::new();
    let mut covered: BTreeSet<ActionId> = BTreeSet::new();
    let statements = document.statements().iter();
    for (of, actions) in statements.map(|statement| &statement.action).enumerate() {
        if actions.negated {
            return true;
        }
        for (pattern_at, pattern) in actions.patterns.iter().enumerate() {
            let stands_for = known_actions_of(&pattern.form);
            if (of, pattern_at) == (statement, at) {
                needed = stands_for;
            } else {
                covered.extend(stands_for);
            }
        }
    }
    needed.iter().all(|action| covered.contains(action))
}

/// A resource can be spared only if every resource it stands for, one of them chosen, is in other patterns, too.
pub(super) fn resource(document: &Document, statement: usize, at: usize) -> bool {
    let mut example = None;
    let mut others: Vec<&ResourcePattern> = Vec::new();
    for (of, one) in document.statements().iter().enumerate() {
        let Some(list) = one.resource.as_ref().filter(|list| !list.negated) else {
            return true;
        };
        for (pattern_at, pattern) in list.patterns.iter().enumerate() {
            if (of, pattern_at) == (statement, at) {
                example = example_of(pattern);
            } else {
                others.push(pattern);
            }
        }
    }
    example.is_none_or(|example| others.iter().any(|pattern| may_match(pattern, &example)))
}

/// A resource that a pattern without variables matches.
fn example_of(pattern: &ResourcePattern) -> Option<String> {
    let example = pattern.text.replace('*', "example").replace('?', "x");
    match &pattern.form {
        ResourceForm::Fixed(glob) if glob.matches(&example) => Some(example),
        _ => None,
    }
}

fn may_match(pattern: &ResourcePattern, resource: &str) -> bool {
    match &pattern.form {
        ResourceForm::Everything | ResourceForm::Computed(_) => true,
        ResourceForm::Fixed(glob) => glob.matches(resource),
        ResourceForm::Nothing => false,
    }
}
